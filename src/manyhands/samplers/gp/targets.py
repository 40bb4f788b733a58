"""Outcomes as a Gaussian process likes them: one standardised number each, and at most a few hundred."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from manyhands.samplers.cube import Array
from manyhands.samplers.gp.course import Course

_MOST = 300  # a fit costs O(n^3)
_AUGMENTATION = 0.05  # of the sum in an augmented Chebyshev function (Knowles 2006)
_LARGEST = 1e300  # differences of two such numbers can still be told
_NOISIEST = 1e3  # standard deviations of the values; more noise than that says nothing more


class Targets(NamedTuple):
    """What to learn from.

    Attributes:
        rows: Of the cube, shape (n, n_dimensions).
        values: Standardised, shape (n,).
        noise: Known variances of the values, shape (n,).
        course: Where in their curves the values are; None if they are all ends.
    """

    rows: Array
    values: Array
    noise: Array
    course: Course | None = None


def of_losses(rows: Array, losses: Array, variances: Array) -> Targets:
    """Losses, shape (n,), with the worse half drawn in, standardised; their known variances (or 0) likewise.

    What is worse than the median keeps its rank alone, as a normal distribution would spread it: how bad the bad ones
    are says nothing of where the best is, and would set the scale of everything (half-rank warping, Song et al. 2024,
    "The Vizier Gaussian process bandit algorithm").
    """
    if not len(losses):
        return Targets(rows, losses, variances)
    chosen = _chosen(losses)
    rows, losses, variances = rows[chosen], _bounded(losses[chosen]), variances[chosen]
    away = losses - np.median(losses)
    is_good = away <= 0
    spread = _root_mean_square(away[is_good])
    n = len(losses)
    ranks = np.argsort(np.argsort(losses, kind="stable"), kind="stable")
    drawn_in = ndtri(np.clip((ranks + 0.5) / n, 0.5, 1 - 0.5 / n))
    values = np.where(is_good, np.minimum(away, 0.0) / spread, drawn_in)
    scale = float(values.std()) or 1.0
    unit = spread * scale
    deviations = np.minimum(np.sqrt(variances), _NOISIEST * unit) / unit
    return Targets(rows, (values - values.mean()) / scale, deviations**2)


def of_violations(rows: Array, violations: Array) -> Targets:
    """Violations of a constraint, shape (n,), in units of their size; 0 stays 0, since that is the border."""
    if not len(violations):
        return Targets(rows, violations, violations)
    rows, violations = rows[-_MOST:], _bounded(violations[-_MOST:])
    return Targets(rows, np.clip(violations / _root_mean_square(violations), -3.0, 3.0), np.zeros(len(rows)))


def scalarised(losses: Array, variances: Array, weights: Array) -> tuple[Array, Array]:
    """Several losses, shape (n, m), as one: the augmented Chebyshev function of their shares of the range seen.

    Knowles 2006, "ParEGO", eq. 2. Weights, shape (m,), sum to 1; each choice of them has its own best point on the
    Pareto front.

    Args:
        losses: Of each trial; NaN if it failed.
        variances: Of the noise in the first loss, shape (n,).
        weights: Of the losses.

    Returns:
        The function, and the variance of its noise (to first order), both of shape (n,).
    """
    losses = _bounded(losses)
    low, high = np.nanmin(losses, 0), np.nanmax(losses, 0)
    size = np.where(high > low, high - low, 1.0)
    weighted = weights * ((losses - low) / size)
    share = _AUGMENTATION + (weighted[:, 0] >= weighted.max(1))  # that the first loss has in the function
    deviations = share * weights[0] * np.minimum(np.sqrt(variances) / _NOISIEST, size[0]) / size[0] * _NOISIEST
    return weighted.max(1) + _AUGMENTATION * weighted.sum(1), deviations**2


def _bounded(numbers: Array) -> Array:
    return np.asarray(np.clip(numbers, -_LARGEST, _LARGEST))


def _root_mean_square(numbers: Array) -> float:
    """Of numbers whose squares may be too large or too small; 1 if all are 0, or there are none."""
    size = float(np.abs(numbers).max(initial=0.0))
    return size * float(np.sqrt(np.mean((numbers / size) ** 2))) if size else 1.0


def _chosen(losses: Array) -> NDArray[np.intp]:
    """The trials to learn from: all, or the best ones and an even selection of the others."""
    n = len(losses)
    if n <= _MOST:
        return np.arange(n)
    order = np.argsort(losses, kind="stable")
    half = _MOST // 2
    others = np.sort(order[half:])
    return np.sort(np.concatenate([order[:half], others[np.linspace(0, len(others) - 1, _MOST - half).astype(int)]]))
