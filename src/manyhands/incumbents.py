"""The best of the trials known so far: a single one, or the Pareto front of several objectives."""

from bisect import bisect_left
from collections.abc import Iterable
from operator import le

from manyhands.objectives import Direction, losses_of, total_violation, values_of
from manyhands.trial import Trial, TrialState

Losses = tuple[float, ...]


def dominates(a: Losses, b: Losses) -> bool:
    """Whether ``a`` is nowhere worse than ``b``, and somewhere better.

    Example:
        >>> dominates((1, 2), (1, 3)), dominates((1, 2), (1, 2)), dominates((1, 3), (2, 2))
        (True, False, False)
    """
    return a != b and all(map(le, a, b))


class Incumbents:
    """The feasible finished trials that no other one dominates, kept as trials come in.

    With one objective these are the trials with the best value. To add a trial costs as much as there are different
    points on the front, however many trials there are.

    Args:
        direction: What is better.
        trials: What to begin with, in this order; those without an outcome do not matter.

    Attributes:
        direction: The same.
        latest: The trial that last became one of them and brought values that no other had. With one objective the
            first of the best.
        closest: As long as no trial is feasible, the one whose constraints are broken by the least sum.
        n_feasible: How many finished trials keep every constraint.
        n_infeasible: How many do not.
    """

    def __init__(self, direction: Direction, trials: Iterable[Trial] = ()):
        self.direction = direction
        self.latest: Trial | None = None
        self.closest: Trial | None = None
        self.n_feasible = 0
        self.n_infeasible = 0
        self._front: dict[Losses, list[Trial]] = {}
        self._sorted: list[Losses] = []  # the different losses on the front
        for trial in trials:
            self.add(trial)

    @property
    def best(self) -> Trial | None:
        """The best trial, the first of equals; None if there is none yet, or if there are several objectives."""
        return self.latest if isinstance(self.direction, str) else None

    @property
    def front(self) -> list[Trial]:
        """The incumbents, the best by the first objective first."""
        return [trial for losses in self._sorted for trial in sorted(self._front[losses], key=lambda t: t.id)]

    @property
    def n_front(self) -> int:
        """How many incumbents there are."""
        return sum(map(len, self._front.values()))

    @property
    def n_finished(self) -> int:
        """How many trials have values, feasible or not."""
        return self.n_feasible + self.n_infeasible

    def add(self, trial: Trial) -> bool:
        """Learn of a trial, and return whether it is a new best: it joined, and brought values that no other had."""
        values = values_of(trial)
        if trial.state is not TrialState.FINISHED or not values:
            return False
        if not trial.is_feasible:
            self._add_infeasible(trial)
            return False
        self.n_feasible += 1
        self.closest = None
        return self._join(losses_of(values, self.direction), trial)

    def _join(self, losses: Losses, trial: Trial) -> bool:
        if losses in self._front:
            self._front[losses].append(trial)
            return False
        place = bisect_left(self._sorted, losses)  # whoever dominates somebody is sorted before him
        if any(dominates(other, losses) for other in reversed(self._sorted[:place])):
            return False
        beaten = {other for other in self._sorted[place:] if dominates(losses, other)}
        for other in beaten:
            del self._front[other]
        self._sorted[place:] = [losses, *(other for other in self._sorted[place:] if other not in beaten)]
        self._front[losses] = [trial]
        self.latest = trial
        return True

    def _add_infeasible(self, trial: Trial) -> None:
        self.n_infeasible += 1
        if self.n_feasible:
            return
        if self.closest is None or total_violation(trial.constraints) < total_violation(self.closest.constraints):
            self.closest = trial


def incumbents_of(trials: Iterable[Trial], direction: Direction) -> Incumbents:
    """The incumbents among the trials of a study, told in the order in which their outcomes became known."""
    return Incumbents(direction, sorted((t for t in trials if t.state.is_end), key=lambda t: t.order))
