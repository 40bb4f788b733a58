"""Which parameters losses depend on, as far as a small model can tell in a few milliseconds.

The model is kernel regression: one term for each parameter and one for all together. A
parameter has influence if leaving it out makes the model predict trials worse that it has not seen. (For shares of the
variance see ``manyhands.importance``, which takes longer.)
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from manyhands.samplers.cube import Array

_MOST_TRIALS = 200
_RIDGES = (1e-3, 1e-2, 1e-1)  # noise beside a signal of 1
_POINTS = 200  # of the cube
_LENGTH = 0.5  # of the kernel, for each dimension


class Influence:
    """A model of how losses depend on parameters.

    Args:
        rows: Points in the unit cube, shape (n, d); NaN where a parameter is not active.
        losses: Theirs, shape (n,).
        is_unordered: Of each dimension, whether its coordinates are only alike or not.
    """

    def __init__(self, rows: Array, losses: Array, is_unordered: NDArray[np.bool_]):
        kept = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_TRIALS)).round().astype(int))
        self.rows = rows[kept]
        self._is_unordered = is_unordered
        self._scores = _scores(losses[kept])
        self._apart = self._distances(self.rows)  # shape (d, n, n)
        self._alone = np.exp(-self._apart / (2 * _LENGTH**2))
        self._total_apart, self._total_alone = self._apart.sum(axis=0), self._alone.sum(axis=0)
        self._ridge, self._residuals = self._choose_ridge()

    @cached_property
    def explained(self) -> float:
        """The share of the variance of unseen trials that the model explains; at most 1."""
        return 1.0 - float(np.mean(self._residuals**2) / np.mean(self._scores**2))

    def gain_of(self, *dimensions: int) -> tuple[float, float]:
        """By how much parameters help together, as a share of the variance, and the standard error of that."""
        left_out = list(dimensions)
        n_rest = len(self._apart) - len(left_out)
        residuals = self._scores
        if n_rest:
            apart = self._total_apart - self._apart[left_out].sum(axis=0)
            alone = self._total_alone - self._alone[left_out].sum(axis=0)
            residuals = self._left_out(_mixed(alone / n_rest, apart / n_rest), self._ridge)
        gains = (residuals**2 - self._residuals**2) / np.mean(self._scores**2)
        return float(gains.mean()), float(gains.std() / np.sqrt(len(gains)))

    def share_of(self, *dimensions: int) -> float:
        """Of the model's variance over the cube, what changes with parameters (their total effect, Jansen 1999)."""
        rng = np.random.default_rng(0)
        first, second = self._draw(rng), self._draw(rng)
        kept = np.delete(np.arange(self.rows.shape[1]), dimensions)
        second[:, kept] = first[:, kept]
        before = self.predict(first)
        variance = float(before.var())
        return float(np.mean((before - self.predict(second)) ** 2)) / 2 / variance if variance > 0 else 1.0

    def predict(self, rows: Array) -> Array:
        """The model's scores at rows; of interest are only differences between them."""
        return np.asarray(_kernel(self._distances(rows)) @ self._weights)

    def _draw(self, rng: np.random.Generator) -> Array:
        """Points of the cube; coordinates that have to fit others, or one of several options, are those of trials."""
        drawn = rng.random((_POINTS, self.rows.shape[1]))
        copied = self._is_unordered | np.isnan(self.rows).any(axis=0)
        drawn[:, copied] = self.rows[rng.integers(len(self.rows), size=_POINTS)][:, copied]
        return drawn

    @cached_property
    def _own_kernel(self) -> Array:
        d = len(self._apart)
        return _mixed(self._total_alone / d, self._total_apart / d)

    @cached_property
    def _weights(self) -> Array:
        kernel = self._own_kernel
        return np.asarray(np.linalg.solve(kernel + self._ridge * np.eye(len(kernel)), self._scores))

    def _choose_ridge(self) -> tuple[float, Array]:
        kernel = self._own_kernel
        tried = [(ridge, self._left_out(kernel, ridge)) for ridge in _RIDGES]
        return min(tried, key=lambda found: float(np.mean(found[1] ** 2)))

    def _left_out(self, kernel: Array, ridge: float) -> Array:
        """By how much the model that has not seen a trial is wrong about it (Rasmussen and Williams 2006, eq. 5.12)."""
        inverse = np.linalg.inv(kernel + ridge * np.eye(len(kernel)))
        return np.asarray(inverse @ self._scores / np.diag(inverse))

    def _distances(self, rows: Array) -> Array:
        """Squared, for each dimension, between rows and those of the model, shape (d, len(rows), n)."""
        apart = (rows.T[:, :, None] - self.rows.T[:, None, :]) ** 2
        apart[self._is_unordered] = apart[self._is_unordered] > 1e-12
        is_off, is_off_here = np.isnan(rows.T)[:, :, None], np.isnan(self.rows.T)[:, None, :]
        apart[is_off != is_off_here] = 1.0
        apart[is_off & is_off_here] = 0.0
        return np.asarray(apart, float)


def _kernel(apart: Array) -> Array:
    return _mixed(np.exp(-apart / (2 * _LENGTH**2)).mean(axis=0), apart.mean(axis=0))


def _mixed(alone: Array, apart: Array) -> Array:
    """Half of it from each parameter alone, half from their squared distance all together; both are means."""
    return np.asarray((alone + np.exp(-apart / (2 * _LENGTH**2))) / 2)


def _scores(losses: Array) -> Array:
    """Losses on a scale on which neither an outlier nor the noise among the best speaks for all: they rise slowly."""
    best, median, worst = np.quantile(losses, [0.0, 0.5, 0.9])
    unit = max(median - best, 0.01 * (worst - best))
    scores = np.log1p((losses - best) / unit) if np.isfinite(unit) and unit > 0 else losses
    return np.asarray(scores - scores.mean())
