"""What uses joblib runs on workers that stay, and behaves as it does with joblib's own."""

import multiprocessing
import os
import signal
import sys
import threading
import time

import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tests.support import wait_until

import manyhands as mh
from manyhands.errors import SettingsError
from manyhands.joblib import shutdown
from manyhands.tasks import pools

MEBIBYTE = 1 << 20


@pytest.fixture(autouse=True)
def backend(nothing_is_left):
    """Our backend with two workers, which end with the test."""
    mh.register_joblib()
    with joblib.parallel_config(backend="manyhands", n_jobs=2):
        yield
    shutdown()


def pid(_=None):
    return os.getpid()


def here():
    """Functions of this module travel by value, so that workers need not import the tests."""
    return sys.modules[__name__]


@pytest.fixture(autouse=True)
def by_value():
    import cloudpickle

    cloudpickle.register_pickle_by_value(here())
    yield
    cloudpickle.unregister_pickle_by_value(here())


# -- what joblib promises ------------------------------------------------------------------------------------------


def test_results_come_in_order_from_other_processes():
    found = Parallel()(delayed(lambda i: (i, os.getpid()))(i) for i in range(50))

    assert [i for i, _ in found] == list(range(50))
    pids = {pid for _, pid in found}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_workers_stay_between_calls():
    calls = [set(Parallel(batch_size=1)(delayed(pid)() for _ in range(20))) for _ in range(3)]

    assert calls[0] == calls[1] == calls[2]


def test_another_number_of_workers_takes_the_place_of_the_first():
    two = set(Parallel(n_jobs=2)(delayed(pid)() for _ in range(20)))
    three = set(
        Parallel(n_jobs=3, pre_dispatch="all", batch_size=1)(
            delayed(lambda: time.sleep(0.05) or os.getpid())() for _ in range(20)
        )
    )

    assert len(three) == 3
    assert not two & three
    assert len(pools._pools) == 1


def test_batches_grow_with_quick_tasks():
    parallel = Parallel()
    parallel(delayed(abs)(i) for i in range(2000))

    assert parallel.n_dispatched_batches < 500


def test_no_jobs_mean_nothing():
    with pytest.raises(ValueError, match="no meaning"):
        Parallel(n_jobs=0)(delayed(pid)() for _ in range(2))


def test_numbers_of_jobs_are_understood_as_by_loky(monkeypatch):
    monkeypatch.setattr("manyhands.joblib.backend.cpu_count", lambda: 8)

    assert [joblib.effective_n_jobs(n) for n in (1, 3, -1, -2, -100)] == [1, 3, 8, 7, 1]


def test_with_nothing_said_all_cores_are_used(monkeypatch):
    monkeypatch.setattr("manyhands.joblib.backend.cpu_count", lambda: 3)

    with joblib.parallel_config(backend="manyhands"):
        assert joblib.effective_n_jobs() == 3


@pytest.mark.parametrize("how", ["generator", "generator_unordered"])
def test_generators_give_results_as_they_come(how, tmp_path):
    gate = tmp_path / "gate"

    def task(i):
        while i == 5 and not gate.exists():
            time.sleep(0.01)
        return i

    found = Parallel(return_as=how, batch_size=1)(delayed(task)(i) for i in range(10))
    first = [next(found) for _ in range(5)]
    gate.touch()

    assert sorted(first + list(found)) == list(range(10))


def test_a_generator_that_is_dropped_cancels_its_tasks_and_leaves_others_alone(tmp_path, lives):
    def slow():
        (tmp_path / "begun").write_text(str(os.getpid()))
        time.sleep(60)

    def quick(i):
        time.sleep(0.02)
        return i

    begun = tmp_path / "begun"
    dropped = Parallel(return_as="generator", batch_size=1)(delayed(slow)() for _ in range(1))
    other = Parallel(return_as="generator", batch_size=1)(delayed(quick)(i) for i in range(40))
    wait_until(lambda: begun.exists() and begun.read_text(), "the task runs")
    with pytest.warns(UserWarning, match="cancelled"):
        dropped.close()

    wait_until(lambda: not lives(int(begun.read_text())), "its worker is gone", 5)
    assert list(other) == list(range(40))


def test_a_task_iterator_may_itself_use_the_same_workers():
    def numbers():
        yield from Parallel(return_as="generator")(delayed(abs)(-i) for i in range(20))

    assert Parallel()(delayed(abs)(i) for i in numbers()) == list(range(20))


def test_a_time_limit_holds():
    with pytest.raises(multiprocessing.TimeoutError):
        Parallel(timeout=0.2)(delayed(time.sleep)(60) for _ in range(2))

    assert Parallel()(delayed(abs)(i) for i in range(3)) == [0, 1, 2]


