"""Which parameters mattered: the shares that they have in the variance of the loss over the space.

A model of the loss is fitted to the trials, as functional ANOVA does (Hutter, Hoos and Leyton-Brown 2014, "An efficient
approach for assessing hyperparameter importance"), and its variance over the space is shared out among the parameters
by their Shapley effects (Owen 2014, "Sobol' indices and Shapley value"). What a parameter does alone is its own; what
several do together is divided among them equally. So the shares add up to the whole, interactions included.

The model is boosted trees in which all nodes of a level ask the same question. They follow smooth, additive functions
with far fewer trials than a random forest needs.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from manyhands.errors import NoResultError, SettingsError
from manyhands.objectives import Direction, losses_of, n_objectives, values_of
from manyhands.samplers.cube import Array, Cube
from manyhands.space import Space
from manyhands.trial import Trial, TrialState

_FEWEST_TRIALS = 10
_TRIALS_PER_PARAMETER = 2

_N_TREES = 150
_DEPTH = 3
_RATE = 0.1
_RIDGE = 1.0  # trials of average loss that every leaf is taken to have, besides its own
_SHARE_OF_TRIALS = 0.7  # that each tree sees
_N_BINS = 32

_N_STEPS = 40_000  # of random walks through the cube, each of a step for every parameter
_FEWEST_WALKS = 1024


def importance(
    trials: Iterable[Trial], space: Space, direction: Direction = "minimize", *, objective: int = 0, top: float = 1.0
) -> dict[str, float]:
    """How much of the variance of an objective each parameter accounts for, over the whole space.

    A conditional parameter does nothing where it is not active, so its share is the smaller, the more seldom it is.

    Args:
        trials: What came out; of interest are those that have finished, the infeasible ones included.
        space: What was searched.
        direction: What was to be done.
        objective: Which of several objectives, counted from 0.
        top: Ask only of the best trials, such as 0.2 for the best fifth: what made a trial one of them, and what the
            differences among them come from. All worse values count as equal then.

    Returns:
        Flat name to share; the largest first. They add up to 1.

    Raises:
        SettingsError: ``top`` is no share, or there is no such objective.
        NoResultError: Too few trials have finished, or their values are all the same.
    """
    _check(objective, top, n_objectives(direction))
    finished = [trial for trial in trials if trial.state is TrialState.FINISHED]
    needed = max(_FEWEST_TRIALS, _TRIALS_PER_PARAMETER * len(space.parameters))
    if len(finished) < needed:
        raise NoResultError(
            f"To say what mattered among {len(space.parameters)} parameters takes {needed} finished trials, "
            f"and there are {len(finished)}."
        )
    cube = Cube(space)
    losses = np.array([losses_of(values_of(trial), direction)[objective] for trial in finished])
    losses = np.ldexp(losses, -np.frexp(np.abs(losses).max())[1])  # within [-1, 1], as squares of some are no numbers
    y = np.minimum(losses, np.quantile(losses, top))
    spread = float(np.std(y))
    if not spread > 1e-12 * float(np.abs(y).max()):
        which = f"All {len(y)} trials" if top == 1 else f"The best trials, top={top:g} of {len(y)},"
        raise NoResultError(f"{which} have the same value, so nothing can be said to have mattered among them.")
    model = _Trees(np.array([cube.encode(trial.point) for trial in finished]), (y - y.mean()) / spread)
    effects = np.maximum(_shapley_effects(model, cube), 0.0)  # a few in a thousand below 0 come of drawing at random
    if not effects.any():
        raise NoResultError(f"The values of {len(y)} trials show no sign of depending on any parameter.")
    shares = dict(zip(space.parameters, (effects / effects.sum()).tolist(), strict=True))
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _check(objective: object, top: object, n: int) -> None:
    if isinstance(top, bool) or not isinstance(top, int | float) or not 0 < top <= 1:
        raise SettingsError(f"top={top!r} must be a share of the trials, above 0 and at most 1: 0.2 is the best fifth.")
    if isinstance(objective, bool) or not isinstance(objective, int) or not 0 <= objective < n:
        there_are = "there is only one, number 0" if n == 1 else f"there are {n}, numbered from 0"
        raise SettingsError(f"objective={objective!r} is none of the study's objectives: {there_are}.")


def _shapley_effects(model: "_Trees", cube: Cube) -> Array:
    """Shares of the model's variance over the cube, shape (n_dimensions,).

    Goda 2021, "A simple algorithm for global sensitivity analysis with Shapley effects", algorithm 1: walk from one
    random point to another, changing one coordinate after another in a random order.
    """
    rng = np.random.default_rng(0)
    d = cube.n_dimensions
    n = max(_FEWEST_WALKS, _N_STEPS // d)
    start, goal = _even_points(n, d, rng), _even_points(n, d, rng)
    orders = rng.permuted(np.tile(np.arange(d), (n, 1)), axis=1)
    walks = np.arange(n)
    first = before = model.predict(cube.snap(start))
    effects = np.zeros(d)
    here = start
    for changed in orders.T:
        here[walks, changed] = goal[walks, changed]
        after = model.predict(cube.snap(here))
        effects += np.bincount(changed, (first - (before + after) / 2) * (before - after), minlength=d)
        before = after
    return effects / n


def _even_points(n: int, d: int, rng: np.random.Generator) -> Array:
    """Random points, each coordinate of which is spread evenly (latin hypercube; McKay and others 1979)."""
    cells = rng.permuted(np.tile(np.arange(n), (d, 1)), axis=1).T
    return (cells + rng.random((n, d))) / n


class _Trees:
    """Gradient boosting of oblivious trees on binned coordinates (Friedman 2002; Prokhorenkova and others 2018).

    Args:
        rows: Coordinates in [0, 1], shape (n, d); NaN has a bin of its own, below all others.
        y: What to model, shape (n,), of mean 0.
    """

    def __init__(self, rows: Array, y: Array):
        self._edges = [_bin_edges(column) for column in rows.T]
        self._trees: list[tuple[list[tuple[int, int]], Array]] = []
        rng = np.random.default_rng(0)
        bins = self._bins(rows)
        rest = y.copy()
        n_seen = max(2, round(_SHARE_OF_TRIALS * len(y)))
        for _ in range(_N_TREES):
            seen = rng.permutation(len(y))[:n_seen]
            questions, node_of_seen = _grow(bins[seen], rest[seen])
            sums = np.bincount(node_of_seen, rest[seen], minlength=1 << _DEPTH)
            counts = np.bincount(node_of_seen, minlength=1 << _DEPTH)
            leaves = _RATE * sums / (counts + _RIDGE)
            self._trees.append((questions, leaves))
            rest -= leaves[_nodes(bins, questions)]

    def predict(self, rows: Array) -> Array:
        """The model at rows of shape (n, d), shape (n,)."""
        bins = self._bins(rows)
        return sum((leaves[_nodes(bins, questions)] for questions, leaves in self._trees), np.zeros(len(rows)))

    def _bins(self, rows: Array) -> NDArray[np.intp]:
        known = np.nan_to_num(rows, nan=-1.0)
        return np.stack([np.searchsorted(e, known[:, i], side="right") for i, e in enumerate(self._edges)], axis=1)


def _bin_edges(column: Array) -> Array:
    """Where the bins of a coordinate begin: at 0, with NaN below, and half of the others evenly, half at quantiles.

    A search that learns has most of its trials close together, and yet the whole space counts.
    """
    active = column[~np.isnan(column)]
    if not len(active):
        return np.zeros(1)
    shares = np.linspace(0, 1, _N_BINS // 2 + 1)[1:-1]
    inner = np.concatenate([shares, np.quantile(active, shares)])
    return np.unique([0.0, *inner[(inner > active.min()) & (inner <= active.max())]])


def _grow(bins: NDArray[np.intp], y: Array) -> tuple[list[tuple[int, int]], NDArray[np.intp]]:
    """Find the questions that explain most of ``y``, one for each level.

    Returns:
        Questions (dimension, bin), whose answer is whether the coordinate lies above the bin; and each row's leaf.
    """
    n, d = bins.shape
    node = np.zeros(n, np.intp)
    questions = []
    slots = bins + np.arange(d) * _N_BINS
    weights = np.repeat(y, d)
    for level in range(_DEPTH):
        shape = (1 << level, d, _N_BINS)
        keys = (node[:, None] * (d * _N_BINS) + slots).ravel()
        sums = np.bincount(keys, weights, minlength=int(np.prod(shape))).reshape(shape).cumsum(axis=2)
        counts = np.bincount(keys, minlength=int(np.prod(shape))).reshape(shape).cumsum(axis=2)
        above, n_above = sums[:, :, -1:] - sums, counts[:, :, -1:] - counts
        gains = (sums**2 / (counts + _RIDGE) + above**2 / (n_above + _RIDGE)).sum(axis=0)
        dimension, last_below = divmod(int(gains.argmax()), _N_BINS)
        questions.append((dimension, last_below))
        node = 2 * node + (bins[:, dimension] > last_below)
    return questions, node


def _nodes(bins: NDArray[np.intp], questions: Sequence[tuple[int, int]]) -> NDArray[np.intp]:
    """The leaf of each row, shape (n,)."""
    node = np.zeros(len(bins), np.intp)
    for dimension, last_below in questions:
        node = 2 * node + (bins[:, dimension] > last_below)
    return node
