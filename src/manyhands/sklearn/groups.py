"""Groups of parameters: dicts within the params of a space, whose entries are parameters of the estimator themselves.

A dict under the name of one of the estimator's parameters (``"class_weight"``, or any name that begins with a part of
it, ``"clf__class_weight"``) is that parameter's value. Any other dict is a group. So is one that has the name it stands
under as a key, as each option has in ``{"clf": mh.Choice([{"clf": SVC(), "clf__C": ...}, {"clf": ...}])}``.
"""

from collections.abc import Container
from typing import Any

from manyhands.errors import SettingsError


def flatten(params: object, estimator: Any) -> dict[str, object]:
    """The params of a space as ``estimator.set_params`` takes them: the entries of all groups in one dict.

    Raises:
        SettingsError: They are no dict, or two groups say something of the same parameter.

    Example:
        >>> from sklearn.svm import SVC
        >>> flatten({"C": 1.0, "of rbf": {"gamma": 0.1}, "class_weight": {0: 1, 1: 5}}, SVC())
        {'C': 1.0, 'gamma': 0.1, 'class_weight': {0: 1, 1: 5}}
    """
    if not isinstance(params, dict):
        raise SettingsError(
            f"The space gives {params!r}, and the parameters of an estimator have names. "
            "Give a dict, such as {'C': mh.Float(0.01, 100, log=True)}."
        )
    flat: dict[str, object] = {}
    _merge(params, estimator.get_params(), flat)
    return flat


def is_group(key: object, value: object, names: Container[str]) -> bool:
    """Whether an entry of a dict of parameters is a dict of more of them; see the top of this file.

    Args:
        key: The name it stands under.
        value: The entry.
        names: Of the estimator's parameters.
    """
    return isinstance(value, dict) and (key in value or not _is_parameter(key, names))


def _is_parameter(key: object, names: Container[str]) -> bool:
    return isinstance(key, str) and (key in names or ("__" in key and key.partition("__")[0] in names))


def _merge(group: dict[Any, Any], names: Container[str], flat: dict[str, object], above: object = None) -> None:
    for key, value in group.items():
        if key != above and is_group(key, value, names):
            _merge(value, names, flat, key)
            continue
        if key in flat:
            raise SettingsError(
                f"The space sets {key!r} twice, to {flat[key]!r} and to {value!r}. "
                "Groups that are active at the same time must not share a parameter."
            )
        flat[key] = value
