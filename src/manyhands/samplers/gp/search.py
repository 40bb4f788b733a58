"""Where an acquisition function is large: many candidates, gradients from the best of them, then discrete steps."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from manyhands.samplers.cube import Array, Cube
from manyhands.samplers.gp.acquisition import Acquisition
from manyhands.samplers.gp.features import Features

_N_RANKED = 20  # more than one is of use only where some may have been tried
_STEP_SIZES = (0.2, 0.05, 0.0125)
_MOST_OPTIONS = 100  # to be looked through one by one
_LEAST_GAP = 0.05  # between points to climb from


class Effort(NamedTuple):
    """How hard to look.

    Attributes:
        n_anywhere: Candidates drawn from the whole cube.
        n_near: Candidates near the best trials.
        n_starts: Candidates from which to climb.
        n_steps: Evaluations of the gradient while climbing.
        n_fantasies: How many times to imagine what comes of the running trials.
    """

    n_anywhere: int
    n_near: int
    n_starts: int
    n_steps: int
    n_fantasies: int


FULL = Effort(512, 256, 5, 30, 16)
LIGHT = Effort(256, 128, 3, 10, 8)


class CandidateSearch:
    """Looks for rows of a cube at which an acquisition function is large.

    Args:
        cube: Where to look.
        features: Makes features of its rows.
    """

    def __init__(self, cube: Cube, features: Features):
        self._cube = cube
        self._features = features
        dimensions = np.flatnonzero(~cube.is_unordered & (cube.n_values != 1))
        self._climbing = dimensions
        self._climbing_features = features.first[dimensions]

    def best_rows(
        self, acquisition: Acquisition, anchors: Array, rng: np.random.Generator, effort: Effort = FULL
    ) -> Array:
        """Rows by what they promise, the best one first; each stands for a point.

        Args:
            acquisition: What to make large.
            anchors: Rows near which good ones may lie, shape (n, n_dimensions).
            rng: Draws candidates.
            effort: How hard to look.
        """
        anywhere = rng.random((effort.n_anywhere, self._cube.n_dimensions))
        candidates = self._cube.snap(np.vstack([anywhere, self._near(anchors, effort.n_near, rng)]))
        values, _ = acquisition(self._features.of(candidates), False)
        climbed = self._climb(acquisition, _apart(candidates, values, effort.n_starts), effort.n_steps)
        climbed_values, _ = acquisition(self._features.of(climbed), False)
        rows, values = _ranked(np.vstack([climbed, candidates]), np.concatenate([climbed_values, values]))
        return self._step(acquisition, rows, values)

    def best_of(self, acquisition: Acquisition, rows: Array) -> Array:
        """The given rows, by what they promise."""
        values, _ = acquisition(self._features.of(rows), False)
        return _ranked(rows, values)[0]

    def _near(self, anchors: Array, n: int, rng: np.random.Generator) -> Array:
        """Rows around the anchors: some of their coordinates moved, by steps of several sizes."""
        shape = (n, self._cube.n_dimensions)
        base = anchors[rng.integers(len(anchors), size=n)]
        steps = rng.choice(_STEP_SIZES, size=(n, 1)) * rng.standard_normal(shape)
        anew = rng.random(shape)
        share = rng.choice([1.0, 0.5, 2.0 / max(shape[1], 2)], size=(n, 1))
        moved = np.where(self._cube.is_unordered, anew, _reflected(base + steps))
        rows = np.where(rng.random(shape) < share, moved, base)
        return np.where(np.isnan(rows), anew, rows)  # parameters that become active are drawn

    def _climb(self, acquisition: Acquisition, starts: Array, n_steps: int) -> Array:
        """The starts, moved uphill along their ordered dimensions, as one problem of L-BFGS, and snapped."""
        if not len(self._climbing):
            return starts
        base = self._features.of(starts)
        is_active = ~np.isnan(starts[:, self._climbing])

        def downhill(x: Array) -> tuple[float, Array]:
            moved = base.copy()
            moved[:, self._climbing_features] = x.reshape(is_active.shape)
            values, gradients = acquisition(moved, True)
            assert gradients is not None  # noqa: S101 - they were asked for
            return -float(values.sum()), -(gradients[:, self._climbing_features] * is_active).ravel()

        x0 = base[:, self._climbing_features].ravel()
        bounds = [(0.0, 1.0)] * len(x0)
        x, _, _ = fmin_l_bfgs_b(downhill, x0, bounds=bounds, maxfun=n_steps, factr=1e8, pgtol=1e-4)
        rows = starts.copy()
        rows[:, self._climbing] = np.where(is_active, x.reshape(is_active.shape), np.nan)
        return self._cube.snap(rows)

    def _step(self, acquisition: Acquisition, rows: Array, values: Array) -> Array:
        """Go from the best row to its best discrete neighbour, while that promises more."""
        for _ in range(3):
            neighbours = self._neighbours(rows[0])
            if not len(neighbours):
                break
            best = values[0]
            found, _ = acquisition(self._features.of(neighbours), False)
            rows, values = _ranked(np.vstack([rows, neighbours]), np.concatenate([values, found]))
            if values[0] <= best + 1e-9:
                break
        return rows

    def _neighbours(self, row: Array) -> Array:
        """Rows that differ in one discrete dimension: by any other option, if there are few, or by up to two steps."""
        cube = self._cube
        moved = []
        for i in np.flatnonzero((cube.n_values > 1) & ~np.isnan(row)).tolist():
            here = int(cube.value_index(i, row[i : i + 1])[0])
            n = int(cube.n_values[i])
            if not cube.is_unordered[i]:
                there = range(max(0, here - 2), min(n, here + 3))
            else:
                there = range(n if n <= _MOST_OPTIONS else 0)
            for other in there:
                if other == here:
                    continue
                moved.append(np.where(np.isnan(row), 0.5, row))
                moved[-1][i] = cube.centres[i][other]
        return cube.snap(np.array(moved).reshape(-1, cube.n_dimensions))


def _ranked(rows: Array, values: Array) -> tuple[Array, Array]:
    """The best rows, all different: around an anchor in a corner many candidates end at the corner itself."""
    chosen: dict[bytes, int] = {}
    for i in np.argsort(-values, kind="stable").tolist():
        chosen.setdefault(rows[i].tobytes(), i)
        if len(chosen) == _N_RANKED:
            break
    order = list(chosen.values())
    return rows[order], values[order]


def _apart(rows: Array, values: Array, n: int) -> Array:
    """The best rows, no two of which are near neighbours."""
    chosen: list[Array] = []
    for row in rows[np.argsort(-values, kind="stable")[: 20 * n]]:
        # Rows of different branches of a tree may have no dimension in common, and are then far apart.
        if all(np.nanmax(np.abs(row - other), initial=0.0) > _LEAST_GAP or _branches(row, other) for other in chosen):
            chosen.append(row)
        if len(chosen) == n:
            break
    return np.array(chosen)


def _branches(row: Array, other: Array) -> bool:
    return bool((np.isnan(row) != np.isnan(other)).any())


def _reflected(x: Array) -> Array:
    x = np.abs(x)
    return np.asarray(np.clip(np.where(x > 1.0, 2.0 - x, x), 0.0, 1.0))
