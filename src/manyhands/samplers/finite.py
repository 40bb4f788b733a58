"""Which configurations of a finite space are still to be tried."""

from collections.abc import Iterable, Iterator, Mapping

from manyhands.space import Point, Space


class Untried:
    """Keeps book of the points of a space that were suggested or tried.

    In a space without end every point is new, and nothing is kept.

    Args:
        space: The space.

    Attributes:
        size: How many points there are in all; None if there is no end to them.
    """

    def __init__(self, space: Space):
        self._space = space
        self._tried: set[int] = set()
        self._own: set[int] = set()  # running trials whose points are in ``_tried``
        self.size = space.size

    def unknown(self, running: Mapping[int, Point]) -> dict[int, Point]:
        """Those of the running trials that were suggested by somebody else and have not been noted yet."""
        if len(running) == len(self._own):  # all that are known still run, so there are no others
            return {}
        return {trial_id: running[trial_id] for trial_id in running.keys() - self._own}

    def note_running(self, running: Mapping[int, Point]) -> None:
        """Learn of all points that were given by somebody else and have no outcome yet."""
        if self.size is not None:
            for trial_id, point in self.unknown(running).items():
                self.note(trial_id, point)

    def note(self, trial_id: int, point: Point) -> None:
        """Learn of a point that was given by somebody else and has no outcome yet."""
        self._own.add(trial_id)
        self._tried.add(self._space.index(point))

    def note_outcome(self, trial_id: int, point: Point) -> None:
        """Learn that a trial ended."""
        if self.size is not None and trial_id >= 0:  # what a former study tried is still to be tried in this one
            self._own.discard(trial_id)
            self._tried.add(self._space.index(point))

    def take(self, trial_id: int, point: Point) -> bool:
        """Claim a point of a finite space for a trial; False if it was tried before."""
        index = self._space.index(point)
        if index in self._tried:
            return False
        self._tried.add(index)
        self._own.add(trial_id)
        return True

    def points(self) -> Iterator[Point]:
        """All points of a finite space that were not tried."""
        for index in range(self.size or 0):
            if index not in self._tried:
                yield self._space.nth(index)

    def first_new(self, trial_id: int, candidates: Iterable[Point], start: float) -> Point | None:
        """Return the first candidate that was not tried; failing that, any point that was not.

        Args:
            trial_id: The trial it is for.
            candidates: Points to consider, in order of preference; only as many as needed are drawn.
            start: In [0, 1): where to start looking through the whole space.

        Returns:
            None if every point was tried.
        """
        if self.size is None:
            return next(iter(candidates))
        if len(self._tried) >= self.size:
            return None
        for point in candidates:
            if self.take(trial_id, point):
                return point
        index = int(start * self.size)
        while index in self._tried:
            index = (index + 1) % self.size
        point = self._space.nth(index)
        self.take(trial_id, point)
        return point
