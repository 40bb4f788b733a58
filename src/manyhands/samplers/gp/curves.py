"""What trials reported on their way, as a Gaussian process over params and steps likes it."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyhands.samplers.cube import Array
from manyhands.samplers.gp.course import Course
from manyhands.samplers.growing import Growing

_GUESS = 2.0  # as long as no training has ended, it is taken to be so many times as long as the longest
_GROWTH = 1.25  # from one step that is noted to the next
_MOST = 300  # values to learn from; a fit costs O(n^3)
_DIVISORS = (2, 4, 8, 16)  # of a trial's last step: where else its curve is looked at
_LARGEST = 1e300  # a loss; what has diverged counts as that
_BEND = 2.0  # standardised; what is worse than the middle by less than that is drawn in but little
_WORST = 10.0  # standardised, as nothing worse than that differs from it
_NO_STEP = 0.0  # of trials that have an end, and did not report on their way there
_RUNS, _FINISHED, _LEFT = 0.0, 1.0, 2.0  # what a note says of its trial


class Scale(NamedTuple):
    """How losses become standardised numbers, and back.

    What is better than the middle stays in proportion; what is worse is drawn in by a logarithm, as the first steps of
    training, and trials that go wrong, would otherwise set the scale of everything.
    """

    middle: float
    unit: float

    @classmethod
    def of(cls, losses: Array) -> "Scale":
        """The one that suits these losses, shape (n,)."""
        finite = losses[losses < _LARGEST]
        if not len(finite):
            return cls(0.0, 1.0)
        losses = finite
        middle = float(np.median(losses))
        better = (losses[losses <= middle] - middle) / 2.0
        size = float(np.abs(better).max(initial=0.0))
        return cls(middle, 2.0 * size * float(np.sqrt(np.mean((better / size) ** 2))) if size else 1.0)

    def standardised(self, losses: Array) -> Array:
        """Losses as the model has them."""
        away = losses / self.unit - self.middle / self.unit
        drawn_in = _BEND * np.log1p(np.maximum(away, 0.0) / _BEND)
        return np.asarray(np.where(away > 0.0, np.minimum(drawn_in, _WORST), away))

    def loss(self, standardised: float) -> float:
        """Inverse to ``standardised``."""
        bent = _BEND * math.expm1(min(standardised, _WORST) / _BEND)
        away = bent if standardised > 0.0 else standardised
        return self.middle + self.unit * away


class Known(NamedTuple):
    """What the model learns from.

    Attributes:
        rows: Of the cube, shape (n, n_dimensions).
        losses: What was seen, shape (n,).
        course: Where in which trial's training.
        latest: Of the rows of each trial the one furthest on, shape (n_trials,).
        scale: Of the losses.
    """

    rows: Array
    losses: Array
    course: Course
    latest: NDArray[np.intp]
    scale: Scale


class Curves:
    """The curves of all trials, at steps that grow geometrically; each value that is noted adds one to ``n``.

    What is known after n notes depends on nothing else. So a resumed search comes to the same models, whenever it asks.

    Args:
        n_dimensions: Of the cube.
        max_steps: How many steps a training has, as long as none has come to its end.

    Attributes:
        n: How many values are noted.
    """

    def __init__(self, n_dimensions: int, max_steps: int | None = None):
        self._max_steps = max_steps
        self._rows = Growing(n_dimensions)
        self._notes = Growing(4)  # trial's place, step, loss, and whether it runs
        self._places: dict[int, int] = {}  # of trials among the rows
        self._last: dict[int, float] = {}  # the last step that each trial reported
        self._noted: dict[int, tuple[float, float]] = {}  # the step and loss that were noted last
        self._next: dict[int, float] = {}  # the next one to be noted
        self._unit = 0.0  # the first step that was ever reported is step 1
        self._offset = 0.0

    @property
    def n(self) -> int:
        """How many values are noted."""
        return len(self._notes.filled)

    @property
    def is_partial(self) -> bool:
        """Whether any trial has reported."""
        return bool(self._noted)

    def __contains__(self, trial_id: int) -> bool:
        """Whether anything is known of a trial."""
        return trial_id in self._places

    @property
    def trial_ids(self) -> list[int]:
        """The trials by their places."""
        return list(self._places)

    def report(self, trial_id: int, row: Array, step: float, loss: float) -> None:
        """A trial has come to a step, counted as the objective does."""
        if not self._unit:
            self._offset = 1.0 - step if step < 1 else 0.0
            self._unit = max(1.0, step + self._offset)
        reached = max(1.0, (step + self._offset) / self._unit)
        if reached <= self._last.get(trial_id, 0.0):
            return
        self._last[trial_id] = reached
        if reached >= self._next.get(trial_id, 1.0):
            self._next[trial_id] = max(reached + 1.0, math.floor(reached * _GROWTH))
            self._note(trial_id, row, reached, loss, _RUNS)
            self._noted[trial_id] = reached, loss

    def end(self, trial_id: int, row: Array, loss: float) -> None:
        """A trial's training is over, and has come to a loss."""
        self._note(trial_id, row, self._last.get(trial_id, _NO_STEP), loss, _FINISHED)

    def leave(self, trial_id: int) -> None:
        """A trial does not run any more, and nobody will know how it would have ended."""
        if trial_id in self._noted:
            place = self._places[trial_id]
            self._note(trial_id, self._rows.filled[place], *self._noted[trial_id], _LEFT)

    def known(self, n: int) -> Known:
        """What to learn from after the first ``n`` notes."""
        notes = self._notes.filled[:n]
        places = notes[:, 0].astype(int)
        is_end = notes[:, 3] == _FINISHED
        steps = notes[:, 1]
        end = self._end(steps, is_end)
        steps = np.where(is_end, end, np.minimum(steps, end))
        losses = np.clip(notes[:, 2], -_LARGEST, _LARGEST)
        latest = _last_of_each(places)
        scale = Scale.of(losses[latest])
        chosen = _chosen(places, steps, losses, latest, notes[latest, 3] == _RUNS)
        course = Course(steps[chosen], places[chosen], end)
        return Known(
            self._rows.filled[places[chosen]], losses[chosen], course, np.flatnonzero(np.isin(chosen, latest)), scale
        )

    def _end(self, steps: Array, is_end: NDArray[np.bool_]) -> float:
        """The last step of a training: as far as others came, or as was said, or else a guess."""
        if steps[is_end].any():
            return float(steps[is_end].max())
        if self._max_steps is not None:
            return max(1.0, (self._max_steps + self._offset) / self._unit)
        return _GUESS * float(steps.max())

    def _note(self, trial_id: int, row: Array, step: float, loss: float, state: float) -> None:
        place = self._places.get(trial_id)
        if place is None:
            place = self._places[trial_id] = len(self._places)
            self._rows.append(row)
        self._notes.append([place, step, loss if math.isfinite(loss) else _LARGEST, state])


