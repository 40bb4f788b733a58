"""The four kinds of parameter: each one a scale between values and the unit interval.

Every parameter has ``decode`` (a number in [0, 1] to a value) and ``encode`` (its inverse), so that a sampler can work
in the unit cube and leave ranges, logarithms and steps to this file. A parameter with finitely many values
(``n_values`` is not None) also numbers them: ``nth`` and ``index`` are inverse to one another.

The value of a ``Choice`` is here the *index* of an option; ``Space`` puts the option itself in its place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from statistics import NormalDist
from typing import Any

from manyhands.errors import SpaceError

_UNIT_NORMAL = NormalDist()
_SMALLEST_U = 2.0**-53  # NormalDist.inv_cdf is defined on the open interval only


@dataclass(frozen=True, slots=True)
class _Steps:
    """``n`` evenly spaced values from ``low`` on, each with a bin of the unit interval.

    Linear bins are equally wide. Logarithmic bins reach half a step to either side of their value, so that the mass of
    a value is what a uniform exponent gives to everything that rounds to it.
    """

    low: float
    step: float
    n: int
    log: bool

    def bin(self, u: float) -> int:
        if not self.log:
            return max(0, min(int(u * self.n), self.n - 1))
        bottom, top = self._log_edges()
        value = math.exp(bottom + u * (top - bottom))
        return max(0, min(math.floor((value - self.low) / self.step + 0.5), self.n - 1))

    def centre(self, i: int) -> float:
        if not self.log:
            return (i + 0.5) / self.n
        bottom, top = self._log_edges()
        return (math.log(self.low + i * self.step) - bottom) / (top - bottom)

    def edge(self, i: int) -> float:
        if not self.log:
            return i / self.n
        bottom, top = self._log_edges()
        return 0.0 if i == 0 else (math.log(self.low + (i - 0.5) * self.step) - bottom) / (top - bottom)

    def _log_edges(self) -> tuple[float, float]:
        half = min(self.step, self.low) / 2  # the lowest edge must stay above zero
        return math.log(self.low - half), math.log(self.low + (self.n - 0.5) * self.step)


def _check_range(kind: str, low: float, high: float, log: bool, step: float | None) -> None:
    shown = f"{kind}(low={low!r}, high={high!r})"
    for end in (low, high):
        if not _is_finite(end):
            raise SpaceError(f"{shown}: both ends must be finite numbers, and {end!r} is not one.")
    if not math.isfinite(float(high) - float(low)):
        raise SpaceError(f"{shown} is wider than a floating-point number can say.")
    if low > high:
        raise SpaceError(f"{shown} is empty: low is above high. Did you mean {kind}({high!r}, {low!r})?")
    if log and low <= 0:
        raise SpaceError(f"{shown}: log=True needs low above 0, since the logarithm of {low!r} does not exist.")
    _check_step(shown, step)


def _check_step(shown: str, step: object) -> None:
    if step is not None and not (_is_finite(step) and step > 0):  # type: ignore[operator]
        raise SpaceError(f"{shown}: step must be a number above 0, and {step!r} is not.")


def plain(value: Any) -> Any:
    """A NumPy scalar as the Python number it stands for; anything else as it is."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def _make_plain(parameter: object, *fields: str) -> None:
    for field in fields:
        object.__setattr__(parameter, field, plain(getattr(parameter, field)))


def _plain_option(option: object) -> object:
    """A NumPy scalar as the number or text it stands for; arrays and dates are options as they are."""
    found = plain(option) if type(option).__module__ == "numpy" else option
    return found if isinstance(found, bool | int | float | str) else option


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _given(parameter: Any) -> dict[str, Any]:
    """What a pickle, a copy or a hash is of: what the parameter was made of, and nothing that was worked out since."""
    return {field.name: getattr(parameter, field.name) for field in fields(parameter)}


