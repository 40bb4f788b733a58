"""What tests of faults share: trials that wait on a stage, the processes around them, and what must hold afterwards."""

import json
import os
import sqlite3
import time
from contextlib import closing
from typing import NamedTuple

import psutil
from tests import support

import manyhands as mh

PATIENCE_S = 75.0  # Spark takes about 11 s for a new executor on a quiet machine


class Entry(NamedTuple):
    """A trial that has begun: its number and attempt, its process, and the Python worker of Spark that is its host."""

    trial: int
    attempt: int
    pid: int
    host: int


class Stage:
    """Where trials show that they run, and wait until the test lets them go on; both by files in a folder.

    Args:
        folder: Seen by driver and nodes.
    """

    def __init__(self, folder):
        self._folder = folder

    # -- for trials --------------------------------------------------------------------------------------------

    def enter(self, trial):
        """Show that this attempt runs."""
        draft = self._folder / f"draft-{os.getpid()}"
        draft.write_text(json.dumps([trial.id, trial.attempt, os.getpid(), os.getppid()]))
        draft.rename(self._folder / f"entry-{trial.id}-{trial.attempt}")

    def wait(self, gate):
        """Return once the test has opened a gate."""
        support.wait_until(lambda: self._is_open(gate) or self._is_open("given up"), f"{gate} is open", 2 * PATIENCE_S)
        assert self._is_open(gate), "the test has failed, and its trials have nothing to wait for any more"

    # -- for tests ---------------------------------------------------------------------------------------------

    def open(self, gate):
        """Let those go on who wait, or will wait, at a gate."""
        (self._folder / f"gate-{gate}").touch()

    def entries(self):
        """All attempts that have begun so far."""
        return [Entry(*json.loads(path.read_text())) for path in self._folder.glob("entry-*")]

    def entry(self, trial, attempt=1):
        """Return an attempt once it has begun."""
        return self.all_of([(trial, attempt)])[0]

    def all_of(self, attempts):
        """Return these attempts, in their order, once all of them have begun."""
        paths = [self._folder / f"entry-{trial}-{attempt}" for trial, attempt in attempts]
        support.wait_until(lambda: all(path.exists() for path in paths), f"{attempts} have begun", PATIENCE_S)
        return [Entry(*json.loads(path.read_text())) for path in paths]

    def _is_open(self, gate):
        return (self._folder / f"gate-{gate}").exists()


def executor_of(entry):
    """The process of the Spark executor in which a trial runs: it has a daemon, and that forks the Python workers."""
    return psutil.Process(entry.host).parent().parent()


def lives(pid):
    """Whether there is a process of this id that is more than a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(*pids, timeout_s=10.0):
    """Return once none of these processes is left."""
    support.wait_until(lambda: not any(map(lives, pids)), f"the processes {pids} are gone", timeout_s)


class Stopwatch:
    """Counts seconds from when it was made."""

    def __init__(self):
        self._began = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self._began


def tell(fault, happened, lost, seconds=None):
    """Print a row of the table in the documentation; ``pytest -s`` shows it."""
    print(f"\n| {fault} | {happened} | {lost} | {'' if seconds is None else f'{seconds:.1f}'} |")


def assert_outcomes(trials, store, n_trials, lost, run=1):
    """Each trial has one outcome, that of the attempt that was not lost, and the store says the same.

    Args:
        trials: Of a study whose objective returned ``value(trial.id, trial.attempt, run)``.
        store: Its file. The study's name is "s".
        n_trials: How many there should be.
        lost: How many attempts each trial should have lost, by id; those that lost none may be left out.
        run: The run that the outcomes should be from, or a function that tells by id.
    """
    run_of = run if callable(run) else lambda _: run
    assert [trial.id for trial in trials] == list(range(n_trials))
    assert {trial.id: trial.state.value for trial in trials} == dict.fromkeys(range(n_trials), "finished")
    assert sorted(trial.order for trial in trials) == list(range(n_trials))
    assert {trial.id: len(trial.lost) for trial in trials if trial.lost} == lost
    assert {trial.id: trial.value for trial in trials} == {
        i: value(i, 1 + lost.get(i, 0), run_of(i)) for i in range(n_trials)
    }
    assert [(t.id, t.state, t.value, t.lost) for t in mh.load_study("s", store).trials] == [
        (t.id, t.state, t.value, t.lost) for t in trials
    ]
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT id, state, json_array_length(lost) FROM trials ORDER BY id").fetchall()
    assert rows == [(i, "finished", lost.get(i, 0)) for i in range(n_trials)]


def value(trial_id, attempt, run=1):
    """What objectives return: it tells by which attempt of which run a trial got its outcome."""
    return float(1000 * run + 10 * trial_id + attempt)
