"""A space, analysed once: its hyperparameters by label, random draws of them, and its value for given ones.

Draws are those of Hyperopt's ``rand.suggest``, to the last bit: the same calls to the generator in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from manyhands.hyperopt.conditions import Conditions, Index, Vals, distribution_of, label_of
from manyhands.hyperopt.exceptions import BadSearchSpace, DuplicateLabel
from manyhands.hyperopt.pyll.base import Apply, MissingArgument, as_apply, dfs
from manyhands.hyperopt.pyll.evaluate import evaluate

__all__ = ["SpaceGraph", "Vals", "arguments_of", "distribution_of", "label_of"]


class SpaceGraph:
    """A space, analysed once, for many draws and evaluations.

    Args:
        space: Any nesting of containers with hyperparameters in it.

    Attributes:
        expr: The space as a node.
        nodes: Label to ``hyperopt_param`` node, in the order of labels.
        params: Label to the node of its distribution.
        gates: Label to when it is active; None if always.
        choices: Label to the options' nodes, of labels by which a switch goes.

    Raises:
        DuplicateLabel: Two hyperparameters have the same label.
        BadSearchSpace: What a label is given to is no distribution, or two labels each decide about the other.
    """

    def __init__(self, space: Any) -> None:
        self.expr = as_apply(space)
        found: dict[Any, Apply] = {}
        for node in dfs(self.expr):
            if node.name == "hyperopt_param" and found.setdefault(label_of(node), node) is not node:
                raise DuplicateLabel(label_of(node))
        self.nodes = dict(sorted(found.items()))
        self.params = {label: distribution_of(node) for label, node in self.nodes.items()}
        conditions = Conditions(self.expr, self.nodes)
        self.gates = conditions.gates
        self.choices = {
            index.label: switch.pos_args[1:]
            for switch in dfs(self.expr)
            if switch.name == "switch" and (index := Index(switch.pos_args[0], self.nodes)).label is not None
        }
        self._draws = [(label, self.gates[label], self._drawing(label)) for label in conditions.order]

    def draw(self, rng: Any) -> Vals:
        """Draw a value of each label that is active, as Python numbers.

        Args:
            rng: A ``numpy.random.Generator``.
        """
        vals: Vals = {}
        for label, gate, drawing in self._draws:
            if gate is None or gate.is_open(vals):
                vals[label] = drawing(rng, vals)
        return vals

    def active(self, vals: Mapping[Any, Any]) -> Vals:
        """What in ``vals`` is of labels that are active."""
        found: Vals = {}
        for label, gate, _ in self._draws:
            if label in vals and (gate is None or gate.is_open(found)):
                found[label] = vals[label]
        return found

    def build(self, vals: Mapping[Any, Any], memo: Mapping[Apply, Any] | None = None) -> Any:
        """The value of the space, as an objective gets it.

        Args:
            vals: Label to raw value; values of labels that are not active are not looked at.
            memo: Values of further nodes.

        Raises:
            MissingValue: A label that is active has no value.
        """
        known = {} if memo is None else dict(memo)
        for label, node in self.nodes.items():
            if label in vals:
                known[node] = vals[label]
        return evaluate(self.expr, known)

    def __reduce__(self) -> Any:
        return SpaceGraph, (self.expr,)

    def _drawing(self, label: Any) -> Callable[[Any, Vals], Any]:
        """A function that draws the label's value, given a generator and the values drawn before."""
        node = self.params[label]
        if node.name not in _DRAWS:
            raise BadSearchSpace(f"{label!r} labels {node.name}, and only {', '.join(_DRAWS)} can have a label.")
        draw = _DRAWS[node.name]
        if any(inner.name == "hyperopt_param" for inner in dfs(node)):
            return lambda rng, vals: draw(rng, **self._arguments(node, vals))
        arguments = self._arguments(node, {})
        if node.name == "categorical":
            arguments["p"] = np.asarray(arguments["p"], dtype=float)
        return lambda rng, vals: draw(rng, **arguments)

    def _arguments(self, node: Apply, vals: Vals) -> dict[str, Any]:
        memo = {self.nodes[label]: value for label, value in vals.items()}
        return arguments_of(node, memo)


def arguments_of(distribution: Apply, memo: dict[Apply, Any]) -> dict[str, Any]:
    """The arguments of a distribution's node, computed, by name.

    Args:
        distribution: The node.
        memo: Values of the hyperparameters that its arguments depend on.

    Raises:
        TypeError: They do not fit the distribution.
    """
    given = {name: node for name, node in distribution.arg.items() if node is not MissingArgument}
    return {name: evaluate(node, memo) for name, node in given.items() if name not in ("rng", "size")}


def _rounded(x: Any, q: Any) -> float:
    return float(np.round(x / q) * q)


def _randint(rng: Any, low: Any, high: Any = None) -> int:
    return int(rng.integers(low, high))


def _categorical(rng: Any, p: Any) -> int:
    return int(rng.multinomial(1, p).argmax())


_DRAWS: dict[str, Callable[..., Any]] = {
    "uniform": lambda rng, low, high: float(rng.uniform(low, high)),
    "loguniform": lambda rng, low, high: float(np.exp(rng.uniform(low, high))),
    "quniform": lambda rng, low, high, q: _rounded(rng.uniform(low, high), q),
    "qloguniform": lambda rng, low, high, q: _rounded(np.exp(rng.uniform(low, high)), q),
    "normal": lambda rng, mu, sigma: float(rng.normal(mu, sigma)),
    "qnormal": lambda rng, mu, sigma, q: _rounded(rng.normal(mu, sigma), q),
    "lognormal": lambda rng, mu, sigma: float(np.exp(rng.normal(mu, sigma))),
    "qlognormal": lambda rng, mu, sigma, q: _rounded(np.exp(rng.normal(mu, sigma)), q),
    "randint": _randint,
    "categorical": _categorical,
}
