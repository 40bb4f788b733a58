"""Regions of a space: the options of choices, and the ends of ranges."""

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from manyhands.parameters import Choice
from manyhands.results import show
from manyhands.space import Space
from manyhands.trial import Trial

_FEWEST = 5  # trials of which something can be said


class Region(Struct, frozen=True):
    """Some of the trials that have a parameter.

    Attributes:
        name: The parameter's.
        where: Which of its values, in words.
        without: How to leave these out, in words.
        inside: Which of the trials it contains.
        outside: Which other trials have the parameter.
    """

    name: str
    where: str
    without: str
    inside: NDArray[np.intp]
    outside: NDArray[np.intp]


def options(space: Space, trials: Sequence[Trial]) -> Iterator[Region]:
    """One region for each option of a choice that enough trials took."""
    for name, parameter in space.parameters.items():
        if not isinstance(parameter, Choice):
            continue
        places = np.array([i for i, trial in enumerate(trials) if name in trial.point], np.intp)
        taken = np.array([trials[i].point[name] for i in places], int)
        for option in range(len(parameter.options)):
            inside = places[taken == option]
            if _FEWEST <= len(inside) < len(places):
                label = show(space.label({name: option})[name])
                words = (f"{name} = {label}", f"Leave {label} out of the options of {name!r}")
                yield Region(name, *words, inside, places[taken != option])


def sorted_ranges(space: Space, trials: Sequence[Trial]) -> Iterator[tuple[str, NDArray[np.intp], NDArray[np.float64]]]:
    """Of each range: its parameter's name, the trials that have it by its value, and these values."""
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Choice):
            continue
        places = np.array([i for i, trial in enumerate(trials) if name in trial.point], np.intp)
        values = np.array([trials[i].point[name] for i in places], float)
        order = np.argsort(values, kind="stable")
        yield name, places[order], values[order]


def end_of_range(name: str, places: NDArray[np.intp], values: NDArray[np.float64], n: int, *, at_top: bool) -> Region:
    """The ``n`` trials with the largest, or smallest, values.

    Args:
        name: The parameter's.
        places: The trials by value.
        values: These values.
        n: How many; neither all nor none.
        at_top: Whether those with the largest ones.
    """
    cut = len(places) - n if at_top else n
    if at_top:
        words = (f"{name} >= {values[cut]:.4g}", f"End the range of {name!r} at {values[cut - 1]:.4g}")
        return Region(name, *words, places[cut:], places[:cut])
    words = (f"{name} <= {values[cut - 1]:.4g}", f"Begin the range of {name!r} at {values[cut]:.4g}")
    return Region(name, *words, places[:cut], places[cut:])


def n_looks(space: Space, trials: Sequence[Trial]) -> int:
    """How many regions are looked at: each could look special by chance."""
    ranges = sum(2 * len(np.unique(values)) for _, _, values in sorted_ranges(space, trials))
    return max(1, ranges + sum(1 for _ in options(space, trials)))
