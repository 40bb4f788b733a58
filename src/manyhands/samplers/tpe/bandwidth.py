"""How wide kernels are: by the distance to a neighbour, or by the spread of all."""

import numpy as np

from manyhands.samplers.cube import Array, Cube

_FINEST = 100.0  # kernels are no narrower than a hundredth of the range, however many there are
_UNIFORM_VARIANCE = 1.0 / 12.0
_DOUBT = 3.0  # how many observations the assumption of a uniform spread is worth


def neighbour_widths(centres: Array) -> Array:
    """In each dimension the distance to the neighbour that is farther away, within what the count allows.

    After Bergstra et al. (2011): at least the range divided by one more than the number of components, the prior among
    them ("magic clipping"), at most the range. The two outermost have one neighbour each.

    Args:
        centres: Shape (n, n_dimensions); NaN where a parameter is not active.

    Returns:
        Shape (n, n_dimensions).
    """
    n, n_dimensions = centres.shape
    in_order = centres.argsort(axis=0), np.arange(n_dimensions)  # NaN comes last
    edged = np.full((n + 2, n_dimensions), np.nan)
    edged[1:-1] = centres[in_order]
    gaps = edged[1:] - edged[:-1]
    widths = np.empty_like(centres)
    widths[in_order] = np.fmax(gaps[:-1], gaps[1:])
    return np.clip(np.where(np.isnan(widths), 1.0, widths), _least(centres), 1.0)


def spread_widths(centres: Array, scale: float) -> Array:
    """By Scott's rule (1992), equal for all components: the spread times n^(-1 / (d + 4)).

    The spread is drawn towards that of the uniform distribution, for which it counts as ``scale``; d is the mean number
    of active parameters. No width is below what ``neighbour_widths`` allows.

    Args:
        centres: Shape (n, n_dimensions); NaN where a parameter is not active.
        scale: The width of a single kernel.

    Returns:
        Shape (n, n_dimensions).
    """
    knows = ~np.isnan(centres)
    n = knows.sum(axis=0)
    x = np.where(knows, centres, 0.0)
    mean = x.sum(axis=0) / np.maximum(n, 1)
    squares = np.where(knows, (x - mean) ** 2, 0.0).sum(axis=0)
    variance = (squares + _DOUBT * _UNIFORM_VARIANCE) / (n + _DOUBT)
    n_active = knows.sum() / max(len(centres), 1)
    widths = scale * np.sqrt(variance / _UNIFORM_VARIANCE) * (n + 1.0) ** (-1.0 / (n_active + 4.0))
    return np.broadcast_to(np.clip(widths, _least(centres), 1.0), centres.shape)


def stray_shares(centres: Array, cube: Cube) -> Array:
    """For each dimension the probability by which a choice strays from its component's option to the prior's.

    As one observation more of every option, shared by all components: few of them are taken for chance.

    Returns:
        Shape (n_dimensions,), above 0; of no meaning for dimensions with an order.
    """
    n = (~np.isnan(centres)).sum(axis=0)
    extra = np.maximum(cube.n_values, 1) / (n + 1.0)
    return np.asarray(extra / (1.0 + extra))


def _least(centres: Array) -> Array:
    n = (~np.isnan(centres)).sum(axis=0)
    return np.asarray(1.0 / np.minimum(n + 2.0, _FINEST))
