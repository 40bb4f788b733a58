"""The point of a space that is an estimator's own settings."""

from collections.abc import Mapping
from typing import Any

from manyhands.labels import has_parameters
from manyhands.parameters import Choice, plain
from manyhands.sklearn.defaults.own import fits, settings_of
from manyhands.sklearn.groups import is_group
from manyhands.space import Space

_OPEN: Any = object()


def default_start(estimator: Any, space: Space | Mapping[str, object]) -> dict[str, Any]:
    """The params of a space that are an estimator's own settings, to be tried first.

    Args:
        estimator: As it was constructed.
        space: What ``default_space`` gave, or any other space of the estimator's parameters.

    Returns:
        In the shape of the space. A parameter that is set to something outside the space is left out, so that it is
        open: no such one if the space is the estimator's default one.

    Example:
        >>> from manyhands.parameters import Float
        >>> from sklearn.linear_model import Ridge
        >>> default_start(Ridge(alpha=3.0), {"alpha": Float(0.1, 10)})
        {'alpha': 3.0}
    """
    tree = space.tree if isinstance(space, Space) else space
    own = settings_of(estimator)
    start = _of_choice("", tree, own) if isinstance(tree, Choice) else _of_group(tree, own)
    return {} if start is _OPEN else start


def _of_group(group: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: _of_entry(key, node, own) for key, node in group.items()} if isinstance(group, Mapping) else {}
    return {key: value for key, value in found.items() if value is not _OPEN}


def _of_entry(key: str, node: object, own: Mapping[str, Any]) -> Any:
    if isinstance(node, Choice):
        return _of_choice(key, node, own)
    if is_group(key, node, own):
        return _of_group(node, own)
    return plain(own[key]) if key in own and fits(key, node, own[key]) else _OPEN


def _of_choice(key: str, choice: Choice, own: Mapping[str, Any]) -> Any:
    groups = [option for option in choice.options if is_group(key, option, own)]
    for holds in (_holds_all, _holds_constants):
        for group in groups:
            if holds(group, own):
                return _of_group(group, own)
    is_in = key in own and any(
        fits(key, option, own[key]) for option in choice.options if not is_group(key, option, own)
    )
    return plain(own[key]) if is_in else _OPEN


def _holds_all(group: Any, own: Mapping[str, Any]) -> bool:
    return all(_of_entry(key, node, own) is not _OPEN for key, node in group.items())


def _holds_constants(group: Any, own: Mapping[str, Any]) -> bool:
    """Whether it is the group of these settings, though they are outside of some of its ranges."""
    constants = {key: node for key, node in group.items() if not has_parameters(node)}
    return bool(constants) and _holds_all(constants, own)
