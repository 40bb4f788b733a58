"""Racing: which trials need not run the rest of their splits, as those before say that they will hardly be the best.

A fold that is hard is hard for every trial, so a trial is compared with the best one split by split. Let d_j be by
how much it is worse in split j, known for n of k splits. If the d_j are independent draws with variance s^2, then the
mean of all k lies around the mean of those n with variance s^2 (1/n - 1/k). A trial is left when even three deviations
in its favour would not make it the best. The variance s^2 is the larger one of what its own splits show and of what
those of all other trials show, of which most are worse than the best and vary more. So the rule is forgiving, as it
should be: Bergman et al. 2024 ("Don't Waste Your Time: Early Stopping Cross-Validation") find forgiving rules safe, and
aggressive ones harmful.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from manyhands.objectives import Direction, losses_of
from manyhands.trial import Result, Trial, TrialState

_DEVIATIONS = 3.0
_FEWEST = 3  # trials beside the best one, to know how much differences vary


class Race:
    """What is known of the splits of finished trials.

    Args:
        direction: What is better; one objective.
        n_splits: How many splits a trial has.
    """

    def __init__(self, direction: Direction, n_splits: int):
        self._direction = direction
        self._n_splits = n_splits
        self._rows: list[tuple[float, ...]] = []  # the losses of each finished trial
        self._best: tuple[float, ...] | None = None
        self._sum_of_variances = 0.0  # of each one's differences from the best

    def observe(self, trial: Trial) -> None:
        """Learn of an outcome."""
        if trial.state is not TrialState.FINISHED or not trial.is_feasible:
            return
        row = tuple(self._loss(value) for value in trial.split_values)
        if len(row) != self._n_splits:
            return
        self._rows.append(row)
        if self._best is None or fmean(row) < fmean(self._best):
            self._best = row
            self._sum_of_variances = sum(_variance(_subtract(other, row)) for other in self._rows)
        else:
            self._sum_of_variances += _variance(_subtract(row, self._best))

    def judge(self, done: Mapping[int, Result]) -> str | None:
        """Return why a trial's other splits are not worth running, in words, or None.

        Args:
            done: The results of some of its splits.
        """
        if any(result.failed for result in done.values()):
            return "one of its splits has no value"
        best, n = self._best, len(done)
        if best is None or len(self._rows) <= _FEWEST or n == self._n_splits:
            return None
        differences = self._differences(done, best)
        own = _variance(differences) if n > 1 else 0.0
        common = self._sum_of_variances / (len(self._rows) - 1)  # the best one differs from itself in nothing
        spread = math.sqrt(max(own, common) * (1 / n - 1 / self._n_splits))
        if not fmean(differences) > _DEVIATIONS * spread:
            return None
        return (
            f"it is worse than the best trial by {fmean(differences):.4g} in {n} of {self._n_splits} splits, which the "
            f"others will hardly make good: the difference so far is uncertain by {spread:.2g}"
        )

    def estimate(self, done: Mapping[int, Result]) -> float | None:
        """The value that a trial would probably have over all splits: the best one's, and how far it is from that.

        None if nothing can be said.
        """
        if self._best is None or not done or any(result.failed for result in done.values()):
            return None
        loss = fmean(self._best) + fmean(self._differences(done, self._best))
        return self._loss(loss)  # the way back is the same

    def _differences(self, done: Mapping[int, Result], best: tuple[float, ...]) -> list[float]:
        return [self._loss(result.value) - best[split] for split, result in done.items()]

    def _loss(self, value: object) -> float:
        assert isinstance(value, float | int), value  # noqa: S101 - one objective, and it has not failed
        return losses_of([value], self._direction)[0]


def _subtract(row: Sequence[float], best: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(row, best, strict=True)]


def _variance(values: Sequence[float]) -> float:
    """Of a sample; the one in ``statistics`` is exact, which takes fifty times as long."""
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)
