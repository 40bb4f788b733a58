"""Hyperparameters: nodes that carry a label and a distribution, and the value of a space for given values of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from manyhands.hyperopt.graph import label_of
from manyhands.hyperopt.pyll.base import Apply, Literal, as_apply, dfs, scope
from manyhands.hyperopt.pyll.evaluate import evaluate

_Maker = Callable[..., Apply]


def validate_label(f: _Maker) -> _Maker:
    """Decorator: the first argument has to be a label, which is text."""

    @wraps(f)
    def wrapper(label: Any, *args: Any, **kwargs: Any) -> Apply:
        if not isinstance(label.obj if isinstance(label, Literal) else label, str | bytes):
            raise TypeError("require string label")
        return f(label, *args, **kwargs)

    return wrapper


def validate_distribution_range(f: _Maker) -> _Maker:
    """Decorator: of the two arguments after the label, the first has to be less than the second."""

    @wraps(f)
    def wrapper(label: Any, *args: Any, **kwargs: Any) -> Apply:
        low = args[0] if args else kwargs.get("low")
        high = args[1] if len(args) > 1 else kwargs.get("high")
        # A bound of 0 is not looked at: there are scripts whose ranges from 0 are empty in branches never taken.
        if low and high and not low < high:
            raise ValueError(f"low should be less than high: {low} is not smaller than {high}")
        return f(label, *args, **kwargs)

    return wrapper


@validate_label
def hp_choice(label: Any, options: Any) -> Apply:
    """One of ``options``, which may hold more hyperparameters: those are active only if theirs is chosen."""
    place = scope.hyperopt_param(label, scope.randint(len(options)))
    return scope.switch(place, *options)  # type: ignore[no-any-return]


@validate_label
def hp_pchoice(label: Any, p_options: Any) -> Apply:
    """Like ``choice``, of (probability, option) pairs."""
    p, options = zip(*p_options, strict=True)
    return scope.switch(scope.hyperopt_param(label, scope.categorical(p)), *options)  # type: ignore[no-any-return]


@validate_label
def hp_randint(label: Any, *args: Any, **kwargs: Any) -> Apply:
    """A whole number: ``randint(label, upper)`` from 0, ``randint(label, low, high)`` from low; the end is excluded."""
    return scope.int(_parameter("randint", label, args, kwargs))  # type: ignore[no-any-return]


@validate_label
@validate_distribution_range
def hp_uniform(label: Any, *args: Any, **kwargs: Any) -> Apply:
    """A number: ``uniform(label, low, high)``."""
    return scope.float(_parameter("uniform", label, args, kwargs))  # type: ignore[no-any-return]


@validate_label
def hp_uniformint(label: Any, *args: Any, **kwargs: Any) -> Apply:
    """A whole number: ``uniformint(label, low, high)``, both ends included."""
    return scope.int(hp_quniform(label, *args, **{**kwargs, "q": 1.0}))  # type: ignore[no-any-return]


@validate_label
@validate_distribution_range
def hp_quniform(label: Any, *args: Any, **kwargs: Any) -> Apply:
    """A multiple of ``q``, as a float: ``quniform(label, low, high, q)``."""
    return scope.float(_parameter("quniform", label, args, kwargs))  # type: ignore[no-any-return]


@validate_label
@validate_distribution_range
def hp_loguniform(label: Any, *args: Any, **kwargs: Any) -> Apply:
    """``exp`` of a number between two: ``loguniform(label, log_of_lowest, log_of_highest)``."""
    return scope.float(_parameter("loguniform", label, args, kwargs))  # type: ignore[no-any-return]


@validate_label
@validate_distribution_range
def hp_qloguniform(label: Any, *args: Any, **kwargs: Any) -> Apply:
    """Like ``loguniform``, rounded to a multiple of ``q``: ``qloguniform(label, low, high, q)``."""
    return scope.float(_parameter("qloguniform", label, args, kwargs))  # type: ignore[no-any-return]


@validate_label
def hp_normal(label: Any, *args: Any, **kwargs: Any) -> Apply:
    """A normally distributed number: ``normal(label, mu, sigma)``."""
    return scope.float(_parameter("normal", label, args, kwargs))  # type: ignore[no-any-return]


@validate_label
def hp_qnormal(label: Any, *args: Any, **kwargs: Any) -> Apply:
    """Like ``normal``, rounded to a multiple of ``q``: ``qnormal(label, mu, sigma, q)``."""
    return scope.float(_parameter("qnormal", label, args, kwargs))  # type: ignore[no-any-return]


@validate_label
def hp_lognormal(label: Any, *args: Any, **kwargs: Any) -> Apply:
    """``exp`` of a normally distributed number: ``lognormal(label, mu, sigma)``."""
    return scope.float(_parameter("lognormal", label, args, kwargs))  # type: ignore[no-any-return]


@validate_label
def hp_qlognormal(label: Any, *args: Any, **kwargs: Any) -> Apply:
    """Like ``lognormal``, rounded to a multiple of ``q``: ``qlognormal(label, mu, sigma, q)``."""
    return scope.float(_parameter("qlognormal", label, args, kwargs))  # type: ignore[no-any-return]


def space_eval(space: Any, hp_assignment: Mapping[Any, Any]) -> Any:
    """The value of a space, as an objective gets it.

    Args:
        space: Any nesting of containers with hyperparameters in it.
        hp_assignment: Label to value; a choice's value is the index of its option. The lists of one value of a trial's
            ``misc["vals"]`` are understood as well.

    Raises:
        MissingValue: A hyperparameter that is active has no value.

    Example:
        >>> space_eval({"x": hp_uniform("x", 0, 1), "kind": hp_choice("kind", ["a", "b"])}, {"x": 0.5, "kind": 1})
        {'kind': 'b', 'x': 0.5}
    """
    expr = as_apply(space)
    known = {}
    for node in dfs(expr):
        if node.name == "hyperopt_param" and label_of(node) in hp_assignment:
            value = hp_assignment[label_of(node)]
            if not isinstance(value, list):
                known[node] = value
            elif value:
                known[node] = value[0]
    return evaluate(expr, known)


def _parameter(distribution: str, label: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Apply:
    """The node of a hyperparameter, when the arguments fit its distribution."""
    try:
        inspect.signature(scope.implementation(distribution)).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"hp.{distribution}({label!r}, ...): {error}") from None
    return scope.hyperopt_param(label, getattr(scope, distribution)(*args, **kwargs))  # type: ignore[no-any-return]
