"""What a Gaussian process is like, and what is expected of it before it has seen anything."""

from dataclasses import dataclass, field

import numpy as np

from manyhands.samplers.cube import Array
from manyhands.samplers.gp import course
from manyhands.samplers.gp.features import Features


@dataclass(frozen=True)
class Hyperparameters:
    """Of a Gaussian process over standardised targets.

    Attributes:
        length: Logarithm of each dimension's lengthscale, shape (n_dimensions,).
        scale: Logarithm of the signal's variance.
        noise: Logarithm of the noise's variance.
        warp: Logarithms of Kumaraswamy's a and b for each ordered feature, shape (2, n_ordered).
        course: Of ``course.Structure``, for values of whole curves; empty for those of ends alone.
    """

    length: Array
    scale: float
    noise: float
    warp: Array
    course: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def bends(self) -> bool:
        """Whether inputs are bent at all."""
        return bool(self.warp.any())

    def vector(self) -> Array:
        """All of them, for an optimiser."""
        return np.concatenate([self.length, [self.scale, self.noise], self.warp.ravel(), self.course])

    def with_vector(self, vector: Array) -> "Hyperparameters":
        """Inverse to ``vector``."""
        d, n_warp = len(self.length), self.warp.size
        warp, of_course = np.split(vector[d + 2 :], [n_warp])
        warp = warp.reshape(self.warp.shape)
        return Hyperparameters(vector[:d], float(vector[d]), float(vector[d + 1]), warp, of_course)


class Prior:
    """Independent normal priors on the logarithms, and bounds beyond which nothing is looked for.

    Lengthscales are expected to grow with the square root of the number of dimensions, as distances in the cube do
    (Hvarfner et al. 2024, "Vanilla Bayesian optimization performs great in high dimensions"). They are expected to be
    much alike: a wider prior lets one dimension with a tiny lengthscale explain the first few outcomes.

    Args:
        features: Of the space.
        has_course: Whether values are those of curves, and not of ends alone.

    Attributes:
        start: Hyperparameters from which to look for better ones: where the priors are densest.
        bounds: (lowest, highest) for each entry of a vector of hyperparameters.
    """

    def __init__(self, features: Features, *, has_course: bool = False):
        d, n_ordered = features.n_dimensions, len(features.ordered)
        length = np.full(d, np.log(0.5) + 0.5 * np.log(d))
        of_course = course.START if has_course else np.zeros(0)
        noise = np.log(0.02 if has_course else 1e-3)
        self.start = Hyperparameters(length, 0.0, noise, np.zeros((2, n_ordered)), of_course)
        self._mu = self.start.vector()
        self._sigma = np.concatenate([np.full(d, 0.7), [0.8, 1.5], np.full(2 * n_ordered, 0.5)])
        if has_course:
            self._sigma = np.concatenate([self._sigma, course.SPREAD])
        self.bounds = [
            *[(np.log(0.05), np.log(50.0))] * d,
            (-3.0, 3.5),
            (np.log(1e-6), 0.5),
            *[(-1.2, 1.2)] * (2 * n_ordered),
            *(course.BOUNDS if has_course else []),
        ]

    def negative_log_density(self, vector: Array) -> tuple[float, Array]:
        """Up to a constant, and its gradient."""
        away = (vector - self._mu) / self._sigma
        return 0.5 * float(away @ away), away / self._sigma
