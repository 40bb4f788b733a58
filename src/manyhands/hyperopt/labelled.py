"""A Hyperopt space as a ``manyhands.Space`` of its labels, whatever expressions stand around them.

Samplers need to know no more than the labels, what each can be and when it is active. ``LabelledSpace`` has these as a
space, and turns its points into the values of a trial's document and back; ``SpaceGraph.build`` makes of those what
the objective gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhands.errors import SpaceError
from manyhands.hyperopt.conditions import Gate
from manyhands.hyperopt.graph import SpaceGraph, Vals, arguments_of
from manyhands.hyperopt.pyll.base import Apply, dfs
from manyhands.hyperopt.scales import Scale, choice_of, scale_of
from manyhands.space import Point, Space

_Path = tuple[tuple[Any, int], ...]  #: (label of a choice, raw value) from the top down


class LabelledSpace:
    """The labels of a Hyperopt space as a ``manyhands.Space``, in which each has its label as its name.

    Our spaces are trees: a parameter lies below one option of one choice, or at the top. A label that is needed below
    several options lies where all of these are reached, so a point may have a value for it that is not used; such
    values are left out of ``to_vals``.

    Args:
        space: A Hyperopt space: any nesting of containers with hyperparameters in it, or its ``SpaceGraph``.

    Attributes:
        graph: The space as a graph.
        space: The labels as a space.

    Raises:
        SpaceError: A range depends on another hyperparameter, or makes no sense.
    """

    def __init__(self, space: Any) -> None:
        self.graph = space if isinstance(space, SpaceGraph) else SpaceGraph(space)
        self._paths: dict[Any, _Path] = {}
        for label in self.graph.params:
            self._path(label)
        self._names = {label: _name_of(label) for label in self.graph.params}
        self._scales = {label: self._scale(label).named(self._names[label]) for label in self.graph.params}
        self._below: dict[tuple[Any, int] | None, list[Any]] = {}
        for label, path in self._paths.items():
            self._below.setdefault(path[-1] if path else None, []).append(label)
        self.space = Space(self._tree(None))
        label_by_name = {name: label for label, name in self._names.items()}
        self._labels = [label_by_name[name] for name in self.space.parameters]  # those above come before those below

    def to_vals(self, point: Mapping[str, float]) -> Vals:
        """The raw values of a point's active labels, as Python numbers."""
        raw = {}
        for label in self._labels:
            name = self._names[label]
            if name in point:
                raw[label] = self._scales[label].raw(point[name])
        return self.graph.active(raw)

    def to_point(self, vals: Mapping[Any, Any]) -> Point:
        """The point nearest to raw values.

        A parameter that is active at the point and has no value in ``vals`` gets the middle one of its range.

        Raises:
            SpaceError: A value is the index of an option that does not exist.
        """
        point: Point = {}
        raw: Vals = {}
        for label in self._labels:
            path = self._paths[label]
            if path and raw.get(path[-1][0]) != path[-1][1]:
                continue
            scale, name = self._scales[label], self._names[label]
            try:
                point[name] = scale.value(vals[label]) if label in vals else scale.parameter.decode(0.5)
            except SpaceError as error:
                raise SpaceError(f"{label!r}: {error}") from None
            raw[label] = scale.raw(point[name])
        return point

    def _scale(self, label: Any) -> Scale:
        node = self.graph.params[label]
        if any(inner.name == "hyperopt_param" for inner in dfs(node)):
            raise SpaceError(
                f"The range of {label!r} depends on another hyperparameter, which only random search (rand.suggest) "
                "can draw. Give it a range that is always the same, and compute with its value in the objective."
            )
        arguments = arguments_of(node, {})
        if label in self.graph.choices or node.name == "categorical":
            n = len(arguments["p"]) if node.name == "categorical" else 0
            return choice_of(node.name, arguments, [_shown(o, i) for i, o in enumerate(self._options(label, n))])
        try:
            return scale_of(node.name, arguments)
        except SpaceError as error:
            raise SpaceError(f"{label!r}: {error}") from None

    def _options(self, label: Any, n: int) -> list[Any]:
        return self.graph.choices.get(label, list(range(n)))

    def _path(self, label: Any) -> _Path:
        """Below which options a label lies."""
        if label not in self._paths:
            self._paths[label] = self._path_of(self.graph.gates[label])
        return self._paths[label]

    def _path_of(self, gate: Gate | None) -> _Path:
        if gate is None:
            return ()
        paths = []
        for outer, index, place in gate.alternatives:
            # What an expression is at cannot be said by one option of one choice.
            known = index.label is not None
            paths.append((*self._path(index.label), (index.label, place)) if known else self._path_of(outer))
        return _common(paths)

    def _tree(self, place: tuple[Any, int] | None) -> dict[str, Any]:
        """The parameters below an option, or at the top."""
        return {self._names[label]: self._parameter(label) for label in self._below.get(place, ())}

    def _parameter(self, label: Any) -> Any:
        scale = self._scales[label]
        if label not in self.graph.choices:
            return scale.parameter
        options = list(scale.parameter.options)  # type: ignore[union-attr]
        for i in range(len(options)):
            options[i] = self._tree((label, scale.first + i)) or options[i]
        return _with_options(scale.parameter, options)


def _with_options(choice: Any, options: list[Any]) -> Any:
    return type(choice)(options, choice.ordered, choice.weights, choice.name)


def _common(paths: list[_Path]) -> _Path:
    """What several paths begin with alike."""
    common = paths[0]
    for path in paths[1:]:
        n = next((i for i, (a, b) in enumerate(zip(common, path, strict=False)) if a != b), min(len(common), len(path)))
        common = common[:n]
    return common


def _shown(option: Any, i: int) -> Any:
    """What to call an option: itself, if it is a plain constant."""
    value = getattr(option, "obj", option) if isinstance(option, Apply) and option.name == "literal" else option
    return value if value is None or isinstance(value, bool | int | float | str) else i


def _name_of(label: Any) -> str:
    return label.decode() if isinstance(label, bytes) else str(label)
