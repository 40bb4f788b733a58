"""Distributions as functions of expressions, and random draws of whole expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from manyhands.hyperopt.exceptions import MissingValue
from manyhands.hyperopt.pyll.evaluate import dfs, evaluate, implicit_stochastic_symbols
from manyhands.hyperopt.pyll.functions import scope
from manyhands.hyperopt.pyll.nodes import Apply, as_apply


def implicit_stochastic(f: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: this function draws at random, and takes the generator as ``rng``."""
    implicit_stochastic_symbols.add(f.__name__)
    return f


@scope.define
def rng_from_seed(seed: Any) -> np.random.Generator:
    """A generator of random numbers."""
    return np.random.default_rng(seed)


@implicit_stochastic
@scope.define
def uniform(low: Any, high: Any, rng: Any = None, size: Any = ()) -> Any:
    """A number between ``low`` and ``high``."""
    return _given(rng, "uniform").uniform(low, high, size=size)


@implicit_stochastic
@scope.define
def loguniform(low: Any, high: Any, rng: Any = None, size: Any = ()) -> Any:
    """A number whose logarithm lies between ``low`` and ``high``."""
    return np.exp(_given(rng, "loguniform").uniform(low, high, size=size))


@implicit_stochastic
@scope.define
def quniform(low: Any, high: Any, q: Any, rng: Any = None, size: Any = ()) -> Any:
    """A number between ``low`` and ``high``, rounded to a multiple of ``q``."""
    return np.round(_given(rng, "quniform").uniform(low, high, size=size) / q) * q


@implicit_stochastic
@scope.define
def qloguniform(low: Any, high: Any, q: Any, rng: Any = None, size: Any = ()) -> Any:
    """A number whose logarithm lies between ``low`` and ``high``, rounded to a multiple of ``q``."""
    return np.round(np.exp(_given(rng, "qloguniform").uniform(low, high, size=size)) / q) * q


@implicit_stochastic
@scope.define
def normal(mu: Any, sigma: Any, rng: Any = None, size: Any = ()) -> Any:
    """A normally distributed number."""
    return _given(rng, "normal").normal(mu, sigma, size=size)


@implicit_stochastic
@scope.define
def qnormal(mu: Any, sigma: Any, q: Any, rng: Any = None, size: Any = ()) -> Any:
    """A normally distributed number, rounded to a multiple of ``q``."""
    return np.round(_given(rng, "qnormal").normal(mu, sigma, size=size) / q) * q


@implicit_stochastic
@scope.define
def lognormal(mu: Any, sigma: Any, rng: Any = None, size: Any = ()) -> Any:
    """A number whose logarithm is normally distributed."""
    return np.exp(_given(rng, "lognormal").normal(mu, sigma, size=size))


@implicit_stochastic
@scope.define
def qlognormal(mu: Any, sigma: Any, q: Any, rng: Any = None, size: Any = ()) -> Any:
    """A number whose logarithm is normally distributed, rounded to a multiple of ``q``."""
    return np.round(np.exp(_given(rng, "qlognormal").normal(mu, sigma, size=size)) / q) * q


@implicit_stochastic
@scope.define
def randint(low: Any, high: Any = None, rng: Any = None, size: Any = ()) -> Any:
    """A whole number from ``low`` up to, and not including, ``high``; from 0 up to ``low`` if only that is given."""
    return _given(rng, "randint").integers(low, high, size)


@implicit_stochastic
@scope.define
def categorical(p: Any, rng: Any = None, size: Any = ()) -> Any:
    """The index of an option, drawn with the probabilities ``p``; an array, of one index if no size is given."""
    shape = (1,) if size == () else (int(size),) if np.ndim(size) == 0 else tuple(size)
    drawn = _given(rng, "categorical").multinomial(1, np.asarray(p), size=int(np.prod(shape)))
    return np.reshape(np.argmax(drawn, axis=-1), shape)


def _given(rng: Any, name: str) -> Any:
    if rng is None:
        raise MissingValue(f"scope.{name} was to be drawn without a random generator: give it rng=, or use sample().")
    return rng


def one_of(*args: Any) -> Apply:
    """One of the arguments, all equally likely."""
    return scope.switch(scope.randint(len(args)), *args)  # type: ignore[no-any-return]


def choice(args: Any) -> Apply:
    """One of the items of ``args``, all equally likely."""
    return one_of(*args)


setattr(scope, "one_of", one_of)  # noqa: B010 - these make nodes, and are no functions of their own
setattr(scope, "choice", choice)  # noqa: B010
scope.seal()


def recursive_set_rng_kwarg(expr: Apply, rng: Any = None) -> Apply:
    """Have every node in ``expr`` that draws at random use ``rng``; changes the nodes, and returns ``expr``."""
    node_of_rng = as_apply(np.random.default_rng() if rng is None else rng)
    for node in dfs(expr):
        if node.name in implicit_stochastic_symbols:
            others = [pair for pair in node.named_args if pair[0] != "rng"]
            node.named_args = [*others, ["rng", node_of_rng]]
    return expr


def sample(expr: Any, rng: Any = None, memo: Any = None) -> Any:
    """Draw a value of an expression at random.

    Args:
        expr: A node, or any nesting of containers with nodes in it.
        rng: A ``numpy.random.Generator``, or a seed of one; a fresh one if not given.
        memo: Values of nodes that are not to be drawn.

    Example:
        >>> sample({"kind": scope.one_of("a", "a"), "n": scope.int(scope.uniform(2, 2.5))}, rng=3)
        {'kind': 'a', 'n': 2}
    """
    return evaluate(as_apply(expr), dict(memo or {}), as_generator(rng))


def as_generator(rng: Any) -> Any:
    """A ``numpy.random.Generator`` from what people give as one: itself, a seed, a ``RandomState``, or nothing."""
    rng = rng.obj if hasattr(rng, "obj") else rng
    if isinstance(rng, np.random.RandomState):
        return np.random.Generator(rng._bit_generator)
    return rng if hasattr(rng, "integers") else np.random.default_rng(rng)
