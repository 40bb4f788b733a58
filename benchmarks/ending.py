"""Rules that end a search: the trials that ``RegretBound`` saves, what is lost by that, and what it takes itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

import manyhands as mh
from benchmarks.measuring import Figure, number
from benchmarks.quality.functions import branin, hartmann6
from manyhands.ports import Outcome, Problem
from manyhands.samplers import make_sampler
from manyhands.splits import combine
from manyhands.trial import Result, Trial, TrialState

_N_SPLITS = 5
_NOISE_STREAM = 41


def _pit(x: np.ndarray) -> float:
    """A plain with a narrow pit, which takes up a fifteenth of the cube: at first, all trials are alike."""
    return min(0.0, float(np.linalg.norm(x - np.array([0.8, 0.3, 0.6]))) / 0.25 - 1.0)


@dataclass(frozen=True)
class _Case:
    """A function with noise, a sampler, and what the rule is asked for.

    Attributes:
        name: The function's.
        function: Takes an array of floats.
        space: One parameter for each of them.
        sampler: Its name.
        noise: The standard deviation of one split.
        below: The rule's limit; None for the noise.
    """

    name: str
    function: Callable[[np.ndarray], float]
    space: list[mh.Float]
    sampler: str
    noise: float
    below: float | None = None


_BRANIN = [mh.Float(-5, 10), mh.Float(0, 15)]
_CUBE_6 = [mh.Float(0, 1) for _ in range(6)]
_CUBE_3 = [mh.Float(0, 1) for _ in range(3)]

_CASES = [
    _Case("branin", branin, _BRANIN, "gp", 1.0),
    _Case("branin", branin, _BRANIN, "gp", 5.0),
    _Case("branin", branin, _BRANIN, "auto", 1.0),
    _Case("branin", branin, _BRANIN, "random", 1.0),
    _Case("branin", branin, _BRANIN, "gp", 0.0, below=0.1),
    _Case("hartmann6", hartmann6, _CUBE_6, "gp", 0.1),
    _Case("hartmann6", hartmann6, _CUBE_6, "gp", 0.1, below=0.2),
    _Case("hartmann6", hartmann6, _CUBE_6, "gp", 0.0, below=0.1),
    _Case("hartmann6", hartmann6, _CUBE_6, "random", 0.1),
    _Case("pit", _pit, _CUBE_3, "gp", 0.01),
]


def measure(*, quick: bool) -> list[Figure]:
    """Ten searches of 200 trials for each case, with five splits."""
    n_seeds, n_trials, cases = (1, 30, _CASES[:1]) if quick else (10, 200, _CASES)
    figures = []
    for case in cases:
        figures += _figures(case, n_seeds, n_trials)
    return figures


def _figures(case: _Case, n_seeds: int, n_trials: int) -> list[Figure]:
    runs = [_run(case, seed, n_trials) for seed in range(n_seeds)]
    limit = "the noise" if case.below is None else number(case.below)
    name = f"{case.name}, noise {number(case.noise)}, {case.sampler}, below {limit}"
    ended = [run.n_ended for run in runs]
    lost = [run.truth[run.n_ended - 1] - run.truth[-1] for run in runs]
    n_early = sum(n < n_trials for n in ended)
    # Gains beyond the limit are what must not be lost; of the noise of one split, a mean has so much.
    allowed = case.below or case.noise / np.sqrt(_N_SPLITS)
    return [
        Figure(
            f"{name}: trials",
            median(ended),
            "trials",
            note=f"of {n_trials}; {n_early} of {n_seeds} ended early, after {min(ended)} to {max(ended)}",
        ),
        Figure(
            f"{name}: loss of the best",
            max(0.0, median(lost)),
            "",
            at_most=float(allowed),
            note=f"above that at {n_trials}; at most {number(max(lost))}, more than the limit in "
            f"{sum(one > allowed for one in lost)}; the rule took {number(median(run.seconds for run in runs))} s",
        ),
    ]


@dataclass(frozen=True)
class _Run:
    """One search, which went on after the rule had spoken.

    Attributes:
        truth: After each trial, the loss without noise of the one that seems best.
        n_ended: After how many trials the rule spoke; all of them if it did not.
        seconds: What the rule took up to there.
    """

    truth: list[float]
    n_ended: int
    seconds: float


def _run(case: _Case, seed: int, n_trials: int) -> _Run:
    space = mh.Space(case.space)
    problem = Problem(space, seed, max_trials=n_trials)
    sampler, rule = make_sampler(case.sampler), mh.RegretBound(case.below)
    sampler.start(problem)
    rule.start(problem)
    noise = np.random.default_rng([seed, _NOISE_STREAM])
    truth: list[float] = []
    best, n_ended, seconds = np.inf, n_trials, 0.0
    for i in range(n_trials):
        point = sampler.suggest(i, {})
        assert point is not None  # noqa: S101 - the space has no end
        loss = case.function(np.array(space.build(point)))
        values = loss + case.noise * noise.standard_normal(_N_SPLITS)
        result, split_values = combine([Result(float(value)) for value in values])
        assert result.value is not None  # noqa: S101 - there is one objective
        trial = Trial(i, point, None, TrialState.FINISHED, result.value, result.variance, split_values=split_values)
        is_best = result.value < best
        truth.append(loss if is_best else truth[-1])
        best = min(best, result.value)
        sampler.observe(trial, Outcome((result.value,), (), result.variance))
        if n_ended == n_trials:
            began = time.perf_counter()
            ends = rule.observe(trial, is_best, "minimize") is not None
            seconds += time.perf_counter() - began
            n_ended = i + 1 if ends else n_trials
    return _Run(truth, n_ended, seconds)
