"""Simulated annealing: points near good ones, from neighbourhoods that shrink as trials come in."""

from bisect import insort
from collections.abc import Mapping
from typing import Any

import numpy as np

from manyhands.ports import Outcome, Problem
from manyhands.samplers.cube import Array, Cube
from manyhands.samplers.finite import Untried
from manyhands.space import Point
from manyhands.trial import Trial

_STREAM = 17  # of randomness, apart from the samplers'
_MOST_MOVES = 50  # in a finite space, until one leads to something new


class AnnealSampler:
    """Moves each parameter of a good trial a little, less and less, and now and then chooses another option.

    Which good trial is chance: the best one most often. A neighbourhood is as wide as the whole range at first, and
    ``1 / (1 + n * shrink_coef)`` of that after ``n`` trials; for a choice without an order that is the probability
    that an option is drawn anew.

    Args:
        avg_best_idx: Which trial is taken on average, the best one being the first.
        shrink_coef: How fast neighbourhoods shrink.
    """

    learns = True

    def __init__(self, avg_best_idx: float = 2.0, shrink_coef: float = 0.1) -> None:
        self._chance = 1.0 / max(1.0, avg_best_idx)
        self._shrink = shrink_coef

    def start(self, problem: Problem) -> None:
        """Prepare for a search; see ``manyhands.ports.Sampler``."""
        self._seed = problem.seed
        self._cube = Cube(problem.space)
        self._untried = Untried(problem.space)
        self._ranked: list[tuple[float, int, Array]] = []
        self._counts = np.zeros(self._cube.n_dimensions)  # in how many trials each parameter was active

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return a point near a good one; in a finite space, one that was not tried."""
        self._untried.note_running(running)
        rng = np.random.default_rng([self._seed, _STREAM, trial_id])
        start = float(rng.random())
        return self._untried.first_new(trial_id, (self._move(rng) for _ in range(_MOST_MOVES)), start)

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Learn of an outcome."""
        self._untried.note_outcome(trial.id, trial.point)
        row = self._cube.encode(trial.point)
        self._counts += ~np.isnan(row)
        if outcome is not None:
            insort(self._ranked, (outcome.loss, len(self._ranked), row))

    def _move(self, rng: np.random.Generator) -> Point:
        row = rng.random(self._cube.n_dimensions)
        if self._ranked:
            row = self._near(self._base(rng), row, rng)
        return self._cube.decode(self._cube.snap(row[None])[0])

    def _base(self, rng: np.random.Generator) -> Array:
        """Where to begin: a good trial; parameters that it does not have, from the next one that has them."""
        first = min(int(rng.geometric(self._chance)), len(self._ranked)) - 1
        base = self._ranked[first][2].copy()
        for _, _, row in self._ranked[:first] + self._ranked[first + 1 :]:
            missing = np.isnan(base)
            if not missing.any():
                break
            base[missing] = row[missing]
        return base

    def _near(self, base: Array, anywhere: Array, rng: np.random.Generator) -> Array:
        """A row near another one; where that has nothing, as drawn anywhere."""
        width: Any = 1.0 / (1.0 + self._counts * self._shrink)
        moved = np.abs(base + width * (anywhere - 0.5))
        moved = np.where(moved > 1, 2 - moved, moved)  # back from the end of the range
        kept = np.where(rng.random(len(base)) < width, anywhere, base)
        near = np.where(self._cube.is_unordered, kept, moved)
        return np.where(np.isnan(base), anywhere, near)