@dataclass(frozen=True)
class Float:
    """A real number between ``low`` and ``high``, both included.

    Args:
        low: Smallest value.
        high: Largest value.
        log: Search the exponent instead of the value; right for learning rates and other scales. ``low`` must then be
            above 0.
        step: Only ``low``, ``low + step``, ``low + 2 * step`` ... up to ``high`` are tried.
        name: Replaces the parameter's path in tables, trackers and the store.

    Raises:
        SpaceError: The range is empty or not finite, or ``log`` is asked of a range that reaches 0.

    Example:
        >>> rate = Float(1e-4, 1e-1, log=True)
        >>> rate.decode(0.0), rate.decode(1.0)
        (0.0001, 0.1)
        >>> Float(0, 1, step=0.1).decode(0.35)
        0.3
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    name: str | None = None

    __getstate__ = _given

    def __post_init__(self) -> None:
        _make_plain(self, "low", "high", "log", "step")
        _check_range("Float", self.low, self.high, self.log, self.step)

    @cached_property
    def n_values(self) -> int | None:
        """How many values there are; None if the range is continuous."""
        if self.step is None:
            return 1 if self.low == self.high else None
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def decode(self, u: float) -> float:
        """The value at ``u`` in [0, 1]."""
        if self.n_values is not None:
            return self.nth(self._steps.bin(u))
        if u in (0, 1):  # the ends exactly, whatever rounding does to exp(log(x))
            return float(self.high if u else self.low)
        if self.log:
            bottom, top = math.log(self.low), math.log(self.high)
            value = math.exp(bottom + u * (top - bottom))
        else:
            value = self.low + u * (self.high - self.low)
        return float(min(max(value, self.low), self.high))

    def encode(self, value: float) -> float:
        """Where ``value`` lies in [0, 1]; for a stepped range the middle of the value's bin."""
        if self.n_values is not None:
            return self._steps.centre(self.index(value))
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def edge(self, i: int) -> float:
        """Where the bin of the ``i``-th value begins in [0, 1], and that of the one before it ends."""
        return self._steps.edge(i)

    def nth(self, i: int) -> float:
        """The ``i``-th value of a stepped range."""
        # 0.1 + 2 * 0.1 is 0.30000000000000004; nobody who wrote step=0.1 wants to read that.
        largest = max(abs(self.low), abs(self.high))
        digits = 15 if largest == 0 else 14 - math.floor(math.log10(largest))
        value = round(float(self.low + i * (self.step or 0)), digits)
        return min(max(value, float(self.low)), float(self.high))

    def index(self, value: float) -> int:
        """Which value of a stepped range this is, counted from 0."""
        return 0 if self.step is None else round((value - self.low) / self.step)

    def read(self, value: object) -> float:
        """Return ``value`` as this parameter holds it.

        Raises:
            SpaceError: It is no number, or not one of the range.
        """
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SpaceError(f"{value!r} is no number, and {self!r} takes only numbers.")
        if not self.low <= value <= self.high:
            raise SpaceError(f"{value!r} lies outside {self!r}.")
        if self.step is not None and not math.isclose(
            self.nth(self.index(value)), value, rel_tol=1e-9, abs_tol=self.step * 1e-6
        ):
            raise SpaceError(f"{value!r} is not a whole number of steps above the low end of {self!r}.")
        return float(value) if self.step is None else self.nth(self.index(value))

    @cached_property
    def _steps(self) -> _Steps:
        return _Steps(self.low, self.step or 1.0, self.n_values or 1, self.log)


