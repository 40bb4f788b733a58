"""Search along a fixed sequence of points in the unit cube: what random and Sobol search have in common."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from manyhands.samplers.finite import Untried
from manyhands.space import Point, Space
from manyhands.trial import Trial

_TRIES = 100  # draws that may hit tried points of a finite space before it is looked through


class Rows(Protocol):
    """A sequence of points in the unit cube."""

    def row(self, i: int) -> Sequence[float]:
        """The ``i``-th point, a number for each of the space's parameters."""


class SequenceSearch:
    """Suggests to trial ``i`` the ``i``-th point of a sequence, or in a finite space a new one near at hand.

    Args:
        space: The space.
        seed: For the points that take the place of repeated ones.
        rows: The sequence.
    """

    def __init__(self, space: Space, seed: int, rows: Rows):
        self._space = space
        self._seed = seed
        self._rows = rows
        self._untried = Untried(space)

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """The point for a trial; None if the space is used up."""
        if self._untried.size is None:
            return self._space.decode(self._rows.row(trial_id))
        self._untried.note_running(running)
        rng = np.random.default_rng([self._seed, 1, trial_id])
        start = float(rng.random())
        return self._untried.first_new(trial_id, self._draws(trial_id, rng), start)

    def observe(self, trial: Trial) -> None:
        """Note that a configuration was tried."""
        self._untried.note_outcome(trial.id, trial.point)

    def _draws(self, trial_id: int, rng: np.random.Generator) -> Iterator[Point]:
        yield self._space.decode(self._rows.row(trial_id))
        for _ in range(_TRIES):
            yield self._space.sample(rng)
