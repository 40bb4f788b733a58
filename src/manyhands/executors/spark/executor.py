"""Runs workers on a Spark cluster.

    driver ── job of one task ──▶ Spark ── wherever there is room ──▶ host ── worker
       └────────────── encrypted connection, trials and reports ──────┘

Spark places the workers, keeps their number up and distributes the data. Trials do not pass through it: a slot's task
runs as long as the search, and is given the next trial the moment the last one has ended. A task that is lost, however
that comes, is handed in again, and costs what its worker was doing one attempt.
"""

import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from msgspec import structs

from manyhands.checks import check_seconds, check_whole
from manyhands.errors import ExecutorError, SettingsError
from manyhands.events import AnyCommand, AnyEvent
from manyhands.executors.hub import Hub, address
from manyhands.executors.limits import check_memory_limit
from manyhands.executors.shipping import Shipment
from manyhands.executors.spark.package import zipped_package
from manyhands.executors.spark.serving import FAILED, MISSING, UNANSWERED, read_end
from manyhands.executors.spark.session import Session
from manyhands.executors.spark.settings import check_settings, explain, is_gone
from manyhands.executors.spark.slots import Ended, Slots
from manyhands.executors.spark.spreading import Broadcasting, Sharing
from manyhands.executors.spark.task import make_task
from manyhands.job import Job

log = logging.getLogger("manyhands")

_SLOTS_EVERY_S = 0.05
_LEAST_FAILURES = 3  # of slots, to believe that none will ever work


