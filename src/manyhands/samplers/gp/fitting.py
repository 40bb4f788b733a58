"""The most probable hyperparameters (maximum a posteriori), by L-BFGS with the exact gradient."""

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from manyhands.samplers.cube import Array
from manyhands.samplers.gp.course import Course, Structure
from manyhands.samplers.gp.features import Features
from manyhands.samplers.gp.hyperparameters import Hyperparameters, Prior
from manyhands.samplers.gp.kernel import matern, squared_distances
from manyhands.samplers.gp.linalg import cholesky, inverse_of
from manyhands.samplers.gp.model import JITTER
from manyhands.samplers.gp.warping import bend, bend_slopes


def fit(
    features: Features,
    rows: Array,
    targets: Array,
    noise: Array | float,
    prior: Prior,
    start: Hyperparameters,
    max_evaluations: int,
    course: Course | None = None,
) -> Hyperparameters:
    """The hyperparameters of greatest posterior density near ``start``.

    Args:
        features: Makes features of rows.
        rows: Where the function was looked at, shape (n, n_dimensions).
        targets: Its standardised values, shape (n,).
        noise: Their known variances, shape (n,), or 0.
        prior: What to expect.
        start: Where to start looking.
        max_evaluations: When to stop looking; each costs O(n^3).
        course: Where in their curves the values are; None if they are all ends.
    """
    z = features.of(rows)

    def negative_log_posterior(vector: Array) -> tuple[float, Array]:
        value, gradient = negative_log_likelihood(z, features, targets, noise, start.with_vector(vector), course)
        prior_value, prior_gradient = prior.negative_log_density(vector)
        return value + prior_value, gradient + prior_gradient

    found, _, _ = fmin_l_bfgs_b(
        negative_log_posterior, start.vector(), bounds=prior.bounds, maxfun=max_evaluations, factr=1e9, pgtol=1e-3
    )
    return start.with_vector(found)


def negative_log_likelihood(
    z: Array,
    features: Features,
    targets: Array,
    noise: Array | float,
    hyperparameters: Hyperparameters,
    course: Course | None = None,
) -> tuple[float, Array]:
    """Of targets at features ``z``, shape (n, n_features), and its gradient by the vector of hyperparameters.

    Rasmussen and Williams 2006, eqs. 2.30 and 5.9. Sums over pairs of points are written as matrix products, so that
    no array has more than n^2 entries.
    """
    n, d, ordered = len(z), len(hyperparameters.length), features.ordered
    lengths = np.exp(hyperparameters.length)[features.dimension]
    bent = z.copy()
    bent[:, ordered] = bend(z[:, ordered], hyperparameters.warp)
    scaled = bent / lengths
    scale, sigma2 = np.exp([hyperparameters.scale, hyperparameters.noise])
    k, slope = matern(squared_distances(scaled, scaled))
    of_ends = scale * k
    structure = None if course is None else Structure(course, hyperparameters.course)
    covariance = of_ends if structure is None else structure.covariance(of_ends)
    covariance[np.diag_indices(n)] += sigma2 + JITTER + noise
    factor = cholesky(covariance)
    inverse = inverse_of(factor)
    weights = inverse @ targets
    value = 0.5 * float(targets @ weights) + float(np.log(np.diag(factor)).sum()) + 0.5 * n * np.log(2 * np.pi)

    by_covariance = 0.5 * (inverse - np.outer(weights, weights))
    by_ends = by_covariance if structure is None else by_covariance * structure.factor
    by_squared = by_ends * (scale * slope)
    sums = by_squared.sum(1)[:, None]
    # sum_j B_ij (x_i - x_j), for all i and each feature at once
    pulls = sums * scaled - by_squared @ scaled
    gradient = np.zeros(d + 2 + hyperparameters.warp.size + hyperparameters.course.size)
    np.add.at(gradient, features.dimension, -4.0 * (scaled * pulls).sum(0))
    gradient[d] = scale * float((by_ends * k).sum())
    gradient[d + 1] = sigma2 * float(np.trace(by_covariance))
    by_bent = 4.0 * pulls[:, ordered] / lengths[ordered]
    _, by_a, by_b = bend_slopes(z[:, ordered], hyperparameters.warp)
    by_warp = np.concatenate([(by_bent * by_a).sum(0), (by_bent * by_b).sum(0)])
    gradient[d + 2 : d + 2 + len(by_warp)] = by_warp
    if structure is not None:
        gradient[d + 2 + len(by_warp) :] = structure.gradient(by_covariance, of_ends)
    return value, gradient
