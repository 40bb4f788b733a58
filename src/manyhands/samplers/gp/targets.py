"""Outcomes as a Gaussian process likes them: one standardised number each, and at most a few hundred."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from manyhands.samplers.cube import Array

_MOST = 300  # a fit costs O(n^3)
_AUGMENTATION = 0.05  # of the sum in an augmented Chebyshev function (Knowles 2006)


class Targets(NamedTuple):
    """What to learn from.

    Attributes:
        rows: Of the cube, shape (n, n_dimensions).
        values: Standardised, shape (n,).
        noise: Known variances of the values, shape (n,).
    """

    rows: Array
    values: Array
    noise: Array


def of_losses(rows: Array, losses: Array, variances: Array) -> Targets:
    """Losses, shape (n,), with the worse half drawn in, standardised; their known variances (or 0) likewise.

    What is worse than the median keeps its rank alone, as a normal distribution would spread it: how bad the bad ones
    are says nothing of where the best is, and would set the scale of everything (half-rank warping, Song et al. 2024,
    "The Vizier Gaussian process bandit algorithm").
    """
    chosen = _chosen(losses)
    rows, losses, variances = rows[chosen], losses[chosen], variances[chosen]
    median = np.median(losses)
    is_good = losses <= median
    spread = float(np.sqrt(np.mean((losses[is_good] - median) ** 2))) or 1.0
    n = len(losses)
    ranks = np.argsort(np.argsort(losses, kind="stable"), kind="stable")
    drawn_in = ndtri(np.clip((ranks + 0.5) / n, 0.5, 1 - 0.5 / n))
    values = np.where(is_good, (losses - median) / spread, drawn_in)
    scale = float(values.std()) or 1.0
    return Targets(rows, (values - values.mean()) / scale, variances / (spread * scale) ** 2)


def of_violations(rows: Array, violations: Array) -> Targets:
    """Violations of a constraint, shape (n,), in units of their size; 0 stays 0, since that is the border."""
    rows, violations = rows[-_MOST:], violations[-_MOST:]
    size = float(np.sqrt(np.mean(violations**2))) or 1.0
    return Targets(rows, np.clip(violations / size, -3.0, 3.0), np.zeros(len(rows)))


def scalarised(losses: Array, weights: Array) -> Array:
    """Several losses, shape (n, m), as one: the augmented Chebyshev function of their shares of the range seen.

    Knowles 2006, "ParEGO", eq. 2. Weights, shape (m,), sum to 1; each choice of them has its own best point on the
    Pareto front.
    """
    low, high = np.nanmin(losses, 0), np.nanmax(losses, 0)
    weighted = weights * (losses - low) / np.where(high > low, high - low, 1.0)
    return np.asarray(weighted.max(1) + _AUGMENTATION * weighted.sum(1))


def _chosen(losses: Array) -> NDArray[np.intp]:
    """The trials to learn from: all, or the best ones and an even selection of the others."""
    n = len(losses)
    if n <= _MOST:
        return np.arange(n)
    order = np.argsort(losses, kind="stable")
    half = _MOST // 2
    others = np.sort(order[half:])
    return np.sort(np.concatenate([order[:half], others[np.linspace(0, len(others) - 1, _MOST - half).astype(int)]]))
