"""Workers that die, hang, eat memory or leave processes behind: a search loses nothing by them."""

import ctypes
import json
import os
import random
import signal
import subprocess
import threading
import time

import psutil
import pytest

import manyhands as mh


def states(study):
    return [trial.state.value for trial in study.trials]


# -- workers that die ----------------------------------------------------------------------------------------------


def test_a_trial_whose_worker_kills_itself_is_tried_again(tune):
    def objective(params, trial):
        if trial.id == 1 and trial.attempt == 1:
            print("these are my last words")
            os.kill(os.getpid(), signal.SIGKILL)
        return params["x"]

    study = tune(objective, max_trials=4)

    trial = study.trials[1]
    assert states(study) == ["finished"] * 4
    assert trial.attempts == 2
    assert trial.value == trial.params["x"]
    assert "SIGKILL" in trial.lost[0]
    assert "these are my last words" in trial.lost[0]
    assert [t.attempts for t in study.trials if t.id != 1] == [1, 1, 1]


def test_a_trial_whose_worker_is_killed_from_outside_is_tried_again(tune):
    class Killer(mh.Tracker):
        def logged(self, trial_id, text):
            os.kill(int(text), signal.SIGKILL)

    def objective(params, trial):
        if trial.id == 0 and trial.attempt == 1:
            print(os.getpid())
            time.sleep(1000)
        return params["x"]

    study = tune(objective, max_trials=3, trackers=[Killer()])

    assert states(study) == ["finished"] * 3
    assert study.trials[0].attempts == 2
    assert "SIGKILL" in study.trials[0].lost[0]


def test_a_trial_that_crashes_its_worker_fails_after_max_attempts(tune):
    def objective(params, trial):
        if trial.id == 2:
            ctypes.string_at(0)
        return params["x"]

    study = tune(objective, max_trials=6, max_attempts=2)

    trial = study.trials[2]
    assert states(study) == ["finished", "finished", "failed", "finished", "finished", "finished"]
    assert trial.reason.endswith("because its process was killed by SIGSEGV; a library crashed (segmentation fault)")
    assert len(trial.lost) == 2
    assert all("SIGSEGV" in cause for cause in trial.lost)
    assert "string_at" in trial.lost[0]  # the traceback that Python writes when it crashes


def test_the_exit_code_of_a_worker_that_leaves_is_on_its_trial(tune):
    def objective(params, trial):
        if trial.id == 0:
            os._exit(3)
        return params["x"]

    study = tune(objective, max_trials=3, max_attempts=2)

    assert states(study) == ["failed", "finished", "finished"]
    assert "exit code 3" in study.trials[0].reason
    assert "exit code 3" in study.trials[0].lost[0]


def test_a_search_in_which_every_trial_kills_its_worker_says_so(tune):
    def objective(params):
        os._exit(3)

    with pytest.raises(mh.AllTrialsFailedError, match="exit code 3"):
        tune(objective, max_trials=3, max_attempts=1)


def test_every_trial_survives_random_kills_of_workers(tune):
    """However often workers die, each trial has one outcome, and none is blamed more often than it may be."""
    rng = random.Random(7)  # noqa: S311 - chance, not secrets
    is_over = threading.Event()
    n_kills = 0

    def kill_some():
        nonlocal n_kills
        me = psutil.Process()
        while not is_over.wait(0.05):
            workers = [child for child in me.children() if is_worker(child)]
            if workers:
                os.kill(rng.choice(workers).pid, signal.SIGKILL)
                n_kills += 1

    def objective(params):
        time.sleep(0.01)
        return params["x"]

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        study = tune(objective, max_trials=200, workers=4, max_attempts=50, timeout_s=90)
    finally:
        is_over.set()
        killer.join()

    assert n_kills > 10
    assert [trial.id for trial in study.trials] == list(range(200))
    assert states(study) == ["finished"] * 200
    assert all(trial.value == trial.params["x"] for trial in study.trials)
    assert sorted(trial.order for trial in study.trials) == list(range(200))


def is_worker(process):
    """Whether a child process of this one is a worker that is up; zombies have no command line."""
    try:
        return "manyhands.worker.main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


# -- workers that hang ---------------------------------------------------------------------------------------------


def test_a_trial_that_sleeps_for_ever_fails_at_its_timeout(tune):
    """It never reports, so nothing but killing its worker can end it."""

    def objective(params, trial):
        if trial.id == 1:
            print("going to sleep")
            time.sleep(1000)
        return params["x"]

    study = tune(objective, max_trials=6, trial_timeout_s=1, workers=1)

    trial = study.trials[1]
    assert states(study) == ["finished", "failed", "finished", "finished", "finished", "finished"]
    assert "trial_timeout_s=1" in trial.reason
    assert 0.9 < trial.duration_s < 5
    assert trial.attempts == 1
    assert study.log(1) == "going to sleep\n"


