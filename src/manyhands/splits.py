"""How the results of a trial's splits become the trial's own."""

import math
from collections.abc import Sequence
from typing import Any

from manyhands.trial import Result


def combine(results: Sequence[Result]) -> tuple[Result, tuple[float, ...]]:
    """Return one result for all splits, and the value of each.

    The value is the mean; the variance is the Bessel-corrected variance between the splits, or None for a single one.
    A metric that is a number in every split becomes its mean, any other the list of what the splits returned.

    Example:
        >>> combine([Result(1.0), Result(3.0)])
        (Result(value=2.0, variance=2.0, metrics={}), (1.0, 3.0))
    """
    values = tuple(result.value for result in results)
    mean = math.fsum(values) / len(values)
    variance = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1) if len(values) > 1 else None
    metrics = {key: _combine_metric([r.metrics[key] for r in results]) for key in _common_keys(results)}
    return Result(mean, variance, metrics), values


def _common_keys(results: Sequence[Result]) -> list[str]:
    return [key for key in results[0].metrics if all(key in result.metrics for result in results)]


def _combine_metric(values: list[Any]) -> Any:
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return math.fsum(values) / len(values)
    return values
