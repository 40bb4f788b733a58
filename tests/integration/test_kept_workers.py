"""Workers that stay for the next search: the same processes where that changes nothing, and new ones where it would."""

import gc
import os
import signal
import sys
import threading
import time
import uuid

import pytest
import sklearn  # noqa: F401 - it changes the environment when it is imported

import manyhands as mh


def meet(folder, n):
    """Wait until as many workers are at work, and tell this one's process id."""
    (folder / str(os.getpid())).touch()
    give_up_at = time.monotonic() + 30
    while len(list(folder.iterdir())) < n and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return float(os.getpid())


@pytest.fixture
def pids(tune, tmp_path):
    """The processes of a search, each of which has a trial."""

    def call(workers=2, idle_timeout_s=60.0, **settings):
        folder = tmp_path / uuid.uuid4().hex
        folder.mkdir()
        executor = mh.Processes(workers, idle_timeout_s=idle_timeout_s, **settings)
        study = tune(lambda params: meet(folder, workers), executor=executor, max_trials=workers)
        return {int(trial.value) for trial in study.trials}

    return call


def test_a_search_gets_the_workers_of_the_one_before(pids):
    first = pids()

    assert pids() == first
    assert len(first) == 2


def test_without_a_time_to_keep_them_each_search_has_workers_of_its_own(pids):
    assert not pids(idle_timeout_s=0) & pids(idle_timeout_s=0)


@pytest.mark.parametrize(("before", "after"), [(2, 3), (3, 2)])
def test_a_search_of_another_size_takes_those_that_there_are(pids, wait_until, lives, before, after):
    first, second = pids(before), pids(after)

    assert len(first & second) == 2
    assert (len(first), len(second)) == (before, after)
    wait_until(lambda: not any(lives(pid) for pid in first - second), "the one too many is gone")


def test_another_environment_gets_new_workers(pids, monkeypatch, lives):
    first = pids()
    monkeypatch.setenv("COLOUR", "blue")

    second = pids()

    assert not first & second
    assert not any(lives(pid) for pid in first)


def test_another_number_of_threads_gets_new_workers(pids):
    assert not pids(cores_per_worker=1) & pids(cores_per_worker=2)


def test_another_folder_gets_new_workers(pids, monkeypatch, tmp_path):
    first = pids()
    monkeypatch.chdir(tmp_path)

    assert not first & pids()


def test_a_module_that_was_edited_is_imported_anew(tune, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "edited", raising=False)
    file = tmp_path / "edited.py"
    file.write_text("def objective(params):\n    return 1.0\n")
    import edited

    values = []
    for stamp, value in enumerate((1, 2), start=1):
        file.write_text(f"def objective(params):\n    return {value}.0\n")
        os.utime(file, (stamp * 1e6, stamp * 1e6))
        study = tune(edited.objective, executor=mh.Processes(1, idle_timeout_s=60), max_trials=1)
        values.append(study.best_value)

    assert values == [1.0, 2.0]


def test_a_worker_that_cannot_unpack_a_later_objective_is_replaced(tune, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "later.py").write_text("def objective(params):\n    return 5.0\n")

    def bad_manners(params):
        sys.modules["later"] = None  # as if it could not be imported
        return 1.0

    tune(bad_manners, executor=mh.Processes(1, idle_timeout_s=60), max_trials=1)
    import later

    study = tune(later.objective, executor=mh.Processes(1, idle_timeout_s=60), max_trials=2)

    assert [trial.value for trial in study.trials] == [5.0, 5.0]
    del sys.modules["later"]


def test_a_worker_that_died_meanwhile_is_replaced(pids, wait_until, lives):
    first = pids()
    victim = min(first)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not lives(victim), "it is dead")

    second = pids()

    assert first - second == {victim}
    assert len(second) == 2