def test_each_task_has_its_own_arguments():
    def add(items, array):
        items.append(os.getpid())
        array += 1
        return len(items), float(array[0])

    arguments = [([], np.zeros(100)) for _ in range(100)]
    for _ in range(2):
        assert Parallel()(delayed(add)(*given) for given in arguments) == [(1, 1.0)] * 100
    assert all(items == [] for items, _ in arguments)


def test_after_a_call_nothing_of_it_is_kept():
    array = np.ones(MEBIBYTE)
    Parallel()(delayed(np.sum)(array) for _ in range(10))

    (pool,) = pools._pools.values()
    assert pool.is_idle
    assert pools.the_shelf()._holds == {}
    wait_until(lambda: "manyhands-callbacks" not in [t.name for t in threading.enumerate()], "its thread has ended")


def test_an_executor_to_which_no_worker_comes_is_an_error(tmp_path):
    executor = mh.Remote(str(tmp_path / "connect"), workers=2, join_timeout_s=0.5)

    with (
        joblib.parallel_config(backend="manyhands", n_jobs=2, executor=executor),
        pytest.raises(mh.ExecutorError, match="No worker has been there"),
    ):
        Parallel()(delayed(abs)(i) for i in range(3))


def test_nested_calls_use_threads_then_nothing():
    def inner():
        name = type(joblib.parallel.get_active_backend()[0]).__name__
        return [name, *Parallel(n_jobs=2)(delayed(innermost)() for _ in range(2))]

    def innermost():
        return type(joblib.parallel.get_active_backend()[0]).__name__

    assert Parallel()(delayed(inner)() for _ in range(2)) == [["ThreadingBackend", *["SequentialBackend"] * 2]] * 2


def test_a_task_may_ask_for_this_backend_by_name():
    def outer():
        found = Parallel(n_jobs=2, backend="manyhands")(delayed(pid)() for _ in range(4))
        return os.getpid() not in found

    assert Parallel()(delayed(outer)() for _ in range(2)) == [True, True]


def test_threads_of_libraries_in_a_worker_are_limited():
    with joblib.parallel_config(backend="manyhands", n_jobs=2, inner_max_num_threads=3):
        found = Parallel()(delayed(lambda: os.environ.get("OPENBLAS_NUM_THREADS"))() for _ in range(2))

    assert found == ["3", "3"]


MANAGER = """
    import multiprocessing

    import joblib

    import manyhands as mh

    if __name__ == "__main__":
        mh.register_joblib()
        with multiprocessing.Manager() as manager, joblib.parallel_config(backend="manyhands", n_jobs=2):
            shared = manager.list()
            joblib.Parallel()(joblib.delayed(shared.append)(i) for i in range(5))
            print(sorted(shared))
"""


def test_workers_can_speak_to_a_manager(start_script):
    assert start_script(MANAGER).finish() == [0, 1, 2, 3, 4]


def test_an_initializer_runs_once_in_each_worker(tmp_path):
    def prepare(folder):
        (folder / f"{os.getpid()}-{time.monotonic_ns()}").touch()

    with joblib.parallel_config(backend="manyhands", n_jobs=2, initializer=prepare, initargs=(tmp_path,)):
        pids = set(Parallel(batch_size=1)(delayed(pid)() for _ in range(30)))

    prepared = [int(path.name.partition("-")[0]) for path in tmp_path.glob("*-*")]
    assert set(prepared) >= pids
    assert len(prepared) == len(set(prepared))


def test_what_tasks_print_appears_here(capsys):
    Parallel()(delayed(print)(f"this is task {i}") for i in range(4))

    assert sorted(capsys.readouterr().out.splitlines()) == [f"this is task {i}" for i in range(4)]


# -- errors ----------------------------------------------------------------------------------------------------------


def test_an_exception_has_its_type_and_its_task_runs_once(tmp_path):
    def fail():
        with open(tmp_path / "runs", "a") as file:
            file.write("x")
        raise LookupError("not there")

    with pytest.raises(LookupError, match="not there") as caught:
        Parallel()(delayed(fail)() for _ in range(1))

    assert "in fail" in str(caught.value.__cause__)
    assert (tmp_path / "runs").read_text() == "x"


def test_an_exception_ends_the_other_tasks_of_the_call(tmp_path, lives):
    def task(i):
        if i == 0:
            while not (tmp_path / "begun").exists() or not (tmp_path / "begun").read_text():
                time.sleep(0.01)
            raise ValueError("the first")
        (tmp_path / "begun").write_text(str(os.getpid()))
        time.sleep(30)

    with pytest.raises(ValueError, match="the first"):
        Parallel(batch_size=1)(delayed(task)(i) for i in range(2))

    worker = int((tmp_path / "begun").read_text())
    wait_until(lambda: not lives(worker), "the other task's worker is gone", 5)
    assert Parallel()(delayed(abs)(i) for i in range(3)) == [0, 1, 2]


