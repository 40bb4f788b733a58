"""The same no-op search with other libraries. Each function returns its rate in trials a second, once it is warm."""

import logging
import multiprocessing
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measuring import in_fresh_process
from benchmarks.search import objective


def are_installed(packages: str) -> bool:
    """Whether all of these packages can be imported."""
    return all(find_spec(package) is not None for package in packages.split())


# -- joblib --------------------------------------------------------------------------------------------------------


def joblib_loky(n_trials: int) -> float:
    """Two worker processes that are there already, and nothing but the calls."""
    from joblib import Parallel, delayed

    rng = random.Random(0)
    with Parallel(n_jobs=2, batch_size=1, backend="loky") as parallel:
        parallel(delayed(objective)(_draw(rng)) for _ in range(50))
        started = time.perf_counter()
        parallel(delayed(objective)(_draw(rng)) for _ in range(n_trials))
        return n_trials / (time.perf_counter() - started)


def _draw(rng: random.Random) -> dict[str, Any]:
    return {"rate": 10 ** rng.uniform(-5, -1), "depth": rng.randint(1, 100), "kind": rng.choice("abc")}


# -- Optuna --------------------------------------------------------------------------------------------------------


def optuna_in_memory(n_trials: int, n_threads: int = 1) -> float:
    """One process, nothing durable."""
    optuna = _quiet_optuna()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(_optuna_objective, n_trials=10)
    started = time.perf_counter()
    study.optimize(_optuna_objective, n_trials=n_trials, n_jobs=n_threads)
    return n_trials / (time.perf_counter() - started)


def optuna_threads(n_trials: int) -> float:
    """Two threads, nothing durable."""
    return optuna_in_memory(n_trials, 2)


def optuna_journal(n_trials: int) -> float:
    """Two processes that meet in a journal file."""
    return _optuna_two_processes(n_trials, "journal")


def optuna_sqlite(n_trials: int) -> float:
    """Two processes that meet in an SQLite file."""
    return _optuna_two_processes(n_trials, "sqlite")


def _optuna_two_processes(n_trials: int, kind: str) -> float:
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2, _spawning()) as pool:
        path = str(Path(folder) / kind)
        _quiet_optuna().create_study(storage=_optuna_storage(path), study_name="no-op")
        both = [path, path]
        list(pool.map(_optuna_warm_up, both))
        started = time.perf_counter()
        list(pool.map(_optuna_share, both, [n_trials // 2] * 2))
        return n_trials // 2 * 2 / (time.perf_counter() - started)


def _optuna_warm_up(path: str) -> None:
    _optuna_storage(path)
    time.sleep(0.5)  # so that each of the two processes gets one


def _optuna_share(path: str, n_trials: int) -> None:
    optuna = _quiet_optuna()
    sampler = optuna.samplers.RandomSampler()
    study = optuna.load_study(storage=_optuna_storage(path), study_name="no-op", sampler=sampler)
    study.optimize(_optuna_objective, n_trials=n_trials)


def _optuna_storage(path: str) -> Any:
    optuna = _quiet_optuna()
    if path.endswith("journal"):
        return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))
    return optuna.storages.RDBStorage(f"sqlite:///{path}")


def _optuna_objective(trial: Any) -> float:
    return objective(
        {
            "rate": trial.suggest_float("rate", 1e-5, 1e-1, log=True),
            "depth": trial.suggest_int("depth", 1, 100),
            "kind": trial.suggest_categorical("kind", ["a", "b", "c"]),
        }
    )


def _quiet_optuna() -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    return optuna


def _spawning() -> Any:
    return multiprocessing.get_context("spawn")


# -- Hyperopt ------------------------------------------------------------------------------------------------------


def hyperopt_sequential(n_trials: int) -> float:
    """One process, nothing durable."""
    import hyperopt
    import numpy as np

    logging.getLogger("hyperopt").setLevel(logging.ERROR)
    space = {
        "rate": hyperopt.hp.loguniform("rate", -11.5, -2.3),
        "depth": hyperopt.hp.quniform("depth", 1, 100, 1),
        "kind": hyperopt.hp.choice("kind", ["a", "b", "c"]),
    }

    def search(n: int) -> None:
        rng = np.random.default_rng(0)
        suggest = hyperopt.rand.suggest
        hyperopt.fmin(objective, space, suggest, n, rstate=rng, show_progressbar=False, verbose=False)

    search(10)
    started = time.perf_counter()
    search(n_trials)
    return n_trials / (time.perf_counter() - started)


# -- Ray Tune ------------------------------------------------------------------------------------------------------


def ray_tune(n_trials: int) -> float:
    """Two actors that are used again, on a cluster of this machine that is up already."""
    return float(in_fresh_process(ray_tune_here, n_trials))  # it leaves threads and settings behind


def ray_tune_here(n_trials: int) -> float:
    """The same, in this process."""
    import ray
    from ray import tune

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", _temp_dir=folder)
        space = {
            "rate": tune.loguniform(1e-5, 1e-1),
            "depth": tune.randint(1, 101),
            "kind": tune.choice(["a", "b", "c"]),
        }
        where = tune.RunConfig(verbose=0, storage_path=folder)

        def search(n: int) -> None:
            how = tune.TuneConfig(num_samples=n, metric="loss", mode="min", reuse_actors=True)
            tune.Tuner(_ray_objective, param_space=space, tune_config=how, run_config=where).fit()

        search(2)
        started = time.perf_counter()
        search(n_trials)
        found = n_trials / (time.perf_counter() - started)
        ray.shutdown()
    return found


def _ray_objective(config: dict[str, Any]) -> dict[str, float]:
    return {"loss": config["rate"]}


class Peer(NamedTuple):
    """Another library.

    Attributes:
        packages: What must be installed.
        run: Searches with so many trials, and returns the rate.
        n_trials: How many in a full run. Slow ones get few; they are slow at once.
        is_slow: Whether one round has to do.
    """

    packages: str
    run: Callable[[int], float]
    n_trials: int
    is_slow: bool = False


#: Name in the table -> peer.
PEERS = {
    "joblib, loky, 2 processes, warm": Peer("joblib", joblib_loky, 4000),
    "Optuna, 1 process, in memory": Peer("optuna", optuna_in_memory, 1000),
    "Optuna, 2 threads, in memory": Peer("optuna", optuna_threads, 1000),
    "Optuna, 2 processes, journal file": Peer("optuna", optuna_journal, 300),
    "Optuna, 2 processes, SQLite": Peer("optuna sqlalchemy", optuna_sqlite, 60),
    "Hyperopt, 1 process, in memory": Peer("hyperopt", hyperopt_sequential, 400),
    "Ray Tune, 2 actors, its own files": Peer("ray fsspec pyarrow", ray_tune, 30, is_slow=True),
}
