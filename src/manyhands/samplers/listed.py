"""Trials that were all decided on beforehand."""

from collections.abc import Mapping, Sequence

from manyhands.ports import Outcome, Problem
from manyhands.space import Point
from manyhands.trial import Trial


class ListedSampler:
    """Proposes given points, one after another: the trial with number ``i`` is ``points[i]``.

    Args:
        points: The points, whole. Duplicates are tried as often as they are there.
        name: What to call it in tables.
    """

    learns = False

    def __init__(self, points: Sequence[Point], name: str = "listed"):
        self.name = name
        self._points = points

    def start(self, problem: Problem) -> None:
        """There is nothing to prepare; see ``manyhands.ports.Sampler``."""

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return the point of that number, or None if there are no more."""
        return dict(self._points[trial_id]) if trial_id < len(self._points) else None

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """There is nothing to learn."""
