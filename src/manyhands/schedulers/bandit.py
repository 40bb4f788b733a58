"""Which params a copy should go on with: a Gaussian process of how much losses fell, over time and params."""

import itertools
from collections import deque
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

from manyhands.parameters import Choice, Parameter
from manyhands.schedulers.exploring import Exploring
from manyhands.schedulers.population import Member
from manyhands.space import Point, Space

Array = NDArray[np.float64]

_MOST = 128  # changes that the model learns from, the last ones
_LEAST = 4
_N_ANYWHERE = 300  # candidates
_N_BESIDE = 100
_BESIDE = 0.1  # how far beside the parent, in the unit cube
_OPTIMISM = 1.0  # standard deviations
_NORMAL = 1.4826  # the standard deviation by the median distance from the median
_FAR = 4.0  # standard deviations
_HUGE = 1e100
_WIDTHS = (0.1, 0.2, 0.4, 0.8)  # lengthscales of params
_LOSS_WIDTHS = (0.5, 2.0)  # of the standardised loss
_DRIFTS = (0.02, 0.2)  # the share that an interval takes of what is known
_NOISES = (0.01, 0.1)  # variances, where that of the changes is 1


class _Shape(Struct, frozen=True):
    """What the model takes for granted."""

    width: float
    loss_width: float
    drift: float
    noise: float


_SHAPES = [_Shape(*numbers) for numbers in itertools.product(_WIDTHS, _LOSS_WIDTHS, _DRIFTS, _NOISES)]


class _Inputs(Struct, frozen=True):
    """Where the model is asked: one row for each stretch of training.

    Attributes:
        times: The interval at whose end it began, shape (n,).
        losses: The loss there, standardised, shape (n,).
        rows: The params, shape (n, n_features).
    """

    times: Array
    losses: Array
    rows: Array

    def joined(self, other: "_Inputs") -> "_Inputs":
        return _Inputs(
            np.concatenate([self.times, other.times]),
            np.concatenate([self.losses, other.losses]),
            np.vstack([self.rows, other.rows]),
        )


class Bandit:
    """Population based bandits (Parker-Holder et al. 2020, https://arxiv.org/abs/2002.02518): what a copy explores.

    Each stretch of training tells by how much the loss fell in an interval that began at such a time and such a loss,
    with such params. A Gaussian process, in which what is old counts less, makes of these an upper bound of what
    params may bring now, and the params with the highest one are taken. Numbers are found so; choices change as in
    ``Exploring``. Copies that have not shown anything yet count as seen, so that others look elsewhere.

    Args:
        space: What is searched.
        exploring: Says which parameters may change; explores until enough is known, and choices always.
    """

    def __init__(self, space: Space, exploring: Exploring):
        self._space = space
        self._exploring = exploring
        self._seen: deque[tuple[float, float, list[float], float]] = deque(maxlen=_MOST)

    def learn(self, member: Member, interval: int, loss: float) -> None:
        """A member has come to the end of an interval, with this loss."""
        if not member.scores:
            return
        before, loss_before = member.scores[-1]
        fall = (loss_before - loss) / (interval - before)
        self._seen.append((float(before), loss_before, self._features(member.point), fall))

    def explore(self, parent: Member, others: Sequence[Member], rng: Generator) -> Point:
        """Return a copy's params.

        Args:
            parent: What it is a copy of.
            others: Members that have not shown anything with their params so far.
            rng: Draws candidates.
        """
        point = self._exploring.explore(self._space, parent.point, rng)
        fixed = {name: value for name, value in point.items() if not self._is_free(name)}
        if len(self._seen) < _LEAST or len(fixed) == len(point):
            return point
        candidates = self._candidates(parent, fixed, rng)
        return candidates[int(np.argmax(self._bounds(candidates, parent, others)))]

    def _is_free(self, name: str) -> bool:
        return not isinstance(self._space.parameters[name], Choice) and self._exploring.may_change(name)

    def _candidates(self, parent: Member, fixed: Point, rng: Generator) -> list[Point]:
        n = len(self._space.parameters)
        centre = np.nan_to_num(np.array(self._space.encode(parent.point)), nan=0.5)
        beside = centre + _BESIDE * rng.standard_normal((_N_BESIDE, n))
        rows = np.vstack([rng.random((_N_ANYWHERE, n)), np.clip(beside, 0.0, 1.0)])
        return [self._space.decode(row, fixed) for row in rows.tolist()]

    def _bounds(self, candidates: Sequence[Point], parent: Member, others: Sequence[Member]) -> Array:
        """How much the loss may fall with each candidate, in standard deviations of what was seen."""
        times, losses, rows, falls = zip(*self._seen, strict=True)
        scale = _Scale(losses)

        def inputs(times: Sequence[float], losses: Sequence[float], rows: Sequence[list[float]]) -> _Inputs:
            return _Inputs(np.array(times, float), scale.of(losses), np.array(rows))

        seen = inputs(times, losses, rows)
        targets = _Scale(falls).of(falls)
        shape = max(_SHAPES, key=lambda shape: _evidence(seen, targets, shape))
        (time, loss), n = parent.scores[-1], len(candidates)
        asked = inputs([time] * n, [loss] * n, [self._features(point) for point in candidates])
        means = _kernel(asked, seen, shape) @ np.linalg.solve(_covariance(seen, shape), targets)
        if others:
            running = [(*other.scores[-1], self._features(other.point)) for other in others]
            seen = seen.joined(inputs(*zip(*running, strict=True)))
        across = _kernel(asked, seen, shape)
        known = np.einsum("ij,ji->i", across, np.linalg.solve(_covariance(seen, shape), across.T))
        bounds: Array = means + _OPTIMISM * np.sqrt(np.maximum(1.0 - known, 0.0))
        return bounds

    def _features(self, point: Point) -> list[float]:
        """The params as numbers whose distances mean something; those that are not active are in the middle."""
        row = self._space.encode(point)
        pairs = zip(self._space.parameters.values(), row, point_values(self._space, point), strict=True)
        return [number for parameter, x, value in pairs for number in _numbers(parameter, x, value)]


