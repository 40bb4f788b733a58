"""Which trials are good and which are not: by loss, by Pareto front, and by how far constraints are broken."""

import bisect
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manyhands.objectives import total_violation
from manyhands.samplers.cube import Array
from manyhands.samplers.observations import Observations

_ELITE = 128  # of several objectives; comparing all with all, the cost grows with the square


class Ranking:
    """Keeps the trials of a search in order, the best first; failed ones last.

    A trial that breaks constraints comes after every one that breaks fewer of them, measured by the sum of what is
    above 0 (Deb et al. 2002, constrained domination). With several objectives trials are ordered by their Pareto front,
    and within one by crowding distance (the same paper), those at its ends and in empty stretches first. Only the 128
    best, or up to twice as many, are ordered then: a trial once dominated never becomes undominated.

    Args:
        observations: What is ranked; ``add`` is to be called after each of its own.

    Attributes:
        n_failed: How many trials have no loss.
    """

    def __init__(self, observations: Observations):
        self._observations = observations
        self._n_objectives = observations.losses.shape[1]
        self._violations: list[float] = []
        self._first: list[int] = []  # those that may be good; in order, if there is one objective
        self._keys: list[tuple[float, float]] = []  # their violation and loss, if there is one objective
        self._last: list[int] = []
        self.n_failed = 0

    def add(self) -> None:
        """Take note of the newest observation."""
        i = self._observations.n - 1
        losses = self._observations.losses[i]
        self._violations.append(total_violation(self._observations.violations[i].tolist()))  # NaN is not above 0
        if np.isnan(losses[0]):
            self.n_failed += 1
            self._last.append(i)
        elif self._n_objectives == 1:
            key = (self._violations[i], float(losses[0]))
            place = bisect.bisect(self._keys, key)
            self._keys.insert(place, key)
            self._first.insert(place, i)
        else:
            self._first.append(i)
            if len(self._first) > 2 * _ELITE:
                ranked = self._by_front(self._first, _ELITE)
                self._first = ranked[:_ELITE]
                self._last += ranked[_ELITE:]

    def split(self, n_good: int, most_bad: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The ``n_good`` best observations, best first, and at most ``most_bad`` of the others, evenly over the ranks.

        Returns:
            Indices of observations, shapes (n_good,) and (n_bad,).
        """
        first = self._first if self._n_objectives == 1 else self._by_front(self._first, n_good)
        ranked = first + self._last
        bad = [ranked[k] for k in _evenly(n_good, len(ranked), most_bad)]
        return np.array(ranked[:n_good], dtype=np.intp), np.array(bad, dtype=np.intp)

    def _by_front(self, trials: list[int], n: int) -> list[int]:
        violations = np.array([self._violations[i] for i in trials])
        return [trials[k] for k in pareto_order(self._observations.losses[trials], violations, n)]


def _evenly(start: int, stop: int, most: int) -> Sequence[int]:
    n = stop - start
    if n <= most:
        return range(start, stop)
    return [start + (2 * k + 1) * n // (2 * most) for k in range(most)]


def pareto_order(losses: Array, violations: Array, n: int) -> list[int]:
    """Order trials by front, and within a front by crowding distance.

    Args:
        losses: Shape (n_rows, n_objectives).
        violations: By how much constraints are broken in all, shape (n_rows,); 0 for a feasible trial.
        n: How many of the order's first places matter; fronts after those are not told apart.

    Returns:
        Indices of all rows, the best first.
    """
    no_worse = np.ones((len(losses), len(losses)), dtype=bool)
    for column in losses.T:
        no_worse &= column[:, None] <= column
    is_equal = no_worse & no_worse.T
    as_feasible = violations[:, None] == violations[None]
    dominates = (violations[:, None] < violations[None]) | (as_feasible & no_worse & ~is_equal)
    n_above = dominates.sum(axis=0)
    order: list[int] = []
    while len(order) < min(n, len(losses)):
        front = np.flatnonzero(n_above == 0)
        order += front[np.argsort(-crowding(losses[front]), kind="stable")].tolist()
        n_above -= dominates[front].sum(axis=0)
        n_above[front] = -1
    return order + np.flatnonzero(n_above >= 0).tolist()


def crowding(losses: Array) -> Array:
    """How much room each point of a front has, shape (n,): the sum over objectives of the gap between its neighbours.

    Gaps are relative to the front's extent; points at the ends have infinite room (Deb et al. 2002, section III-B).
    """
    room = np.zeros(len(losses))
    for column in losses.T / 2:  # the whole extent of some is too large for a number
        order = np.argsort(column, kind="stable")
        extent = column[order[-1]] - column[order[0]]
        gaps = (column[order[2:]] - column[order[:-2]]) / (extent or 1.0)
        room[order[1:-1]] += gaps
        room[order[[0, -1]]] = np.inf
    return room
