"""Hyperopt's trials on processes of this machine."""

import json
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest
from tests import support

import manyhands as mh
from manyhands.hyperopt import (
    STATUS_FAIL,
    STATUS_OK,
    ProcessTrials,
    early_stop,
    fmin,
    fmin_pass_expr_memo_ctrl,
    hp,
    rand,
    tpe,
)
from manyhands.hyperopt.base import JOB_STATE_CANCEL, JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW
from manyhands.hyperopt.exceptions import AllTrialsFailed
from manyhands.hyperopt.pyll_utils import space_eval
from manyhands.joblib import shutdown

SPACE = hp.uniform("x", -1, 1)
FOREVER_S = 600

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left():
    yield
    shutdown()


@pytest.fixture
def trials():
    return ProcessTrials(2)


def search(trials, objective, n=12, space=SPACE, **settings):
    defaults = {"algo": rand.suggest, "rstate": np.random.default_rng(1), "show_progressbar": False, "verbose": False}
    return fmin(objective, space, max_evals=n, trials=trials, **(defaults | settings))


def test_trials_run_in_other_processes_at_the_same_time_and_documents_are_whole(trials, tmp_path):
    def objective(x):
        (tmp_path / f"{os.getpid()}").touch()
        deadline = time.monotonic() + 30
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        return {"loss": x * x, "status": STATUS_OK, "pid": os.getpid(), "model": {"weights": np.arange(3)}}

    best = search(trials, objective)

    assert len(trials) == trials.count_successful_trials() == trials.count_total_trials() == 12
    assert len({result["pid"] for result in trials.results} - {os.getpid()}) == 2
    assert best == {"x": min(trials.vals["x"], key=abs)}
    for doc in trials:
        assert doc["state"] == JOB_STATE_DONE
        assert doc["book_time"] <= doc["refresh_time"]
        assert doc["result"]["model"]["weights"].tolist() == [0, 1, 2]
    assert trials.fmin_cancelled_reason is None


def test_random_search_draws_what_it_draws_one_after_the_other(trials):
    best = search(trials, lambda x: abs(x), n=8)

    assert best == search(None, lambda x: abs(x), n=8)


def test_workers_stay_for_the_next_search(trials):
    def objective(x):
        return {"loss": x, "status": STATUS_OK, "pid": os.getpid()}

    search(trials, objective, n=20)
    other = ProcessTrials(2)
    search(other, objective, n=20)

    pids = {result["pid"] for result in trials.results + other.results}
    assert len(pids) == 2


def test_a_large_array_of_the_objective_may_be_written_to_and_is_not_shared(trials):
    data = np.zeros(500_000)

    def objective(x):
        data[0] += 1
        return {"loss": x, "status": STATUS_OK, "n": int(data[0])}

    search(trials, objective, n=10)

    counts = [result["n"] for result in trials.results]
    assert data[0] == 0
    assert sorted(counts) != [1] * 10  # a worker unpickles it once
    assert max(counts) <= 10


def test_attachments_come_back(trials):
    def objective(x):
        return {"loss": x, "status": STATUS_OK, "attachments": {"note": f"x={x}".encode()}}

    search(trials, objective, n=3)

    for doc in trials:
        assert trials.trial_attachments(doc)["note"] == f"x={doc['misc']['vals']['x'][0]}".encode()
        assert "attachments" not in doc["result"]


def test_an_objective_may_take_the_expression_and_its_control(trials):
    @fmin_pass_expr_memo_ctrl
    def objective(expr, memo, ctrl):
        from manyhands.hyperopt.pyll.base import rec_eval

        ctrl.attachments["tid"] = ctrl.current_trial["tid"]
        return {"loss": rec_eval(expr, memo=memo) ** 2, "status": STATUS_OK}

    search(trials, objective, n=3)

    assert [trials.trial_attachments(doc)["tid"] for doc in trials] == [0, 1, 2]


def test_an_objective_that_raises_ends_the_search_with_its_exception(trials):
    def objective(x):
        if x > 0:
            raise LookupError("not found", x)
        return x

    with pytest.raises(LookupError, match="not found") as caught:
        search(trials, objective, n=50)

    assert "in objective" in str(caught.value.__cause__)
    assert trials.count_failed_trials() >= 1
    assert trials.count_by_state_unsynced(1) == 0
    failed = next(doc for doc in trials._dynamic_trials if doc["state"] == JOB_STATE_ERROR)
    kind, text = failed["misc"]["error"]
    assert kind == "<class 'LookupError'>"
    assert "Traceback (most recent call last)" in text


