"""What the tests of the trainers' callbacks share: a scheduler that stops on demand, and a search with it."""

import numpy as np

import manyhands as mh

rng = np.random.default_rng(0)
X = rng.normal(size=(64, 3)).astype("float32")
Y = (X @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=64)).astype("float32")


class StopsAt:
    """Stops trials at a step, or at the first one beyond it.

    Args:
        steps: By trial.
    """

    def __init__(self, steps):
        self._steps = steps

    def judge(self, trial_id, report, loss):
        return "enough" if report.step >= self._steps.get(trial_id, np.inf) else None

    def observe(self, trial, loss):
        pass


def tune(objective, stop_at=None, **given):
    """A search of two trials; ``stop_at`` says at which step which of them is stopped."""
    settings = {"executor": "inline", "progress": False, "sampler": "random", "seed": 0, "max_trials": 2}
    space = {"rate": mh.Float(0.05, 0.1)}
    return mh.tune(objective, space, scheduler=StopsAt(stop_at or {}), **{**settings, **given})


def steps(study, trial_id):
    return [report.step for report in study.reports(trial_id)]


def values(study, trial_id):
    return [report.value for report in study.reports(trial_id)]


def failure(objective):
    """Why the only trial of a search failed."""
    try:
        study = tune(objective, max_trials=1)
    except mh.AllTrialsFailedError as error:
        study = error.study
    return study.trials[0].reason