@dataclass(frozen=True)
class Int:
    """A whole number between ``low`` and ``high``, both included.

    Args:
        low: Smallest value.
        high: Largest value.
        log: Search the exponent, so that 1 to 10 gets as many trials as 10 to 100. ``low`` must then be above 0.
        step: Only every ``step``-th number from ``low`` on is tried.
        name: Replaces the parameter's path in tables, trackers and the store.

    Raises:
        SpaceError: The range is empty, its ends are not whole numbers, or ``log`` is asked of a range that reaches 0.

    Example:
        >>> [Int(1, 4).decode(u) for u in (0.0, 0.26, 0.51, 1.0)]
        [1, 2, 3, 4]
    """

    low: int
    high: int
    log: bool = False
    step: int = 1
    name: str | None = None

    __getstate__ = _given

    def __post_init__(self) -> None:
        _make_plain(self, "low", "high", "log", "step")
        _check_range("Int", self.low, self.high, self.log, self.step)
        for what in ("low", "high", "step"):
            if not isinstance(getattr(self, what), int):
                raise SpaceError(
                    f"Int: {what}={getattr(self, what)!r} is not a whole number. Use Float for real ranges."
                )

    @property
    def n_values(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // self.step + 1

    def decode(self, u: float) -> int:
        """The value at ``u`` in [0, 1]."""
        return self.nth(self._steps.bin(u))

    def encode(self, value: int) -> float:
        """The middle of the value's bin in [0, 1]."""
        return self._steps.centre(self.index(value))

    def edge(self, i: int) -> float:
        """Where the bin of the ``i``-th value begins in [0, 1], and that of the one before it ends."""
        return self._steps.edge(i)

    def nth(self, i: int) -> int:
        """The ``i``-th value, counted from 0."""
        return self.low + i * self.step

    def index(self, value: int) -> int:
        """Which value this is, counted from 0."""
        return (value - self.low) // self.step

    def read(self, value: object) -> int:
        """Return ``value`` as this parameter holds it.

        Raises:
            SpaceError: It is no whole number, or not one of the range.
        """
        if not isinstance(value, int | float) or not _is_finite(value) or value != int(value):
            raise SpaceError(f"{value!r} is no whole number, and {self!r} takes only those.")
        whole = int(value)
        if not self.low <= whole <= self.high or (whole - self.low) % self.step:
            raise SpaceError(f"{value!r} is not among the values of {self!r}.")
        return whole

    @cached_property
    def _steps(self) -> _Steps:
        return _Steps(self.low, self.step, self.n_values, self.log)


@dataclass(frozen=True)
class Normal:
    """A number around ``mu`` without bounds, normally distributed.

    Args:
        mu: Mean; with ``log``, mean of the logarithm.
        sigma: Standard deviation, above 0; with ``log``, that of the logarithm.
        log: The logarithm is normally distributed, so the value is above 0.
        step: Values are rounded to whole multiples of ``step``.
        name: Replaces the parameter's path in tables, trackers and the store.

    Raises:
        SpaceError: ``mu`` or ``sigma`` is not finite, or ``sigma`` or ``step`` not above 0.

    Example:
        >>> Normal(10, 2).decode(0.5)
        10.0
    """

    mu: float
    sigma: float
    log: bool = False
    step: float | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        _make_plain(self, "mu", "sigma", "log", "step")
        if not (_is_finite(self.mu) and _is_finite(self.sigma) and self.sigma > 0):
            raise SpaceError(f"Normal(mu={self.mu!r}, sigma={self.sigma!r}) needs finite numbers and sigma above 0.")
        _check_step(f"Normal(mu={self.mu!r}, sigma={self.sigma!r})", self.step)

    @property
    def n_values(self) -> None:
        """None: there is no end to the values."""
        return

    def decode(self, u: float) -> float:
        """The value below which a share ``u`` of the distribution lies."""
        x = self.mu + self.sigma * _UNIT_NORMAL.inv_cdf(min(max(u, _SMALLEST_U), 1 - _SMALLEST_U))
        value = math.exp(max(-708.0, min(x, 709.0))) if self.log else x  # exp overflows at 710, and is 0 below -745
        if self.step is None:
            return value
        n = round(value / self.step)
        # As for Float: 19 * 0.1 should read 1.9.
        return round(n * self.step, 14 - math.floor(math.log10(abs(n * self.step)))) if n else 0.0

    def encode(self, value: float) -> float:
        """The share of the distribution that lies below ``value``."""
        if self.log:
            # A log-normal value may have been rounded to 0: take a point that rounds there too.
            value = math.log(value if value > 0 else (self.step or _SMALLEST_U) / 4)
        # erfc keeps its precision in the lower tail, where 1 + erf would lose it.
        return math.erfc(-(value - self.mu) / (self.sigma * math.sqrt(2))) / 2

    def read(self, value: object) -> float:
        """Return ``value`` as this parameter holds it.

        Raises:
            SpaceError: It is no finite number, or not above 0 although ``log`` is set.
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise SpaceError(f"{value!r} is no finite number, and {self!r} takes only those.")
        if self.log and (value < 0 or (value == 0 and self.step is None)):
            raise SpaceError(f"{value!r} is not above 0, as every value of {self!r} is.")
        if self.step is not None and abs(value / self.step - round(value / self.step)) > 1e-6:
            raise SpaceError(f"{value!r} is not a multiple of the step of {self!r}.")
        return float(value)


@dataclass(frozen=True, eq=False)
class Choice:
    """One of several options.

    An option is any object, or a nesting of dicts, lists and tuples with more parameters in it. Those are *active*
    only in trials that choose the option: the space is a tree. Objectives receive the option itself; of a NumPy scalar,
    the Python number.

    Args:
        options: What to choose from; at least one.
        ordered: The options form a scale (small, medium, large), and samplers may treat neighbours as alike.
        weights: How often each option is drawn at random, relative to the others; equally often if not given.
        name: Replaces the parameter's path in tables, trackers and the store.

    Raises:
        SpaceError: There are no options, or the weights do not fit them.

    Example:
        >>> Choice(["relu", "tanh"]).decode(0.7)
        1
        >>> model = Choice([{"model": "svm", "C": Float(0.1, 10)}, {"model": "forest", "depth": Int(2, 20)}])
    """

    options: Sequence[object]
    ordered: bool = False
    weights: Sequence[float] | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.options, str | bytes | dict) or not isinstance(self.options, Sequence):
            raise SpaceError(f"Choice({self.options!r}): give the options as a list, such as Choice(['a', 'b']).")
        if not self.options:
            raise SpaceError("Choice([]) has no options to choose from.")
        object.__setattr__(self, "options", tuple(map(_plain_option, self.options)))
        if self.weights is None:
            return
        weights = tuple(map(plain, self.weights))
        if len(weights) != len(self.options):
            raise SpaceError(f"Choice has {len(self.options)} options but {len(weights)} weights.")
        if not all(_is_finite(w) and w > 0 for w in weights):
            raise SpaceError(f"Choice: every weight must be above 0, and {weights!r} has one that is not.")
        if not math.isfinite(sum(weights)):
            raise SpaceError(f"Choice: {weights!r} add up to more than a floating-point number can say.")
        object.__setattr__(self, "weights", weights)

    @property
    def n_values(self) -> int:
        """How many options there are."""
        return len(self.options)

    def decode(self, u: float) -> int:
        """The index of the option at ``u`` in [0, 1]; each option's share is its weight."""
        if self.weights is None:
            return max(0, min(int(u * len(self.options)), len(self.options) - 1))
        rest = u * sum(self.weights)
        for i, weight in enumerate(self.weights):
            rest -= weight
            if rest < 0:
                return i
        return len(self.options) - 1

    def encode(self, value: int) -> float:
        """The middle of the option's share of [0, 1]."""
        if self.weights is None:
            return (value + 0.5) / len(self.options)
        return (sum(self.weights[:value]) + self.weights[value] / 2) / sum(self.weights)

    def edge(self, i: int) -> float:
        """Where the share of the ``i``-th option begins in [0, 1], and that of the one before it ends."""
        return i / len(self.options) if self.weights is None else sum(self.weights[:i]) / sum(self.weights)

    def nth(self, i: int) -> int:
        """The ``i``-th index, which is ``i``."""
        return i

    def index(self, value: int) -> int:
        """Which index this is, which is the index."""
        return value

    def read(self, value: object) -> int:
        """Return the option's index.

        Raises:
            SpaceError: It is no index of an option.
        """
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(self.options):
            raise SpaceError(f"{value!r} is not the index of one of {len(self.options)} options.")
        return value


Parameter = Float | Int | Normal | Choice
