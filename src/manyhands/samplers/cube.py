"""A space as models see it: points as rows of the unit cube, many at a time, NaN where a parameter is not active."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from manyhands.parameters import Choice, Parameter
from manyhands.space import Point, Space

Array = NDArray[np.float64]

_MOST_VALUES = 1000  # a parameter with more values than this is as good as continuous


class Cube:
    """Turns points into rows and back, and moves any row to the nearest one that stands for a point.

    Args:
        space: The space; row coordinates are in the order of its ``parameters``.

    Attributes:
        n_dimensions: How many parameters there are, the inactive ones included.
        n_values: For each dimension how many values it has; 0 if it is continuous, or ordered and as good as that.
        is_unordered: For each dimension whether it is a choice between options without an order.
        parents: For each dimension the (dimension, option) below which it lies; None at the top.
        centres: For each dimension where its values lie; empty if it is continuous.
        edges: For each dimension where the bins of its values begin, and 1.0; empty if it is continuous.
    """

    def __init__(self, space: Space):
        self.space = space
        parameters = list(space.parameters.values())
        places = {name: i for i, name in enumerate(space.parameters)}
        self.n_dimensions = len(parameters)
        finite = [_n_values(parameter) for parameter in parameters]
        self.n_values = np.array(finite)
        self.is_unordered = np.array([isinstance(p, Choice) and not p.ordered for p in parameters])
        self.parents = [None if at is None else (places[at[0]], at[1]) for at in space.parents.values()]
        self.centres: list[Array] = []
        self.edges: list[Array] = []
        for parameter, n in zip(parameters, finite, strict=True):
            self.centres.append(np.array([parameter.encode(parameter.nth(i)) for i in range(n)]))  # type: ignore[union-attr,arg-type]
            self.edges.append(np.array([parameter.edge(i) for i in range(n + 1)] if n else []))  # type: ignore[union-attr]

    def encode(self, point: Mapping[str, float]) -> Array:
        """The point's row, shape (n_dimensions,); NaN where a parameter is not active."""
        return np.array(self.space.encode(point))

    def decode(self, row: Array) -> Point:
        """The point that a row stands for; coordinates of inactive parameters are ignored."""
        return self.space.decode(np.where(np.isnan(row), 0.5, row).tolist())

    def value_index(self, dimension: int, column: Array) -> NDArray[np.intp]:
        """Which of a finite dimension's values each coordinate stands for, NaN being taken for the first."""
        edges = self.edges[dimension]
        return np.searchsorted(edges[1:-1], np.where(np.isnan(column), 0.0, column), side="right")

    def snap(self, rows: Array) -> Array:
        """The rows, shape (n, n_dimensions), with each coordinate at the centre of its value, NaN if inactive.

        Coordinates that are NaN but active are taken for 0.
        """
        snapped = np.clip(np.where(np.isnan(rows), 0.0, rows), 0.0, 1.0)
        for i in np.flatnonzero(self.n_values).tolist():
            snapped[:, i] = self.centres[i][self.value_index(i, snapped[:, i])]
        for i, parent in enumerate(self.parents):  # parents come before their children
            if parent is not None:
                column = snapped[:, parent[0]]
                is_on = ~np.isnan(column) & (self.value_index(parent[0], column) == parent[1])
                snapped[~is_on, i] = np.nan
        return snapped


def _n_values(parameter: Parameter) -> int:
    n = parameter.n_values
    return n if n is not None and (n <= _MOST_VALUES or isinstance(parameter, Choice)) else 0
