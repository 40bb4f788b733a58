"""Walks through expressions: their nodes in order, copies of them, and their value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhands.hyperopt.exceptions import MissingValue
from manyhands.hyperopt.pyll.nodes import Apply, Literal, as_apply, scope

Memo = dict[Apply, Any]

#: Functions that draw at random, by name: those which are given ``rng`` when an expression is sampled.
implicit_stochastic_symbols: set[str] = set()

_ABSENT = object()


class GarbageCollected:
    """In a memo: this node has no value. It is an error if it is needed all the same."""


class UndefinedValue:
    """What the parameters of a ``Lambda`` hold in its own expression."""


def dfs(aa: Apply, seq: list[Apply] | None = None, seqset: dict[Apply, list[Apply]] | None = None) -> list[Apply]:
    """Every node that ``aa`` needs and itself, once each, arguments before what uses them.

    Args:
        aa: The node to begin with.
        seq: Is added to, and returned.
        seqset: Nodes not to be visited again; is added to.
    """
    seq = [] if seq is None else seq
    seen = {} if seqset is None else seqset
    if aa not in seen:
        seen[aa] = aa.inputs()
        for node in seen[aa]:
            dfs(node, seq, seen)
        seq.append(aa)
    return seq


def toposort(expr: Apply) -> list[Apply]:
    """The nodes of ``expr``, arguments before what uses them, ``expr`` itself last.

    Raises:
        ValueError: A node needs its own value.
    """
    nodes = dfs(expr)
    place = {node: i for i, node in enumerate(nodes)}
    for node in nodes:
        if any(place[needed] >= place[node] for needed in node.inputs()):
            raise ValueError(f"The expression has a cycle: {node.name} needs its own value.")
    return nodes


def clone(expr: Apply, memo: Memo | None = None) -> Any:
    """A copy of all nodes of ``expr``, except for those that ``memo`` replaces."""
    memo = {} if memo is None else memo
    for node in dfs(expr):
        if node not in memo:
            memo[node] = node.clone_from_inputs([memo[needed] for needed in node.inputs()])
    return memo[expr]


def clone_merge(expr: Apply, memo: Memo | None = None, merge_literals: bool = False) -> Any:
    """Like ``clone``, and nodes of functions without side effects that do the same become one."""
    memo = {} if memo is None else memo
    kept: dict[Any, Apply] = {}
    for node in dfs(expr):
        if node in memo:
            continue
        copied = node.clone_from_inputs([memo[needed] for needed in node.inputs()])
        key = _sameness(copied, merge_literals) if node.pure else None
        memo[node] = copied if key is None else kept.setdefault(key, copied)
    return memo[expr]


def _sameness(node: Apply, merge_literals: bool) -> Any:
    """What two nodes have in common exactly if they do the same; None if that cannot be said."""
    if not isinstance(node, Literal):
        return node.name, tuple(node.pos_args), tuple(map(tuple, node.named_args))
    if not merge_literals:
        return None
    try:
        hash(node.obj)
    except TypeError:
        return None
    return type(node.obj), node.obj


def rec_eval(
    expr: Any,
    deepcopy_inputs: bool = False,
    memo: Mapping[Apply, Any] | None = None,
    max_program_len: int | None = None,
    memo_gc: bool = True,
    print_trace: bool = False,
    print_node_on_error: bool = True,
) -> Any:
    """The value of an expression. Of a switch, only the branch that is taken is computed.

    Args:
        expr: A node, or anything that ``as_apply`` makes one of.
        deepcopy_inputs: Accepted and without effect, except that it must be a bool: a memo belongs into ``memo``.
        memo: Values of nodes; they are not computed then, nor what only they need.
        max_program_len: Accepted and without effect.
        memo_gc: Accepted and without effect.
        print_trace: Accepted and without effect.
        print_node_on_error: Say in the notes of an exception in which expression it was raised.

    Raises:
        MissingValue: A hyperparameter is needed that ``memo`` has no value of.
        ValueError: ``deepcopy_inputs`` is no bool, or a switch is at a place below 0.
        TypeError: A switch is at a place that is no whole number.
    """
    if deepcopy_inputs not in (0, 1, False, True):
        raise ValueError("deepcopy_inputs should be bool", deepcopy_inputs)
    node = as_apply(expr)
    known = {} if memo is None else {key: value for key, value in memo.items() if value is not GarbageCollected}
    try:
        return evaluate(node, known)
    except Exception as error:
        if print_node_on_error and not hasattr(error, "__notes__"):
            error.add_note(f"While this expression was computed:\n{node}")
        raise


def evaluate(node: Apply, memo: Memo, rng: Any = None) -> Any:
    """The value of a node, adding to ``memo`` what is computed on the way.

    Arguments are computed last to first, which decides who draws which random number.

    Args:
        node: The node.
        memo: Values of nodes.
        rng: What functions that draw at random are given as ``rng``, instead of what they were given before.
    """
    value = memo.get(node, _ABSENT)
    if value is not _ABSENT:
        return value
    if node.name == "literal":
        value = node._obj  # type: ignore[attr-defined]
    elif node.name == "switch":
        place = _place(evaluate(node.pos_args[0], memo, rng))
        value = evaluate(_option(node, place), memo, rng)
    elif node.name == "hyperopt_param":
        value = _drawn(node, memo, rng)
    else:
        value = _computed(node, memo, rng)
    memo[node] = value
    return value


def _computed(node: Apply, memo: Memo, rng: Any) -> Any:
    named = node.named_args
    if named:
        for _, needed in reversed(named):
            if needed not in memo:
                memo[needed] = needed._obj if type(needed) is Literal else evaluate(needed, memo, rng)
    for needed in reversed(node.pos_args):
        if needed not in memo:
            memo[needed] = needed._obj if type(needed) is Literal else evaluate(needed, memo, rng)
    args = [memo[needed] for needed in node.pos_args]
    kwargs = {keyword: memo[needed] for keyword, needed in named}
    if rng is not None and node.name in implicit_stochastic_symbols:
        kwargs["rng"] = rng
    function = scope._impls.get(node.name) or scope.implementation(node.name)
    value = function(*args, **kwargs)
    # A function may return an expression, which is then computed too; what that computes is its own.
    return evaluate(value, dict(memo), rng) if isinstance(value, Apply) else value


def _drawn(node: Apply, memo: Memo, rng: Any) -> Any:
    try:
        return _computed(node, memo, rng)
    except MissingValue:
        label = node.inputs()[0].eval()
        raise MissingValue(
            f"The space needs a value for {label!r}, and none was given. Every label that is active must have one: "
            "a choice's is the index of its option."
        ) from None


def _place(value: Any) -> int:
    item = getattr(value, "item", None)
    value = item() if item is not None else value  # a NumPy scalar, or an array of one
    if not isinstance(value, int):
        raise TypeError("switch argument was", value)
    if value < 0:
        raise ValueError("switch pos must be positive int", value)
    return value


def _option(switch: Apply, place: int) -> Apply:
    options = switch.pos_args[1:]
    if place >= len(options):
        raise IndexError(f"A choice has {len(options)} options, and option {place} was asked for; the first one is 0.")
    return options[place]
