"""Grid search: every combination once."""

from collections.abc import Mapping

from manyhands.errors import SettingsError
from manyhands.parameters import Choice, Float, Normal, Parameter
from manyhands.ports import Outcome, Problem
from manyhands.samplers.finite import Untried
from manyhands.space import Point
from manyhands.trial import Trial


class GridSampler:
    """Tries every combination of values once, the last parameter changing fastest.

    Args:
        n: How many values to take of a parameter that has no steps: a number for all of them, or a dict from flat name
            to number. They are spread evenly from end to end, on the logarithm for a log parameter, and evenly in
            probability for a ``Normal``.

    Raises:
        SettingsError: ``n`` is no positive whole number.
    """

    learns = False

    def __init__(self, n: int | Mapping[str, int] | None = None):
        for number in n.values() if isinstance(n, Mapping) else [n]:
            if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
                raise SettingsError(f"GridSampler(n={n!r}): n must be a whole number from 1 on.")
        self._n = n

    def start(self, problem: Problem) -> None:
        """Lay out the grid; see ``manyhands.ports.Sampler``."""
        strangers = self._n.keys() - problem.space.parameters.keys() if isinstance(self._n, Mapping) else set()
        if strangers:
            raise SettingsError(
                f"GridSampler(n=...) names {', '.join(map(repr, sorted(strangers)))}, which the space does not have. "
                f"It has: {', '.join(problem.space.parameters)}."
            )
        self._values: dict[str, list[float]] = {}
        for name, parameter in problem.space.parameters.items():
            if parameter.n_values is None:
                self._values[name] = self._spread(name, parameter)
        steps: dict[str, Parameter] = {name: Choice(values) for name, values in self._values.items()}
        self._grid = problem.space.replacing(steps)
        self._untried = Untried(self._grid)
        self._next = 0

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return the next combination that was not tried."""
        for other_id, other in self._untried.unknown(running).items():
            on_grid = self._to_grid(other)
            if on_grid:
                self._untried.note(other_id, on_grid)
        assert self._grid.size is not None  # noqa: S101
        while self._next < self._grid.size:
            point = self._grid.nth(self._next)
            self._next += 1
            if self._untried.take(trial_id, point):
                return {name: self._values[name][int(v)] if name in self._values else v for name, v in point.items()}
        return None

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Note that the combination was tried."""
        point = self._to_grid(trial.point)
        if point:
            self._untried.note_outcome(trial.id, point)

    def _spread(self, name: str, parameter: Parameter) -> list[float]:
        n = self._n.get(name) if isinstance(self._n, Mapping) else self._n
        if n is None:
            raise SettingsError(
                f"A grid needs to know how many values of {name!r} to take, since {parameter!r} has no steps. "
                f"Give it a step=, or say how many with sampler=mh.GridSampler(n=5) or n={{{name!r}: 5}}."
            )
        if isinstance(parameter, Normal):
            values = [parameter.decode((i + 0.5) / n) for i in range(n)]
        else:
            assert isinstance(parameter, Float)  # noqa: S101 - all others are finite
            values = [parameter.decode(i / (n - 1) if n > 1 else 0.5) for i in range(n)]
        return list(dict.fromkeys(values))  # a Normal with steps may give the same value twice

    def _to_grid(self, point: Point) -> Point | None:
        """The combination that a point is; None for one from elsewhere that lies between the grid's."""
        found: Point = {}
        for name, value in point.items():
            values = self._values.get(name)
            if values is None:
                found[name] = value
            elif value in values:
                found[name] = values.index(value)
            else:
                return None
        return found
