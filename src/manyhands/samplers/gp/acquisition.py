"""What a point promises: expected improvement, the chance to be feasible, and both at once, as logarithms."""

from collections.abc import Callable

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from manyhands.samplers.cube import Array
from manyhands.samplers.gp.model import GaussianProcess

#: Features, shape (n, n_features), to what they promise, shape (n,), and, if asked for, the gradient by the features.
Acquisition = Callable[[Array, bool], tuple[Array, Array | None]]

_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)
_LOWEST_Z = -1e5


def log_expected_improvement(model: GaussianProcess, best: Array | float) -> Acquisition:
    """The logarithm of the expected improvement on ``best``, stable far from it.

    Ament et al. 2023, "Unexpected improvements to expected improvement for Bayesian optimization", eq. 9.

    Args:
        model: Of the target, which is to be small; or of several that may be the true one, all equally likely
            (fantasies), of which the mean improvement counts.
        best: The target to improve on, or one for each of several.
    """

    def acquisition(features: Array, with_gradient: bool) -> tuple[Array, Array | None]:
        if not with_gradient:
            mean, variance = model.predict(features)
            sigma = np.sqrt(variance)[:, None]
            each = log_h(np.maximum((best - _columns(mean)) / sigma, _LOWEST_Z)) + np.log(sigma)
            return _log_mean_exp(each)[0], None
        mean, variance, pull_back = model.predict_with_gradient(features)
        each, by_mean, by_variance = _log_improvement(_columns(mean), variance[:, None], best)
        value, shares = _log_mean_exp(each)
        return value, pull_back((by_mean * shares).reshape(mean.shape), (by_variance * shares).sum(1))

    return acquisition


def log_feasibility(model: GaussianProcess, caution: float = 1.0) -> Acquisition:
    """The logarithm of the probability that a constraint's violation is at most 0 (Gardner et al. 2014).

    Args:
        model: Of the violation.
        caution: The power to which the probability is raised.
    """

    def acquisition(features: Array, with_gradient: bool) -> tuple[Array, Array | None]:
        if not with_gradient:
            mean, variance = model.predict(features)
            return caution * log_ndtr(-mean / np.sqrt(variance)), None
        mean, variance, pull_back = model.predict_with_gradient(features)
        sigma = np.sqrt(variance)
        z = np.maximum(-mean / sigma, _LOWEST_Z)
        value = log_ndtr(z)
        by_z = caution * np.exp(-0.5 * z * z - _LOG_SQRT_2PI - value)
        return caution * value, pull_back(-by_z / sigma, -0.5 * by_z * z / variance)

    return acquisition


def product(factors: list[Acquisition]) -> Acquisition:
    """The sum of the logarithms."""

    def acquisition(features: Array, with_gradient: bool) -> tuple[Array, Array | None]:
        value, gradient = factors[0](features, with_gradient)
        for factor in factors[1:]:
            more, more_gradient = factor(features, with_gradient)
            value = value + more
            gradient = None if gradient is None or more_gradient is None else gradient + more_gradient
        return value, gradient

    return acquisition


def log_h(z: Array) -> Array:
    """log(phi(z) + z Phi(z)), to the last digits for any ``z``."""
    found = np.empty_like(z)
    is_near = z > -1.0
    near, far = z[is_near], z[~is_near]
    found[is_near] = np.log(np.exp(-0.5 * near * near - _LOG_SQRT_2PI) + near * ndtr(near))
    # For z < -1: phi(z) (1 - |z| Phi(z) / phi(z)); far out the bracket is 1 / z^2 - 3 / z^4, and lost to rounding.
    bracket = 1.0 - np.sqrt(np.pi / 2) * erfcx(-far / np.sqrt(2.0)) * -far
    far_out = (1.0 - 3.0 / (far * far)) / (far * far)
    found[~is_near] = -0.5 * far * far - _LOG_SQRT_2PI + np.log(np.where(far > -1e3, bracket, far_out))
    return found


def _log_improvement(mean: Array, variance: Array, best: Array | float) -> tuple[Array, Array, Array]:
    """The logarithm of the expected improvement, and its derivatives by mean and by variance."""
    sigma = np.sqrt(variance)
    z = np.maximum((best - mean) / sigma, _LOWEST_Z)
    h = log_h(z)
    by_mean = -np.exp(log_ndtr(z) - h) / sigma
    by_sigma = np.exp(-0.5 * z * z - _LOG_SQRT_2PI - h) / sigma
    return h + np.log(sigma), by_mean, by_sigma / (2.0 * sigma)


def _log_mean_exp(each: Array) -> tuple[Array, Array]:
    """Along the second axis; and the share of each in the mean."""
    largest = each.max(1, keepdims=True)
    shares = np.exp(each - largest)
    total = shares.sum(1, keepdims=True)
    return (largest + np.log(total / each.shape[1]))[:, 0], shares / total


def _columns(mean: Array) -> Array:
    return mean[:, None] if mean.ndim == 1 else mean