class Spark:
    """Runs workers as long-running tasks of a Spark session.

    Args:
        session: A ``SparkSession``, classic or of Spark Connect; or the master to start one on, such as
            ``"spark://host:7077"`` or ``"sc://host"``. If it is None the active one is taken; if there is none, a
            local one with all cores is started. Sessions that were started here stay for the next search.
        workers: How many slots, each with one worker; as many as the cluster has room for if not given. There may be
            more than it has room for now: the others wait in Spark's queue, and join when an executor comes.
        cores_per_worker: How many of Spark's cores each has, and threads its numeric libraries may use;
            ``spark.task.cpus`` if not given. More than that needs a standalone, YARN or Kubernetes cluster; a local
            session is just given fewer workers.
        gpus_per_worker: How many GPUs each has; ``CUDA_VISIBLE_DEVICES`` tells the objective which.
        resource_profile: A ``ResourceProfile`` of PySpark for the slots' tasks, in the place of the two above.
        advertise_host: The name or address under which executors reach this machine. ``spark.driver.host`` if not
            given; with Spark Connect, this machine's address on the way to the server.
        bind_host: The interface to listen on; the advertised one if not given.
        port: The port to listen on; any free one if 0.
        share: A folder that this machine and all executors see, as a path or an fsspec URL. Large data go through it,
            and not by Spark's broadcast (or, with Spark Connect, by the connection to this machine).
        memory_limit_mb: A worker that uses more memory of its own than this many megabytes (10^6 bytes) is killed,
            which costs its trial one attempt.
        join_timeout_s: Give up if no worker has come after so many seconds, or none is left for as long.

    Raises:
        SettingsError: An argument makes no sense, or not with this session.
        ExecutorError: PySpark is not installed, or no session can be started.
    """

    is_busy = False  #: the objective never runs in the driver's own thread

    def __init__(
        self,
        session: Any = None,
        *,
        workers: int | None = None,
        cores_per_worker: int | None = None,
        gpus_per_worker: int | None = None,
        resource_profile: Any = None,
        advertise_host: str | None = None,
        bind_host: str | None = None,
        port: int = 0,
        share: str | None = None,
        memory_limit_mb: float | None = None,
        join_timeout_s: float = 600.0,
    ):
        check_whole(workers=workers, cores_per_worker=cores_per_worker, gpus_per_worker=gpus_per_worker)
        check_seconds(join_timeout_s=join_timeout_s)
        check_memory_limit(memory_limit_mb)
        if resource_profile is not None and (cores_per_worker is not None or gpus_per_worker is not None):
            raise SettingsError(
                "resource_profile= says what a task has, so cores_per_worker= and gpus_per_worker= have to be left out."
            )
        self._session = Session(session)
        self._profile = resource_profile or self._session.profile(cores_per_worker, gpus_per_worker)
        self._cores = cores_per_worker or self._session.task_cores
        self.n_workers = workers or max(1, self._session.n_cores() // self._cores)
        self._advertise = advertise_host or self._session.driver_host()
        self._bind = address(bind_host or self._session.bind_host(self._advertise), port)
        self._share = share
        self._memory_limit_mb = memory_limit_mb
        self._join_timeout_s = join_timeout_s
        self._hub: Hub | None = None
        self._slots: Slots | None = None
        self._to_close: list[Callable[[], None]] = []
        self._wakers: list[int] = []

    # -- the executor's role -----------------------------------------------------------------------------------

    def start(self, job: Job, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> None:
        """Spread the payload, listen, and hand in the slots' jobs; see ``manyhands.ports.Executor``.

        Raises:
            SettingsError: One of Spark's settings would break the search.
        """
        shipment = Shipment(job)
        self._to_close.append(shipment.close)
        n_bytes = sum(piece.size for piece in shipment.pieces)
        check_settings(self._session.lookup, n_bytes, is_connect=self._session.is_connect)
        broadcasts, urls = self._spread(shipment)
        self._hub = hub = self._listen(shipment, deliver, now)
        for fd in self._wakers:
            hub.wake_on(fd)
        run_id = uuid.uuid4().hex[:8]
        name = getattr(job.objective, "__name__", "search")
        jobs = self._session.jobs(run_id, f"manyhands: {name}", self._profile)
        orders = {
            "connection": structs.asdict(hub.connection),
            "cores": self._cores,
            "memory_limit_mb": self._memory_limit_mb,
            "share": urls,
        }
        package = zipped_package()
        self._jobs = jobs
        self._slots = Slots(
            self.n_workers,
            lambda slot: jobs.start(slot, make_task(package, {**orders, "slot": slot}, broadcasts)),
            jobs.cancel,
            jobs.has_begun,
        )
        self._failed = 0
        self._looked_at = self._alone_since = time.monotonic()
        self._slots.look(frozenset())

    def wake_on(self, fd: int) -> None:
        """Let ``poll`` return early when this file descriptor is readable; holds until ``close``."""
        self._wakers.append(fd)
        if self._hub is not None:
            self._hub.wake_on(fd)

    def poll(self, timeout_s: float) -> None:
        """Deliver what has happened; see ``manyhands.ports.Executor``."""
        hub, slots = self._hub, self._slots
        assert hub is not None, "poll comes after start"  # noqa: S101
        assert slots is not None  # noqa: S101
        hub.poll(timeout_s)
        now = time.monotonic()
        if now - self._looked_at < _SLOTS_EVERY_S:
            return  # there may be thousands of polls a second, and what follows looks at every slot
        self._looked_at = now
        for ended in slots.look(hub.slots_at_work):
            self._note_end(hub, ended)
        if hub.slots:
            self._alone_since = now
        elif now - self._alone_since > self._join_timeout_s:
            raise ExecutorError(
                f"Spark has given no executor to any of {self.n_workers} workers for {self._join_timeout_s:g} seconds "
                f"(join_timeout_s). Is the cluster busy, and does it have executors with {self._cores} free cores? "
                f"Its UI shows the jobs that wait."
            )

    def perform(self, command: AnyCommand) -> None:
        """Pass a command on to the host of the worker it is for."""
        if self._hub is not None:
            self._hub.perform(command)

    def is_in_the_way(self) -> bool:
        """Whether another job of the session waits for cores, as far as Spark tells; with Spark Connect it does not.

        Workers that have nothing to do should then be given back by ``close``.
        """
        if self._slots is None:
            return False
        try:
            return self._jobs.others_wait(self._slots.taken)
        except Exception as error:  # the session is gone, most likely, which ``poll`` will say
            log.debug("Spark does not tell what waits: %s", error)
            return False

    def close(self) -> None:
        """Free the slots at once, and see to it that none of the search's jobs is left."""
        hub, slots = self._hub, self._slots
        self._hub = self._slots = None
        self._wakers.clear()
        told = hub.slots if hub is not None else set()
        if hub is not None:
            hub.close()
        if slots is not None:
            slots.close(told)
        to_close, self._to_close = self._to_close, []
        for close in reversed(to_close):
            close()

    # -- inside ------------------------------------------------------------------------------------------------

    def _listen(self, shipment: Shipment, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> Hub:
        try:
            return Hub(self._bind, self._advertise, shipment, deliver, now)
        except ExecutorError as error:
            raise ExecutorError(f"{error} Say with bind_host= and port= where it can.") from error

    def _spread(self, shipment: Shipment) -> tuple[Any, dict[str, str]]:
        if self._share is not None:
            sharing = Sharing(self._share, shipment)
            self._to_close.append(sharing.close)
            return {}, sharing.urls
        if self._session.is_connect:
            return {}, {}
        broadcasting = Broadcasting(self._session.spark.sparkContext, shipment)
        self._to_close.append(broadcasting.close)
        return broadcasting.chunks, {}

    def _note_end(self, hub: Hub, ended: Ended) -> None:
        """A slot's job is over though the search is not."""
        hub.drop_slot(ended.slot, "its Spark job has ended")
        kind, words = (FAILED, ended.error or "") if ended.said is None else read_end(ended.said)
        if ended.said is None and is_gone(words):
            raise ExecutorError("The Spark session was stopped while the search ran.")
        if not hub.has_worked:
            self._look_for_obstacle(kind, words)
        log.warning("slot %d is started anew, because %s", ended.slot, words.strip().partition("\n")[0][:500])

    def _look_for_obstacle(self, kind: str, words: str) -> None:
        """No worker has ever been ready, and a slot has failed: will the next one?"""
        if kind == MISSING:
            raise ExecutorError(
                f"The executors lack what a worker needs: {words}. Install it there, or send an environment along "
                f"(spark.archives)."
            )
        meaning = explain(words) if kind == FAILED else None
        if meaning is not None:
            raise ExecutorError(meaning)
        self._failed += 1
        if kind == UNANSWERED and self._failed >= _LEAST_FAILURES:
            raise ExecutorError(
                f"Executors cannot reach this machine: {words}. Give the name or address under which they can as "
                f"advertise_host=, and a port that is open to them as port=."
            )
        if self._failed >= max(_LEAST_FAILURES, self.n_workers):
            raise ExecutorError(f"Workers end before they can do any work; the last one because {words}")
