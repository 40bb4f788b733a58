"""The distributions of hyperparameters as parameters of a ``manyhands.Space``.

A distribution has raw values, which are what a trial's document holds: of a choice the index, of a quantised one the
multiple of ``q``. ``Scale`` is a parameter for a sampler, and the way between its values and the raw ones.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from manyhands.errors import SpaceError
from manyhands.parameters import Choice, Float, Int, Normal, Parameter

_RAREST = 1e-12  # a weight must be above 0: one that is as good as that


@dataclass(frozen=True)
class Scale:
    """A parameter, and how its values become a distribution's raw ones.

    Args:
        parameter: The parameter.
        q: Raw values are multiples of it; None if they are not rounded.
        counts: The parameter's value is how many times ``q`` it is.
        first: Raw value of a choice's first option.
    """

    parameter: Parameter
    q: float | None = None
    counts: bool = False
    first: int = 0

    def raw(self, value: float) -> int | float:
        """The raw value for one of the parameter."""
        if isinstance(self.parameter, Choice):
            return self.first + int(value)
        if self.counts:
            return float(value) * self.q  # type: ignore[operator]
        if self.q is not None:
            return float(round(value / self.q)) * self.q
        return value

    def value(self, raw: float) -> int | float:
        """The parameter's value for a raw one: the nearest one, where the parameter has no such value.

        Raises:
            SpaceError: It is the index of an option that does not exist.
        """
        parameter = self.parameter
        if isinstance(parameter, Choice):
            return parameter.read(int(raw) - self.first)
        if isinstance(parameter, Normal):
            return float(max(raw, sys.float_info.min) if parameter.log and parameter.step is None else raw)
        number = raw / self.q if self.counts else raw  # type: ignore[operator]
        number = round(number) if isinstance(parameter, Int) else float(number)
        return min(max(number, parameter.low), parameter.high)

    def named(self, name: str) -> Scale:
        """The same with a name for its parameter."""
        return replace(self, parameter=replace(self.parameter, name=name))


def scale_of(distribution: str, arguments: dict[str, Any]) -> Scale:
    """The scale of a distribution that is no choice.

    Args:
        distribution: Its name, such as ``"quniform"``.
        arguments: Its arguments by name.

    Raises:
        SpaceError: The arguments make no sense.
    """
    if distribution == "randint":
        low, high = whole_range(arguments)
        return Scale(Int(low, high))
    q = arguments.get("q")
    if q is not None and not q > 0:
        raise SpaceError(f"{distribution}: q must be above 0, and {q!r} is not.")
    if "sigma" in arguments:
        return _normal(arguments["mu"], arguments["sigma"], log="log" in distribution, q=q)
    if "log" not in distribution:
        return _uniform(arguments["low"], arguments["high"], q)
    bottom, top = exp(arguments["low"]), exp(arguments["high"])
    if q is None or round(bottom / q) == 0:
        # Rounded to 0, the lowest values have no place on a scale of logarithms: there, only what comes out is rounded.
        return Scale(Float(bottom, top, log=True), q)
    return Scale(Int(round(bottom / q), round(top / q), log=True), q, counts=True)


def choice_of(distribution: str, arguments: dict[str, Any], options: Sequence[Any]) -> Scale:
    """The scale of a choice: ``randint`` or ``categorical``.

    Args:
        distribution: Its name.
        arguments: Its arguments by name.
        options: What is chosen from.

    Raises:
        SpaceError: There is nothing to choose from.
    """
    is_ordered = are_numbers_in_order(options)
    if distribution == "categorical":
        p = list(map(float, arguments["p"]))
        # The last option takes what the others leave, whatever is said of it.
        weights = [max(weight, _RAREST) for weight in (*p[:-1], 1 - sum(p[:-1]))]
        return Scale(Choice(list(options), is_ordered, weights))
    low, high = whole_range(arguments)
    if high >= len(options) or low < 0:
        raise SpaceError(f"A switch has {len(options)} options, and its index goes from {low} to {high}.")
    return Scale(Choice(list(options[low : high + 1]), is_ordered), first=low)


def whole_range(arguments: dict[str, Any]) -> tuple[int, int]:
    """The lowest and the highest value of ``randint``."""
    low, high = arguments["low"], arguments.get("high")
    return (0, int(low) - 1) if high is None else (int(low), int(high) - 1)


def are_numbers_in_order(options: Sequence[Any]) -> bool:
    """Whether options are a scale: three numbers or more, growing or falling."""
    if len(options) < 3 or any(isinstance(o, bool) or not isinstance(o, int | float) for o in options):
        return False
    pairs = list(pairwise(options))
    return all(a < b for a, b in pairs) or all(a > b for a, b in pairs)


def exp(x: float) -> float:
    """``exp(x)``, kept within what a floating-point number above 0 can say."""
    return min(max(math.exp(min(x, 709.0)), sys.float_info.min), sys.float_info.max)


def _uniform(low: float, high: float, q: float | None) -> Scale:
    if q is None:
        return Scale(Float(low, high))
    return Scale(Int(round(low / q), round(high / q)), q, counts=True)


def _normal(mu: float, sigma: float, log: bool, q: float | None) -> Scale:
    if sigma == 0:
        always = exp(mu) if log else mu
        return Scale(Float(always, always), q)
    return Scale(Normal(mu, sigma, log, q), q)
