"""Trials in MLflow, on files: needs mlflow or mlflow-skinny, which is no dependency."""

import numpy as np
import pytest

from manyhands.hyperopt import STATUS_FAIL, STATUS_OK, ProcessTrials, Trials, fmin, hp, rand
from manyhands.joblib import shutdown

mlflow = pytest.importorskip("mlflow")

pytestmark = pytest.mark.filterwarnings("ignore")

SPACE = {"x": hp.uniform("x", -1, 1), "model": hp.choice("model", [{"kind": "tree", "depth": 3}, {"kind": "linear"}])}


@pytest.fixture(autouse=True)
def tracking(tmp_path):
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    mlflow.set_experiment("search")
    yield
    shutdown()


def search(objective, trials, n=6, **settings):
    return fmin(objective, SPACE, algo=rand.suggest, max_evals=n, trials=trials, rstate=np.random.default_rng(0),
                verbose=False, **settings)  # fmt: skip


def children(parent):
    client = mlflow.MlflowClient()
    found = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    return sorted(found, key=lambda run: int(run.data.tags.get("manyhands.tid", -1)))


def outcome(params):
    return {"loss": params["x"], "status": STATUS_OK if params["x"] < 0.5 else STATUS_FAIL, "note": "text", "n": 3}


@pytest.mark.parametrize("kind", [Trials, lambda: ProcessTrials(2)])
def test_each_trial_is_a_child_run_with_values_and_not_indices(kind):
    trials = kind()
    with mlflow.start_run() as parent:
        search(outcome, trials)
        assert mlflow.active_run().info.run_id == parent.info.run_id

    runs = children(parent)
    assert len(runs) == 6
    for run, doc in zip(runs, sorted(trials, key=lambda doc: doc["tid"]), strict=True):
        is_tree = doc["misc"]["vals"]["model"] == [0]
        assert run.data.params["model.kind"] == ("tree" if is_tree else "linear")
        assert ("model.depth" in run.data.params) == is_tree
        assert float(run.data.params["x"]) == doc["misc"]["vals"]["x"][0]
        assert run.data.metrics == {"loss": doc["result"]["loss"], "n": 3.0}
        assert run.data.tags["status"] == doc["result"]["status"]
        assert run.info.status == ("FINISHED" if doc["result"]["status"] == STATUS_OK else "FAILED")
        assert run.info.start_time <= run.info.end_time


def test_trials_that_raise_are_failed_runs():
    def objective(params):
        raise LookupError("not there")

    with mlflow.start_run() as parent:
        search(objective, ProcessTrials(2), catch_eval_exceptions=True, return_argmin=False)

    assert {run.info.status for run in children(parent)} == {"FAILED"}
    assert all("not there" in run.data.tags["error"] for run in children(parent))


def test_an_objective_that_logs_by_itself_has_the_say():
    def objective(params):
        with mlflow.start_run(nested=True):
            mlflow.log_metric("own", params["x"])
        return params["x"]

    with mlflow.start_run() as parent:
        search(objective, Trials())
        search(lambda params: 0.0, Trials(), n=2)

    runs = children(parent)
    assert sum("own" in run.data.metrics for run in runs) == 6
    assert sum("loss" in run.data.metrics for run in runs) == 2


def test_without_an_active_run_nothing_is_logged():
    search(outcome, Trials())

    assert mlflow.MlflowClient().search_runs([mlflow.get_experiment_by_name("search").experiment_id]) == []
