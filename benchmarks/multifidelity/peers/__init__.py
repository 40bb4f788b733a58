"""What ours is compared with: other libraries' schedulers, each driven by its own interface, and simple rules.

A library is imported when one of its methods is asked for. One that is not installed is left out.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module, metadata
from typing import Any

from packaging.requirements import Requirement

from benchmarks.multifidelity import controls
from benchmarks.multifidelity.world import Peer

#: A method: what makes a peer from the space, a seed and the number of workers.
Maker = Callable[[Any, int, int], Peer]

CONTROL = "control"
CONTROLS: dict[str, Maker] = {
    CONTROL: controls.ManyOnceThenBest,
    "halving-in-stages": controls.HalvingInStages,
}


def _of(module: str, peer: str, **settings: Any) -> Maker:
    """A peer whose file is imported late."""

    def make_peer(space: Any, seed: int, workers: int) -> Peer:
        maker: Callable[..., Peer] = getattr(import_module(f"benchmarks.multifidelity.peers.{module}"), peer)
        return maker(space, seed, workers, **settings)

    return make_peer


_optuna = partial(_of, "with_optuna", "Optuna")
_syne_tune = partial(_of, "with_syne_tune", "SyneTune")
_legacy = partial(_of, "with_syne_tune", "LegacySyneTune")

#: Name -> method, by what has to be installed.
_PEERS: dict[str, dict[str, Maker]] = {
    "optuna>=5": {
        "optuna:random+median": _optuna(sampler="RandomSampler", pruner="MedianPruner"),
        "optuna:tpe": _optuna(sampler="TPESampler", pruner="NopPruner"),
        "optuna:tpe+median": _optuna(sampler="TPESampler", pruner="MedianPruner"),
        "optuna:tpe+halving": _optuna(sampler="TPESampler", pruner="SuccessiveHalvingPruner"),
        "optuna:tpe+hyperband": _optuna(sampler="TPESampler", pruner="HyperbandPruner"),
        "optuna:gp": _optuna(sampler="GPSampler", pruner="NopPruner"),
        "optuna:gp+median": _optuna(sampler="GPSampler", pruner="MedianPruner"),
        "optuna:gp+hyperband": _optuna(sampler="GPSampler", pruner="HyperbandPruner"),
    },
    "syne-tune>=0.15": {
        "syne-tune:asha": _syne_tune(kind="ASHA"),
        "syne-tune:bohb": _syne_tune(kind="BOHB"),
        "syne-tune:bore+asha": _syne_tune(kind="ASHABORE"),
        "syne-tune:cqr+asha": _syne_tune(kind="ASHACQR"),
    },
    "syne-tune<0.15": {
        "syne-tune-0.14:asha-promotion": _legacy(kind="ASHA", type="promotion"),
        "syne-tune-0.14:hyperband": _legacy(kind="ASHA", type="stopping", brackets=4),
        "syne-tune-0.14:bohb-promotion": _legacy(kind="BOHB", type="promotion"),
        "syne-tune-0.14:mobster": _legacy(kind="MOBSTER", type="stopping"),
        "syne-tune-0.14:mobster-promotion": _legacy(kind="MOBSTER", type="promotion"),
        "syne-tune-0.14:hypertune": _legacy(kind="HyperTune", type="promotion", brackets=4),
    },
    "ray": {
        "ray:asha": _of("with_ray", "Ray"),
    },
}

PEERS: dict[str, Maker] = {name: maker for methods in _PEERS.values() for name, maker in methods.items()}

#: Those that think for minutes; see ``runs_on``.
SLOW = frozenset(
    {
        "optuna:gp",
        "optuna:gp+median",
        "optuna:gp+hyperband",
        "optuna:tpe+hyperband",
        "syne-tune:bore+asha",
        "syne-tune:cqr+asha",
        "syne-tune-0.14:mobster",
        "syne-tune-0.14:mobster-promotion",
        "syne-tune-0.14:hypertune",
    }
)
_FEW = 6  # data sets


def runs_on(method: str, place: int, n_instances: int, seed: int) -> bool:
    """Whether a method is run on a data set: the slow ones with one seed only, and on about six if there are many.

    Args:
        method: Its name.
        place: Of the data set among those that are wanted, from 0.
        n_instances: How many are wanted.
        seed: Of the run, from 0.
    """
    return method not in SLOW or (seed == 0 and place % -(-n_instances // _FEW) == 0)


def make(name: str, space: Any, seed: int, workers: int) -> Peer:
    """A new search by that method.

    Args:
        name: Of ``PEERS`` or ``CONTROLS``.
        space: What is searched, as ``mh.tune`` takes it.
        seed: Of its random numbers.
        workers: How many there are.
    """
    return {**PEERS, **CONTROLS}[name](space, seed, workers)


def missing() -> dict[str, list[str]]:
    """The methods that cannot be run here, by the library that is not installed."""
    return {library: list(methods) for library, methods in _PEERS.items() if not _is_installed(library)}


def _is_installed(library: str) -> bool:
    wanted = Requirement(library)
    try:
        return wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False
