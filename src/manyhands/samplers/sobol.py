"""Sobol search: points that fill the unit cube more evenly than chance would."""

from collections.abc import Mapping

import numpy as np

from manyhands.errors import SettingsError
from manyhands.ports import Outcome, Problem
from manyhands.samplers.sequence import SequenceSearch
from manyhands.space import Point
from manyhands.trial import Trial

_BLOCK = 256  # a power of two, as the sequence likes it
_MOST_DIMENSIONS = 21201  # direction numbers known to scipy (Joe and Kuo 2008)


class SobolSampler:
    """Takes the points of a scrambled Sobol sequence in their order (Owen 1998, by ``scipy.stats.qmc``).

    The cube has a dimension for each parameter; a conditional one that is not active leaves its own unused. In a finite
    space a configuration that comes up again is replaced by a random new one, and the search ends when all were tried.
    """

    learns = False

    def start(self, problem: Problem) -> None:
        """Prepare for a search; see ``manyhands.ports.Sampler``."""
        n = len(problem.space.parameters)
        if n > _MOST_DIMENSIONS:
            raise SettingsError(
                f"A Sobol sequence has at most {_MOST_DIMENSIONS} dimensions, and this space has {n} parameters. "
                f"Use sampler='random'."
            )
        self._search = SequenceSearch(problem.space, problem.seed, _SobolRows(n, problem.seed))

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return the ``trial_id``-th point of this seed's sequence."""
        return self._search.suggest(trial_id, running)

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Note that the configuration was tried."""
        self._search.observe(trial)


class _SobolRows:
    def __init__(self, n_dimensions: int, seed: int):
        self._n_dimensions = n_dimensions
        self._seed = seed
        self._rewind()

    def _rewind(self) -> None:
        from scipy.stats import qmc  # half a second that only this sampler should pay

        self._engine = qmc.Sobol(self._n_dimensions, scramble=True, rng=np.random.default_rng([self._seed, 2]))
        self._block_id = -1
        self._block: list[list[float]] = []

    def row(self, i: int) -> list[float]:
        block_id, place = divmod(i, _BLOCK)
        if block_id < self._block_id:  # the engine only goes forward
            self._rewind()
        if block_id != self._block_id:
            n_skipped = (block_id - self._block_id - 1) * _BLOCK
            if n_skipped:  # scipy overflows when asked to skip none
                self._engine.fast_forward(n_skipped)
            self._block = self._engine.random(_BLOCK).tolist()
            self._block_id = block_id
        return self._block[place]
