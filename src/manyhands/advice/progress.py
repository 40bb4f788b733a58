"""Advice on when to end a search."""

import math
from collections.abc import Iterator

import numpy as np

from manyhands.advice.base import Advice, Facts
from manyhands.advice.statistics import chance_that_larger

_NOTHING = 1e-5  # of the gain (see Facts): what is less is no improvement
_FEWEST_WITHOUT, _PER_PARAMETER_WITHOUT = 50, 15  # trials without improvement that begin to mean something
_SHARE_WITHOUT = 0.85  # of all trials, where late ones are better than early ones
_SHARE_ON_PLATEAU = 0.6  # of all trials, where many are exactly as good as the best
_SHARE_OF_TIES, _SAME = 0.25, 1e-9  # which is so many of the later ones; of the gain
_SURE = 0.01

_FEWEST_TRIALS = 20
_FEWEST_STEPS = 4  # new bests in the last quarter
_LARGE, _LARGE_BEFORE = 0.2, 0.1  # of the whole gain, in the last quarter and in the one before


def about_progress(facts: Facts) -> Iterator[Advice]:
    """A search that has stopped improving, or is still improving."""
    if facts.gain <= 0 or len(facts.losses) < _FEWEST_TRIALS:
        return
    yield from _stopped_improving(facts)
    yield from _still_improving(facts)


def _stopped_improving(facts: Facts) -> Iterator[Advice]:
    losses, n = facts.losses, len(facts.losses)
    best = float(losses.min())
    reached = int(np.flatnonzero(losses <= best + _NOTHING * facts.gain)[0])
    since = n - 1 - reached
    enough = max(_FEWEST_WITHOUT, _PER_PARAMETER_WITHOUT * len(facts.space.parameters))
    means_something = (since >= _SHARE_ON_PLATEAU * n and _is_flat(facts, reached)) or (
        since >= _SHARE_WITHOUT * n and _has_learned(facts)
    )
    if since < enough or not means_something:
        return
    yield Advice(
        "stopped-improving",
        f"The last {since} of {n} finished trials improved nothing worth mentioning: trial {facts.valued[reached].id} "
        f"had already come to {facts.value(float(losses[reached])):.6g}.",
        {"since": since, "trials": n, "best": facts.value(best), "reached": facts.value(float(losses[reached]))},
        f"End here, and next time let stop=mh.NoProgress({enough}) end it; for better values search another space.",
    )


def _has_learned(facts: Facts) -> bool:
    """Whether late trials are better than early ones.

    In a search at random they are not, and then a long time without a new best says nothing: the best of all trials is
    as likely to be among the first as anywhere.
    """
    third = len(facts.losses) // 3
    return chance_that_larger(facts.losses[:third], facts.losses[-third:]) < _SURE


def _is_flat(facts: Facts, reached: int) -> bool:
    """Whether many trials came as far as the best, and none further."""
    later = facts.losses[reached + 1 :]
    return float(np.mean(later <= facts.losses.min() + _SAME * facts.gain)) >= _SHARE_OF_TIES


def _still_improving(facts: Facts) -> Iterator[Advice]:
    losses, n = facts.losses, len(facts.losses)
    quarter = n // 4
    best_so_far = np.minimum.accumulate(losses)
    whole = float(np.median(losses[:quarter]) - best_so_far[-1])
    last = float(best_so_far[-1 - quarter] - best_so_far[-1])
    before = float(best_so_far[-1 - 2 * quarter] - best_so_far[-1 - quarter])
    steps = int(np.count_nonzero(np.diff(best_so_far[-1 - quarter :]) < -_NOTHING * whole))
    if last < _LARGE * whole or before < _LARGE_BEFORE * whole or whole <= 0 or steps < _FEWEST_STEPS:
        return
    # Gains fall by the same factor from quarter to quarter, until one is a hundredth of the whole.
    factor = min(0.8, max(0.2, last / before))
    more = quarter * math.ceil(max(1.0, math.log(0.01 * whole / last) / math.log(factor)))
    more = min(more, 2 * n)
    yield Advice(
        "still-improving",
        f"The search is still improving: the last {quarter} of {n} finished trials brought {steps} new bests and "
        f"{last / whole:.0%} of all that was gained.",
        {"trials": n, "last": quarter, "new_bests": steps, "share_of_gain": last / whole, "more": more},
        f"Go on with about {more} more trials.",
    )
