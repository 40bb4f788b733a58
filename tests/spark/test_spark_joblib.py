"""The joblib backend on Spark: what joblib-spark promises, and where it does better."""

import hashlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
import warnings

import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config

import manyhands as mh
from manyhands.joblib import shutdown
from manyhands.tasks import pools

SLOTS = 2


@pytest.fixture(autouse=True)
def backend():
    mh.register_joblib()
    yield
    shutdown()


@pytest.fixture
def on_spark(spark):
    """Within it, joblib runs on the cluster: on two slots unless told otherwise."""
    executors = {}

    def call(n_jobs=SLOTS, workers=SLOTS, **options):
        if workers not in executors:
            executors[workers] = mh.Spark(spark, workers=workers)
        return parallel_config(backend="manyhands", n_jobs=n_jobs, executor=executors[workers], **options)

    yield call
    shutdown()
    executors.clear()


def identify(seconds=0.0):
    time.sleep(seconds)
    return os.getpid()


def chain_of(error):
    found = []
    while error is not None:
        found.append(error)
        error = error.__cause__
    return found


# -- what joblib-spark's own tests ask -------------------------------------------------------------------------------


def test_n_jobs_are_counted_as_joblib_spark_does(on_spark):
    with on_spark(workers=4):
        backend, _ = joblib.parallel.get_active_backend()

    assert [backend.effective_n_jobs(n_jobs) for n_jobs in (None, 4, -1, -2)] == [1, 4, 4, 3]


def test_to_ask_for_more_than_there_is_warns_once(spark):
    with (
        parallel_config(backend="manyhands", n_jobs=6, executor="spark"),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        assert joblib.effective_n_jobs(6) == 6
        assert Parallel()(delayed(abs)(-i) for i in range(12)) == [*range(12)]
        assert Parallel()(delayed(abs)(-i) for i in range(12)) == [*range(12)]

    assert len([warning for warning in caught if "room for 4 workers" in str(warning.message)]) == 1


def test_results_come_in_order_and_from_the_clusters_workers(on_spark):
    def work(i):
        return i * i, os.getpid()

    with on_spark():
        found = Parallel()(delayed(work)(i) for i in range(50))

    assert [square for square, _ in found] == [i * i for i in range(50)]
    assert os.getpid() not in {pid for _, pid in found}


def test_cross_val_score_of_the_readme(on_spark):
    from sklearn import datasets, svm
    from sklearn.model_selection import cross_val_score

    iris = datasets.load_iris()
    classifier = svm.SVC(kernel="linear", C=1)

    with on_spark(n_jobs=3, workers=4):
        scores = cross_val_score(classifier, iris.data, iris.target, cv=5)
    with on_spark(n_jobs=-1, workers=4):
        scores_of_all = cross_val_score(classifier, iris.data, iris.target, cv=5)

    expected = [0.97, 1.0, 0.97, 0.97, 1.0]
    np.testing.assert_allclose(scores, expected, atol=0.01)
    np.testing.assert_allclose(scores_of_all, expected, atol=0.01)


def test_a_grid_search_finds_what_it_finds_here(on_spark):
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GridSearchCV

    X, y = load_digits(return_X_y=True)  # noqa: N806 - as scikit-learn calls it
    grid = {"max_depth": [3, None], "n_estimators": [5, 10]}

    def search(n_jobs=None):
        forest = RandomForestClassifier(random_state=0)
        return GridSearchCV(forest, grid, cv=3, n_jobs=n_jobs).fit(X[:500], y[:500])

    with on_spark(n_jobs=2):
        there = search()
    here = search(n_jobs=1)

    assert there.best_params_ == here.best_params_
    np.testing.assert_array_equal(there.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])


def test_when_a_task_fails_its_siblings_are_stopped(on_spark, tmp_path):
    flag = tmp_path / "flag"

    def work(i):
        if i == 0:
            time.sleep(0.5)  # the other has begun
            raise RuntimeError("mock failure")
        time.sleep(4)
        flag.touch()

    with on_spark(), pytest.raises(RuntimeError, match="mock failure"):
        Parallel()(delayed(work)(i) for i in range(2))
    with on_spark():
        Parallel()(delayed(time.sleep)(2.5) for _ in range(4))  # longer than the sibling would have slept

    assert not flag.exists()


