"""What a finished trial leaves in the driver, and what a large array in the objective costs each worker."""

import gc
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import manyhands as mh
from benchmarks.measuring import Figure, in_fresh_process
from benchmarks.search import run

_WORKERS = 4
_MB = 1e6


def measure(*, quick: bool) -> list[Figure]:
    """Each run has a process of its own, so that none inherits what another left."""
    n_trials, megabytes = (1000, 50) if quick else (20_000, 500)
    return [
        *_per_trial("MemoryStore", n_trials, durable=False),
        *_per_trial("SQLite", n_trials, durable=True),
        *_shared(megabytes, repeats=1 if quick else 3),
    ]


# -- finished trials -----------------------------------------------------------------------------------------------


def _per_trial(name: str, n_trials: int, *, durable: bool) -> list[Figure]:
    grown = in_fresh_process(growth, n_trials, durable)
    return [
        Figure(f"driver, {name}: unique memory a finished trial", grown["uss"] / n_trials / 1e3, "KB", at_most=10),
        Figure(f"driver, {name}: resident memory a finished trial", grown["rss"] / n_trials / 1e3, "KB", at_most=10),
    ]


def growth(n_trials: int, durable: bool) -> dict[str, int]:
    """How much memory this process gains by so many inline trials, while it holds their study."""
    with tempfile.TemporaryDirectory() as folder:
        stores = [Path(folder) / name if durable else None for name in ("warm-up.db", "studies.db")]
        run(500, executor="inline", store=stores[0])
        before = _memory()
        study = run(n_trials, executor="inline", store=stores[1])
        after = _memory()
    if len(study.trials) != n_trials:
        raise RuntimeError(f"{n_trials} trials were asked for, and {len(study.trials)} ran")
    return {key: after[key] - before[key] for key in ("rss", "uss")}


# -- a large array -------------------------------------------------------------------------------------------------


def _shared(megabytes: int, repeats: int) -> list[Figure]:
    without = in_fresh_process(with_array, 0, 1)
    runs = in_fresh_process(with_array, megabytes, repeats)
    uss, bare = (median(r["uss"] for r in found) / _MB for found in (runs, without))
    pss, bare_pss = (median(r["pss"] for r in found) / _MB for found in (runs, without))
    copies = _WORKERS * (pss - bare_pss) / megabytes
    start = median(r["start"] for r in runs)
    on_disk = median(r["save"] + r["load"] for r in runs)
    part = median(r["start"] / (r["save"] + r["load"]) for r in runs)
    what = f"{megabytes} MB array"
    return [
        Figure(f"{what}: unique memory it adds to a worker", uss - bare, "MB", at_most=30),
        Figure(f"{what}: unique memory of a worker with it", uss, "MB"),
        Figure("unique memory of a worker without it", bare, "MB"),
        Figure(f"{what}: copies, all {_WORKERS} workers together", copies, "copies", at_most=1.1),
        Figure(f"{what}: first trial's start / np.save + np.load", part, "x", at_most=3),
        Figure(f"{what}: first trial's start", start, "s"),
        Figure(f"{what}: np.save + np.load", on_disk, "s"),
    ]


def with_array(megabytes: int, repeats: int) -> list[dict[str, float]]:
    """What workers use, and when the first trial starts, with an array of that size in the objective; over and over."""
    import numpy as np

    array = np.random.default_rng(0).random(megabytes * 125_000)
    with tempfile.TemporaryDirectory() as folder:
        _search(np.zeros(1), Path(folder) / "warm-up")
        return [{**_disk(array, Path(folder)), **_search(array, Path(folder) / str(i))} for i in range(repeats)]


def _search(array: Any, folder: Path) -> dict[str, float]:
    folder.mkdir()
    called = time.time()
    study = mh.tune(
        _make_objective(array, str(folder)),
        {"x": mh.Float(0, 1)},
        max_trials=_WORKERS,
        workers=_WORKERS,
        sampler="random",
        progress=False,
    )
    found = [trial.metrics for trial in study.trials]
    if len({metrics["pid"] for metrics in found}) != _WORKERS:
        raise RuntimeError("the trials did not run in one worker each")
    means = {key: median(metrics[key] for metrics in found) for key in ("uss", "pss")}
    return {**means, "start": min(metrics["started"] for metrics in found) - called}


def _make_objective(array: Any, folder: str) -> Callable[[dict[str, float]], dict[str, float]]:
    def objective(params: dict[str, float]) -> dict[str, float]:
        started = time.time()
        total = float(array.sum())
        # Pages are shared out among those who have touched them, so nobody looks before all have.
        Path(folder, str(os.getpid())).touch()
        while len(os.listdir(folder)) < _WORKERS:
            time.sleep(0.01)
        return {"value": params["x"], "total": total, "started": started, "pid": os.getpid(), **_memory()}

    return objective


def _disk(array: Any, folder: Path) -> dict[str, float]:
    import numpy as np

    path = folder / "array.npy"
    started = time.perf_counter()
    np.save(path, array)
    saved = time.perf_counter()
    np.load(path)
    loaded = time.perf_counter()
    path.unlink()
    return {"save": saved - started, "load": loaded - saved}


def _memory() -> dict[str, int]:
    import psutil

    gc.collect()
    found = psutil.Process().memory_full_info()
    return {"rss": found.rss, "uss": found.uss, "pss": getattr(found, "pss", found.uss)}
