"""A space as JSON: enough to compare spaces, and to show points when the original objects are gone."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from manyhands.errors import SpaceError
from manyhands.labels import is_literal, name_of
from manyhands.parameters import Choice, Float, Int, Normal, Parameter


class Opaque:
    """Stands in a loaded space for an object that the store could not hold.

    Attributes:
        text: The object's name or ``repr``.
    """

    def __init__(self, text: str):
        self.text = text
        self.__name__ = text

    def __repr__(self) -> str:
        return self.text

    def __call__(self, *_: object, **__: object) -> object:
        """Refuse: it only looks like what it stands for."""
        raise SpaceError(
            f"{self.text} was only stored by name. Pass space= when loading the study to get the object itself."
        )


def describe(node: object) -> Any:
    """Return what JSON can hold of a nesting of containers, parameters and other objects."""
    if isinstance(node, Choice):
        options = [describe(option) for option in node.options]
        weights = list(node.weights) if node.weights else None
        return {"choice": options, "ordered": node.ordered, "weights": weights, "name": node.name}
    if isinstance(node, Float | Int | Normal):
        fields = {f: getattr(node, f) for f in type(node).__dataclass_fields__}
        return {type(node).__name__.lower(): fields}
    if isinstance(node, dict):
        return {"dict": [[k if isinstance(k, str | int) else name_of(k), describe(v)] for k, v in node.items()]}
    if type(node) in (list, tuple):
        return {type(node).__name__: [describe(v) for v in _items(node)]}
    if isinstance(node, float) and not math.isfinite(node):
        return {"number": str(node)}  # JSON has no word for it
    return {"value": node} if is_literal(node) else {"object": _lasting_name(node)}


def _items(node: object) -> Iterator[object]:
    return iter(node)  # type: ignore[call-overload,no-any-return]


def _lasting_name(value: object) -> str:
    if isinstance(value, type) or callable(value):
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if module and name:
            return f"{module}.{name}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def restore(spec: Any) -> Any:
    """Return the nesting that ``describe`` was given, with an ``Opaque`` for each object that JSON cannot hold."""
    kinds: dict[str, Callable[..., Parameter]] = {"float": Float, "int": Int, "normal": Normal}
    kind, body = next(iter(spec.items()))
    if kind in kinds:
        return kinds[kind](**body)
    if kind == "choice":
        options = [restore(option) for option in body]
        return Choice(options, ordered=spec["ordered"], weights=spec["weights"], name=spec["name"])
    if kind == "dict":
        return {k: restore(v) for k, v in body}
    if kind == "list":
        return [restore(v) for v in body]
    if kind == "tuple":
        return tuple(restore(v) for v in body)
    if kind == "number":
        return float(body)
    return body if kind == "value" else Opaque(body)
