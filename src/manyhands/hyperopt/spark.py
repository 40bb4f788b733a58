"""``SparkTrials``: trials on a Spark cluster, several at a time."""

import logging
import os
from importlib.util import find_spec
from typing import Any

from manyhands.hyperopt.parallel import (
    FMIN_CANCELLED_REASON_EARLY_STOPPING,
    FMIN_CANCELLED_REASON_TIMEOUT,
    FMIN_CANCELLED_REASON_USER,
    ParallelTrials,
)
from manyhands.tasks.pools import Kind

__all__ = [
    "FMIN_CANCELLED_REASON_EARLY_STOPPING",
    "FMIN_CANCELLED_REASON_TIMEOUT",
    "FMIN_CANCELLED_REASON_USER",
    "SparkTrials",
    "logger",
]

logger = logging.getLogger("hyperopt-spark")

_have_spark = find_spec("pyspark") is not None


class SparkTrials(ParallelTrials):
    """Trials that a Spark cluster evaluates, several at a time.

        fmin(fn, space, algo=tpe.suggest, max_evals=100, trials=SparkTrials(parallelism=8))

    Workers are tasks that stay from trial to trial: there is no Spark job for each, and no limit to how many start in a
    second. They end with the search. A trial that raises does not end it.

    Args:
        parallelism: How many trials run at the same time; as many as the cluster has room for if not given.
        timeout: As of ``fmin``, and counts more than that.
        loss_threshold: The same.
        spark_session: A ``SparkSession``, classic or of Spark Connect. By default the active one; if there is none, one
            on this machine is started.
        resource_profile: PySpark's ``ResourceProfile`` for the tasks.

    Raises:
        Exception: PySpark is not installed, or an argument makes no sense.
    """

    ends_on_error = False
    keeps_workers = False  # slots of a cluster are wanted by others, and a session may be stopped right afterwards
    logger = logger

    #: Each slot is a Spark job of its own, with a thread in this process: beyond this number, these are the limit.
    MAX_CONCURRENT_JOBS_ALLOWED = 10_000

    _own = ("_spark_session", "_resource_profile")

    def __init__(
        self,
        parallelism: int | None = None,
        timeout: float | None = None,
        loss_threshold: float | None = None,
        spark_session: Any = None,
        resource_profile: Any = None,
    ) -> None:
        if not _have_spark:
            raise Exception(
                "SparkTrials cannot import pyspark classes.  Make sure that PySpark is available in your environment, "
                "by pip install 'manyhands[spark]'. On one machine, ProcessTrials needs no Spark."
            )
        self._requested = parallelism
        self._spark_session = spark_session
        self._resource_profile = resource_profile
        super().__init__(timeout, loss_threshold)

    @property
    def parallelism(self) -> int:
        """How many trials run at the same time. Where none was given, Spark is asked."""
        if self._requested is not None and 0 < self._requested <= self.MAX_CONCURRENT_JOBS_ALLOWED:
            return self._requested
        from manyhands.executors.spark.executor import Spark

        slots = Spark(self._session(), resource_profile=self._resource_profile).n_workers
        return self._decide_parallelism(self._requested, slots)

    @property
    def _spark_pinned_threads_enabled(self) -> bool:
        """Whether PySpark gives each thread one of the JVM's own."""
        return os.environ.get("PYSPARK_PIN_THREAD", "true").lower() == "true"

    @staticmethod
    def _decide_parallelism(requested_parallelism: int | None, spark_default_parallelism: int) -> int:
        """How many trials run at the same time.

        Args:
            requested_parallelism: What was asked for.
            spark_default_parallelism: For how many the cluster has room.
        """
        most = SparkTrials.MAX_CONCURRENT_JOBS_ALLOWED
        if requested_parallelism is None or requested_parallelism <= 0:
            parallelism = max(spark_default_parallelism, 1)
            if requested_parallelism is not None:
                logger.warning("parallelism=%r is no number above 0.", requested_parallelism)
            logger.info(
                "Because the requested parallelism was None or a non-positive value, "
                "parallelism will be set to (%d): for so many trials the cluster has room.",
                parallelism,
            )
        else:
            parallelism = requested_parallelism
        if parallelism > most:
            logger.warning(
                "Parallelism (%d) is capped at SparkTrials.MAX_CONCURRENT_JOBS_ALLOWED (%d).", parallelism, most
            )
        return min(parallelism, most)

    def _session(self) -> Any:
        from manyhands.executors.spark.session import Session

        return Session(self._spark_session).spark

    def _kind(self) -> Kind:
        from manyhands.executors.spark.executor import Spark

        return Kind(Spark(self._session(), workers=self.parallelism, resource_profile=self._resource_profile))
