"""What is logged to MLflow, on a stand-in for it; ``tests/integration/test_hyperopt_mlflow.py`` has the real one."""

import sys
import types

import numpy as np
import pytest

from manyhands.hyperopt import STATUS_OK, Trials, fmin, hp, rand
from manyhands.hyperopt.mlflow_runs import flat_params

SPACE = {
    "x": hp.uniform("x", -1, 1),
    "model": hp.choice("model", [{"kind": "tree", "sizes": [3, 4]}, {"kind": "line"}]),
}


class Server:
    """Keeps what a client of MLflow says."""

    def __init__(self):
        self.runs = {}
        self.is_active = True
        self.is_broken = False

    def active_run(self):
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id="parent", experiment_id="7"))

    def create_run(self, experiment_id, start_time, tags):
        if self.is_broken:
            raise ConnectionError("no route to host")
        run_id = f"run-{len(self.runs)}"
        self.runs[run_id] = {"params": {}, "metrics": {}, "tags": dict(tags), "experiment": experiment_id}
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=run_id))

    def search_runs(self, experiment_ids, filter_string, max_results):
        return [types.SimpleNamespace(data=types.SimpleNamespace(tags=run["tags"])) for run in self.runs.values()]

    def log_param(self, run_id, name, value):
        self.runs[run_id]["params"][name] = value

    def log_metric(self, run_id, name, value):
        self.runs[run_id]["metrics"][name] = value

    def set_tag(self, run_id, name, value):
        self.runs[run_id]["tags"][name] = value

    def set_terminated(self, run_id, status, end_time):
        self.runs[run_id]["status"] = status


@pytest.fixture
def server(monkeypatch):
    found = Server()
    module = types.ModuleType("mlflow")
    module.active_run = lambda: found.active_run() if found.is_active else None
    module.MlflowClient = lambda: found
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return found


def search(objective, n=5, **settings):
    trials = Trials()
    defaults = {"algo": rand.suggest, "rstate": np.random.default_rng(0), "verbose": False}
    fmin(objective, SPACE, max_evals=n, trials=trials, **defaults, **settings)
    return trials


def test_each_trial_is_a_child_with_values_loss_and_status(server):
    trials = search(lambda p: {"loss": p["x"], "status": STATUS_OK, "note": "text"})

    assert len(server.runs) == 5
    for run, doc in zip(server.runs.values(), trials, strict=True):
        assert run["experiment"] == "7"
        assert run["tags"]["mlflow.parentRunId"] == "parent"
        assert run["tags"]["status"] == STATUS_OK
        assert run["params"]["model.kind"] == ["tree", "line"][doc["misc"]["vals"]["model"][0]]
        assert run["metrics"] == {"loss": doc["result"]["loss"]}
        assert run["status"] == "FINISHED"


def test_a_trial_that_raises_is_a_failed_run(server):
    def objective(params):
        raise LookupError("not there")

    search(objective, catch_eval_exceptions=True, return_argmin=False)

    assert {run["status"] for run in server.runs.values()} == {"FAILED"}
    assert {run["tags"]["error"] for run in server.runs.values()} == {"not there"}


def test_without_a_run_nothing_is_logged(server):
    server.is_active = False

    search(lambda p: p["x"])

    assert server.runs == {}


def test_a_server_that_cannot_be_reached_does_not_end_the_search(server, caplog):
    server.is_broken = True

    trials = search(lambda p: p["x"], n=12)

    assert len(trials) == 12
    assert caplog.text.count("no route to host") == 5


def test_an_objective_that_logs_children_has_the_say(server):
    search(lambda p: server.create_run("7", 0, {"own": "1"}) and p["x"])

    assert [run["tags"] for run in server.runs.values()] == [{"own": "1"}] * 5


@pytest.mark.parametrize(
    ("space", "vals", "expected"),
    [
        (hp.uniform("x", 0, 1), {"x": 0.5}, {"x": 0.5}),
        (hp.choice("c", ["a", "b"]), {"c": 1}, {"c": "b"}),
        ({"a": {"b": [1, hp.uniform("x", 0, 1)]}}, {"x": 0.5}, {"a.b": (1, 0.5)}),
        ([hp.uniform("x", 0, 1), {"k": [{"z": 3}]}], {"x": 0.5}, {"0": 0.5, "1.k.0.z": 3}),
    ],
)
def test_params_have_dotted_names(space, vals, expected):
    doc = {"misc": {"vals": {label: [value] for label, value in vals.items()}}}

    assert flat_params(space, doc) == expected
