"""Lists that are scales: numbers in order, of which neighbours are alike."""

import math
from collections.abc import Sequence
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np


def is_number(value: object) -> bool:
    """Whether it is a real number, and no bool or NaN."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_) and not math.isnan(value)


def is_scale(values: Sequence[Any]) -> bool:
    """Whether these are three or more numbers that only rise, or only fall.

    Example:
        >>> is_scale([1, 10, 100]), is_scale([True, False]), is_scale([3, 1, 2]), is_scale([None, 1, 2])
        (True, False, False, False)
    """
    if len(values) < 3 or not all(map(is_number, values)):
        return False
    return all(a < b for a, b in pairwise(values)) or all(a > b for a, b in pairwise(values))