def test_a_search_that_catches_exceptions_goes_on(trials):
    def objective(x):
        if x > 0:
            raise LookupError
        return x

    search(trials, objective, n=20, catch_eval_exceptions=True)

    assert trials.count_failed_trials() + trials.count_successful_trials() == 20
    assert trials.count_failed_trials() == sum(doc["misc"]["vals"]["x"][0] > 0 for doc in trials._dynamic_trials)
    assert len(trials) == trials.count_successful_trials()


def test_if_all_raise_it_says_how_the_first_one_did(trials):
    def objective(x):
        raise LookupError("the cupboard is bare")

    with pytest.raises(Exception, match="There are no evaluation tasks") as caught:
        search(trials, objective, n=3, catch_eval_exceptions=True)

    assert "the cupboard is bare" in "".join(caught.value.__notes__)


def test_an_objective_that_exits_is_one_that_raised(trials):
    def objective(x):
        raise SystemExit(3)

    assert search(trials, objective, n=2, catch_eval_exceptions=True, return_argmin=False) is None
    assert trials.count_failed_trials() == 2


def test_a_worker_that_dies_costs_its_trial_and_no_other(trials):
    def objective(x):
        if x > 0.5:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    search(trials, objective, n=16, catch_eval_exceptions=True)

    dead = [doc for doc in trials._dynamic_trials if doc["state"] == JOB_STATE_ERROR]
    assert {doc["tid"] for doc in dead} == {
        doc["tid"] for doc in trials._dynamic_trials if doc["misc"]["vals"]["x"][0] > 0.5
    }
    assert all("SIGKILL" in doc["misc"]["error"][1] for doc in dead)


def test_failed_results_are_no_failures_of_the_search(trials):
    with pytest.raises(AllTrialsFailed):
        search(trials, lambda x: {"status": STATUS_FAIL}, n=4)

    assert trials.statuses() == [STATUS_FAIL] * 4


def test_an_objective_that_cannot_be_sent_is_refused_by_name(trials):
    lock = threading.Lock()

    with pytest.raises(pickle.PicklingError, match="'lock'"):
        search(trials, lambda x: x if lock else 0, n=4)


def test_at_the_end_of_the_time_what_runs_is_cancelled(tmp_path):
    trials = ProcessTrials(2, timeout=3)

    def objective(x):
        (tmp_path / str(os.getpid())).touch()
        time.sleep(FOREVER_S if x > 0 else 0)
        return x

    began = time.monotonic()
    search(trials, objective, n=1000, points_to_evaluate=[{"x": -0.5}, {"x": 0.5}, {"x": 0.6}])

    assert time.monotonic() - began < 20
    assert trials._fmin_cancelled
    assert trials.fmin_cancelled_reason == "fmin run timeout"
    assert trials.count_cancelled_trials() == 2
    assert {doc["state"] for doc in trials._dynamic_trials} == {JOB_STATE_DONE, JOB_STATE_CANCEL}
    pids = [int(path.name) for path in tmp_path.iterdir()]
    support.wait_until(lambda: not any(map(is_alive, pids)), "workers that were at a trial are gone", 20)

    search(trials, lambda x: x, n=len(trials) + 3)  # the object can be used again
    assert trials.fmin_cancelled_reason is None


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_with_a_loss_below_the_threshold_what_runs_is_cancelled(trials):
    def objective(x):
        time.sleep(FOREVER_S if x > 0 else 0)
        return x

    search(trials, objective, n=1000, loss_threshold=0.0, points_to_evaluate=[{"x": 0.5}, {"x": -0.5}])

    assert trials.fmin_cancelled_reason == "loss threshold reached"
    assert [doc["state"] for doc in trials._dynamic_trials] == [JOB_STATE_CANCEL, JOB_STATE_DONE]


def test_early_stop_works_with_what_hyperopt_ships(trials):
    search(trials, lambda x: {"loss": 1.0, "status": STATUS_OK if x > 0 else STATUS_FAIL}, n=500,
           early_stop_fn=early_stop.no_progress_loss(10))  # fmt: skip

    assert 10 <= trials.count_successful_trials() < 30
    assert trials.fmin_cancelled_reason == "early stopping condition"


