"""What a trial costs beside its objective: ``fmin`` with 8 parameters, one trial after the other."""

import time
from collections.abc import Callable
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measuring import Figure, interleave, ratio, spread

OURS, THEIRS = "manyhands.hyperopt", "hyperopt"
_ALGORITHMS = ("tpe", "rand", "anneal")
_TARGETS = {"tpe": 10.0}


def measure(*, quick: bool) -> list[Figure]:
    """Milliseconds of processor time for each trial, their ratios, and the best losses."""
    n_trials, repeats = (60, 1) if quick else (500, 3)
    figures: list[Figure] = []
    for algorithm in _ALGORITHMS:
        best: dict[str, list[float]] = {OURS: [], THEIRS: []}
        found = interleave({name: _search(name, algorithm, n_trials, best[name]) for name in best}, repeats)
        label = f"{algorithm}.suggest, {n_trials} trials"
        figures += [Figure(f"{name}, {label}", median(ms), "ms", note=spread(ms)) for name, ms in found.items()]
        less = ratio(found[THEIRS], found[OURS])
        figures.append(
            Figure(f"{THEIRS} / {OURS}, {label}", less, "x", at_least=None if quick else _TARGETS.get(algorithm))
        )
        figures += [Figure(f"{name}, {label}: best loss", median(losses)) for name, losses in best.items()]
    return figures


def _search(package: str, algorithm: str, n_trials: int, best: list[float]) -> Callable[[], float]:
    hyperopt = import_module(package)
    hp, suggest = hyperopt.hp, import_module(f"{package}.{algorithm}").suggest
    space = {f"x{i}": hp.uniform(f"x{i}", -1, 1) for i in range(8)}

    def objective(params: dict[str, float]) -> float:
        return sum(value * value for value in params.values())

    def search() -> float:
        trials: Any = hyperopt.Trials()
        rstate = np.random.default_rng(len(best))
        began = time.process_time()
        hyperopt.fmin(objective, space, algo=suggest, max_evals=n_trials, trials=trials, rstate=rstate, verbose=False)
        seconds = time.process_time() - began
        best.append(min(trials.losses()))
        return seconds / n_trials * 1e3

    return search
