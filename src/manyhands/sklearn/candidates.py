"""Candidates that scikit-learn listed, as points of a space with their names and values."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from manyhands.errors import SettingsError
from manyhands.parameters import Choice
from manyhands.sklearn.scales import is_number, is_scale
from manyhands.space import Point, Space
from manyhands.template import Branch

_SCALARS = (bool, int, float, complex, str, bytes, type(None), np.generic)


def candidates_space(candidates: Sequence[Mapping[str, Any]], given: Any) -> tuple[Space, list[Point]]:
    """A space in which each candidate is a point, and these points.

    Each parameter is a choice between the values that occur, in the order of the grid, or in their own if they were
    drawn from a distribution. Several grids are a choice between them, in which a grid's only value of a parameter is
    constant. ``build`` of a point gives the very objects of the candidate, NumPy's scalars included; but dicts, lists
    and tuples are copied.

    Args:
        candidates: What ``ParameterGrid`` or ``ParameterSampler`` gave; at least one.
        given: The grid, list of grids or distributions that they come from.

    Raises:
        ValueError: There are no candidates, in scikit-learn's words.
        SettingsError: A candidate does not come from what was given.
    """
    if not candidates:
        raise ValueError("No fits were performed. Was the CV iterator empty? Were there no candidates?")
    grids = [_Grid(grid) for grid in ([given] if isinstance(given, Mapping) else given)]
    homes = [_home(candidate, grids) for candidate in candidates]
    used = [grid for grid in grids if grid.is_used]
    trees = [grid.tree() for grid in used]
    if len(used) == 1 and trees[0]:
        space = Space(trees[0])
        used[0].settle(space.template)
        return space, [grid.point(tokens) for grid, tokens in homes]
    return _several(used, trees, homes)


def _several(
    used: "Sequence[_Grid]", trees: Sequence[dict[str, Choice]], homes: "Sequence[tuple[_Grid, _Tokens]]"
) -> tuple[Space, list[Point]]:
    space = Space(Choice([{key: _constant_or_choice(choice) for key, choice in tree.items()} for tree in trees]))
    branch = space.template
    assert isinstance(branch, Branch)  # noqa: S101 - a choice at the top
    for grid, group in zip(used, branch.options, strict=True):
        grid.settle(group)
    numbers = {id(grid): i for i, grid in enumerate(used)}
    return space, [{branch.name: numbers[id(grid)], **grid.point(tokens)} for grid, tokens in homes]


def _constant_or_choice(choice: Choice) -> object:
    return choice.options[0] if len(choice.options) == 1 else choice


def _home(candidate: Mapping[str, Any], grids: "Iterable[_Grid]") -> "tuple[_Grid, _Tokens]":
    """The first grid that the candidate can come from, which notes its values."""
    for grid in grids:
        tokens = grid.tokens(candidate)
        if tokens is not None:
            grid.note(candidate, tokens)
            return grid, tokens
    raise SettingsError(f"The candidate {candidate!r} comes from none of the grids and distributions that were given.")


class _Grid:
    """One dict from names to lists or distributions, and which of its values occur."""

    def __init__(self, given: Mapping[str, Any]):
        self._columns = {key: _Column(values) for key, values in given.items()}
        self.is_used = False

    def tokens(self, candidate: Mapping[str, Any]) -> "_Tokens | None":
        """What stands for each of the candidate's values here; None if it is not from this grid."""
        if candidate.keys() != self._columns.keys():
            return None
        tokens = {key: self._columns[key].token(value) for key, value in candidate.items()}
        return None if None in tokens.values() else tokens

    def note(self, candidate: Mapping[str, Any], tokens: "_Tokens") -> None:
        """The candidate occurs."""
        self.is_used = True
        for key, value in candidate.items():
            self._columns[key].values.setdefault(tokens[key], value)

    def tree(self) -> dict[str, Choice]:
        """A choice between the values of each parameter that occur."""
        return {key: column.choice() for key, column in sorted(self._columns.items())}

    def settle(self, group: Any) -> None:
        """Learn the names in the template that was made of the tree, and put the very objects into it."""
        for key, column in self._columns.items():
            node, values = group[key], list(column.values.values())
            if isinstance(node, Branch):
                node.options = values
                column.name = node.name
            else:
                group[key] = values[0]

    def point(self, tokens: "_Tokens") -> Point:
        """The point of a candidate, below the choice between grids if there is one."""
        columns = self._columns.items()
        return {column.name: column.places[tokens[key]] for key, column in columns if column.name is not None}


class _Column:
    """A list or distribution, and which of its values occur.

    Attributes:
        values: Token to value, in order once ``choice`` was called. Equal tokens stand for one value.
        places: Token to where it is in that order.
        name: Of the parameter in the space; None if it is constant there.
    """

    def __init__(self, given: Any):
        self._given = given
        self._is_drawn = hasattr(given, "rvs")
        self._index: dict[Hashable, int] | None = None  # of a list: token to where it is in it
        self.values: dict[Hashable, Any] = {}
        self.places: dict[Hashable, int] = {}
        self.name: str | None = None

    def token(self, value: object) -> Hashable:
        """What stands for the value: its place in the list, or itself if it was drawn; None if it is not listed."""
        if self._is_drawn:
            return _token(value)
        if isinstance(self._given, range):
            return self._given.index(value) if type(value) is int and value in self._given else None
        if self._index is None:
            self._index = {}
            for i, listed in enumerate(self._given):
                self._index.setdefault(_token(listed), i)
        place = self._index.get(_token(value))
        return self._search(value) if place is None else place

    def choice(self) -> Choice:
        """The choice between the values that occur."""
        values = self.values
        if not self._is_drawn:
            self.values = {place: values[place] for place in sorted(values)}  # type: ignore[type-var]
        elif all(map(is_number, values.values())):
            self.values = dict(sorted(values.items(), key=lambda pair: pair[1]))
        self.places = {token: i for i, token in enumerate(self.values)}
        options = list(self.values.values())
        return Choice(options, ordered=is_scale(options))

    def _search(self, value: object) -> int | None:
        """Of a sequence that makes its objects anew each time."""
        return next((i for i, listed in enumerate(self._given) if _is_same(listed, value)), None)


_Tokens = dict[str, Hashable]


def _token(value: object) -> Hashable:
    """The same for equal scalars of one type; for other objects only for the very same, as they may have no hash."""
    if not isinstance(value, _SCALARS):
        return "object", id(value)
    is_nan = value != value
    return type(value), "nan" if is_nan else value


def _is_same(a: Any, b: object) -> bool:
    try:
        return type(a) is type(b) and bool(np.all(a == b))
    except Exception:  # other people's == may raise anything
        return False