def _last_of_each(places: NDArray[np.intp]) -> NDArray[np.intp]:
    """The last note of each trial, in the order of the trials."""
    _, backwards = np.unique(places[::-1], return_index=True)
    return len(places) - 1 - backwards


def _chosen(
    places: NDArray[np.intp], steps: Array, losses: Array, latest: NDArray[np.intp], runs: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Notes to learn from, at most so many: where trials came to, and how they came there, the best trials first.

    If there are too many trials: those that run, the best of the others, and an even selection of the rest.
    """
    order = np.argsort(losses[latest], kind="stable")
    if len(latest) >= _MOST:
        order = order[np.argsort(~runs[order], kind="stable")]
        half = max(_MOST // 2, min(int(runs.sum()) + _MOST // 4, _MOST))
        spread = np.linspace(half, len(latest) - 1, _MOST - half).astype(int)
        return np.sort(latest[order[np.concatenate([np.arange(half), spread])]])
    rank = np.empty(len(latest), int)
    rank[order] = np.arange(len(latest))
    reached = steps[latest][places]
    chosen = np.zeros(len(places), bool)
    chosen[latest] = True
    for divisor in _DIVISORS:
        before = np.flatnonzero(steps * divisor <= reached)
        found = before[_last_of_each(places[before])]
        found = found[~chosen[found]]
        found = found[np.argsort(rank[places[found]], kind="stable")]
        chosen[found[: _MOST - int(chosen.sum())]] = True
    return np.flatnonzero(chosen)
