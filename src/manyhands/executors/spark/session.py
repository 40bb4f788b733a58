"""The Spark session of a search: found or started, and asked what a search has to know of it."""

import os
import re
import socket
import time
from typing import Any

from manyhands.errors import SettingsError
from manyhands.executors.spark.jobs import ClassicJobs, ConnectJobs, Jobs
from manyhands.executors.spark.starting import find_session

_SETTLED_AFTER_S = 15.0  # by then the executors of a new session have registered, or their number says little
_STILL_S = 3.0
_PULSE_S = 0.1
_WILDCARDS = ("0.0.0.0", "::", "*", "")  # noqa: S104 - refused, not used


class Session:
    """A ``SparkSession``, classic or of Spark Connect.

    Args:
        session: A running one, or the master to start one on. If it is None the active one is taken; if there is none,
            ``local[*]`` is started.

    Attributes:
        spark: The session itself.
        is_connect: Whether it is one of Spark Connect.
        master: Such as ``local[2]`` or ``yarn``.

    Raises:
        ExecutorError: PySpark is not installed, or no session can be started.
        SettingsError: ``session`` is none, or was stopped.
    """

    def __init__(self, session: Any = None):
        self.spark = find_session(session) if session is None or isinstance(session, str) else session
        kind = type(self.spark)
        if kind.__name__ != "SparkSession" or not kind.__module__.startswith("pyspark."):
            raise SettingsError(
                f"session={session!r} is no SparkSession. Give one, or a master such as 'spark://host:7077'."
            )
        self.is_connect = ".connect." in kind.__module__
        try:
            self.master = self.lookup("spark.master") or ""
            if not self.is_connect:  # one that was stopped still knows its settings, but not this
                self.spark.sparkContext.applicationId  # noqa: B018
        except Exception as error:
            raise SettingsError(f"The Spark session cannot be used; was it stopped? ({error})") from error

    def lookup(self, name: str) -> str | None:
        """A setting, or None if nobody has set it."""
        settings = self.spark.conf if self.is_connect else self.spark.sparkContext.getConf()
        found = settings.get(name, None)
        return None if found is None else str(found)

    @property
    def is_local(self) -> bool:
        """Whether tasks are threads of the driver's own JVM."""
        return self.master.startswith("local") and not self.master.startswith("local-cluster")

    @property
    def task_cores(self) -> int:
        """How many cores a task has, unless it asks for more."""
        return int(self.lookup("spark.task.cpus") or 1)

    def n_cores(self) -> int:
        """How many cores there are, or will be at the most; as far as Spark tells."""
        local = re.fullmatch(r"local\[(\d+|\*)(,.*)?\]|local", self.master)
        if local:
            return (os.cpu_count() or 1) if local[1] == "*" else int(local[1] or 1)
        executor_cores = int(self.lookup("spark.executor.cores") or 1)
        if self.lookup("spark.dynamicAllocation.enabled") == "true":
            most = self.lookup("spark.dynamicAllocation.maxExecutors")
            if most is not None and int(most) < 1 << 20:
                return int(most) * executor_cores
        instances = int(self.lookup("spark.executor.instances") or 0)
        if instances:
            return instances * executor_cores
        if self.is_connect:
            # Spark Connect does not tell, but cuts a range into as many partitions.
            return int(self.spark.range(4096).selectExpr("spark_partition_id() AS p").distinct().count())
        return self._registered_cores(self.spark.sparkContext)

    def _registered_cores(self, context: Any) -> int:
        """The cores of all executors, once no more come; those of a new session register within seconds."""
        found, since = int(context.defaultParallelism), time.time()
        settled_at = context.startTime / 1000 + _SETTLED_AFTER_S
        while time.time() < settled_at and time.time() - since < _STILL_S:
            time.sleep(_PULSE_S)
            now_found = int(context.defaultParallelism)
            if now_found != found:
                found, since = now_found, time.time()
        return found

    def driver_host(self) -> str:
        """The name or address under which executors reach the driver.

        Raises:
            SettingsError: Nobody can tell.
        """
        if self.is_connect:
            return self._own_address_to_server()
        host = "127.0.0.1" if self.is_local else self.lookup("spark.driver.host") or ""
        if host in _WILDCARDS:
            raise SettingsError(
                f"spark.driver.host={host!r} is no address that executors could call. Say with advertise_host= under "
                f"which they reach this machine."
            )
        return host

    def bind_host(self, advertised: str) -> str:
        """The interface to listen on, if others call ``advertised``."""
        bind = advertised if self.is_connect or self.is_local else self.lookup("spark.driver.bindAddress") or advertised
        try:
            return socket.gethostbyname(bind)
        except OSError as error:
            raise SettingsError(
                f"{bind!r} cannot be resolved here ({error}). Say with bind_host= where to listen."
            ) from error

    def jobs(self, run_id: str, description: str, profile: Any) -> Jobs:
        """What hands in jobs to this session."""
        if self.is_connect:
            return ConnectJobs(self.spark, run_id, profile)
        return ClassicJobs(self.spark, run_id, description, profile)

    def profile(self, cores: int | None, gpus: int | None) -> Any:
        """A resource profile of tasks with so many cores and GPUs; None if they have them anyway.

        Raises:
            SettingsError: GPUs are wanted of a session that has no executors of its own.
        """
        wants_cores = cores is not None and cores != self.task_cores
        if self.is_local:
            if gpus:
                raise SettingsError(
                    f"gpus_per_worker={gpus} needs a cluster that knows of GPUs, and the session is {self.master}. "
                    f"On one machine use mh.Processes, and set CUDA_VISIBLE_DEVICES in the objective by trial.id."
                )
            return None
        if not wants_cores and not gpus:
            return None
        from pyspark.resource import ResourceProfileBuilder, TaskResourceRequests

        requests = TaskResourceRequests().cpus(cores or self.task_cores)
        if gpus:
            requests = requests.resource("gpu", gpus)
        return ResourceProfileBuilder().require(requests).build

    def _own_address_to_server(self) -> str:
        """The interface that leads to the Connect server: its executors come from there, most likely."""
        url = self.spark.client.host if hasattr(self.spark.client, "host") else ""
        host = str(url).partition(":")[0]
        if not host or host.startswith("unix"):
            raise SettingsError(
                "It cannot be told under which address the executors of this Spark Connect session reach this "
                "machine. Say it with advertise_host=."
            )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((host, 9))  # nothing is sent; the system only chooses a way
            except OSError as error:
                raise SettingsError(f"The Spark Connect server {host!r} cannot be resolved here: {error}.") from error
            return str(probe.getsockname()[0])
