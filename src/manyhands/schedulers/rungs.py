"""Rungs: the steps at which trials are compared, and what was seen there."""

from bisect import insort

from msgspec import Struct


class Verdict(Struct, frozen=True, gc=False):
    """How a loss compares with those seen at its rung.

    Attributes:
        rung: The rung's step.
        n: How many were seen there, this one included.
        bound: The worst loss that would go on; None if any would.
        goes_on: Whether this one does.
    """

    rung: int
    n: int
    bound: float | None
    goes_on: bool


class Rungs:
    """The rungs of one bracket: ``first``, ``first * reduction``, ``first * reduction**2`` and so on.

    A trial has reached a rung with its first report at or beyond it. If it passed several since its last report, only
    the highest counts: its loss there says nothing about the earlier steps, and would make them harder for others.

    Args:
        first: The step of the first rung.
        reduction: The best one of so many goes on.
        end: There are no rungs from this step on; None if there is no end.
        at_least: So many go on at a rung at which fewer than ``reduction`` were seen; None for all of them.
    """

    def __init__(self, first: int, reduction: int, end: int | None = None, at_least: int | None = None):
        self.first = first
        self.reduction = reduction
        self.end = end
        self.at_least = at_least
        self._losses: dict[int, list[float]] = {}  # by the rung's step, sorted
        self._next_rungs: dict[int, int] = {}  # by trial; the step of the first rung that it has not reached

    def enter(self, trial_id: int, step: int, loss: float) -> Verdict | None:
        """Return how a report compares with others; None if it reaches no new rung."""
        upcoming = self._next_rungs.get(trial_id, self.first)
        last = step if self.end is None else min(step, self.end - 1)  # from the end on there are no rungs
        rung = None
        while upcoming <= last:
            rung = upcoming
            upcoming *= self.reduction
        if rung is None:
            return None
        self._next_rungs[trial_id] = upcoming
        insort(self._losses.setdefault(rung, []), loss)
        return self.compare(rung, loss)

    def compare(self, rung: int, loss: float) -> Verdict:
        """Return how a loss that was seen at a rung compares with the others there, as things stand."""
        losses = self._losses[rung]
        n = len(losses)
        n_going_on = n // self.reduction or self.at_least
        if n_going_on is None:
            return Verdict(rung, n, None, True)
        bound = losses[n_going_on - 1]
        return Verdict(rung, n, bound, loss <= bound)
