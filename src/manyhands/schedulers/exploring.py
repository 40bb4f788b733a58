"""Where a copy of a good trial looks next: its params, each drawn anew or moved a little."""

from collections.abc import Container, Sequence

from msgspec import Struct
from numpy.random import Generator

from manyhands.parameters import Choice, Float, Int, Normal, Parameter
from manyhands.space import Point, Space

_SIGMAS = 2.0  # what counts as half the width of a Normal


class Exploring(Struct, frozen=True):
    """How params are explored.

    Attributes:
        resample: How likely a parameter is drawn anew, from 0 to 1; else it is moved.
        factors: By which numbers are multiplied, one of them at random.
        mutable: The names of the parameters that may change; None for all.
    """

    resample: float = 0.25
    factors: Sequence[float] = (0.8, 1.2)
    mutable: Container[str] | None = None

    def explore(self, space: Space, point: Point, rng: Generator) -> Point:
        """Return a point beside the given one.

        What becomes active by a choice that changed is drawn at random, even if it is not mutable.
        """
        found: Point = {}
        for name, parameter in space.parameters.items():  # parents before children
            parent = space.parents[name]
            if parent is not None and found.get(parent[0]) != parent[1]:
                continue
            if name not in point:
                found[name] = parameter.decode(rng.random())
            elif not self.may_change(name):
                found[name] = point[name]
            elif rng.random() < self.resample:
                found[name] = parameter.decode(rng.random())
            else:
                found[name] = self._moved(parameter, point[name], rng)
        return found

    def may_change(self, name: str) -> bool:
        """Whether a parameter may."""
        return self.mutable is None or name in self.mutable

    def _moved(self, parameter: Parameter, value: float, rng: Generator) -> int | float:
        if isinstance(parameter, Choice):
            return _other_option(parameter, int(value), rng)
        factor = float(rng.choice(list(self.factors)))
        wanted = _scaled(parameter, value, factor)
        if isinstance(parameter, Normal):
            return _normal(parameter, value, wanted, factor)
        if parameter.step is None:
            return min(max(wanted, float(parameter.low)), float(parameter.high))
        before = parameter.index(value)  # type: ignore[arg-type]
        after = _other_index(before, (wanted - parameter.low) / parameter.step, factor)
        return parameter.nth(min(max(after, 0), (parameter.n_values or 1) - 1))


def _scaled(parameter: Float | Int | Normal, value: float, factor: float) -> float:
    """The value times the factor; where it may be negative, 0 is no end, and it moves by a share of half the width."""
    if isinstance(parameter, Normal):
        return value * factor if parameter.log else value + (factor - 1) * _SIGMAS * parameter.sigma
    if parameter.low >= 0:
        return value * factor
    return value + (factor - 1) * (parameter.high - parameter.low) / 2


def _normal(parameter: Normal, before: float, wanted: float, factor: float) -> float:
    if parameter.step is None:
        return wanted
    after = _other_index(round(before / parameter.step), wanted / parameter.step, factor)
    if parameter.log:  # there is nothing below 0
        after = max(after, 0)
    return parameter.decode(parameter.encode(after * parameter.step))  # rounded as it does: 1.9, and not 19 * 0.1


def _other_index(before: int, wanted: float, factor: float) -> int:
    """The nearest whole number, but another one than before."""
    after = round(wanted)
    if after != before or factor == 1:
        return after
    return before + (1 if factor > 1 else -1)


def _other_option(choice: Choice, before: int, rng: Generator) -> int:
    n = choice.n_values
    if n == 1:
        return before
    if not choice.ordered:
        other = int(rng.integers(n - 1))
        return other + (other >= before)
    if before in (0, n - 1):
        return 1 if before == 0 else n - 2
    return before + int(rng.choice([-1, 1]))
