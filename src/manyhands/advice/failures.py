"""Advice on trials that failed, and on those that take long."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from manyhands.advice.base import Advice, Facts
from manyhands.advice.regions import Region, end_of_range, n_looks, options, sorted_ranges
from manyhands.advice.statistics import chance_of_so_many, chance_that_larger
from manyhands.results import show_seconds
from manyhands.trial import Trial, TrialState

_NOT_FINITE = "not a finite number"  # in the reasons that worker/result.py gives
_FEWEST_NANS, _SHARE_OF_NANS = 2, 0.01

_FEWEST = 5  # trials in a region
_ALWAYS = 0.95  # of a region's trials
_SELDOM = 0.5  # of the others
_SURE = 0.001  # after correction for the number of looks

_TIMES_AS_LONG = 3.0
_SHORT_S = 0.05  # nobody minds what takes less
_SHARE_OF_TIME = 0.25
_SHARE_OF_BEST = 0.1
_CUTS = np.linspace(0.1, 0.5, 9)  # where ranges are cut for times, as shares of the trials
_MOST = 3  # pieces of advice of one kind


def about_failures(facts: Facts) -> Iterator[Advice]:
    """Losses that are no numbers, and regions that always fail or always take long."""
    yield from _nan_losses(facts)
    yield from _failing_regions(facts)
    yield from _slow_regions(facts)


def _nan_losses(facts: Facts) -> Iterator[Advice]:
    found = [t for t in facts.ended if t.state is TrialState.FAILED and _NOT_FINITE in t.reason]
    if len(found) < max(_FEWEST_NANS, _SHARE_OF_NANS * len(facts.ended)):
        return
    share = len(found) / len(facts.ended)
    yield Advice(
        "nan-losses",
        f"{len(found)} of {len(facts.ended)} trials ({share:.0%}) returned NaN or infinity, the first being trial "
        f"{min(trial.id for trial in found)}; they count as failed.",
        {"trials": len(found), "ended": len(facts.ended), "share": share},
        "Find out where training diverges, and narrow the range that does it, or return a large finite loss there.",
    )


def _failing_regions(facts: Facts) -> Iterator[Advice]:
    trials = facts.ended
    has_failed = np.array([trial.state is TrialState.FAILED for trial in trials], bool)
    if has_failed.sum() < _FEWEST or has_failed.all():
        return
    looks = n_looks(facts.space, trials)
    found: dict[str, tuple[float, Region]] = {}
    for region in [*options(facts.space, trials), *_failing_ends(facts, trials, has_failed)]:
        inside, outside = has_failed[region.inside], has_failed[region.outside]
        if inside.mean() < _ALWAYS or outside.mean() > _SELDOM * inside.mean():
            continue
        n, k, marked = len(inside), int(inside.sum()), int(inside.sum() + outside.sum())
        chance = looks * chance_of_so_many(k, n, marked, n + len(outside))
        if chance < min(_SURE, found.get(region.name, (1.0,))[0]):
            found[region.name] = chance, region
    for chance, region in sorted(found.values(), key=lambda item: item[0])[:_MOST]:
        yield _failing(region, chance, has_failed)


def _failing_ends(facts: Facts, trials: Sequence[Trial], has_failed: NDArray[np.bool_]) -> Iterator[Region]:
    """The longest ends of ranges in which (nearly) all trials failed, up to the last that did."""
    for name, places, values in sorted_ranges(facts.space, trials):
        failed = has_failed[places]
        for at_top in (False, True):
            inward = failed[::-1] if at_top else failed
            counts = np.arange(1, len(failed) + 1)
            is_end = (np.cumsum(inward) >= _ALWAYS * counts) & inward & (counts >= _FEWEST)
            is_end[: len(failed) - 1] &= ~inward[1:]
            if is_end[:-1].any():
                n = int(counts[:-1][is_end[:-1]].max())
                if values[::-1][n] != values[::-1][n - 1] if at_top else values[n] != values[n - 1]:
                    yield end_of_range(name, places, values, n, at_top=at_top)


def _failing(region: Region, chance: float, has_failed: NDArray[np.bool_]) -> Advice:
    inside, outside = has_failed[region.inside], has_failed[region.outside]
    return Advice(
        "failing-region",
        f"{_all_of(int(inside.sum()), len(inside))} with {region.where} failed, and {outside.mean():.0%} of the rest.",
        {
            "failed_inside": int(inside.sum()),
            "inside": len(inside),
            "failed_outside": int(outside.sum()),
            "outside": len(outside),
            "chance": chance,
        },
        f"{region.without}, or mend what fails there.",
    )


def _all_of(k: int, n: int) -> str:
    return f"All {n} trials" if k == n else f"{k} of {n} trials"


def _slow_regions(facts: Facts) -> Iterator[Advice]:
    trials = facts.valued
    seconds = np.array([(trial.duration_s or 0.0) - trial.paused_s for trial in trials], float)
    if len(trials) < 4 * _FEWEST or seconds.max() < max(_SHORT_S, _TIMES_AS_LONG * np.quantile(seconds, 0.1)):
        return
    is_good = facts.losses <= np.quantile(facts.losses, _SHARE_OF_BEST)
    looks = n_looks(facts.space, trials)
    found: dict[str, tuple[Region, float]] = {}
    for region in [*options(facts.space, trials), *_cut_ranges(facts, trials)]:
        if len(region.outside) < _FEWEST or is_good[region.inside].any():
            continue
        chance = looks * chance_that_larger(seconds[region.inside], seconds[region.outside])
        if chance < _SURE and _takes_long(seconds[region.inside], seconds[region.outside]):
            found[region.name] = region, chance  # of a range's cuts the last, which leaves out most
    for region, chance in list(found.values())[:_MOST]:
        yield _slow(region, chance, seconds)


def _cut_ranges(facts: Facts, trials: Sequence[Trial]) -> Iterator[Region]:
    for name, places, values in sorted_ranges(facts.space, trials):
        for n in np.unique((_CUTS * len(places)).astype(int)).tolist():
            for at_top in (False, True):
                cut = len(places) - n if at_top else n
                if n >= _FEWEST and values[cut - 1] < values[cut]:
                    yield end_of_range(name, places, values, n, at_top=at_top)


def _takes_long(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> bool:
    return bool(
        np.median(inside) >= max(_SHORT_S, _TIMES_AS_LONG * np.median(outside))
        and np.quantile(inside, 0.1) > np.quantile(outside, 0.9)
        and inside.sum() >= _SHARE_OF_TIME * (inside.sum() + outside.sum())
    )


def _slow(region: Region, chance: float, seconds: NDArray[np.float64]) -> Advice:
    inside, outside = seconds[region.inside], seconds[region.outside]
    share = float(inside.sum() / (inside.sum() + outside.sum()))
    return Advice(
        "slow-region",
        f"The {len(inside)} trials with {region.where} took {share:.0%} of the time "
        f"({_shown(float(np.median(inside)))} each, the others {_shown(float(np.median(outside)))}), and none of them "
        f"is among the best tenth.",
        {
            "inside": len(inside),
            "seconds_inside": float(np.median(inside)),
            "seconds_outside": float(np.median(outside)),
            "share_of_time": share,
            "chance": chance,
        },
        f"{region.without}.",
    )


def _shown(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 1 else show_seconds(seconds)
