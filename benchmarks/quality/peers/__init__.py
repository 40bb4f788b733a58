"""Other libraries' samplers with the settings they come with, each on a space of ours.

Every translation says all that the library can be told: log scales, whole numbers, that an ordered choice is a scale,
and which parameters count only below which option. Trials that are on their way are known to each library in its own
way. A library is imported when one of its samplers is asked for.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Protocol

from benchmarks.quality.simulate import Proposer
from manyhands.space import Point, Space


class Peer(Proposer, Protocol):
    """Another library's sampler."""

    def learn(self, point: Point, loss: float) -> None:
        """Learn of a trial that it did not propose."""


def _make(module: str, kind: str, space: Space, seed: int, n_trials: int, **settings: Any) -> Peer:
    maker: Callable[..., Peer] = getattr(import_module(f"benchmarks.quality.peers.{module}"), kind)
    return maker(space, seed, n_trials, **settings)


def _optuna(sampler: str, **settings: Any) -> Callable[[Space, int, int], Peer]:
    return partial(_make, "with_optuna", "Optuna", sampler=sampler, **settings)


#: Name -> what makes a search of it, from the space, the seed and the number of trials.
PEERS: dict[str, Callable[[Space, int, int], Peer]] = {
    "optuna-tpe": _optuna("TPESampler"),
    "optuna-tpe-group": _optuna("TPESampler", multivariate=True, group=True, constant_liar=True),
    "optuna-gp": _optuna("GPSampler"),
    "optuna-cmaes": _optuna("CmaEsSampler"),
    "hyperopt": partial(_make, "with_hyperopt", "Hyperopt"),
    "hyperopt-ours": partial(_make, "with_hyperopt", "Hyperopt", package="manyhands.hyperopt"),
    "smac": partial(_make, "with_smac", "Smac", facade="HyperparameterOptimizationFacade"),
    "smac-gp": partial(_make, "with_smac", "Smac", facade="BlackBoxFacade"),
}

#: Those that take so long to think that they are run in part only, see ``runs_on``.
SLOW = ("optuna-gp", "smac", "smac-gp")
#: Those that ``--peers`` means if it names none.
USUAL = tuple(name for name in PEERS if name not in ("smac-gp", "hyperopt-ours"))

_LCBENCH_FOR_SLOW = ("3945", "34539", "126029", "167149", "167168", "167185")


def runs_on(sampler: str, problem: str, seed: int) -> bool:
    """Whether a sampler is run on a problem with a seed: the slow ones only with one, and on six of LCBench's."""
    suite, _, name = problem.partition("/")
    return sampler not in SLOW or (seed == 0 and (suite != "lcbench" or name in _LCBENCH_FOR_SLOW))
