"""When the hyperparameters of a space are active, and in which order they are drawn.

A switch takes one of its options, so what only its other options need is not active. A node may be needed in several
places; it is active if any of them is. ``Conditions`` finds this out once for each space.

The order is that in which Hyperopt's ``rand.suggest`` comes to its labels, so that the same seed gives the same values.
That goes through labels from last to first, and before a label it draws what decides whether that is active.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhands.hyperopt.exceptions import BadSearchSpace, MissingValue
from manyhands.hyperopt.pyll.base import Apply, dfs
from manyhands.hyperopt.pyll.evaluate import evaluate

Vals = dict[Any, Any]  #: label -> raw value, of active labels; a choice's is the index of its option


def label_of(node: Apply) -> Any:
    """The label of a ``hyperopt_param`` node."""
    return node.inputs()[0].eval()


def distribution_of(node: Apply) -> Apply:
    """The node of the distribution that a ``hyperopt_param`` node draws from."""
    return node.inputs()[1]


def without_conversions(node: Apply) -> Apply:
    """What is inside any number of ``int(...)`` and ``float(...)``."""
    while node.name in ("int", "float") and len(node.pos_args) == 1:
        node = node.pos_args[0]
    return node


class Index:
    """What a switch goes by: a hyperparameter, or an expression of some.

    Attributes:
        label: The hyperparameter's label; None if it is an expression.
    """

    def __init__(self, node: Apply, nodes: Mapping[Any, Apply]) -> None:
        self._node = node
        self._nodes = nodes
        plain = without_conversions(node)
        is_whole = plain.name == "hyperopt_param" and distribution_of(plain).name in ("randint", "categorical")
        self.label = label_of(plain) if is_whole else None

    def labels(self) -> set[Any]:
        """The labels of all hyperparameters in it."""
        return {label_of(node) for node in dfs(self._node) if node.name == "hyperopt_param"}

    def value(self, vals: Vals) -> Any:
        """At which place the switch is; None if that is not known, since it is not active."""
        if self.label is not None:
            return vals.get(self.label)
        known = {self._nodes[label]: value for label, value in vals.items()}
        try:
            return evaluate(self._node, known)
        except MissingValue:
            return None


class Gate:
    """When a node is active: if one of the alternatives holds.

    Attributes:
        alternatives: (gate, index, place): the switch that goes by ``index`` is at ``place``, and is active as its
            gate says; None if it is active whenever its index has a value.
    """

    __slots__ = ("alternatives",)

    def __init__(self, alternatives: list[_Alternative]) -> None:
        self.alternatives = alternatives

    def is_open(self, vals: Vals) -> bool:
        """Whether the node is active, by the values of what was drawn before."""
        for gate, index, place in self.alternatives:
            if (gate is None or gate.is_open(vals)) and index.value(vals) == place:
                return True
        return False

    def labels(self) -> set[Any]:
        """The labels that decide."""
        found: set[Any] = set()
        for gate, index, _ in self.alternatives:
            found |= index.labels() | (set() if gate is None else gate.labels())
        return found


_Option = tuple[Apply, int]  # a switch and a place
_Alternative = tuple[Gate | None, Index, int]


class Conditions:
    """When each label is active, and in which order labels are drawn.

    Args:
        expr: The space.
        nodes: Label to ``hyperopt_param`` node, in the order of labels.

    Attributes:
        gates: Label to when it is active; None if always.
        order: Labels in the order in which they are drawn.

    Raises:
        BadSearchSpace: Of two labels, each decides whether the other one is active.
    """

    def __init__(self, expr: Apply, nodes: Mapping[Any, Apply]) -> None:
        self._nodes = nodes
        self._labels = {distribution_of(node): label for label, node in nodes.items()}
        #: node -> the reasons why it may be needed: None at the top, a node that needs it, or an option of a switch
        self._reasons: dict[Apply, list[Any]] = {}
        self._options_of: dict[Apply, dict[_Option, None] | None] = {}
        self._alternatives: dict[_Option, _Alternative] = {}
        self._drawn: set[Apply] = set()
        self._decided: set[Apply] = set()
        self.order: list[Any] = []
        self._find_reasons(expr, None)
        self.gates = {label: self._gate(distribution_of(node)) for label, node in nodes.items()}
        for label in reversed(nodes):
            self._draw(nodes[label])
        self._check_order()

    def _find_reasons(self, node: Apply, reason: Any) -> None:
        if node.name == "hyperopt_param":
            node = distribution_of(node)
        if node.name == "literal":
            return
        reasons = self._reasons.setdefault(node, [])
        is_new = reason not in reasons
        if not is_new and not isinstance(reason, tuple):
            return
        if not is_new:
            reasons.remove(reason)  # an option that is come to again counts from then on
        reasons.append(reason)
        if node.name == "switch":
            self._find_reasons(node.pos_args[0], node)
            for place, option in enumerate(node.pos_args[1:]):
                self._find_reasons(option, (node, place))
        elif is_new:
            for needed in node.inputs():
                self._find_reasons(needed, node)

    def _options(self, node: Apply) -> dict[_Option, None] | None:
        """The options below any of which a node lies; None if it is always needed."""
        if node not in self._options_of:
            self._options_of[node] = self._options_by(self._reasons[node])
        return self._options_of[node]

    def _options_by(self, reasons: list[Any]) -> dict[_Option, None] | None:
        found: dict[_Option, None] = {}
        for reason in reasons:
            if isinstance(reason, tuple):
                found[reason] = None
                continue
            options = None if reason is None else self._options(reason)
            if options is None:
                return None
            found.update(options)
        return {option: None for option in found if not self._is_above(option[0], found)}

    def _is_above(self, switch: Apply, options: dict[_Option, None]) -> bool:
        """Whether a node that lies below ``options`` is needed whenever ``switch`` is, be that at any place."""
        outer = self._options(switch)
        return outer is not None and outer.keys() <= options.keys()

    def _gate(self, node: Apply) -> Gate | None:
        options = self._options(node)
        return None if options is None else Gate([self._alternative(*option) for option in options])

    def _alternative(self, switch: Apply, place: int) -> _Alternative:
        """The condition that a switch is active and at a place."""
        if (switch, place) not in self._alternatives:
            index, gate = Index(switch.pos_args[0], self._nodes), self._gate(switch)
            if index.label is not None:
                own = self._options(distribution_of(self._nodes[index.label]))
                gate = None if own == self._options(switch) else gate
            self._alternatives[switch, place] = (gate, index, place)
        return self._alternatives[switch, place]

    def _check_order(self) -> None:
        """See that each label is drawn after those that decide whether it is active."""
        known: set[Any] = set()
        for label in self.order:
            gate = self.gates[label]
            for other in () if gate is None else gate.labels():
                if other not in known:
                    raise BadSearchSpace(
                        f"{label!r} and {other!r} each decide whether the other one is active. Give the choices below "
                        "which they stand hyperparameters of their own."
                    )
            known.add(label)

    def _draw(self, node: Apply) -> None:
        """Come to a node's value: to what decides whether it is active, then to its arguments from last to first."""
        if node.name == "hyperopt_param":
            node = distribution_of(node)
        if node.name == "literal" or node in self._drawn:
            return
        self._drawn.add(node)
        if node.name == "switch":
            for place, option in reversed(list(enumerate(node.pos_args[1:]))):
                self._decide_option(node, place)
                self._draw(option)
                self._decide(option)
        self._decide(node)
        for needed in reversed(node.pos_args[:1] if node.name == "switch" else node.inputs()):
            self._draw(needed)
            self._decide(needed)
        if node in self._labels:
            self.order.append(self._labels[node])

    def _decide(self, node: Apply) -> None:
        """Come to whether a node is active."""
        if node.name == "hyperopt_param":
            node = distribution_of(node)
        if node in self._decided:
            return
        self._decided.add(node)
        for reason in reversed(self._reasons.get(node, ())):
            if isinstance(reason, tuple):
                self._decide_option(*reason)
            elif reason is not None:
                self._decide(reason)

    def _decide_option(self, switch: Apply, place: int) -> None:
        self._decide(switch)
        self._draw(switch.pos_args[0])
        self._decide(switch.pos_args[0])
