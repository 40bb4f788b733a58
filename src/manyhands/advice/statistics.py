"""The tests that advice is drawn by."""

import math

import numpy as np

from manyhands.samplers.cube import Array


def chance_that_larger(a: Array, b: Array) -> float:
    """The chance that ``a`` looks so much larger than ``b`` if both are alike (Mann and Whitney 1947, one-sided)."""
    n, m = len(a), len(b)
    if not n or not m:
        return 1.0
    _, place, counts = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    total = n + m
    ties = float((counts.astype(float) ** 3 - counts).sum()) / (total * (total - 1))
    variance = n * m / 12 * (total + 1 - ties)
    return 1.0 if variance <= 0 else upper_tail((u - n * m / 2 - 0.5) / math.sqrt(variance))


def upper_tail(z: float) -> float:
    """The chance that a standard normal number is larger."""
    return math.erfc(z / math.sqrt(2)) / 2


def chance_of_so_many(k: int, drawn: int, marked: int, total: int) -> float:
    """The chance that ``k`` or more of ``drawn`` are marked, if ``marked`` of ``total`` are (Fisher's exact test)."""
    ways = _log_ways(total, drawn)
    largest = min(drawn, marked)
    each = (_log_ways(marked, i) + _log_ways(total - marked, drawn - i) - ways for i in range(k, largest + 1))
    return min(1.0, math.fsum(map(math.exp, each)))


def chance_of_hits(k: int, n: int, p: float) -> float:
    """The chance of ``k`` or more hits in ``n`` tries, each of which hits with the chance ``p``."""
    return min(1.0, math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1)))


def _log_ways(n: int, k: int) -> float:
    """The logarithm of how many ways there are to draw ``k`` of ``n``."""
    if not 0 <= k <= n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
