"""The posterior of a function, given noisy values of it: Gaussian-process regression (Rasmussen and Williams 2006).

The kernel is an ARD Matern-5/2 over inputs that may be bent; everything is done with the explicit inverse of the
covariance, which makes predictions and their gradients matrix products, and new rows cheap.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from manyhands.samplers.cube import Array
from manyhands.samplers.gp.course import Course, Structure
from manyhands.samplers.gp.features import Features
from manyhands.samplers.gp.hyperparameters import Hyperparameters
from manyhands.samplers.gp.kernel import matern, squared_distances
from manyhands.samplers.gp.linalg import cholesky, inverse_of
from manyhands.samplers.gp.warping import bend, bend_slopes

JITTER = 1e-6  #: added to every variance, in units of the targets' own
_LEAST_VARIANCE = 1e-10

#: Turns derivatives by mean and by variance into derivatives by the features.
PullBack = Callable[[Array, Array], Array]


class GaussianProcess:
    """Knows where a function was looked at, and once it is ``given`` the values there, what it may be elsewhere.

    Args:
        features: Makes features of rows.
        rows: Where the function was looked at, shape (n, n_dimensions).
        noise: Known variances of the values, shape (n,), or 0; they add to what the hyperparameters say.
        hyperparameters: Lengthscales and the like.
        course: Where in their curves the values are; None if they are all ends. Whatever is predicted is an end.
    """

    def __init__(
        self,
        features: Features,
        rows: Array,
        noise: Array | float,
        hyperparameters: Hyperparameters,
        course: Course | None = None,
    ):
        self.hyperparameters = hyperparameters
        self._features = features
        self._lengths = np.exp(hyperparameters.length)[features.dimension]
        self._scale = float(np.exp(hyperparameters.scale))
        self._inputs = self._scaled(features.of(rows))
        self._owners = None if course is None else course.owners
        self._inverse = inverse_of(cholesky(self._covariance(self._inputs, noise, course)))
        self._targets = self._weights = np.zeros(len(rows))

    @property
    def n(self) -> int:
        """How many places are known."""
        return len(self._inputs)

    def given(self, targets: Array) -> "GaussianProcess":
        """The same with values, standardised: shape (n,), or (n, m) for m functions with the same covariance."""
        other = self._copy()
        other._targets = targets
        other._weights = self._inverse @ targets
        return other

    def extended(self, rows: Array, noise: Array | float = 0.0) -> "GaussianProcess":
        """The same with more places, not yet given values; by the inverse of a block matrix."""
        other = self._copy()
        inputs = self._scaled(self._features.of(rows))
        across = self._scale * matern(squared_distances(self._inputs, inputs))[0]
        solved = self._inverse @ across
        corner = inverse_of(cholesky(self._covariance(inputs, noise) - across.T @ solved))
        side = -solved @ corner
        other._inverse = np.block([[self._inverse - side @ solved.T, side], [side.T, corner]])
        other._inputs = np.vstack([self._inputs, inputs])
        return other

    def imagining(self, rows: Array, fantasies: Array) -> "GaussianProcess":
        """The same, had it been given at more places each of several values, shape (len(rows), m), too."""
        known = np.repeat(self._targets[:, None], fantasies.shape[1], axis=1)
        return self.extended(rows).given(np.vstack([known, fantasies]))

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Mean, shape (n,) or (n, m), and variance, shape (n,), of the function itself, without noise."""
        k = self._scale * matern(squared_distances(self._scaled(features), self._inputs))[0]
        return np.asarray(k @ self._weights), self._variance(k, k @ self._inverse)

    def predict_trials(self, features: Array, owners: NDArray[np.intp]) -> tuple[Array, Array]:
        """Mean and variance, shape (n,), of the ends of trials that are known in part: with what is their own.

        Args:
            features: Of the trials, shape (n, n_features).
            owners: The trials, as in the course, shape (n,).
        """
        own = float(np.exp(self.hyperparameters.course[2]))
        k = self._scale * matern(squared_distances(self._scaled(features), self._inputs))[0]
        k += own * (owners[:, None] == self._owners)
        return np.asarray(k @ self._weights), self._variance(k, k @ self._inverse, own)

    def predict_with_gradient(self, features: Array) -> tuple[Array, Array, PullBack]:
        """Like ``predict``, and how derivatives go back to the features."""
        scaled = self._scaled(features)
        k, slope = matern(squared_distances(scaled, self._inputs))
        k *= self._scale
        solved = k @ self._inverse

        def pull_back(by_mean: Array, by_variance: Array) -> Array:
            by_k = by_mean[:, None] * self._weights if by_mean.ndim == 1 else by_mean @ self._weights.T
            by_squared = (by_k - 2.0 * by_variance[:, None] * solved) * (self._scale * slope)
            by_scaled = 2.0 * (scaled * by_squared.sum(1)[:, None] - by_squared @ self._inputs)
            return np.asarray(by_scaled * self._slopes(features))

        return k @ self._weights, self._variance(k, solved), pull_back

    def sample(self, features: Array, normals: Array) -> Array:
        """Values, noise and all, that may be seen at features, shape (n, m), from standard normals of that shape."""
        scaled = self._scaled(features)
        k = self._scale * matern(squared_distances(scaled, self._inputs))[0]
        covariance = self._covariance(scaled, 0.0) - k @ self._inverse @ k.T
        return np.asarray((k @ self._weights)[:, None] + cholesky(covariance) @ normals)

    def _covariance(self, inputs: Array, noise: Array | float, course: Course | None = None) -> Array:
        covariance = self._scale * matern(squared_distances(inputs, inputs))[0]
        if course is not None:
            covariance = Structure(course, self.hyperparameters.course).covariance(covariance)
        covariance[np.diag_indices_from(covariance)] += np.exp(self.hyperparameters.noise) + JITTER + noise
        return np.asarray(covariance)

    def _variance(self, k: Array, solved: Array, own: float = 0.0) -> Array:
        return np.asarray(np.maximum(self._scale + own - np.einsum("ij,ij->i", solved, k), _LEAST_VARIANCE))

    def _scaled(self, features: Array) -> Array:
        if self.hyperparameters.bends:
            bent = features.copy()
            ordered = self._features.ordered
            bent[:, ordered] = bend(features[:, ordered], self.hyperparameters.warp)
            features = bent
        return np.asarray(features / self._lengths)

    def _slopes(self, features: Array) -> Array:
        slopes = np.ones_like(features)
        if self.hyperparameters.bends:
            ordered = self._features.ordered
            slopes[:, ordered] = bend_slopes(features[:, ordered], self.hyperparameters.warp)[0]
        return np.asarray(slopes / self._lengths)

    def _copy(self) -> "GaussianProcess":
        other = GaussianProcess.__new__(GaussianProcess)
        other.__dict__.update(self.__dict__)
        return other
