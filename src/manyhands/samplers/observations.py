"""What a model learns from: rows of the unit cube and what came of them, in arrays that grow in place."""

from collections.abc import Iterator, Mapping
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from manyhands.ports import Outcome
from manyhands.samplers.cube import Array, Cube
from manyhands.samplers.growing import Growing
from manyhands.samplers.noise import variance_of_means
from manyhands.space import Point
from manyhands.trial import Trial

_DIGITS = 9  # of coordinates, by which a row is known again


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
        self._rows = Growing(cube.n_dimensions)
        self._losses = Growing(n_objectives)
        self._violations = Growing(0)
        self._variances = Growing(1)
        self._splits = Growing(0)
        self._pending: dict[int, Array] = {}
        self._tried: set[bytes] = set()

    def add(self, trial: Trial, outcome: Outcome | None) -> None:
        """Learn of an outcome; None for a trial that failed."""
        row = self._pending.pop(trial.id, None)
        row = self.cube.encode(trial.point) if row is None else row
        self._rows.append(row)
        self._losses.append(None if outcome is None else outcome.losses)
        self._violations.append(None if outcome is None else outcome.violations)
        self._splits.append(None if outcome is None else [np.ravel(values)[0] for values in trial.split_values])
        self._variances.append(None if outcome is None or outcome.variance is None else [outcome.variance])
        if trial.id >= 0:  # what a former study tried may be tried again
            self._tried.add(_key(row))
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
        """By how much constraints were broken, shape (n, n_constraints); NaN where unknown, as for failed trials."""
        return self._violations.filled

    def variances(self, n: int) -> Array:
        """Of the noise in the first loss, as the first ``n`` outcomes tell it, shape (n,); 0 where unknown.

        Of trials with splits it is told from the splits; see ``variance_of_means``. Those with another number of
        splits, as trials of a former study may have it, were split another way, and are told apart.
        """
        found = np.nan_to_num(self._variances.filled[:n, 0])
        splits = self._splits.filled[:n]
        n_splits = (~np.isnan(splits)).sum(1)
        for k in np.unique(n_splits[n_splits > 1]).tolist():
            found[n_splits == k] = variance_of_means(splits[n_splits == k, :k])
        return found

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Which trials have no loss, shape (n,)."""
        return np.isnan(self.losses[:, 0])


def _key(row: Array) -> bytes:
    """The same for rows of one point, though rounding may have moved them."""
    return np.where(np.isnan(row), -1.0, row).round(_DIGITS).tobytes()
