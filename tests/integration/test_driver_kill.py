"""The driver is killed, again and again, at any moment: what it had acknowledged stays, and the rest is run again."""

import json
import random
import signal

import psutil
import pytest

import manyhands as mh

N_KILLS = 20

#: ``acked`` has a line for each outcome that was told to a tracker, ``calls`` one for each call of the objective.
SCRIPT = """
    import json
    import os
    import sys
    import time

    import manyhands as mh

    store, folder, n_trials, workers, splits, pace = sys.argv[1:]

    def note(name, *fields):
        file = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, (json.dumps(fields) + "\\n").encode())
        os.close(file)

    class Acknowledge(mh.Tracker):
        def trial_ended(self, trial):
            if trial.state.is_end:
                note("acked", trial.id, trial.value)

    def objective(params, trial):
        note("calls", trial.id, trial.split, params["x"])
        time.sleep(float(pace))
        return params["x"] * 100 + trial.split

    study = mh.tune(
        objective, {"x": mh.Float(0, 1)}, max_trials=int(n_trials), workers=int(workers), splits=int(splits) or None,
        store=store, name="s", seed=5, progress=False, trackers=[Acknowledge()], sampler="random",
    )
    print(json.dumps(len(study.trials)))
"""


def lines(path):
    """The whole lines of a file of JSON."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def trials_of(store):
    """The trials by id, as they are stored; none if the study was not begun yet."""
    try:
        return {trial.id: trial for trial in mh.load_study("s", store).trials}
    except mh.StudyNotFoundError:
        return {}
    except mh.StoreError:
        if store.exists():
            raise
        return {}


class Torture:
    """Runs the script and kills it at moments that chance decides, each time looking at what is stored."""

    def __init__(self, start_script, tmp_path, seed, **settings):
        self._start = start_script
        self._folder = tmp_path
        self._rng = random.Random(seed)  # noqa: S311 - chance, not secrets
        self._settings = settings
        self.store = tmp_path / "study.db"
        self.seen = {}  # the point each trial was first seen with
        self.n_kills = 0

    def begin(self):
        s = self._settings
        return self._start(
            SCRIPT, self.store, self._folder, s["n_trials"], s["workers"], s.get("splits", 0), s.get("pace", 0.02)
        )

    def kill_some_runs(self):
        for _ in range(N_KILLS):
            script = self.begin()
            assert not script.ends_within(self._rng.uniform(0.1, 1.0)), script.errors
            script.kill()
            self.n_kills += script.process.returncode == -signal.SIGKILL
            self._look()

    def _look(self):
        trials = trials_of(self.store)
        for trial_id, value in self.acked:
            assert trials[trial_id].state == "finished"
            assert trials[trial_id].value == value
        for trial in trials.values():
            assert self.seen.setdefault(trial.id, trial.point) == trial.point
        assert self.seen.keys() <= trials.keys()

    @property
    def acked(self):
        return lines(self._folder / "acked")

    @property
    def calls(self):
        return lines(self._folder / "calls")


def check_that_nothing_was_lost(torture, n_trials, splits=1):
    trials = trials_of(torture.store)
    assert list(trials) == list(range(n_trials))
    assert all(trial.state == "finished" for trial in trials.values())
    assert sorted(trial.order for trial in trials.values()) == list(range(n_trials))
    torture._look()
    acked = dict(torture.acked)
    assert len(acked) == len(torture.acked), "an outcome was told twice"
    places = {}
    for trial_id, split, x in torture.calls:
        assert trials[trial_id].params["x"] == x, "a trial ran again with another point"
        places.setdefault((trial_id, split), []).append(x)
    assert places.keys() == {(i, split) for i in range(n_trials) for split in range(splits)}
    for trial in trials.values():
        assert trial.value == pytest.approx(trial.params["x"] * 100 + (splits - 1) / 2)
    return trials


@pytest.mark.usefixtures("folders_may_stay")
def test_a_sequential_search_that_is_killed_ends_as_if_it_had_not_been(start_script, tmp_path):
    torture = Torture(start_script, tmp_path, seed=1, n_trials=600, workers=1)
    torture.kill_some_runs()
    n_before = len(torture.acked)

    torture._settings["pace"] = 0
    torture.begin().finish()

    trials = check_that_nothing_was_lost(torture, 600)
    assert torture.n_kills == N_KILLS
    assert 20 < n_before < 600
    calm = mh.tune(
        lambda p: p["x"] * 100,
        {"x": mh.Float(0, 1)},
        max_trials=600,
        sampler="random",
        executor="inline",
        seed=5,
        progress=False,
    )
    assert [(t.id, t.point, t.value) for t in trials.values()] == [(t.id, t.point, t.value) for t in calm.trials]


@pytest.mark.usefixtures("folders_may_stay")
def test_a_parallel_search_that_is_killed_loses_no_trial(start_script, tmp_path):
    torture = Torture(start_script, tmp_path, seed=2, n_trials=3000, workers=3)
    torture.kill_some_runs()
    n_before = len(torture.acked)

    torture._settings["pace"] = 0
    torture.begin().finish()

    check_that_nothing_was_lost(torture, 3000)
    assert torture.n_kills == N_KILLS
    assert 20 < n_before < 3000
    assert len(torture.calls) > 3000, "no trial was running at any kill"


@pytest.mark.usefixtures("folders_may_stay")
def test_a_search_with_splits_that_is_killed_runs_only_what_is_missing(start_script, tmp_path):
    torture = Torture(start_script, tmp_path, seed=3, n_trials=300, workers=2, splits=3)
    torture.kill_some_runs()
    n_before = len(torture.acked)

    torture._settings["pace"] = 0
    torture.begin().finish()

    trials = check_that_nothing_was_lost(torture, 300, splits=3)
    assert torture.n_kills == N_KILLS
    assert 10 < n_before < 300
    assert {len(trial.split_values) for trial in trials.values()} == {3}


LONG_SCRIPT = """
    import json
    import subprocess
    import sys
    import time
    import ctypes

    import manyhands as mh

    folder, holds_on = sys.argv[1], sys.argv[2] == "True"

    def objective(params, trial):
        sleeper = subprocess.Popen(["/bin/sleep", "1000"])
        with open(f"{folder}/sleeper-{trial.id}", "w") as file:
            file.write(str(sleeper.pid))
        if holds_on:
            ctypes.PyDLL(None).sleep(1000)
        time.sleep(1000)

    mh.tune(objective, {"x": mh.Float(0, 1)}, max_trials=10, workers=2, progress=False)