def test_a_managed_parallel_goes_on_after_an_exception():
    with Parallel() as parallel:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                parallel(delayed(divmod)(1, i) for i in range(1))
            assert parallel(delayed(abs)(i) for i in range(10)) == list(range(10))


def test_a_worker_that_dies_is_named_and_the_next_call_works():
    def die():
        print("these are my last words", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(TerminatedWorkerError, match=r"(?s)SIGKILL.*these are my last words"):
        Parallel()(delayed(die)() for _ in range(1))

    assert Parallel()(delayed(abs)(i) for i in range(3)) == [0, 1, 2]


def test_a_dead_worker_costs_no_other_call_anything(tmp_path):
    found = {}

    def call():
        with joblib.parallel_config(backend="manyhands", n_jobs=2):
            found["other"] = Parallel(batch_size=1)(delayed(lambda i: time.sleep(0.01) or i)(i) for i in range(60))

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    thread = threading.Thread(target=call)
    thread.start()
    with pytest.raises(TerminatedWorkerError):
        Parallel()(delayed(die)() for _ in range(1))
    thread.join(30)

    assert found["other"] == list(range(60))


def test_arguments_that_cannot_be_sent_are_an_error_here():
    from pickle import PicklingError

    with pytest.raises(PicklingError, match="cannot be sent to a worker"):
        Parallel()(delayed(id)(threading.Lock()) for _ in range(2))


def test_an_unknown_executor_is_refused():
    with (
        joblib.parallel_config(backend="manyhands", n_jobs=2, executor="slurm"),
        pytest.raises(SettingsError, match=r"executor='slurm'.*'processes', 'spark'"),
    ):
        Parallel()(delayed(abs)(i) for i in range(2))


def test_an_executor_without_workers_is_refused():
    with (
        joblib.parallel_config(backend="manyhands", n_jobs=2, executor=mh.Inline()),
        pytest.raises(SettingsError, match="sequential"),
    ):
        Parallel()(delayed(abs)(i) for i in range(2))


def test_shared_writing_is_refused():
    with pytest.raises(SettingsError, match=r"mmap_mode='r\+'"):
        Parallel(mmap_mode="r+")(delayed(abs)(i) for i in range(2))


# -- executors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: mh.Processes(3), lambda: lambda: mh.Processes(3)], ids=["object", "function"])
def test_an_executor_of_ones_own_is_started_again_after_it_was_idle(make):
    executor = make()
    with joblib.parallel_config(backend="manyhands", executor=executor):
        assert joblib.effective_n_jobs(-1) == 3
        first = set(Parallel(n_jobs=-1)(delayed(pid)() for _ in range(10)))
        shutdown()
        second = set(Parallel(n_jobs=-1)(delayed(pid)() for _ in range(10)))

    assert not first & second


def test_more_jobs_than_an_executor_has_workers_are_warned_of_once():
    with joblib.parallel_config(backend="manyhands", executor=mh.Processes(2), n_jobs=5):
        with pytest.warns(UserWarning, match="room for 2"):
            assert joblib.effective_n_jobs(5) == 2
        assert Parallel()(delayed(abs)(i) for i in range(4)) == [0, 1, 2, 3]  # a second warning would be an error


def test_idle_workers_are_given_back_and_come_again():
    with joblib.parallel_config(backend="manyhands", n_jobs=2, idle_timeout_s=0.3):
        first = set(Parallel()(delayed(pid)() for _ in range(10)))
        wait_until(lambda: not any(pool.is_open for pool in pools._pools.values()), "the workers are given back")
        second = set(Parallel()(delayed(pid)() for _ in range(10)))

    assert not first & second


# -- large data --------------------------------------------------------------------------------------------------------


def test_a_large_argument_is_written_once_and_mapped_by_all():
    array = np.random.default_rng(0).random(20 * MEBIBYTE // 8)
    before = pools.the_shelf().n_written

    def private(array):
        with open("/proc/self/smaps") as file:
            return float(array.sum()), array.flags.writeable, "manyhands-" in file.read()

    for _ in range(2):
        found = Parallel(batch_size=1)(delayed(private)(array) for _ in range(18))
        assert found == [(array.sum(), False, True)] * 18

    assert pools.the_shelf().n_written - before == 1


def test_large_results_come_back():
    found = Parallel(batch_size=1)(delayed(np.full)(100 * MEBIBYTE // 8, float(i)) for i in range(2))

    assert [(len(array), array[0], array[-1]) for array in found] == [(100 * MEBIBYTE // 8, i, i) for i in (0.0, 1.0)]


def test_workers_may_write_their_results_into_a_file_of_ours(tmp_path):
    output = np.memmap(tmp_path / "output", np.float64, "w+", shape=(10,))

    def write(output, i):
        output[i] = i * i

    Parallel()(delayed(write)(output, i) for i in range(10))

    assert list(output) == [i * i for i in range(10)]


# -- threads, forks, ends ----------------------------------------------------------------------------------------------


def test_calls_in_several_threads_share_the_workers():
    found = {}

    def call(k):
        with joblib.parallel_config(backend="manyhands", n_jobs=2):
            found[k] = Parallel()(delayed(divmod)(i, k) for i in range(200))

    threads = [threading.Thread(target=call, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert found == {k: [divmod(i, k) for i in range(200)] for k in range(1, 5)}
    assert len(pools._pools) == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_after_a_fork_both_have_workers_of_their_own():
    ours = set(Parallel(batch_size=1)(delayed(pid)() for _ in range(20)))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            theirs = set(Parallel(batch_size=1)(delayed(pid)() for _ in range(20)))
            shutdown()
            os.write(writer, b"good" if theirs and not theirs & ours else b"bad")
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    os.waitpid(child, 0)

    assert said == "good"
    assert set(Parallel(batch_size=1)(delayed(pid)() for _ in range(20))) == ours


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_after_a_fork_an_executor_of_the_parent_is_refused():
    executor = mh.Processes(2)
    with joblib.parallel_config(backend="manyhands", executor=executor):
        ours = set(Parallel(batch_size=1)(delayed(pid)() for _ in range(20)))
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                Parallel()(delayed(pid)() for _ in range(2))
            except mh.ExecutorError as error:
                os.write(writer, str(error).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as file:
            said = file.read()
        os.waitpid(child, 0)

        assert "forked" in said
        assert set(Parallel(batch_size=1)(delayed(pid)() for _ in range(20))) == ours


SCRIPT = """
    import os
    import sys
    import time

    import joblib

    import beside
    import manyhands as mh

    mh.register_joblib()

    class Number:
        def __init__(self, value):
            self.value = value

    def double(number):
        return Number(beside.double(number.value))

    def sleep(path):
        open(path, "w").close()
        time.sleep(1000)

    if __name__ == "__main__":
        with joblib.parallel_config(backend="manyhands", n_jobs=2):
            if len(sys.argv) > 1:
                try:
                    joblib.Parallel()(joblib.delayed(sleep)(sys.argv[1]) for _ in range(1))
                except KeyboardInterrupt:
                    found = joblib.Parallel()(joblib.delayed(os.getpid)() for _ in range(1))
                    print(found != [])
            else:
                print([n.value for n in joblib.Parallel()(joblib.delayed(double)(Number(i)) for i in range(5))])
"""


@pytest.fixture
def beside(tmp_path):
    (tmp_path / "beside.py").write_text("def double(x):\n    return 2 * x\n")


def test_a_script_needs_no_care_and_leaves_nothing_behind(beside, start_script, left_over):
    script = start_script(SCRIPT)

    assert script.finish() == [0, 2, 4, 6, 8]
    assert script.errors == ""
    assert left_over() == []


def test_ctrl_c_ends_the_call_and_the_next_works(beside, start_script, tmp_path):
    script = start_script(SCRIPT, tmp_path / "begun")
    wait_until(lambda: (tmp_path / "begun").exists(), "the task runs")
    script.send(signal.SIGINT)

    assert script.ends_within(20), script.errors
    assert script.output == "True\n"
    assert script.errors == ""


def test_a_driver_that_is_killed_leaves_no_worker(beside, start_script, tmp_path, left_over):
    script = start_script(SCRIPT, tmp_path / "begun")
    wait_until(lambda: (tmp_path / "begun").exists(), "the task runs")
    time.sleep(1)  # the warden comes after half a second
    script.kill()

    wait_until(lambda: not left_over(), "all is gone", 10)


# -- scikit-learn ------------------------------------------------------------------------------------------------------


def test_a_search_of_scikit_learn_finds_the_same():
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.svm import SVC

    X, y = load_iris(return_X_y=True)  # noqa: N806

    def run():
        scores = cross_val_score(SVC(kernel="linear", C=1), X, y, cv=5, n_jobs=2)
        search = GridSearchCV(SVC(), {"C": [0.1, 1, 10], "kernel": ["linear", "rbf"]}, n_jobs=2).fit(X, y)
        forest = RandomForestClassifier(10, random_state=0, n_jobs=2).fit(X, y)
        return scores.round(2).tolist(), search.cv_results_["mean_test_score"].tolist(), forest.predict(X).tolist()

    ours = run()
    with joblib.parallel_config(backend="sequential"):
        assert ours == run()
    assert ours[0] == [0.97, 1.0, 0.97, 0.97, 1.0]
