"""A density over a whole tree of configurations: a mixture of products of kernels, with the prior as one component.

All densities are relative to the prior, by which the prior's own is 1 everywhere, and a factor of 1 is all that a
parameter contributes that is not active in the candidate, or that a component says nothing of. So components from
different branches of a tree belong to one mixture, and candidates from different branches can be compared.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from manyhands.samplers.cube import Array, Cube

_MOST_BINS = 32  # of an ordered parameter with more values, the kernel's value is as good as its mass
_SMALLEST = 1e-300
_BLOCK = 8  # products so small are done in this thread; those that wait for others suffer where workers use all cores
_ROOT_TWO_PI = math.sqrt(2 * math.pi)


class Features:
    """What kernels see of a configuration, such that the logarithm of each kernel is linear in it.

    A dimension without values, or with many in an order, has three features: x^2, x and 1; the Gaussian kernel's
    logarithm is a parabola. A dimension with values has one for each, which is 1 for the value at hand. All are 0 where
    a parameter is not active.

    Args:
        cube: The space.

    Attributes:
        cube: The same.
        smooth: The dimensions of the first kind.
        counted: The dimensions of the second kind.
        ordered: The dimensions whose kernel is Gaussian: all but choices without an order.
        offsets: Where the features of each of ``counted`` begin.
        n: How many features there are.
    """

    def __init__(self, cube: Cube):
        self.cube = cube
        has_bins = (cube.n_values > 0) & (cube.is_unordered | (cube.n_values <= _MOST_BINS))
        self.smooth = np.flatnonzero(~has_bins)
        self.counted: list[int] = np.flatnonzero(has_bins).tolist()
        self.ordered = np.flatnonzero(~cube.is_unordered)
        sizes = [3 * len(self.smooth), *(int(cube.n_values[d]) for d in self.counted)]
        *self.offsets, self.n = np.cumsum(sizes).tolist()

    def of(self, rows: Array) -> Array:
        """The features of rows, shape (n_rows, n)."""
        features = np.zeros((len(rows), self.n))
        is_active = ~np.isnan(rows)
        x = np.where(is_active, rows, 0.0)
        k = len(self.smooth)
        features[:, :k] = x[:, self.smooth] ** 2
        features[:, k : 2 * k] = x[:, self.smooth]
        features[:, 2 * k : 3 * k] = is_active[:, self.smooth]
        every = np.arange(len(rows))
        for d, offset in zip(self.counted, self.offsets, strict=True):
            features[every, offset + self.cube.value_index(d, rows[:, d])] = is_active[:, d]
        return features


class Mixture:
    """A kernel around each of some configurations, and the prior.

    Kernels are Gaussian and truncated to the unit interval; for an ordered parameter with few values their mass within
    each value's bin counts. For a choice without an order the kernel is Aitchison and Aitken's (1976): the option
    itself, but with some probability any option, drawn from the prior.

    Args:
        features: Of the space.
        centres: The configurations, shape (n, n_dimensions); NaN where a parameter is not active.
        weights: Of the components, shape (n,); that of the prior is 1.
        widths: Standard deviations of the Gaussian kernels before truncation, shape (n, n_dimensions).
        strays: For choices without an order the probability of a draw from the prior, shape (n_dimensions,).
    """

    def __init__(self, features: Features, centres: Array, weights: Array, widths: Array, strays: Array):
        self._features = features
        self._n = len(centres)
        self._weights = np.append(weights, 1.0) / (weights.sum() + 1.0)
        self._knows = ~np.isnan(centres)
        self._centres = np.where(self._knows, centres, 0.5)
        self._widths = widths
        self._strays = strays
        self._low = ndtr(-self._centres / widths)
        self._mass = ndtr((1.0 - self._centres) / widths) - self._low  # of the Gaussian, within the unit interval
        self._coefficients = self._fit()

    def log_density(self, features: Array) -> Array:
        """The logarithm of the density at some rows, given their features; shape (n_rows,)."""
        logs = np.zeros((len(features), self._n + 1))
        for i in range(0, len(features), _BLOCK):
            np.matmul(features[i : i + _BLOCK], self._coefficients.T, out=logs[i : i + _BLOCK, :-1])
        logs += np.log(self._weights)
        highest = logs.max(axis=1)
        logs -= highest[:, None]
        np.exp(logs, out=logs)  # in place: an array of this size costs the system more than the exponentials
        return np.asarray(highest + np.log(logs.sum(axis=1)))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw rows, shape (n, n_dimensions); those of parameters with values still lie anywhere in their bins."""
        component = np.searchsorted(np.cumsum(self._weights[:-1]), rng.random(n), side="right")
        u = rng.random((n, self._centres.shape[1]))
        is_prior = component == self._n
        if self._n == 0:
            return u
        c = np.where(is_prior, 0, component)
        centres = self._centres[c]
        drawn = np.where(u < self._strays, u / self._strays, centres)
        ordered = self._features.ordered
        low, mass, widths = (a[c][:, ordered] for a in (self._low, self._mass, self._widths))
        drawn[:, ordered] = centres[:, ordered] + widths * ndtri(low + u[:, ordered] * mass)
        return np.where(is_prior[:, None] | ~self._knows[c], u, np.clip(drawn, 0.0, 1.0))

    def _fit(self) -> Array:
        """The coefficients of each component's logarithm, shape (n, n_features)."""
        features = self._features
        coefficients = np.zeros((self._n, features.n))
        smooth, k = features.smooth, len(features.smooth)
        knows, centres, widths = self._knows[:, smooth], self._centres[:, smooth], self._widths[:, smooth]
        precision = knows / widths**2
        height = -np.log(self._mass[:, smooth] * widths * _ROOT_TWO_PI)
        coefficients[:, :k] = -0.5 * precision
        coefficients[:, k : 2 * k] = precision * centres
        coefficients[:, 2 * k : 3 * k] = height * knows - 0.5 * precision * centres**2
        for d, offset in zip(features.counted, features.offsets, strict=True):
            n_values = int(features.cube.n_values[d])
            logs = self._options(d) if features.cube.is_unordered[d] else self._bins(d)
            coefficients[:, offset : offset + n_values] = logs * self._knows[:, d, None]
        return coefficients

    def _bins(self, d: int) -> Array:
        """Of an ordered dimension: the logarithm of each value's density around each centre, shape (n, n_values)."""
        edges = self._features.cube.edges[d]
        below = ndtr((edges - self._centres[:, d, None]) / self._widths[:, d, None])
        mass = np.diff(below, axis=1) / self._mass[:, d, None]
        return np.asarray(np.log(np.maximum(mass, _SMALLEST) / self._shares(d)))

    def _options(self, d: int) -> Array:
        """Of a choice without an order: the same."""
        cube, stray = self._features.cube, float(self._strays[d])
        own: NDArray[np.intp] = cube.value_index(d, self._centres[:, d])
        shares = self._shares(d)
        logs = np.full((self._n, len(shares)), math.log(stray))
        logs[np.arange(self._n), own] = np.log(stray + (1.0 - stray) / shares[own])
        return logs

    def _shares(self, d: int) -> Array:
        """The prior's mass in each value's bin, shape (n_values,); above 0, even where rounding left none."""
        return np.asarray(np.maximum(np.diff(self._features.cube.edges[d]), _SMALLEST))
