"""Rows of the unit cube as the vectors between which a kernel measures distance."""

import numpy as np

from manyhands.samplers.cube import Array, Cube

_MIDDLE = 0.5


class Features:
    """One feature for each ordered dimension; for an unordered one a feature for each option (one-hot).

    Two different options lie at distance 1, as the two ends of an ordered dimension do. An inactive parameter is put
    in the middle of its range, or at none of its options: the features of the choice above it tell that it is not
    active, and its own say nothing (imputation).

    Args:
        cube: The space.

    Attributes:
        n: How many features there are.
        n_dimensions: How many dimensions they come from.
        first: For each dimension its first feature, shape (n_dimensions,).
        dimension: For each feature the dimension that it belongs to, shape (n,).
        ordered: The features of ordered dimensions, whose gradient means something.
    """

    def __init__(self, cube: Cube):
        self._cube = cube
        first: list[int] = []
        owners: list[int] = []
        for i in range(cube.n_dimensions):
            first.append(len(owners))
            owners += [i] * (int(cube.n_values[i]) if cube.is_unordered[i] else 1)
        self.first = np.array(first)
        self.n = len(owners)
        self.n_dimensions = cube.n_dimensions
        self.dimension = np.array(owners)
        self._ordered_dimensions = np.flatnonzero(~cube.is_unordered)
        self.ordered = self.first[self._ordered_dimensions]

    def of(self, rows: Array) -> Array:
        """The features of rows, shape (n_rows, n)."""
        features = np.zeros((len(rows), self.n))
        values = rows[:, self._ordered_dimensions]
        features[:, self.ordered] = np.where(np.isnan(values), _MIDDLE, values)
        for i in np.flatnonzero(self._cube.is_unordered).tolist():
            is_on = ~np.isnan(rows[:, i])
            option = self._cube.value_index(i, rows[is_on, i])
            features[np.flatnonzero(is_on), self.first[i] + option] = np.sqrt(0.5)
        return features
