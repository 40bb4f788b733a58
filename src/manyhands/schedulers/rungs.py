"""Rungs: the steps at which trials are compared, and what was seen there."""

from bisect import bisect_left, insort

from msgspec import Struct


class Verdict(Struct, frozen=True):
    """How a loss compares with those seen at its rung.

    Attributes:
        n: How many were seen there, this one included.
        bound: The worst loss that would go on; None if any would.
        goes_on: Whether this one does.
    """

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
    """

    def __init__(self, first: int, reduction: int, end: int | None = None):
        self.first = first
        self.reduction = reduction
        self.end = end
        self._losses: dict[int, list[float]] = {}  # by the rung's step, sorted
        self._next_rungs: dict[int, int] = {}  # by trial; the step of the first rung that it has not reached

    def enter(self, trial_id: int, step: int, loss: float) -> Verdict | None:
        """Return how a report compares with others; None if it reaches no new rung."""
        upcoming = self._next_rungs.get(trial_id, self.first)
        rung = None
        while upcoming <= step and not self._is_end(upcoming):
            rung = upcoming
            upcoming *= self.reduction
        if rung is None:
            return None
        self._next_rungs[trial_id] = upcoming
        losses = self._losses.setdefault(rung, [])
        insort(losses, loss)
        return self._compare(loss, losses)

    def _is_end(self, step: int) -> bool:
        return self.end is not None and step >= self.end

    def _compare(self, loss: float, losses: list[float]) -> Verdict:
        n = len(losses)
        n_going_on = n // self.reduction
        if n_going_on == 0:
            return Verdict(n, None, True)
        return Verdict(n, losses[n_going_on - 1], bisect_left(losses, loss) < n_going_on)
