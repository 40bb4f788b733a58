"""The Matern-5/2 kernel and its derivatives, by matrix products alone (Rasmussen and Williams 2006, eq. 4.17)."""

import numpy as np

from manyhands.samplers.cube import Array

_SQRT5 = np.sqrt(5.0)


def squared_distances(a: Array, b: Array) -> Array:
    """Between each row of ``a``, shape (n, k), and each of ``b``, shape (m, k): shape (n, m)."""
    found = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2.0 * (a @ b.T)
    return np.asarray(np.maximum(found, 0.0))


def matern(squared: Array) -> tuple[Array, Array]:
    """The kernel of squared distances, and its derivative with respect to them."""
    scaled = _SQRT5 * np.sqrt(squared)
    decay = np.exp(-scaled)
    slope = (1.0 + scaled) * decay
    return slope + (5.0 / 3.0) * squared * decay, (-5.0 / 6.0) * slope
