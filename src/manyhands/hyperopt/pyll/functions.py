"""The functions that expressions are made of, under the names that scripts use: ``scope.int``, ``scope.exp`` ..."""

from __future__ import annotations

import copy
import operator
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from manyhands.hyperopt.pyll.evaluate import UndefinedValue, clone
from manyhands.hyperopt.pyll.nodes import Apply, Literal, apply, as_apply, scope

__all__ = ["Lambda", "bincount", "p0", "partial", "scope"]  # to import scope from here is to have it filled

for _builtin in (list, dict, range, len, int, float, map, max, min, getattr):
    scope.register(_builtin.__name__, _builtin, pure=True)

for _operator in (
    *(operator.getitem, operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.pow),
    *(operator.neg, operator.eq, operator.lt, operator.le, operator.gt, operator.ge),
):
    scope.register(_operator.__name__, _operator, pure=True)

for _ufunc in (np.exp, np.log, np.sqrt, np.sin, np.cos, np.tan):
    scope.register(_ufunc.__name__, _ufunc, pure=True)


def _pure(name: str) -> Callable[[Any], Any]:
    """Register a function under a name that would hide one of Python's in this file."""
    return lambda f: scope.register(name, f, pure=True)


@_pure("sum")
def _sum(x: Any, axis: int | None = None) -> Any:
    return np.sum(x, axis=axis)


@_pure("minimum")
def _minimum(x: Any, y: Any) -> Any:
    return np.minimum(x, y)


@_pure("maximum")
def _maximum(x: Any, y: Any) -> Any:
    return np.maximum(x, y)


@scope.define_pure
def pos_args(*args: Any) -> tuple[Any, ...]:
    """What lists and tuples in a space are: a tuple of their contents."""
    return args


@scope.define_pure
def identity(obj: Any) -> Any:
    """The argument as it is."""
    return obj


@scope.define
def hyperopt_param(label: str, obj: Any) -> Any:
    """Marks ``obj``, a distribution, as a hyperparameter with a label."""
    return obj


@scope.define_pure
def switch(pos: int, *args: Any) -> Any:
    """The argument at a place. ``rec_eval`` computes no other one."""
    return args[pos]


@scope.define_pure
def Raise(etype: type[Exception], *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - scripts call it by this name
    """Raise an exception: for a branch that must not be taken."""
    raise etype(*args, **kwargs)


def _kwswitch(kw: Any, **kwargs: Any) -> Apply:
    keys = tuple(sorted(kwargs))
    place = scope.call_method_pure(keys, "index", kw)
    return scope.switch(place, *(kwargs[key] for key in keys))  # type: ignore[no-any-return]


setattr(scope, "kwswitch", _kwswitch)  # noqa: B010 - it makes nodes, and is no function of its own


@scope.define
def call(fn: Callable[..., Any], args: Iterable[Any] = (), kwargs: dict[str, Any] | None = None) -> Any:
    """``fn(*args, **kwargs)``: what calling a node becomes."""
    return fn(*args, **(kwargs or {}))


@scope.define
def callpipe1(fn_list: Iterable[Callable[[Any], Any]], arg: Any) -> Any:
    """Pass ``arg`` through a row of functions, each being given what the one before it returned."""
    for fn in fn_list:
        arg = fn(arg)
    return arg


@scope.define
def call_method(obj: Any, methodname: str, *args: Any, **kwargs: Any) -> Any:
    """``obj.methodname(*args, **kwargs)``."""
    return getattr(obj, methodname)(*args, **kwargs)


scope.register("call_method_pure", call_method, pure=True)


@scope.define_pure
def copy_call_method_pure(obj: Any, methodname: str, *args: Any, **kwargs: Any) -> Any:
    """Call a method of a copy of ``obj``, so that ``obj`` stays as it is."""
    return getattr(copy.copy(obj), methodname)(*args, **kwargs)


@scope.define_pure
def array_union1(args: Iterable[Iterable[Any]]) -> Any:
    """What is in any of several collections, as a sorted array."""
    return np.asarray(sorted(set().union(*args)))


@scope.define_pure
def array_union(*args: Iterable[Any]) -> Any:
    """What is in any of the arguments, as a sorted array."""
    return array_union1(args)


@scope.define_pure
def asarray(a: Any, dtype: Any = None) -> Any:
    """The argument as an array."""
    return np.asarray(a, dtype=dtype)


@scope.define_pure
def str_join(s: str, seq: Iterable[str]) -> str:
    """The strings of ``seq`` with ``s`` in between."""
    return s.join(seq)


@scope.define_pure
def bincount(x: Any, offset: int = 0, weights: Any = None, minlength: int = 0) -> Any:
    """How often each of 0, 1, 2 ... stands in ``x - offset``."""
    return np.bincount(np.asarray(x, dtype=int) - offset, weights, minlength)


@scope.define_pure
def repeat(n_times: int, obj: Any) -> list[Any]:
    """``obj`` several times, in a list."""
    return [obj] * n_times


@scope.define_info(o_len=2)
def curtime(obj: Any) -> tuple[float, Any]:
    """The time in seconds since 1970 at which this is computed, and the argument."""
    return time.time(), obj


p0 = Literal(UndefinedValue)  #: the first parameter in the expression of a ``Lambda``


class Lambda:
    """A function whose body is an expression.

    Args:
        name: What it is called in ``scope``.
        params: (name, node) pairs; the nodes stand for the arguments in ``expr``.
        expr: The body.
    """

    def __init__(self, name: str, params: list[tuple[str, Apply]], expr: Apply) -> None:
        self.__name__ = name
        self.params = params
        self.expr = expr

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        if len(args) > len(self.params):
            raise TypeError(f"{self.__name__} takes {len(self.params)} arguments, and {len(args)} are given.")
        if len(args) != len(self.params) or kwargs:
            raise NotImplementedError("named / default arguments", (args, self.params))
        return clone(self.expr, {node: as_apply(arg) for (_, node), arg in zip(self.params, args, strict=True)})


@scope.define
def partial(name: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of ``scope`` with its first arguments given: takes one more."""
    name = getattr(name, "apply_name", name)
    given = f"partial_{name}_id{len(scope._impls)}"
    scope.define(Lambda(given, [("x", p0)], apply(name, *args, p0, **kwargs)))
    return getattr(scope, given)