def test_a_worker_that_is_at_work_when_the_search_ends_is_not_kept(tune, pids, tmp_path, lives):
    def objective(params, trial):
        if trial.id == 1:
            (tmp_path / "busy").write_text(str(os.getpid()))
            time.sleep(1000)
        while not (tmp_path / "busy").exists():
            time.sleep(0.01)
        return float(os.getpid())

    study = tune(objective, executor=mh.Processes(2, idle_timeout_s=60), max_trials=2, timeout_s=5)

    busy, idle = int((tmp_path / "busy").read_text()), int(study.trials[0].value)
    assert not lives(busy)
    second = pids()
    assert idle in second
    assert busy not in second


def test_idle_workers_let_go_of_the_objective(tune, tmp_path, wait_until):
    class Held:
        def __init__(self):
            self.is_original = True

        def __setstate__(self, state):
            self.is_original = False

        def __del__(self):
            if not self.is_original:
                (tmp_path / "let go").touch()

    def search():
        held = Held()
        held.itself = held  # so that only the garbage collector finds out
        tune(lambda params: float(held.is_original), executor=mh.Processes(1, idle_timeout_s=60), max_trials=2)

    search()
    gc.collect()

    wait_until((tmp_path / "let go").exists, "the worker has let go of the objective")


def test_they_end_when_nobody_wants_them_for_long(pids, wait_until, lives, temp_folder):
    first = pids(idle_timeout_s=0.05)

    wait_until(lambda: not any(lives(pid) for pid in first), "they have ended")
    wait_until(lambda: not list(temp_folder.glob("manyhands-*")), "their folder is gone")
    assert not first & pids(idle_timeout_s=0.05)


def test_searches_at_the_same_time_have_workers_of_their_own(tune, tmp_path):
    found = {}

    def search(name, other):
        def objective(params):
            (tmp_path / name).touch()
            while not (tmp_path / other).exists():
                time.sleep(0.01)
            return float(os.getpid())

        found[name] = tune(objective, executor=mh.Processes(1, idle_timeout_s=60), max_trials=1).best_value

    search("warm up", "warm up")
    threads = [threading.Thread(target=search, args=names) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert found["a"] != found["b"]
    assert found["warm up"] in (found["a"], found["b"])


def test_the_output_of_each_search_is_its_own(tune):
    def chatty(word):
        def objective(params):
            print(word)
            return 1.0

        return objective

    logs = []
    for word in ("apples", "pears"):
        study = tune(chatty(word), executor=mh.Processes(1, idle_timeout_s=60), max_trials=1)
        logs.append(study.log(0))

    assert logs == ["apples\n", "pears\n"]


_SCRIPT = """
    import json, os, signal, sys
    import manyhands as mh
    from manyhands.executors import reserve

    def search():
        executor = mh.Processes(1, idle_timeout_s=60)
        study = mh.tune(lambda params: float(os.getpid()), {{"x": mh.Float(0, 1)}}, executor=executor, max_trials=3,
                        progress=False)
        return sorted({{int(trial.value) for trial in study.trials}})

    if __name__ == "__main__":
        {body}
"""


def test_a_script_ends_and_leaves_nobody_behind(start_script, lives):
    script = start_script(_SCRIPT.format(body="print(json.dumps(search()))"))

    assert not any(lives(pid) for pid in script.finish())


@pytest.mark.usefixtures("folders_may_stay")
def test_idle_workers_notice_that_their_driver_was_killed(start_script, wait_until, lives):
    body = "print(json.dumps(search()), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    script = start_script(_SCRIPT.format(body=body))

    assert script.ends_within(60)
    assert script.output.startswith("["), script.errors


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_leaves_the_workers_to_its_parent(start_script):
    body = """first = search()
        child = os.fork()
        if not child:
            theirs = search()
            reserve.shutdown()
            os._exit(len(set(theirs) & set(first)))
        _, status = os.waitpid(child, 0)
        print(json.dumps([status, first, search()]))
    """
    script = start_script(_SCRIPT.format(body=body))

    status, first, second = script.finish()

    assert status == 0
    assert second == first
