"""Advice on how parameters are written down."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from manyhands.advice.base import Advice, Facts
from manyhands.parameters import Choice, Float, Int

_FEWEST_OPTIONS = 3
_DECADES = 3.0  # that a linear range may not span; whole numbers one more, as 1 to 1000 may well be a linear scale
_SAME = 1e-6


def about_scales(facts: Facts) -> Iterator[Advice]:
    """Choices that are numbers, and linear ranges that should be logarithmic."""
    for name, parameter in facts.space.parameters.items():
        if isinstance(parameter, Choice):
            yield from _numeric_choice(name, parameter)
        elif isinstance(parameter, Float | Int):
            yield from _linear_over_decades(name, parameter)


def _numeric_choice(name: str, choice: Choice) -> Iterator[Advice]:
    options = choice.options
    if choice.ordered or choice.weights is not None or len(options) < _FEWEST_OPTIONS:
        return
    numbers = [o for o in options if isinstance(o, int | float) and not isinstance(o, bool) and math.isfinite(o)]
    rising = numbers[::-1] if numbers and numbers[0] > numbers[-1] else numbers
    if len(numbers) < len(options) or any(a >= b for a, b in pairwise(rising)):
        return
    yield Advice(
        "numeric-choice",
        f"The {len(options)} options of {name!r} are numbers in order, and a choice hides from the sampler which of "
        f"them are neighbours.",
        {"options": len(options), "low": rising[0], "high": rising[-1]},
        f"Use {_range_of(rising)}, or Choice(..., ordered=True).",
    )


def _range_of(numbers: Sequence[float]) -> str:
    """The range that the numbers, which rise, are taken from."""
    low, high = numbers[0], numbers[-1]
    kind = "Int" if all(isinstance(n, int) for n in numbers) else "Float"
    steps = [b - a for a, b in pairwise(numbers)]
    if all(math.isclose(step, steps[0], rel_tol=_SAME) for step in steps):
        step = "" if kind == "Int" and steps[0] == 1 else f", step={round(steps[0], 12):g}"
        return f"{kind}({low!r}, {high!r}{step})"
    is_log = low > 0 and high / low >= 10  # what rises unevenly rises by factors
    return f"{kind}({low!r}, {high!r}{', log=True' if is_log else ''})"


def _linear_over_decades(name: str, parameter: Float | Int) -> Iterator[Advice]:
    low, high = parameter.low, parameter.high
    if parameter.log or low <= 0:
        return
    decades = math.log10(high) - math.log10(low)
    kind = type(parameter).__name__
    if decades < _DECADES + (kind == "Int") - _SAME:
        return
    yield Advice(
        "linear-over-decades",
        f"{name!r} is searched evenly from {low:g} to {high:g}, so nine of ten trials are in the last of "
        f"{decades:.1f} decades.",
        {"low": low, "high": high, "decades": decades},
        f"Use {kind}({low!r}, {high!r}, log=True).",
    )