"""


def sleepers_of(folder):
    texts = [path.read_text() for path in folder.glob("sleeper-*")]
    return [int(text) for text in texts if text]


def has_warden(script):
    """Whether the script's process has a child that will clear up after it."""
    return any("outlives a driver" in " ".join(child.cmdline()) for child in psutil.Process(script.pid).children())


@pytest.mark.parametrize("holds_on", [False, True], ids=["sleeping", "holding the interpreter"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_nothing_is_left_of_a_killed_driver(start_script, tmp_path, wait_until, left_over, lives, holds_on, number):
    """Workers, what they started, and the temporary folder: all of it goes, though nobody is there to clear up."""
    script = start_script(LONG_SCRIPT, tmp_path, holds_on)
    wait_until(lambda: len(sleepers_of(tmp_path)) == 2 and has_warden(script), "two trials run")

    script.send(number)
    script.process.wait(10)

    wait_until(lambda: left_over() == [], "nothing is left", 5)
    assert not any(map(lives, sleepers_of(tmp_path)))


@pytest.mark.usefixtures("folders_may_stay")
def test_workers_of_a_driver_that_is_killed_at_once_do_not_stay(start_script, tmp_path, wait_until, left_over, lives):
    """Before there is a warden, workers see for themselves that nobody is there any more."""
    script = start_script(LONG_SCRIPT, tmp_path, False)
    wait_until(lambda: sleepers_of(tmp_path), "a trial runs")

    script.kill()

    wait_until(lambda: not [left for left in left_over() if isinstance(left, psutil.Process)], "nothing is left", 5)
    assert not any(map(lives, sleepers_of(tmp_path)))


@pytest.mark.usefixtures("folders_may_stay")
def test_trials_that_were_running_at_the_kill_run_again_with_the_same_params(start_script, tmp_path, wait_until):
    torture = Torture(start_script, tmp_path, seed=4, n_trials=4, workers=2, pace=1000)
    script = torture.begin()
    wait_until(lambda: len(torture.calls) == 2, "two trials run")
    script.kill()
    at_kill = trials_of(torture.store)

    torture._settings["pace"] = 0
    torture.begin().finish()

    trials = check_that_nothing_was_lost(torture, 4)
    assert [trial.state.value for trial in at_kill.values()] == ["running"] * 2
    assert [trials[i].point for i in at_kill] == [trial.point for trial in at_kill.values()]
    assert sorted(trial_id for trial_id, _, _ in torture.calls) == [0, 0, 1, 1, 2, 3]
