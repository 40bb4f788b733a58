"""How the results of a trial's splits become the trial's own."""

import math
from collections.abc import Sequence
from typing import Any

from manyhands.trial import Result

#: The value of each split; with several objectives the values of each.
SplitValues = tuple[float | tuple[float, ...], ...]


def combine(results: Sequence[Result]) -> tuple[Result, SplitValues]:
    """Return one result for all splits, and the value, or values, of each.

    Values and constraints are means; the variance is the Bessel-corrected variance of the value (the first, if there
    are several) between the splits, or None for a single one, and where it is too large for a number. A metric that is
    a number in every split becomes its mean, any other the list of what the splits returned. If a split has failed,
    so has the whole; its metrics are then kept all the same.

    Args:
        results: With as many values and as many constraints each, but for those that have failed.

    Example:
        >>> result, values = combine([Result(1.0), Result(3.0)])
        >>> result.value, result.variance, values
        (2.0, 2.0, (1.0, 3.0))
    """
    metrics = {key: _combine_metric([r.metrics[key] for r in results]) for key in _common_keys(results)}
    failed = [result.failed for result in results if result.failed]
    if failed:
        return Result(None, None, metrics, failed=failed[0]), ()
    firsts = [result.values[0] if result.value is None else result.value for result in results]
    constraints = _means([result.constraints for result in results])
    variance = _variance(firsts)
    if results[0].value is not None:
        return Result(_mean(firsts), variance, metrics, (), constraints), tuple(firsts)
    several = [result.values for result in results]
    return Result(None, variance, metrics, _means(several), constraints), tuple(several)


def _mean(numbers: Sequence[float]) -> float:
    try:
        return math.fsum(numbers) / len(numbers)
    except OverflowError:  # of the sum; the mean is no larger than the largest of them
        bits = len(numbers).bit_length()
        return math.ldexp(math.fsum(math.ldexp(number, -bits) for number in numbers) / len(numbers), bits)


def _variance(numbers: Sequence[float]) -> float | None:
    if len(numbers) < 2:
        return None
    mean = _mean(numbers)
    found = sum((number - mean) * (number - mean) for number in numbers) / (len(numbers) - 1)
    return found if math.isfinite(found) else None


def _means(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(map(_mean, zip(*rows, strict=True)))


def _common_keys(results: Sequence[Result]) -> list[str]:
    return [key for key in results[0].metrics if all(key in result.metrics for result in results)]


def _combine_metric(values: list[Any]) -> Any:
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return _mean(values)
    return values