def test_workers_have_the_cores_that_are_asked_for(spark):
    def threads():
        return os.environ["OMP_NUM_THREADS"]

    with parallel_config(backend="manyhands", n_jobs=-1, executor="spark", inner_max_num_threads=2):
        assert joblib.effective_n_jobs(-1) == 2  # of four cores
        assert Parallel()(delayed(threads)() for _ in range(4)) == ["2"] * 4


# -- exceptions ------------------------------------------------------------------------------------------------------


def test_an_exception_has_its_type_its_arguments_and_the_remote_traceback_and_its_task_ran_once(on_spark, tmp_path):
    class OwnError(Exception):
        pass

    def deep(i):
        raise OwnError("boom", i)

    def work(i):
        with (tmp_path / f"ran-{i}").open("a") as file:
            file.write("x")
        if i == 3:
            deep(i)
        return i

    with on_spark(), pytest.raises(OwnError) as caught:
        Parallel()(delayed(work)(i) for i in range(4))

    assert caught.value.args == ("boom", 3)
    assert any("in deep" in str(error) for error in chain_of(caught.value))
    assert (tmp_path / "ran-3").read_text() == "x"


def test_scikit_learns_error_score_works(on_spark):
    from sklearn.datasets import load_iris
    from sklearn.exceptions import FitFailedWarning
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    X, y = load_iris(return_X_y=True)  # noqa: N806
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [-1, 2]}, cv=2, error_score=np.nan)

    with on_spark(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)

    assert any(issubclass(warning.category, FitFailedWarning) for warning in caught)

    assert search.best_params_ == {"max_depth": 2}


# -- what travels ----------------------------------------------------------------------------------------------------


def test_a_large_argument_is_sent_once_and_not_for_each_task(on_spark, node_temp):
    data = np.random.default_rng(1).random(2_500_000)  # 20 MB
    digest = hashlib.sha256(data).hexdigest()

    def work(array, i):
        return float(array[i]), array.flags.writeable

    with on_spark():
        Parallel()(delayed(identify)(0.2) for _ in range(4))  # the slots are there
        before = _sent_bytes()
        found = Parallel()(delayed(work)(data, i) for i in range(18))
        found += Parallel()(delayed(work)(data, i) for i in range(18))
        assert _sent_bytes() - before == data.nbytes
        assert [path.name for path in node_temp.glob("manyhands-node-*/*") if path.name == digest] == [digest]

    assert found == [(data[i], False) for i in range(18)] * 2


def _sent_bytes():
    """How many bytes of files went over the connections of the pools."""
    return sum(pool._executor._hub.n_sent_bytes for pool in pools._pools.values())


def test_long_results_come_back_whole(on_spark):
    def work(seed):
        return np.random.default_rng(seed).random(5_000_000)  # 40 MB

    with on_spark():
        found = Parallel()(delayed(work)(seed) for seed in range(3))

    for seed, array in enumerate(found):
        np.testing.assert_array_equal(array, np.random.default_rng(seed).random(5_000_000))


def test_what_tasks_print_is_shown(on_spark, capfd):
    def work(i):
        print(f"hello from {i}")

    with on_spark():
        Parallel()(delayed(work)(i) for i in range(3))
        said = ""
        give_up_at = time.monotonic() + 10
        while "hello from 2" not in said and time.monotonic() < give_up_at:
            said += capfd.readouterr().out

    assert all(f"hello from {i}" in said for i in range(3))


# -- Spark ------------------------------------------------------------------------------------------------------------


def test_there_is_a_spark_job_for_each_slot_and_none_for_tasks(on_spark, spark):
    before = _n_jobs(spark)

    with on_spark():
        Parallel(batch_size=1)(delayed(abs)(i) for i in range(200))
        Parallel(batch_size=1)(delayed(abs)(i) for i in range(200))

    assert _n_jobs(spark) - before == SLOTS


def _n_jobs(spark):
    """How many jobs the session has been given so far."""
    return spark.sparkContext._jsc.sc().dagScheduler().nextJobId()


