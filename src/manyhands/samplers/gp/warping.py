"""Bending of inputs: Kumaraswamy's distribution function on each ordered feature (Snoek et al. 2014)."""

import numpy as np

from manyhands.samplers.cube import Array

_EDGE = 1e-4  # slopes at the very ends may be infinite


def bend(x: Array, warp: Array) -> Array:
    """1 - (1 - x^a)^b of inputs in [0, 1], shape (n, k), where ``warp``, shape (2, k), holds log a and log b."""
    a, b = np.exp(warp)
    return np.asarray(1.0 - (1.0 - _inside(x) ** a) ** b)


def bend_slopes(x: Array, warp: Array) -> tuple[Array, Array, Array]:
    """Derivatives of the bent inputs: by the inputs, by log a, and by log b; each of shape (n, k)."""
    a, b = np.exp(warp)
    x = _inside(x)
    power = x**a
    rest = 1.0 - power
    by_power = b * rest ** (b - 1.0)
    return by_power * a * power / x, by_power * power * np.log(x) * a, -(rest**b) * np.log(rest) * b


def _inside(x: Array) -> Array:
    return np.clip(x, _EDGE, 1.0 - _EDGE)
