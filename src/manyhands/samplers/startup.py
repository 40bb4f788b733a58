"""The first points of a search that learns, before there is anything to learn from."""

import numpy as np

from manyhands.samplers.cube import Array


class Lattice:
    """A Kronecker sequence with a random shift: any number of points, each far from those before it.

    The steps are the powers of the generalised golden ratio (Roberts 2018, "The unreasonable effectiveness of
    quasirandom sequences"). Unlike a Sobol sequence it needs no tables, and no half a second to load them.

    Args:
        n_dimensions: Of the cube.
        seed: Of the shift.
    """

    def __init__(self, n_dimensions: int, seed: int):
        ratio = 2.0
        for _ in range(64):  # the fixed point of x -> (1 + x) ** (1 / (d + 1)), the root of x^(d+1) = x + 1
            ratio = (1.0 + ratio) ** (1.0 / (n_dimensions + 1))
        rng = np.random.default_rng([seed, 4])
        self._steps = rng.permutation(ratio ** -np.arange(1.0, n_dimensions + 1))
        self._shift = rng.random(n_dimensions)

    def row(self, i: int) -> Array:
        """The ``i``-th point, shape (n_dimensions,)."""
        return np.asarray((self._shift + (i + 1) * self._steps) % 1.0)