def test_workers_stay_from_call_to_call(on_spark):
    def pids():
        with on_spark():
            return set(Parallel()(delayed(identify)(0.2) for _ in range(8)))

    first = pids()

    assert len(first) == SLOTS
    assert pids() == first


def test_shutdown_leaves_no_job(on_spark, spark, wait_until, trial_processes):
    tracker = spark.sparkContext.statusTracker()
    with on_spark():
        Parallel()(delayed(identify)(0.1) for _ in range(4))
    assert len(tracker.getActiveJobsIds()) == SLOTS

    began = time.monotonic()
    shutdown()

    assert time.monotonic() - began < 10
    wait_until(lambda: not tracker.getActiveJobsIds(), "no job is left", 5)
    wait_until(lambda: not trial_processes(), "no worker is left", 5)
    with on_spark():  # and the next call has new ones
        assert Parallel()(delayed(abs)(-i) for i in range(4)) == [0, 1, 2, 3]


def test_workers_that_have_nothing_to_do_are_given_back(on_spark, spark, wait_until):
    tracker = spark.sparkContext.statusTracker()

    with on_spark(idle_timeout_s=1.0):
        Parallel()(delayed(identify)() for _ in range(4))

    wait_until(lambda: not tracker.getActiveJobsIds(), "the slots are free again", 15)


def test_the_task_of_a_worker_that_is_killed_is_run_elsewhere(on_spark, tmp_path):
    victim = tmp_path / "victim"

    def work(i):
        if i == 1 and not victim.exists():
            victim.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
        return i

    with on_spark():
        assert Parallel(batch_size=1)(delayed(work)(i) for i in range(20)) == [*range(20)]

    assert victim.exists()


def test_a_task_that_kills_every_worker_is_given_up(on_spark):
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    def work(i):
        if i == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    with on_spark(), pytest.raises(TerminatedWorkerError, match="SIGKILL"):
        Parallel(batch_size=1)(delayed(work)(i) for i in range(4))
    with on_spark():
        assert Parallel()(delayed(abs)(-i) for i in range(4)) == [0, 1, 2, 3]


# -- the rest of joblib ------------------------------------------------------------------------------------------------


def test_generators_give_results_as_they_come(on_spark):
    def work(i):
        time.sleep(1.5 if i == 0 else 0.0)
        return i

    with on_spark():
        Parallel()(delayed(identify)(0.2) for _ in range(4))
        assert list(Parallel(return_as="generator")(delayed(work)(i) for i in range(1, 10))) == [*range(1, 10)]
        unordered = Parallel(return_as="generator_unordered", batch_size=1)(delayed(work)(i) for i in range(6))
        found = list(unordered)

    assert sorted(found) == [*range(6)]
    assert found[-1] == 0


def test_a_timeout_is_kept(on_spark):
    with on_spark():
        Parallel()(delayed(identify)(0.2) for _ in range(4))
        began = time.monotonic()
        with pytest.raises(multiprocessing.TimeoutError):
            Parallel(timeout=1)(delayed(time.sleep)(30) for _ in range(2))
        assert time.monotonic() - began < 15


def test_calls_within_tasks_work(on_spark):
    def outer(i):
        return sum(Parallel(n_jobs=2)(delayed(abs)(-j) for j in range(i)))

    with on_spark():
        assert Parallel()(delayed(outer)(i) for i in range(6)) == [0, 0, 1, 3, 6, 10]


def test_calls_of_several_threads_share_the_workers(on_spark):
    found = {}

    def call(number):
        try:
            with on_spark():
                found[number] = Parallel()(delayed(pow)(number, i) for i in range(10))
        except BaseException:
            found[number] = traceback.format_exc()

    threads = [threading.Thread(target=call, args=(number,)) for number in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert found == {number: [number**i for i in range(10)] for number in (2, 3)}


def test_a_spark_query_between_two_calls_gets_its_cores(on_spark, spark):
    with on_spark(n_jobs=4, workers=4):
        Parallel()(delayed(identify)(0.1) for _ in range(8))
        began = time.monotonic()
        assert spark.sparkContext.parallelize(range(8), 4).map(abs).count() == 8
        assert time.monotonic() - began < 20
        assert Parallel()(delayed(abs)(-i) for i in range(4)) == [0, 1, 2, 3]
