"""Advice on where in the space the good trials are."""

import math
from collections.abc import Iterator

import numpy as np

from manyhands.advice.base import Advice, Facts
from manyhands.advice.influence import Influence
from manyhands.advice.statistics import chance_of_hits
from manyhands.parameters import Choice, Float, Int
from manyhands.results import show
from manyhands.samplers.cube import Array
from manyhands.space import Point, Space

_FEWEST_TRIALS, _PER_PARAMETER = 20, 5  # to say where the best ones are
_SHARE_OF_BEST, _FEWEST_BEST = 0.1, 6
_ZONE = 0.1  # of a range, at its ends
_INMOST = 0.3  # of the zone: trials are that near the edge only if they are pushed there
_MOST_OF_BEST, _SOME_OF_BEST = 0.6, 0.2
_APART = 3.0  # standard deviations from the edge, at which the best trials are around a place inside
_INSIDE = 0.2  # how far from the edge the model is asked whether it is worse there
_SURE = 0.01
_SOME_SHARE = 0.05  # of the variance
_AS_GOOD_AS_NOTHING = 0.01  # of the upper end, on a linear scale
_WIDER = 0.5  # of the range, beyond its end

_FEWEST_FOR_NONE, _PER_PARAMETER_FOR_NONE = 60, 15
_WELL_EXPLAINED = 0.75
_NO_GAIN, _NO_SHARE = 0.02, 0.02  # of the variance
_CLEARLY = 2.0  # standard errors
_SPREAD = 0.24  # standard deviation of a coordinate that was tried everywhere; 0.29 for one drawn at random

_FEWEST_AFTER_DEFAULT = 20
_NEARLY = 1e-2  # of the gain


def about_values(facts: Facts) -> Iterator[Advice]:
    """Best trials at an edge, parameters without influence, and a default that beats the search."""
    yield from _default_is_best(facts)
    n, d = len(facts.valued), len(facts.space.parameters)
    if facts.gain <= 0 or n < max(_FEWEST_TRIALS, _PER_PARAMETER * d):
        return
    is_unordered = [isinstance(p, Choice) and not p.ordered for p in facts.space.parameters.values()]
    influence = Influence(facts.rows, facts.losses, np.array(is_unordered, bool))
    yield from _at_edges(facts, influence)
    if n >= max(_FEWEST_FOR_NONE, _PER_PARAMETER_FOR_NONE * d):
        yield from _without_influence(facts, influence)


def _at_edges(facts: Facts, influence: Influence) -> Iterator[Advice]:
    n_best = max(_FEWEST_BEST, math.ceil(_SHARE_OF_BEST * len(facts.losses)))
    best = facts.rows[np.argsort(facts.losses, kind="stable")[:n_best]]
    for i, (name, parameter) in enumerate(facts.space.parameters.items()):
        if isinstance(parameter, Float | Int) and parameter.n_values != 1 and not np.isnan(best[:, i]).any():
            for at_top in (False, True):
                if not _is_natural(parameter, at_top) and _is_pushed(parameter, i, at_top, best, influence):
                    yield _at_edge(name, parameter, at_top, best[:, i])


def _is_natural(parameter: Float | Int, at_top: bool) -> bool:
    """Whether values beyond the end mean nothing: below 0, above 1 for fractions, or less than one of a thing."""
    low, high = parameter.low, parameter.high
    if at_top:
        return (low >= 0 and high == 1) or high == 0
    if isinstance(parameter, Int):
        return low in (0, 1)
    return low == 0 or (not parameter.log and 0 < low < _AS_GOOD_AS_NOTHING * high)


def _is_pushed(parameter: Float | Int, i: int, at_top: bool, best: Array, influence: Influence) -> bool:
    """Whether the best trials crowd at an end of the range, and losses fall towards it."""
    edge = parameter.encode(parameter.high if at_top else parameter.low)  # type: ignore[arg-type]
    width = 1 / parameter.n_values if parameter.n_values else 0.0
    zone = max(_ZONE, width)
    away = np.abs(best[:, i] - edge)
    reach = max(0.0, zone - width)  # from the value at the end to the last one in the zone
    n_in, n_inmost = int((away <= reach + 1e-9).sum()), int((away <= _INMOST * reach + 1e-9).sum())
    ends = 2 * len(influence.rows.T)
    if away[0] > reach + 1e-9 or n_in < _MOST_OF_BEST * len(best) or n_inmost < _SOME_OF_BEST * len(best):
        return False
    if ends * chance_of_hits(n_in, len(best), zone) > _SURE:
        return False
    if away.mean() > _APART * away.std():
        return False
    gain, error = influence.gain_of(i)
    if gain < _CLEARLY * error or influence.share_of(i) < _SOME_SHARE:
        return False
    here, inside = best.copy(), best.copy()
    here[:, i] = edge
    inside[:, i] = edge + (-1 if at_top else 1) * max(_INSIDE, width)
    return bool(influence.predict(inside).mean() > influence.predict(here).mean())


