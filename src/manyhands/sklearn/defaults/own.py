"""An estimator's own settings: what they are, and what they fit into."""

from typing import Any

from manyhands.errors import SpaceError
from manyhands.parameters import Choice, Float, Int, Normal, Parameter, plain
from manyhands.sklearn.defaults.boosting import xgboost_means

#: Where a whole number is a number of things, and any other a share of them: 1 is not 1.0.
_COUNTS_OR_SHARES = ("max_features", "max_samples", "min_samples_leaf", "min_samples_split", "max_df", "n_components")


def settings_of(estimator: Any) -> dict[str, Any]:
    """All parameters of an estimator and of those within it, with what None means where that is known."""
    own: dict[str, Any] = dict(estimator.get_params())
    for prefix, part in [("", estimator), *((f"{name}__", part) for name, part in own.items() if is_estimator(part))]:
        if is_a(part, "xgboost", "XGBModel"):
            for name, meaning in xgboost_means(part.get_params(deep=False)).items():
                if prefix + name in own and own[prefix + name] is None:
                    own[prefix + name] = meaning
    return own


def is_estimator(value: object) -> bool:
    """Whether it has parameters by names, and is no class."""
    return hasattr(value, "get_params") and not isinstance(value, type)


def is_a(estimator: object, library: str, name: str) -> bool:
    """Whether it is of a class of this name from this library, or of one that is derived from it."""
    return any((c.__module__.partition(".")[0], c.__name__) == (library, name) for c in type(estimator).__mro__)


def fits(name: str, node: object, value: Any) -> bool:
    """Whether a node that is no group can have a value."""
    value = plain(value)
    if isinstance(node, Choice):
        return any(fits(name, option, value) for option in node.options)
    if isinstance(node, Float | Int | Normal):
        return is_number_for(name, node, value) and _is_within(node, value)
    if isinstance(node, tuple):
        return is_like(node, value) and all(fits(name, *pair) for pair in zip(node, value, strict=True))
    return node is value or _is_same(name, node, value)


def _is_same(name: str, node: object, value: object) -> bool:
    """Whether a constant is this value; 0 is 0.0, where it cannot be a number of things."""
    both_numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (node, value))
    if type(node) is not type(value) and not (both_numbers and not _may_be_count(name)):
        return False
    try:
        return bool(node == value)
    except Exception:  # arrays have no single truth
        return False


def _may_be_count(name: str) -> bool:
    return name.rpartition("__")[2] in _COUNTS_OR_SHARES


def is_like(node: tuple[object, ...], value: object) -> bool:
    """Whether it is a tuple of as many values."""
    return isinstance(value, tuple) and len(value) == len(node)


def is_number_for(name: str, node: Parameter, value: object) -> bool:
    """Whether it is a number of the parameter's kind, be it in its range or not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(node, Int):
        return isinstance(value, int)
    return isinstance(value, float) or not _may_be_count(name)


def _is_within(node: Parameter, value: Any) -> bool:
    try:
        node.read(value)
    except SpaceError:
        return False
    return True
