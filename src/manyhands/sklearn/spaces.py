"""What users of scikit-learn give to be searched, as a space.

scikit-learn's own forms are dicts from parameter names to lists or distributions, and lists of such dicts. Ours are any
nesting of parameters, of which some dicts are groups (see ``groups``). Both may be mixed: in a dict of parameters

- a list, tuple or array holds what to choose from, our parameters and groups included; but a tuple with parameters in
  it is a value of which these parts are searched, such as the sizes of layers;
- a distribution is a parameter with its range;
- all else is the value that the parameter always has.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manyhands.errors import SettingsError
from manyhands.labels import has_parameters
from manyhands.parameters import Choice, Float, Int, Normal
from manyhands.sklearn.candidates import candidates_space
from manyhands.sklearn.distributions import from_distribution
from manyhands.sklearn.groups import flatten, is_group
from manyhands.sklearn.scales import is_scale
from manyhands.sklearn.upstream import ParameterGrid, ParameterSampler
from manyhands.space import Space

__all__ = ["candidates_space", "check", "flatten", "to_space"]


def to_space(given: object, estimator: Any) -> Space:
    """The space that a directed search looks through.

    Lists of three or more numbers in order are choices with an order, so that models see that neighbours are alike.

    Args:
        given: scikit-learn's grid, list of grids or distributions; a nesting of ours; or a ``Space``, which is taken as
            it is.
        estimator: Whose parameters are searched.

    Raises:
        TypeError: What scikit-learn raises for grids and distributions that make no sense.
        ValueError: The same.
        SettingsError: A distribution has no range, or what is given has no names of parameters.
        SpaceError: The space makes no sense.

    Example:
        >>> from sklearn.svm import SVC
        >>> to_space({"C": [0.1, 1, 10], "kernel": ["linear", "rbf"]}, SVC()).parameters["kernel"].options
        ('linear', 'rbf')
    """
    if isinstance(given, Space):
        return given
    if isinstance(given, Iterable) and not isinstance(given, Mapping | str):
        given = list(given)
    if not has_parameters(given):
        check(given)
    if isinstance(given, list):
        given = given[0] if len(given) == 1 else Choice(given)
    tree = _top(given, estimator.get_params())
    return Space(tree if has_parameters(tree) else Choice([tree], name="candidate"))


def check(given: Any) -> None:
    """Let scikit-learn judge a grid, a list of grids or distributions.

    Raises:
        TypeError: In scikit-learn's own words.
        ValueError: The same.
    """
    ParameterSampler(given, 1)
    for grid in [given] if isinstance(given, Mapping) else given:
        ParameterGrid({key: values for key, values in grid.items() if not hasattr(values, "rvs")})


def _top(given: object, names: Container[str]) -> object:
    if isinstance(given, Choice):
        return replace(given, options=[_top(option, names) for option in given.options])
    if isinstance(given, dict):
        return _group(given, names)
    raise SettingsError(
        f"{given!r} says nothing of parameters by their names. Give a dict from names to what to search, "
        "a list of such dicts, or an mh.Choice between them."
    )


def _group(entries: dict[Any, Any], names: Container[str], above: object = None) -> dict[Any, Any]:
    """The entries as parameters; ``above`` is the name that the group stands under."""
    return {
        key: value if key == above and isinstance(value, dict) else _entry(key, value, names)
        for key, value in entries.items()
    }


def _entry(key: object, value: Any, names: Container[str]) -> object:
    if isinstance(value, Choice):
        return replace(value, options=[_option(key, option, names) for option in value.options])
    if isinstance(value, Float | Int | Normal):
        return value
    if hasattr(value, "rvs"):
        return from_distribution(key, value)
    if isinstance(value, np.ndarray) or (isinstance(value, Sequence) and not isinstance(value, str | bytes)):
        return _from_list(key, value, names)
    return _option(key, value, names)


def _option(key: object, option: Any, names: Container[str]) -> object:
    return _group(option, names, key) if is_group(key, option, names) else option


def _from_list(key: object, values: Any, names: Container[str]) -> object:
    if isinstance(values, tuple) and has_parameters(values):
        return values
    ParameterGrid({key: values})  # raises if there is nothing in it, or it has more than one dimension
    options = [_option(key, value, names) for value in values]
    return options[0] if len(options) == 1 else Choice(options, ordered=is_scale(options))
