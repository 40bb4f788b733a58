"""Hyperopt spaces as Manyhands spaces: ``to_space`` for those who move on, ``LabelledSpace`` for samplers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from manyhands.errors import SpaceError
from manyhands.hyperopt.conditions import Index, distribution_of, label_of, without_conversions
from manyhands.hyperopt.graph import SpaceGraph, arguments_of
from manyhands.hyperopt.labelled import LabelledSpace
from manyhands.hyperopt.pyll.base import Apply, dfs
from manyhands.hyperopt.pyll.evaluate import evaluate
from manyhands.hyperopt.scales import choice_of, exp, scale_of
from manyhands.parameters import Choice, Float, Int, Normal, Parameter
from manyhands.space import Space

__all__ = ["LabelledSpace", "to_space"]


def to_space(hp_space: Any) -> Space:
    """A Hyperopt space as a ``manyhands.Space``, with which an objective gets the same params as before.

    Each hyperparameter becomes a parameter with its label as its name. Ranges hold every value that Hyperopt could
    draw: ``hp.quniform("x", 0, 8, 3)`` goes up to 9. ``hp.qloguniform`` has a linear scale if it can be 0.
    A choice between three or more numbers in order is ``ordered``. Lists become tuples, as they always did for
    objectives.

    Args:
        hp_space: Any nesting of containers with hyperparameters in it.

    Raises:
        SpaceError: A hyperparameter stands in an expression other than ``scope.int`` and ``scope.float``, has a range
            that depends on another one, or stands in several places.

    Example:
        >>> from manyhands.hyperopt import hp
        >>> to_space({"rate": hp.loguniform("rate", -7, 0), "depth": hp.uniformint("depth", 2, 9)}).parameters["depth"]
        Int(low=2, high=9, log=False, step=1, name='depth')
    """
    graph = SpaceGraph(hp_space)
    return Space(_Conversion(graph).tree(graph.expr))


class _Conversion:
    """One pass through a graph."""

    def __init__(self, graph: SpaceGraph) -> None:
        self._nodes = graph.nodes
        self._seen: set[Any] = set()

    def tree(self, node: Apply) -> Any:
        """What stands in our space for a node."""
        if not any(inner.name == "hyperopt_param" for inner in dfs(node)):
            return evaluate(node, {})
        if node.name == "pos_args":
            return tuple(map(self.tree, node.pos_args))
        if node.name == "dict":
            return self._dict(node)
        if node.name == "switch":
            return self._choice(node)
        inside = without_conversions(node)
        if inside.name == "hyperopt_param":
            return self._parameter(node, inside)
        raise SpaceError(
            f"Labels {_labels(node)} stand in the expression {node.name!r}, and a Space holds plain parameters only. "
            "Take them out of it, and compute it in the objective. (fmin searches the space as it is.)"
        )

    def _dict(self, node: Apply) -> dict[Any, Any]:
        if not node.pos_args:
            return {keyword: self.tree(value) for keyword, value in node.named_args}
        # Keys that are no text: one argument, a row of (key, value) pairs.
        pairs = [pair.pos_args for pair in node.pos_args[0].pos_args]
        return {evaluate(key, {}): self.tree(value) for key, value in pairs}

    def _choice(self, switch: Apply) -> Choice:
        label = Index(switch.pos_args[0], self._nodes).label
        if label is None:
            raise SpaceError(
                f"A switch goes by an expression of {_labels(switch.pos_args[0])}. Put an hp.choice in its place."
            )
        distribution = self._once(label)
        options = [self.tree(option) for option in switch.pos_args[1:]]
        found = choice_of(distribution.name, arguments_of(distribution, {}), options).parameter
        return replace(found, name=_name_of(label))  # type: ignore[return-value]

    def _parameter(self, node: Apply, inside: Apply) -> Parameter:
        label = label_of(inside)
        distribution = self._once(label)
        is_whole = node.name == "int" or (node is inside and distribution.name in ("randint", "categorical"))
        is_cut = any(inner.name == "int" for inner in dfs(node) if inner is not inside)
        try:
            found = _plain(distribution, is_whole, is_cut)
        except SpaceError as error:
            raise SpaceError(f"{label!r}: {error}") from None
        return replace(found, name=_name_of(label))

    def _once(self, label: Any) -> Apply:
        """The label's distribution, of which each may stand in one place only, and with a range of its own."""
        if label in self._seen:
            raise SpaceError(
                f"The label {label!r} stands in several places of the space, and a Space has each parameter once. "
                "Keep one of them, and have the objective use its value in all of them."
            )
        self._seen.add(label)
        distribution = distribution_of(self._nodes[label])
        if any(inner.name == "hyperopt_param" for inner in dfs(distribution)):
            raise SpaceError(
                f"The range of {label!r} depends on {_labels(distribution)}. Give it one that is always the same, and "
                "compute with its value in the objective."
            )
        return distribution


def _plain(distribution: Apply, is_whole: bool, is_cut: bool) -> Parameter:
    """A parameter with the values themselves, and not with their number."""
    arguments = arguments_of(distribution, {})
    if distribution.name == "categorical":
        return choice_of("categorical", arguments, range(len(arguments["p"]))).parameter
    scale = scale_of(distribution.name, arguments)
    found, q = scale.parameter, scale.q
    if isinstance(found, Normal):
        if is_cut:
            raise SpaceError("a normally distributed whole number has no parameter; use int() in the objective.")
        return found
    if isinstance(found, Int) and scale.counts:
        found = Float(found.low * float(q or 1), found.high * float(q or 1), found.log, q)
    elif q is not None:  # a scale of logarithms that is rounded to 0 at its lower end
        found = Float(0.0, round(exp(arguments["high"]) / q) * q, step=q)
    if not is_cut or isinstance(found, Int):
        is_float = isinstance(found, Int) and not is_whole
        return Float(found.low, found.high, found.log, found.step) if is_float else found  # type: ignore[union-attr]
    cut = _cut(found)  # type: ignore[arg-type]
    return cut if is_whole else Float(cut.low, cut.high, cut.log, cut.step)


def _cut(found: Float) -> Int:
    """The parameter of ``int(value)``."""
    low, high, step = math.trunc(found.low), math.trunc(found.high), 1
    if found.step is None and found.high > 0 and high == found.high and high > low:
        high -= 1  # the end itself is not drawn
    elif found.step is not None and float(found.step).is_integer() and float(found.low).is_integer():
        step = int(found.step)
    return Int(low, high, log=found.log and low > 0, step=step)


def _labels(node: Apply) -> str:
    return ", ".join(repr(label_of(inner)) for inner in dfs(node) if inner.name == "hyperopt_param")


def _name_of(label: Any) -> str:
    return label.decode() if isinstance(label, bytes) else str(label)
