"""A recorded run can be replayed: the same events lead the same search to the same decisions."""

import os
import signal
import time

import pytest

import manyhands as mh
from manyhands import eventlog
from manyhands.samplers import make_sampler
from manyhands.search import Search, Settings

SPACE = {"x": mh.Float(0, 1), "kind": mh.Choice(["a", "b"])}


def quiet(params, trial):
    time.sleep(0.002 * (trial.id % 3))
    return params["x"]


def troubled(params, trial):
    """Some trials report, some fail, some kill their worker, one hangs."""
    trial.report(params["x"])
    if trial.id % 10 == 3 and trial.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if trial.id == 8:
        time.sleep(1000)
    if trial.id % 7 == 5:
        raise ValueError("no luck")
    return params["x"]


def with_splits(params, trial):
    return params["x"] + trial.split


def with_a_front(params, trial):
    if trial.id == 4:
        return [1.0, float("nan")]
    values = [params["x"], (1 - params["x"]) ** 2 + trial.split]
    return {"values": values, "constraints": [params["x"] - 0.8]}


def by_value(function):
    """The same function, sent to workers as it is: they may not be able to import this module."""

    def call(params, trial):
        return function(params, trial)

    return call


CASES = {
    "quiet": (quiet, {"max_trials": 60}),
    "troubled": (troubled, {"max_trials": 40, "trial_timeout_s": 1.0, "max_attempts": 2}),
    "splits": (with_splits, {"max_trials": 20, "n_splits": 3}),
    "front": (with_a_front, {"max_trials": 30, "n_splits": 2, "direction": ("minimize", "maximize")}),
}


def replay(path, settings):
    search = Search(mh.Space(SPACE), make_sampler("auto"), Settings(seed=11, **settings))
    commands = [search.handle(event) for event in eventlog.read(path)]
    return search, commands


@pytest.mark.parametrize("case", CASES)
def test_a_replayed_run_has_the_same_trials(tune, tmp_path, case):
    objective, settings = CASES[case]
    log = tmp_path / "events.jsonl"
    given = {"splits" if key == "n_splits" else key: value for key, value in settings.items()}
    study = tune(
        lambda params, trial: objective(params, trial), space=SPACE, workers=3, seed=11, event_log=log, **given
    )

    search, commands = replay(log, settings)
    _, again = replay(log, settings)

    assert [search.trials[i] for i in sorted(search.trials)] == study.trials
    assert search.end_reason == study.end_reason
    assert search.incumbents.front == study.pareto_front
    assert commands == again
    assert sum(map(len, commands)) > len(study.trials)


def test_the_log_of_a_run_that_is_interrupted_can_be_replayed(tune, tmp_path):
    log = tmp_path / "events.jsonl"

    def objective(params, trial):
        if trial.id > 5:
            time.sleep(1000)
        return params["x"]

    study = tune(objective, space=SPACE, workers=3, seed=11, max_trials=40, timeout_s=1.0, event_log=log)

    search, _ = replay(log, {"max_trials": 40, "timeout_s": 1.0})
    assert [search.trials[i] for i in sorted(search.trials)] == study.trials
    assert {trial.state.value for trial in study.trials} == {"finished", "interrupted"}
