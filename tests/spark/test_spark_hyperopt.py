"""``SparkTrials`` on a real cluster."""

import os
import time

import numpy as np
import pytest
from tests.spark.test_spark_connect import client, server_url  # noqa: F401 - fixtures

from manyhands.hyperopt import STATUS_OK, SparkTrials, early_stop, fmin, hp, rand, tpe
from manyhands.hyperopt.base import JOB_STATE_CANCEL, JOB_STATE_DONE, JOB_STATE_ERROR

SPACE = hp.uniform("x", -1, 1)
FOREVER_S = 600

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def trials(spark):
    """Trials on two slots of the cluster."""
    return SparkTrials(parallelism=2, spark_session=spark)


def search(trials, objective, n=12, **settings):
    defaults = {"algo": rand.suggest, "rstate": np.random.default_rng(1), "verbose": False}
    return fmin(objective, SPACE, max_evals=n, trials=trials, **(defaults | settings))


def test_trials_run_on_the_cluster_on_workers_that_stay_and_end_with_the_search(trials, trial_processes, wait_until):
    def objective(x):
        return {"loss": x * x, "status": STATUS_OK, "pid": os.getpid(), "weights": np.arange(3)}

    best = search(trials, objective, n=30)

    assert best == {"x": min(trials.vals["x"], key=abs)}
    wait_until(lambda: not trial_processes(), "all processes of the search are gone", 20)
    pids = {result["pid"] for result in trials.results}
    assert len(pids) <= 2
    assert os.getpid() not in pids
    assert trials.results[0]["weights"].tolist() == [0, 1, 2]
    assert (trials.count_successful_trials(), trials.count_total_trials()) == (30, 30)


def test_hundreds_of_trials_take_seconds(trials):
    search(trials, lambda x: x, n=10)

    began = time.monotonic()
    search(trials, lambda x: x, n=310)

    assert time.monotonic() - began < 15
    assert len(trials) == 310


def test_without_a_number_there_are_as_many_as_there_is_room_for(spark):
    assert SparkTrials(spark_session=spark).parallelism == 4
    assert SparkTrials(spark_session=spark, parallelism=300).parallelism == 300


def test_a_trial_that_raises_does_not_end_the_search_and_runs_once(trials, tmp_path):
    def objective(x):
        with (tmp_path / f"{x}").open("a") as file:
            file.write("x")
        if x > 0:
            raise LookupError("not there")
        return x

    search(trials, objective, n=10)

    failed = [doc for doc in trials._dynamic_trials if doc["state"] == JOB_STATE_ERROR]
    assert failed
    assert trials.count_successful_trials() + len(failed) == 10
    assert all("in objective" in doc["misc"]["error"][1] for doc in failed)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"x"}


def test_at_the_end_of_the_time_what_runs_is_killed(trials, trial_processes, wait_until):
    trials.timeout = 12

    def objective(x):
        time.sleep(FOREVER_S if x > 0 else 0)
        return x

    began = time.monotonic()
    search(trials, objective, n=1000, points_to_evaluate=[{"x": -0.5}, {"x": 0.5}, {"x": 0.6}])

    assert time.monotonic() - began < 40
    assert trials.fmin_cancelled_reason == "fmin run timeout"
    states = [doc["state"] for doc in trials._dynamic_trials]
    assert states == [JOB_STATE_DONE, JOB_STATE_CANCEL, JOB_STATE_CANCEL]
    wait_until(lambda: not trial_processes(), "all processes of the search are gone", 20)


def test_early_stop_works_with_what_hyperopt_ships(trials):
    search(trials, lambda x: 1.0, n=500, early_stop_fn=early_stop.no_progress_loss(10))

    assert 10 <= trials.count_successful_trials() < 40
    assert trials.fmin_cancelled_reason == "early stopping condition"


def test_a_search_goes_on_from_a_file(trials, spark, tmp_path):
    path = str(tmp_path / "trials.pkl")
    search(trials, lambda x: x, n=6, algo=tpe.suggest, trials_save_file=path)

    second = SparkTrials(parallelism=2, spark_session=spark)
    search(second, lambda x: x, n=9, algo=tpe.suggest, trials_save_file=path)

    assert len(second) == 9
    assert second.vals["x"][:6] == trials.vals["x"]


def test_a_worker_that_is_killed_costs_no_trial(trials, tmp_path):
    def objective(x):
        try:
            (tmp_path / "killed").touch(exist_ok=False)
        except FileExistsError:
            return x
        return os.kill(os.getpid(), 9)

    search(trials, objective, n=8)

    assert trials.count_successful_trials() == 8


def test_a_query_after_a_search_gets_its_cores(spark):
    trials = SparkTrials(parallelism=4, spark_session=spark)
    search(trials, lambda x: x, n=8)

    began = time.monotonic()
    assert spark.sparkContext.parallelize(range(8), 4).map(abs).count() == 8
    assert time.monotonic() - began < 20


CONNECT = """
    from manyhands.hyperopt import SparkTrials, fmin, hp, tpe

    data = np.arange(500_000)

    def objective(x):
        return {"loss": x * x, "status": "ok", "pid": os.getpid(), "sum": int(data.sum())}

    trials = SparkTrials(parallelism=2, spark_session=session)
    fmin(objective, hp.uniform("x", -1, 1), algo=tpe.suggest, max_evals=20, trials=trials, verbose=False)
    print(json.dumps({
        "is connect": ".connect." in type(session).__module__,
        "n": trials.count_successful_trials(),
        "sums": sorted({result["sum"] for result in trials.results}),
        "here": os.getpid() in {result["pid"] for result in trials.results},
    }))
"""


@pytest.mark.timeout(300)
def test_it_works_over_spark_connect(client):  # noqa: F811
    found = client(CONNECT).finish(120)

    assert found == {"is connect": True, "n": 20, "sums": [sum(range(500_000))], "here": False}


STOPPED = """
    from pyspark.sql import SparkSession
    from manyhands.hyperopt import SparkTrials, fmin, hp, rand
    import json

    trials = SparkTrials(2)
    fmin(lambda x: x, hp.uniform("x", 0, 1), algo=rand.suggest, max_evals=8, trials=trials, verbose=False)
    SparkSession.getActiveSession().stop()
    print(json.dumps(trials.count_successful_trials()))
"""


def test_a_session_that_is_stopped_right_afterwards_leaves_nothing(start_script, tmp_path):
    temp = tmp_path / "temp"
    temp.mkdir()

    def prepare():
        os.environ["TMPDIR"] = str(temp)

    assert start_script(STOPPED, prepare=prepare).finish(90) == 8
    assert not [*temp.glob("manyhands-*")]