def test_an_error_in_early_stop_is_the_callers(trials):
    def stop(trials):
        raise ZeroDivisionError("in early_stop_fn")

    with pytest.raises(ZeroDivisionError, match="in early_stop_fn"):
        search(trials, lambda x: x, early_stop_fn=stop)

    assert trials.count_by_state_unsynced(1) == 0


def test_algorithms_know_what_runs(trials):
    def suggest(new_ids, domain, known, seed):
        n_running.append(known.count_by_state_unsynced(1))
        return tpe.suggest(new_ids, domain, known, seed)

    n_running = []
    search(trials, lambda x: time.sleep(0.02) or x, n=12, algo=suggest)

    assert max(n_running) == 1
    assert trials.tids == list(range(12))


def test_a_save_file_is_taken_up_again(tmp_path):
    path = tmp_path / "trials.pkl"
    first = ProcessTrials(2)
    search(first, lambda x: x, n=6, trials_save_file=str(path))

    second = ProcessTrials(2)
    search(second, lambda x: x, n=10, trials_save_file=str(path))

    assert len(second) == 10
    assert second.vals["x"][:6] == first.vals["x"]
    assert len(set(second.vals["x"])) == 10


def test_trials_can_be_pickled_and_searched_with_again(trials):
    search(trials, lambda x: x, n=4)

    copy = pickle.loads(pickle.dumps(trials))  # noqa: S301 - our own
    search(copy, lambda x: x, n=7)

    assert (len(trials), len(copy)) == (4, 7)
    copy.delete_all()
    assert copy.count_total_trials() == 0


def test_points_come_first_and_choices_are_given_by_value(trials):
    space = {"x": SPACE, "kind": hp.choice("kind", ["a", "b"])}

    search(trials, lambda p: p["x"], n=4, space=space, points_to_evaluate=[{"x": 0.25, "kind": "b"}])

    assert space_eval(space, {label: v[0] for label, v in trials.miscs[0]["vals"].items()}) == {"x": 0.25, "kind": "b"}


def test_other_workers_can_be_given(tmp_path):
    trials = ProcessTrials(executor=mh.Processes(1))

    search(trials, lambda x: {"loss": x, "status": STATUS_OK, "pid": os.getpid()}, n=4)

    assert trials.parallelism == 1
    assert len({result["pid"] for result in trials.results} - {os.getpid()}) == 1


def test_a_search_that_would_wait_for_nobody_is_refused(trials):
    with pytest.raises(TypeError, match="allow_trials_fmin"):
        search(trials, lambda x: x, allow_trials_fmin=False)


@pytest.mark.parametrize("settings", [{"timeout": -1}, {"timeout": True}, {"loss_threshold": "a"}, {"workers": 0}])
def test_arguments_that_make_no_sense_are_refused(settings):
    with pytest.raises(Exception, match=next(iter(settings))):
        ProcessTrials(**settings)


CTRL_C = """
    import json, os, pathlib, sys, time
    from manyhands.hyperopt import ProcessTrials, fmin, hp, rand

    folder = pathlib.Path(sys.argv[1])

    def objective(x):
        (folder / str(os.getpid())).touch()
        time.sleep(600)

    trials = ProcessTrials(2)
    try:
        fmin(objective, hp.uniform("x", 0, 1), algo=rand.suggest, max_evals=8, trials=trials, show_progressbar=False)
    except KeyboardInterrupt:
        print(json.dumps({"states": [doc["state"] for doc in trials._dynamic_trials],
                          "reason": trials.fmin_cancelled_reason}))
"""


def test_ctrl_c_leaves_nothing_running_and_the_trials_to_be_run_again(start_script, tmp_path):
    folder = tmp_path / "pids"
    folder.mkdir()
    script = start_script(CTRL_C, str(folder))
    support.wait_until(lambda: len(list(folder.iterdir())) == 2, "both trials run", 60)

    script.send(signal.SIGINT)
    found = script.finish()

    assert found == {"states": [JOB_STATE_NEW] * 2, "reason": "fmin run cancelled by user"}
    pids = [int(path.name) for path in folder.iterdir()]
    support.wait_until(lambda: not any(map(is_alive, pids)), "nothing runs any more", 20)
    assert json.dumps(found)
