"""A published space, and an estimator's own settings in it."""

from dataclasses import replace
from typing import Any

from manyhands.errors import SpaceError
from manyhands.labels import has_parameters
from manyhands.parameters import Choice, Float, Int, plain
from manyhands.sklearn.defaults.kinds import Own, Tree
from manyhands.sklearn.defaults.own import fits, is_like, is_number_for


def admit(tree: Tree, own: Own) -> dict[str, object]:
    """The space with the estimator's own settings in it: ranges are widened, and options added, where they are not.

    Parameters that the estimator does not have are left out.

    Args:
        tree: By flat names; a group stands under the parameter that decides.
        own: What ``settings_of`` gave.
    """
    return {key: _with(key, node, own) for key, node in tree.items() if key in own}


def _with(key: str, node: Any, own: Own) -> object:
    value = plain(own[key])
    if isinstance(node, Choice) and isinstance(node.options[0], dict):
        return _with_group(node, own)
    if fits(key, node, value) or not has_parameters(node):
        return node
    if not isinstance(node, Choice):
        widened = _widened(key, node, value)
        return Choice([value, node]) if widened is None else widened
    for i, option in enumerate(node.options):
        widened = _widened(key, option, value)
        if widened is not None:
            return replace(node, options=[*node.options[:i], widened, *node.options[i + 1 :]])
    return Choice([value, *node.options])


def _with_group(choice: Choice, own: Own) -> Choice:
    options = [{key: node for key, node in option.items() if key in own} for option in choice.options]  # type: ignore[attr-defined]
    for i, option in enumerate(options):
        if _is_of(option, own):
            options[i] = admit(option, own)
            return replace(choice, options=options)
    return replace(choice, options=[{key: own[key] for key in options[0]}, *options])


def _widened(name: str, node: Any, value: Any) -> object | None:
    """The node with a range that reaches the value; None if it is not one to be widened."""
    if isinstance(node, tuple) and is_like(node, value):
        parts = [
            inner if fits(name, inner, v) else _widened(name, inner, v) for inner, v in zip(node, value, strict=True)
        ]
        return None if None in parts else tuple(parts)
    if not isinstance(node, Float | Int) or not is_number_for(name, node, value):
        return None
    try:
        return replace(node, low=min(node.low, value), high=max(node.high, value))
    except SpaceError:  # 0 on a logarithmic scale, or infinity
        return None


def _is_of(group: Tree, own: Own) -> bool:
    """Whether a group's constants are these settings."""
    return all(fits(key, node, own[key]) for key, node in group.items() if not has_parameters(node))
