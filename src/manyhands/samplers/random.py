"""Random search: every trial drawn from the space's own distribution, whatever the others did."""

from collections.abc import Mapping

import numpy as np

from manyhands.ports import Outcome, Problem
from manyhands.samplers.sequence import SequenceSearch
from manyhands.space import Point
from manyhands.trial import Trial

_BLOCK = 256  # drawing many rows at once costs a hundredth of making a generator for each


class RandomSampler:
    """Draws each trial at random (Bergstra and Bengio 2012).

    In a finite space no configuration is drawn twice, and the search ends when all were.
    """

    learns = False

    def start(self, problem: Problem) -> None:
        """Prepare for a search; see ``manyhands.ports.Sampler``."""
        n_dimensions = len(problem.space.parameters)
        self._search = SequenceSearch(problem.space, problem.seed, _RandomRows(n_dimensions, problem.seed))

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return the ``trial_id``-th point of this seed's sequence."""
        return self._search.suggest(trial_id, running)

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Note that the configuration was tried."""
        self._search.observe(trial)


class _RandomRows:
    def __init__(self, n_dimensions: int, seed: int):
        self._n_dimensions = n_dimensions
        self._seed = seed
        self._block_id = -1
        self._block: list[list[float]] = []

    def row(self, i: int) -> list[float]:
        block_id, place = divmod(i, _BLOCK)
        if block_id != self._block_id:
            rng = np.random.default_rng([self._seed, 0, block_id])
            self._block = rng.random((_BLOCK, self._n_dimensions)).tolist()
            self._block_id = block_id
        return self._block[place]
