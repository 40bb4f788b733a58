"""An argument of 20 MB for each of 18 tasks: what is sent or written for all of them, and how long that takes."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from benchmarks.joblib.backends import JOBLIB_SPARK, LOKY, OURS, OURS_ON_SPARK, Backends
from benchmarks.measuring import Figure
from benchmarks.spark import sessions
from manyhands.tasks import pools

_N_TASKS = 18
_N_BYTES = 20_000_000


def measure(*, quick: bool) -> list[Figure]:
    """Each backend with data that it has not seen before."""
    del quick  # one round is short
    with sessions.local(2) as spark:
        backends = Backends(spark)
        sent: dict[str, Callable[[], int]] = {
            OURS: lambda: pools.the_shelf().n_written * _N_BYTES,
            OURS_ON_SPARK: _bytes_over_connections,
            JOBLIB_SPARK: lambda: _bytes_below(Path(spark.sparkContext._temp_dir)),
        }
        return [figure for name in backends.names for figure in _measure(backends, name, sent.get(name))]


def _measure(backends: Backends, name: str, count: Callable[[], int] | None) -> list[Figure]:
    rng = np.random.default_rng()
    noted: list[int] = []
    seconds: list[float] = []

    def act() -> None:
        data = rng.random(_N_BYTES // 8)
        noted.append(count() if count else 0)
        began = time.perf_counter()
        found = Parallel(batch_size=1)(delayed(_pick)(data, i) for i in range(_N_TASKS))
        seconds.append(time.perf_counter() - began)
        if found != [data[i] for i in range(_N_TASKS)]:
            raise RuntimeError("a task returned something else than it should")
        noted.append(count() if count else 0)

    backends.seconds(name, act)
    label = f"{name}, {_N_TASKS} tasks with {_N_BYTES / 1e6:g} MB"
    figures = [Figure(label, seconds[-1], "s")]
    if count is not None:
        at_most = _N_BYTES / 1e6 * 1.01 if name in (OURS, OURS_ON_SPARK) else None
        figures.append(Figure(f"{label}: sent", (noted[-1] - noted[-2]) / 1e6, "MB", at_most=at_most))
    elif name == LOKY:
        figures.append(Figure(f"{label}: sent", note="maps one file, as ours do; not counted"))
    return figures


def _bytes_over_connections() -> int:
    return sum(
        pool._executor._hub.n_sent_bytes
        for pool in pools._pools.values()
        if getattr(pool._executor, "_hub", None) is not None
    )


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _make_pick() -> Callable[[Any, int], float]:
    # A function within a function travels by value: executors cannot import this module.
    def pick(data: Any, i: int) -> float:
        return float(data[i])

    return pick


_pick = _make_pick()
