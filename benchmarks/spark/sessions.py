"""Spark sessions for benchmarks: on this machine's cores, or on a standalone cluster of this machine."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LOOPBACK = "127.0.0.1"


@contextmanager
def session(master: str, **settings: str) -> Iterator[Any]:
    """A quiet session of its own, stopped at the end.

    Args:
        master: Where it runs, such as ``local[2]``.
        **settings: Spark's settings, with underscores for dots. Those of the driver's memory count only if no session
            was made in this process before.
    """
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable  # or executors take whatever python3 is on their path
    os.environ["SPARK_LOCAL_IP"] = _LOOPBACK  # or it warns of machines whose name leads to the loopback
    builder = SparkSession.builder.master(master).appName("manyhands benchmarks")
    quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
    for name, value in {**quiet, "spark.driver.host": _LOOPBACK, "spark.driver.bindAddress": _LOOPBACK}.items():
        builder = builder.config(name, value)
    for name, value in settings.items():
        builder = builder.config(name.replace("_", "."), value)
    spark = builder.getOrCreate()
    try:
        yield spark
    finally:
        spark.stop()


@contextmanager
def local(slots: int, **settings: str) -> Iterator[Any]:
    """A session with so many slots in one Java process, whose Python workers are there already."""
    with session(f"local[{slots}]", **settings) as spark:
        warm(spark, slots)
        yield spark


@contextmanager
def cluster(workers: int, cores: int, **settings: str) -> Iterator[Any]:
    """A session on a standalone cluster of its own, with an executor for each worker, all of them there already."""
    from manyhands.sparkcluster import LoopbackCluster

    executors = {"spark_executor_memory": "512m", "spark_executor_cores": str(cores), **settings}
    with LoopbackCluster(workers=workers, cores=cores, memory="2g") as found, session(found.url, **executors) as spark:
        warm(spark, workers * cores)
        yield spark


def warm(spark: Any, slots: int, deadline_s: float = 120.0) -> None:
    """Run short tasks until all slots take part, so that nobody's figure has the start of executors in it.

    Raises:
        TimeoutError: There are fewer slots when the time is over.
    """

    def nap(_: int) -> int:
        time.sleep(0.5)
        return os.getpid()

    ends = time.monotonic() + deadline_s
    found = 0
    while found < slots:
        if time.monotonic() > ends:
            raise TimeoutError(f"{found} of {slots} slots were there after {deadline_s:g} s; is the cluster healthy?")
        found = len(set(spark.sparkContext.parallelize(range(slots), slots).map(nap).collect()))
