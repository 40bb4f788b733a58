"""The median rule: stops what is worse than trials usually are at that step."""

import math
from bisect import insort

from msgspec import Struct

from manyhands.checks import check_whole
from manyhands.schedulers.base import StoppingScheduler


class _Course(Struct):
    """How a trial went so far."""

    best: float = math.inf
    total: float = 0.0
    n: int = 0


class MedianScheduler(StoppingScheduler):
    """Stops a trial whose best value so far is worse than the median of the others' running averages.

    This is Vizier's median stopping rule (Golovin et al. 2017, https://doi.org/10.1145/3097983.3098043), except that
    running trials count among the others as ended ones do. A trial's running average at a step is the mean of all that
    it reported up to that step, and stays in the comparison when the trial ends. Trials are compared at the same step,
    whenever they came to it, so only those count that reported that very step.

    The rule is a mild one, as the best of a trial is compared with averages of others.

    Args:
        grace_steps: No trial is stopped at a step before this one.
        min_trials: Nor while fewer other trials have reported the step.

    Raises:
        SettingsError: An argument is no whole number from 1 on.
    """

    def __init__(self, grace_steps: int = 5, min_trials: int = 5):
        check_whole(grace_steps=grace_steps, min_trials=min_trials)
        self.grace_steps = grace_steps
        self.min_trials = min_trials
        super().__init__()

    def _reset(self) -> None:
        self._courses: dict[int, _Course] = {}
        self._averages: dict[int, list[float]] = {}  # by step: the running averages of all that reported it, sorted

    def _judge(self, trial_id: int, step: int, loss: float) -> str | None:
        course = self._courses.setdefault(trial_id, _Course())
        course.best = min(course.best, loss)
        course.total += loss
        course.n += 1
        if step < self.grace_steps:
            return None
        others = self._averages.setdefault(step, [])
        reason = self._compare(course.best, others, step)
        insort(others, course.total / course.n)
        return reason

    def _compare(self, best: float, others: list[float], step: int) -> str | None:
        n = len(others)
        if n < self.min_trials:
            return None
        median = (others[(n - 1) // 2] + others[n // 2]) / 2
        if best <= median:
            return None
        return (
            f"its best value up to step {step}, {self._show(best)}, is worse than {self._show(median)}, "
            f"the median of the running averages of {n} other trials there"
        )
