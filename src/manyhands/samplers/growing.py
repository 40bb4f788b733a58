"""An array that grows in place."""

from collections.abc import Sequence

import numpy as np

from manyhands.samplers.cube import Array


class Growing:
    """Rows of numbers, to which more are added at an amortised cost that does not depend on how many there are.

    Args:
        width: How many numbers a row has; grows with the longest row.
    """

    def __init__(self, width: int):
        self._array = np.full((16, width), np.nan)
        self._n = 0

    @property
    def filled(self) -> Array:
        """The rows so far; to be looked at only."""
        view = self._array[: self._n]
        view.flags.writeable = False
        return view

    def append(self, row: Sequence[float] | Array | None) -> None:
        """Add a row; what it has not, or all of it if there is none, is NaN."""
        row = () if row is None else row
        if self._n == len(self._array):
            self._array = np.vstack([self._array, np.full_like(self._array, np.nan)])
        n_missing = len(row) - self._array.shape[1]
        if n_missing > 0:
            self._array = np.hstack([self._array, np.full((len(self._array), n_missing), np.nan)])
        self._array[self._n, : len(row)] = row
        self._n += 1