def test_a_trial_that_never_lets_go_of_the_interpreter_fails_at_its_timeout(tune):
    """No other thread of that worker can run, so it cannot be asked, and cannot hand on what it printed."""

    def objective(params, trial):
        if trial.id == 1:
            print("stuck in C")
            ctypes.PyDLL(None).sleep(1000)
        return params["x"]

    study = tune(objective, max_trials=6, trial_timeout_s=1, workers=1)

    assert states(study) == ["finished", "failed", "finished", "finished", "finished", "finished"]
    assert "trial_timeout_s=1" in study.trials[1].reason
    assert study.log(1) == "stuck in C\n"


def test_the_output_of_a_hanging_trial_is_kept_when_it_is_the_last_one(tune):
    """The search is over at once, and still has to wait for what the killed worker had written."""

    def objective(params, trial):
        if trial.id == 1:
            print("stuck in C")
            ctypes.PyDLL(None).sleep(1000)
        return params["x"]

    study = tune(objective, max_trials=2, trial_timeout_s=1, workers=1)

    assert states(study) == ["finished", "failed"]
    assert study.log(1) == "stuck in C\n"


def test_each_of_many_hanging_trials_frees_its_worker(tune):
    def objective(params, trial):
        if trial.id % 2:
            time.sleep(1000)
        return params["x"]

    study = tune(objective, max_trials=8, trial_timeout_s=0.5)

    assert states(study) == ["finished", "failed"] * 4


def test_a_search_that_runs_out_of_time_kills_what_hangs(tune):
    def objective(params, trial):
        if trial.id > 2:
            time.sleep(1000)
        return params["x"]

    study = tune(objective, max_trials=100, timeout_s=1.5)

    assert states(study)[:3] == ["finished"] * 3
    assert set(states(study)[3:]) == {"interrupted"}
    assert "timeout_s=1.5" in study.end_reason


# -- limits --------------------------------------------------------------------------------------------------------


def test_a_worker_that_takes_too_much_memory_is_killed(tune):
    def objective(params, trial):
        if trial.id == 1:
            hoard = b"x" * 450_000_000
            time.sleep(1000)
            return len(hoard)
        return params["x"]

    study = tune(objective, max_trials=3, max_attempts=2, executor=mh.Processes(workers=2, memory_limit_mb=300))

    trial = study.trials[1]
    assert states(study) == ["finished", "failed", "finished"]
    assert "memory_limit_mb=300" in trial.reason
    assert all("memory_limit_mb=300" in cause for cause in trial.lost)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_share_the_cores_among_their_libraries(tune, workers):
    def objective(params):
        return {"value": params["x"], "threads": os.environ["OMP_NUM_THREADS"]}

    study = tune(objective, max_trials=2, workers=workers)

    share = max(1, len(os.sched_getaffinity(0)) // workers)
    assert {trial.metrics["threads"] for trial in study.trials} == {str(share)}


def test_a_worker_is_used_for_many_trials(tune):
    def objective(params):
        return {"value": params["x"], "pid": os.getpid()}

    study = tune(objective, max_trials=30)

    assert len({trial.metrics["pid"] for trial in study.trials}) <= 2
    assert len({trial.worker for trial in study.trials}) <= 2


# -- what trials start ---------------------------------------------------------------------------------------------


def start_sleepers(how_it_ends):
    """An objective that leaves a process behind in each trial, and in its second trial ends as told."""

    def objective(params, trial):
        sleeper = subprocess.Popen(["/bin/sleep", "1000"])
        if trial.id == 1 and trial.attempt == 1:
            print(json.dumps(sleeper.pid))
            how_it_ends()
        return {"value": params["x"], "sleeper": sleeper.pid}

    return objective


def test_processes_that_trials_started_end_with_the_search(tune, wait_until, lives):
    study = tune(start_sleepers(how_it_ends=dict), max_trials=4)

    sleepers = [trial.metrics["sleeper"] for trial in study.trials]
    assert len(set(sleepers)) == 4
    wait_until(lambda: not any(map(lives, sleepers)), "the sleepers are gone", 5)


@pytest.mark.parametrize(
    ("how_it_ends", "state"),
    [(lambda: time.sleep(1000), "failed"), (lambda: os.kill(os.getpid(), 9), "finished")],
    ids=["timeout", "kill"],
)
def test_processes_that_a_trial_started_end_with_its_worker(tune, wait_until, lives, how_it_ends, state):
    """A tracker looks while the search goes on: the end of the search must not be what cleans up."""
    gone = []

    class Watcher(mh.Tracker):
        def trial_ended(self, trial):
            if trial.id == 11:
                sleeper = json.loads(log.splitlines()[0])
                wait_until(lambda: not lives(sleeper), "the sleeper is gone", 5)
                gone.append(sleeper)

        def logged(self, trial_id, text):
            nonlocal log
            log += text if trial_id == 1 else ""

    log = ""
    objective = start_sleepers(how_it_ends)

    study = tune(objective, max_trials=12, workers=1, trial_timeout_s=1, trackers=[Watcher()])

    assert study.trials[1].state == state
    assert len(gone) == 1
