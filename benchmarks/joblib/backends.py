"""The backends that are compared, each with two workers that are there already when a measure begins."""

import os
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Any

from joblib import Parallel, delayed, parallel_config

import manyhands as mh
from manyhands.joblib import shutdown

WORKERS = 2
OURS, OURS_ON_SPARK = "manyhands, 2 processes", "manyhands on Spark, local[2]"
LOKY, JOBLIB_SPARK = "loky, 2 processes", "joblib-spark, local[2]"

_DEADLINE_S = 60.0


class Backends:
    """Makes backends ready, one after another.

    Args:
        spark: A session on ``local[2]``.
    """

    def __init__(self, spark: Any):
        mh.register_joblib()
        self._on_spark = mh.Spark(spark, workers=WORKERS)
        self._makers: dict[str, Callable[[], AbstractContextManager[Any]]] = {
            OURS: lambda: parallel_config(backend="manyhands", n_jobs=WORKERS, executor="processes"),
            OURS_ON_SPARK: lambda: parallel_config(backend="manyhands", n_jobs=WORKERS, executor=self._on_spark),
            LOKY: lambda: parallel_config(backend="loky", n_jobs=WORKERS),
        }
        if find_spec("joblibspark") is not None:
            from joblibspark import register_spark

            register_spark()
            self._makers[JOBLIB_SPARK] = lambda: parallel_config(backend="spark", n_jobs=WORKERS)

    @property
    def names(self) -> list[str]:
        """Those that are installed."""
        return [*self._makers]

    def seconds(self, name: str, act: Callable[[], object]) -> float:
        """How long something takes with a backend whose workers are there and have done it once."""
        if name == JOBLIB_SPARK:
            shutdown()  # our workers have all of Spark's slots as long as they are up
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*stage-level scheduling")
            warnings.filterwarnings("ignore", message="Spark session is not provided")
            with self._makers[name]():
                _warm()
                act()
                began = time.perf_counter()
                act()
                return time.perf_counter() - began


def _warm() -> None:
    ends = time.monotonic() + _DEADLINE_S
    while len(set(Parallel(batch_size=1)(delayed(_nap)() for _ in range(WORKERS)))) < WORKERS:
        if time.monotonic() > ends:
            raise TimeoutError(f"{WORKERS} workers were not there after {_DEADLINE_S:g} s")


def _make_nap() -> Callable[[], int]:
    # A function within a function travels by value: executors cannot import this module.
    def nap() -> int:
        time.sleep(0.3)
        return os.getpid()

    return nap


_nap = _make_nap()