class _Scale:
    """Numbers around 0, most of them between -1 and 1. One that is far out, of a member in ruins, moves no other one.

    Args:
        numbers: Those that say what is usual.
    """

    def __init__(self, numbers: Sequence[float]):
        self._centre = float(np.median(_tame(numbers)))
        spreads = np.abs(_tame(numbers) - self._centre)
        self._scale = _NORMAL * float(np.median(spreads)) or float(np.mean(spreads)) or 1.0

    def of(self, numbers: Sequence[float]) -> Array:
        scaled: Array = np.clip((_tame(numbers) - self._centre) / self._scale, -_FAR, _FAR)
        return scaled


def _tame(numbers: Sequence[float]) -> Array:
    """Numbers whose differences and quotients are finite."""
    tame: Array = np.clip(np.array(numbers, float), -_HUGE, _HUGE)
    return tame


def point_values(space: Space, point: Point) -> list[float | None]:
    """The point's values in the order of the space's parameters; None where one is not active."""
    return [point.get(name) for name in space.parameters]


def _numbers(parameter: Parameter, x: float, value: float | None) -> list[float]:
    if isinstance(parameter, Choice) and not parameter.ordered:
        return [float(i == value) for i in range(parameter.n_values)]
    return [0.5 if value is None else x]


def _kernel(a: _Inputs, b: _Inputs, shape: _Shape) -> Array:
    params = ((a.rows[:, None] - b.rows[None]) ** 2).sum(axis=2) / shape.width**2
    losses = (a.losses[:, None] - b.losses[None]) ** 2 / shape.loss_width**2
    ages = np.abs(a.times[:, None] - b.times[None])
    covariances: Array = np.exp(-0.5 * (params + losses)) * (1.0 - shape.drift) ** (ages / 2)
    return covariances


def _covariance(seen: _Inputs, shape: _Shape) -> Array:
    covariance: Array = _kernel(seen, seen, shape) + shape.noise * np.eye(len(seen.times))
    return covariance


def _evidence(seen: _Inputs, targets: Array, shape: _Shape) -> float:
    """The logarithm of how likely the targets are, but for a constant."""
    root = np.linalg.cholesky(_covariance(seen, shape))
    whitened = np.linalg.solve(root, targets)
    return float(-0.5 * whitened @ whitened - np.log(np.diag(root)).sum())
