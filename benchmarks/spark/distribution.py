"""How long a large array takes to reach two executors with two workers each, and what it costs every worker."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import manyhands as mh
from benchmarks.measuring import Figure, in_fresh_process, number
from benchmarks.spark import sessions

_EXECUTORS, _CORES = 2, 2
_WORKERS = _EXECUTORS * _CORES
_OURS = "manyhands on Spark"
_DEADLINE_S = 300.0
_MB = 1e6

#: A trial: it touches all of the array, and returns its worker's memory, and when it had touched it.
Trial = Callable[[int], dict[str, float]]


def measure(*, quick: bool, cluster: bool) -> list[Figure]:
    """Each measure has a cluster of its own, so that none finds what another left."""
    bare = {way: in_fresh_process(distribute, way, 0) for way in _WAYS}
    sizes = (20,) if quick else (200, 1000)
    return [figure for megabytes in sizes for figure in _of_size(megabytes, bare)]


def distribute(way: str, megabytes: int) -> dict[str, float]:
    """Bring an array to all workers, one of the ``ways``, and return the seconds and the bytes that it took."""
    import numpy as np

    array = np.random.default_rng(0).random(megabytes * 125_000)
    big = {"spark_driver_memory": "2g", "spark_executor_memory": "1g"}
    with sessions.cluster(_EXECUTORS, _CORES, **big) as spark, tempfile.TemporaryDirectory() as folder:
        called = time.time()
        found = _WAYS[way](spark, array, folder)
    if len({memory["pid"] for memory in found}) != _WORKERS:
        raise RuntimeError(f"the trials did not run in {_WORKERS} processes, one each: {found}")
    means = {key: median(memory[key] for memory in found) for key in ("unique", "shared")}
    return {**means, "seconds": min(memory["touched_at"] for memory in found) - called}


def _ours(spark: Any, array: Any, folder: str) -> list[dict[str, float]]:
    touch = _make_trial(lambda: array, folder)

    def objective(params: dict[str, Any]) -> dict[str, float]:
        return {"value": 0.0, **touch(params["index"])}

    space = {"index": mh.Choice(list(range(_WORKERS)))}
    study = mh.tune(objective, space, sampler="grid", progress=False, executor=mh.Spark(spark, workers=_WORKERS))
    return [trial.metrics for trial in study.trials]


def _closure(spark: Any, array: Any, folder: str) -> list[dict[str, float]]:
    return _with_spark(spark, _make_trial(lambda: array, folder))


def _broadcast(spark: Any, array: Any, folder: str) -> list[dict[str, float]]:
    sent = spark.sparkContext.broadcast(array)
    return _with_spark(spark, _make_trial(lambda: sent.value, folder))


_WAYS: dict[str, Callable[[Any, Any, str], list[dict[str, float]]]] = {
    _OURS: _ours,
    "closure": _closure,
    "broadcast": _broadcast,
}


def _with_spark(spark: Any, trial: Trial) -> list[dict[str, float]]:
    found: list[dict[str, float]] = spark.sparkContext.parallelize(range(_WORKERS), _WORKERS).map(trial).collect()
    return found


def _make_trial(array: Callable[[], Any], folder: str) -> Trial:
    n_workers, deadline_s = _WORKERS, _DEADLINE_S

    # A function within a function travels by value: executors cannot import this module.
    def memory() -> dict[str, float]:
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
        kilobytes = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
        unique = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
        return {"unique": unique * 1024, "shared": kilobytes["Pss"] * 1024}

    def trial(index: int) -> dict[str, float]:
        float(array().sum())
        touched_at = time.time()
        # Pages are shared out among those who have touched them, so nobody looks before all have.
        Path(folder, str(index)).touch()
        while len(os.listdir(folder)) < n_workers:
            if time.time() > touched_at + deadline_s:
                raise TimeoutError(f"only {len(os.listdir(folder))} of {n_workers} workers have the array")
            time.sleep(0.01)
        return {"touched_at": touched_at, "pid": os.getpid(), **memory()}

    return trial


def _of_size(megabytes: int, bare: dict[str, dict[str, float]]) -> list[Figure]:
    found = {way: in_fresh_process(distribute, way, megabytes) for way in _WAYS}
    own = found[_OURS]
    figures = []
    for way, took in found.items():
        name = f"{megabytes} MB, {way if way == _OURS else f'Spark, {way}'}"
        added, shared = ((took[key] - bare[way][key]) / _MB for key in ("unique", "shared"))
        compared = None if way == _OURS else own["seconds"] / took["seconds"]
        note = f"with its part of what is shared: {number(shared)} MB"
        figures.append(Figure(f"{name}: until the first trial has it", took["seconds"], "s", ours=compared))
        figures.append(Figure(f"{name}: memory of its own it adds to a worker", added, "MB", note=note))
    return figures
