"""Population based training: what it gains where the best params change while a model is trained, by simulation."""

import math
from collections.abc import Callable, Iterator
from statistics import mean, median
from typing import Any

import manyhands as mh
from benchmarks.measuring import Figure, spread
from manyhands.simulation import utilisation

_N_EPOCHS = 60
_POPULATION = 8
_RATE = mh.Float(1e-4, 2.0, log=True)
_N_SEEDS = 20


def measure(*, quick: bool) -> list[Figure]:
    """The mean loss of searches with as many epochs each, and how busy workers are that take turns."""
    seeds = range(2 if quick else _N_SEEDS)
    figures = []
    for name, (objective, space) in _PROBLEMS.items():
        found = {how: [search(objective, space, seed) for seed in seeds] for how, search in _SEARCHES.items()}
        goal = None
        for how, losses in found.items():
            note = f"{_POPULATION * _N_EPOCHS} epochs; median {median(losses):.3g}; {spread(losses)}"
            figures.append(Figure(f"{name}, {how}", mean(losses), "loss", at_most=goal, note=note))
            goal = mean(losses)  # each should beat the one before
    return [*figures, *_turns(seeds)]


# -- problems --------------------------------------------------------------------------------------------------------


def noisy_quadratic(params: dict[str, float], trial: Any) -> Iterator[tuple[float, float, dict[str, int]]]:
    """The expected loss of stochastic gradient descent with noise: large rates are fast, and small ones are exact.

    Each epoch is ten steps. The axes have curvatures of 1, 1/2, 1/4 and so on.
    """
    curvatures = [2.0**-i for i in range(8)]
    epoch, errors = trial.restore((0, [1.0] * len(curvatures)))
    loss = math.nan
    while epoch < _N_EPOCHS:
        for _ in range(10):
            errors = [
                min((1 - params["rate"] * c) ** 2 * error + (params["rate"] * c) ** 2 * 0.5, 1e6)
                for c, error in zip(curvatures, errors, strict=True)
            ]
        epoch += 1
        loss = sum(c * error for c, error in zip(curvatures, errors, strict=True)) / 2
        trial.save((epoch, errors))
        yield 1.0, loss, {"step": epoch}


def network(params: dict[str, float], trial: Any) -> Iterator[tuple[float, float, dict[str, int]]]:
    """A curve like a small network's: the rate that helps most falls a hundredfold on the way, the decay stays."""
    epoch, done = trial.restore((0, 0.0))
    off_decay = math.log10(params["decay"]) + 4
    while epoch < _N_EPOCHS:
        off = math.log10(params["rate"]) - (-0.5 - 2 * done)
        done += (1 - done) * 0.12 * math.exp(-2 * off**2) * math.exp(-0.1 * off_decay**2)
        epoch += 1
        trial.save((epoch, done))
        noise = 0.004 * math.sin(12.9898 * epoch + 78.233 * trial.id + 1e4 * params["rate"])
        yield 1.0, 0.1 + 0.9 * (1 - done) + 0.01 * done * off_decay**2 + noise, {"step": epoch}


_PROBLEMS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "noisy quadratic": (noisy_quadratic, {"rate": _RATE}),
    "network": (network, {"rate": _RATE, "decay": mh.Float(1e-6, 1e-1, log=True)}),
}


# -- searches --------------------------------------------------------------------------------------------------------


def _fixed(objective: Callable[..., Any], space: dict[str, Any], seed: int) -> float:
    study = mh.simulate(objective, space, workers=_POPULATION, max_trials=_POPULATION, sampler="random", seed=seed)
    return float(study.best_value)


def _population(scheduler: Callable[..., Any]) -> Callable[..., float]:
    def search(objective: Callable[..., Any], space: dict[str, Any], seed: int) -> float:
        return float(_study(objective, space, seed, _POPULATION, scheduler).best_value)

    return search


def _study(objective: Any, space: dict[str, Any], seed: int, workers: int, scheduler: Callable[..., Any]) -> mh.Study:
    return mh.simulate(
        objective,
        space,
        workers=workers,
        timeout_s=1e6,
        sampler="random",
        seed=seed,
        scheduler=scheduler(interval=5, population=_POPULATION, max_steps=_N_EPOCHS),
    )


_SEARCHES = {
    "fixed params": _fixed,
    "PBT": _population(mh.PBTScheduler),
    "PB2": _population(mh.PB2Scheduler),
}


def _turns(seeds: range) -> list[Figure]:
    """How well a few workers are used by a population that takes turns."""
    objective, space = _PROBLEMS["network"]
    shares = [utilisation(_study(objective, space, seed, 3, mh.PBTScheduler), 3) for seed in seeds]
    note = f"3 workers, {_POPULATION} members; {spread(shares)}"
    return [Figure("utilisation, members that take turns", median(shares), "", at_least=0.9, note=note)]