def _at_edge(name: str, parameter: Float | Int, at_top: bool, column: Array) -> Advice:
    low, high = wider(parameter, at_top)
    new = low if not at_top else high
    edge = parameter.high if at_top else parameter.low
    where = np.abs(column - (1.0 if at_top else 0.0)) <= max(_ZONE, 1 / (parameter.n_values or math.inf))
    options = ", log=True" if parameter.log else ""
    if parameter.step not in (None, 1):
        options += f", step={parameter.step!r}"
    return Advice(
        "best-at-edge",
        f"{int(where.sum())} of the best {len(column)} trials are at the {'upper' if at_top else 'lower'} end of the "
        f"range of {name!r}, {edge:g}, so better values may lie beyond.",
        {"best": len(column), "at_edge": int(where.sum()), "edge": edge, "new_edge": new, "low": low, "high": high},
        f"Widen it: {type(parameter).__name__}({low!r}, {high!r}{options}).",
    )


def wider(parameter: Float | Int, at_top: bool) -> tuple[float, float]:
    """The range, half as wide again (on its own scale) at one end, but not beyond where values mean nothing."""
    low, high = parameter.low, parameter.high
    if parameter.log:
        factor = (high / low) ** _WIDER
        new = high * factor if at_top else low / factor
    else:
        by = _WIDER * (high - low)
        new = high + by if at_top else low - by
    if parameter.step is not None and not parameter.log:
        edge = high if at_top else low
        new = edge + round((new - edge) / parameter.step) * parameter.step
        new = round(new, 12)
    else:
        new = _rounded(new)
    if at_top and low >= 0 and high < 1:
        new = min(new, 1.0)
    if not at_top and low > 0:
        smallest = 1 if isinstance(parameter, Int) else (low / 10 if parameter.log else 0.0)
        new = max(new, min(smallest, low))
    if isinstance(parameter, Int):
        new = math.ceil(new) if at_top else math.floor(new)
    return (low, new) if at_top else (new, high)


def _rounded(value: float) -> float:
    """To two digits."""
    return value if value == 0 else round(value, 1 - math.floor(math.log10(abs(value))))


def _without_influence(facts: Facts, influence: Influence) -> Iterator[Advice]:
    if influence.explained < _WELL_EXPLAINED:
        return
    for name, dimensions in _together(facts.space).items():
        if influence.rows[:, dimensions[0]].std() < _SPREAD:  # seldom tried elsewhere, so nothing is known of elsewhere
            continue
        gain, error = influence.gain_of(*dimensions)
        if gain > 0 or gain + error > _NO_GAIN:
            continue
        share = influence.share_of(*dimensions)
        if share > _NO_SHARE:
            continue
        value = facts.space.label(facts.valued[int(facts.losses.argmin())].point)[name]
        yield Advice(
            "no-influence",
            f"{name!r} shows no influence: a model that explains {influence.explained:.0%} of the variance of "
            f"{len(influence.rows)} trials predicts others as well without it.",
            {
                "trials": len(influence.rows),
                "explained": influence.explained,
                "gain": gain,
                "error": error,
                "share": share,
            },
            f"Fix it, at {show(value)} for example, and search fewer parameters.",
        )


def _together(space: Space) -> dict[str, list[int]]:
    """The dimensions of each parameter at the top, its own first, and of what depends on it."""
    found: dict[str, list[int]] = {}
    tops: dict[str, str] = {}
    for i, (name, parent) in enumerate(space.parents.items()):
        tops[name] = name if parent is None else tops[parent[0]]
        found.setdefault(tops[name], []).append(i)
    return found


def _default_is_best(facts: Facts) -> Iterator[Advice]:
    given = sorted({i for start in facts.setup.starts for i in _place_of(start, facts)})
    others = np.delete(facts.losses, given) if given else facts.losses[:0]
    if len(others) < _FEWEST_AFTER_DEFAULT or facts.gain <= 0:
        return
    default = min(given, key=lambda i: facts.losses[i])
    ahead = float(others.min() - facts.losses[default])
    if ahead < -_NEARLY * facts.gain:
        return
    trial = facts.valued[default]
    by = "is better than" if ahead > 0 else "is nearly as good as" if ahead < 0 else "is as good as"
    yield Advice(
        "default-is-best",
        f"Trial {trial.id}, which start_with= gave, {by} the best of {len(others)} that were searched "
        f"({trial.value:.6g}, and {facts.value(float(others.min())):.6g}).",
        {"default": trial.value or 0.0, "best_searched": facts.value(float(others.min())), "searched": len(others)},
        "Keep it, or search nearer to it: ranges around it, and only the parameters that matter.",
    )


def _place_of(start: Point, facts: Facts) -> list[int]:
    """Which of the trials the start became: the first that agrees with it. Empty if that one has no value."""
    for trial in sorted(facts.trials, key=lambda trial: trial.id):
        if start and all(trial.point.get(name) == value for name, value in start.items()):
            return [i for i, valued in enumerate(facts.valued) if valued.id == trial.id]
    return []
