"""What a model learns from: rows of the unit cube and what came of them, in arrays that grow in place."""

from collections.abc import Iterator, Mapping
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from manyhands.ports import Outcome
from manyhands.samplers.cube import Array, Cube
from manyhands.samplers.noise import variance_of_means
from manyhands.space import Point
from manyhands.trial import Trial


class Observations:
    """The outcomes of a search so far, in the order in which they were known.

    Args:
        cube: How points become rows.
        n_objectives: How many losses an outcome has.

    Attributes:
        cube: The same.
        n: How many outcomes there are, failed trials included.
    """

    def __init__(self, cube: Cube, n_objectives: int = 1):
        self.cube = cube
        self.n = 0
        self._rows = _Growing(cube.n_dimensions)
        self._losses = _Growing(n_objectives)
        self._violations = _Growing(0)
        self._variances = _Growing(1)
        self._splits = _Growing(0)
        self._pending: dict[int, Array] = {}
        self._tried: set[bytes] = set()

    def add(self, trial: Trial, outcome: Outcome | None) -> None:
        """Learn of an outcome; None for a trial that failed."""
        row = self._pending.pop(trial.id, None)
        self._rows.append(self.cube.encode(trial.point) if row is None else row)
        n_objectives = self._losses.width
        self._losses.append(np.full(n_objectives, np.nan) if outcome is None else np.array(outcome.losses))
        violations = () if outcome is None else outcome.violations
        self._violations.widen(len(violations))
        self._violations.append(np.resize(np.array(violations), self._violations.width) if violations else None)
        splits = [] if outcome is None else [v[0] if isinstance(v, tuple) else v for v in trial.split_values]
        self._splits.widen(len(splits))
        self._splits.append(np.array(splits) if splits else None)
        has_variance = outcome is not None and outcome.variance is not None
        self._variances.append(np.array([outcome.variance]) if has_variance else None)  # type: ignore[union-attr]
        if trial.id >= 0:  # what a former study tried may be tried again
            self._tried.add(_key(self.rows[-1] if row is None else row))
        self.n += 1

    def pending(self, running: Mapping[int, Point]) -> Array:
        """The rows of the trials that run, shape (len(running), n_dimensions), in the order of their ids."""
        for gone in self._pending.keys() - running.keys():
            del self._pending[gone]
        for trial_id in running.keys() - self._pending.keys():
            self._pending[trial_id] = self.cube.encode(running[trial_id])
        return np.array([self._pending[i] for i in sorted(running)]).reshape(-1, self.cube.n_dimensions)

    def new_first(self, rows: Array, pending: Array) -> Iterator[Array]:
        """The rows in their order, but those that were tried, or are being tried, after all others."""
        busy = set(map(_key, pending))
        return chain((row for row in rows if (key := _key(row)) not in self._tried and key not in busy), rows)

    @property
    def rows(self) -> Array:
        """Where the trials lie, shape (n, n_dimensions); NaN where a parameter is not active."""
        return self._rows.filled

    @property
    def losses(self) -> Array:
        """What came out, shape (n, n_objectives); NaN for failed trials."""
        return self._losses.filled

    @property
    def violations(self) -> Array:
        """By how much constraints were broken, shape (n, n_constraints); NaN for failed trials."""
        return self._violations.filled

    def variances(self, n: int) -> Array:
        """Of the noise in the first loss, as the first ``n`` outcomes tell it, shape (n,); 0 where unknown.

        Of trials with splits it is told from the splits; see ``variance_of_means``.
        """
        found = np.nan_to_num(self._variances.filled[:n, 0])
        splits = self._splits.filled[:n]
        is_split = ~np.isnan(splits).any(1) if splits.shape[1] > 1 else np.zeros(n, dtype=bool)
        if is_split.any():
            found[is_split] = variance_of_means(splits[is_split])
        return found

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Which trials have no loss, shape (n,)."""
        return np.isnan(self.losses[:, 0])


def _key(row: Array) -> bytes:
    return np.nan_to_num(row, nan=-1.0).tobytes()


class _Growing:
    """An array to which rows are added at an amortised cost that does not depend on its length."""

    def __init__(self, width: int):
        self.width = width
        self._array = np.full((16, width), np.nan)
        self._n = 0

    @property
    def filled(self) -> Array:
        view = self._array[: self._n]
        view.flags.writeable = False
        return view

    def append(self, row: Array | None) -> None:
        if self._n == len(self._array):
            self._array = np.vstack([self._array, np.full_like(self._array, np.nan)])
        if row is not None:
            self._array[self._n] = row
        self._n += 1

    def widen(self, width: int) -> None:
        if width > self.width:
            added = np.full((len(self._array), width - self.width), np.nan)
            self._array = np.hstack([self._array, added])
            self.width = width
