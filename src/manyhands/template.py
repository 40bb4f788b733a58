"""The shape of an objective's params: nested containers whose leaves are filled by name.

A space on the driver's side knows ranges and scales; a worker only has to put values where they belong. So a worker
gets this template, which needs nothing but the standard library.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class Leaf:
    """A place that takes the value of one numeric parameter."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name


class Branch:
    """A place that takes one of several options, each of which may hold more places."""

    __slots__ = ("name", "options")

    def __init__(self, name: str, options: Sequence[object]):
        self.name = name
        self.options = options


def fill(node: Any, point: Mapping[str, float]) -> Any:
    """Return ``node`` with every place filled from ``point``.

    Args:
        node: Any nesting of dicts, lists and tuples with ``Leaf`` and ``Branch`` objects in it.
        point: Flat name to value; for a ``Branch``, the index of its option.

    Example:
        >>> fill({"x": Leaf("x"), "kind": Branch("kind", ["a", {"y": Leaf("kind.y")}])}, {"x": 1, "kind": 0})
        {'x': 1, 'kind': 'a'}
    """
    kind = type(node)
    if kind is Leaf:
        return point[node.name]
    if kind is Branch:
        return fill(node.options[int(point[node.name])], point)
    if kind is dict:
        return {key: fill(value, point) for key, value in node.items()}
    if kind is list:
        return [fill(value, point) for value in node]
    if kind is tuple:
        return tuple([fill(value, point) for value in node])
    return node
