"""Workers as processes of this machine.

    driver ── socket pair ── worker          no port, no address: only the two ends exist
       └───── pipe ──────── warden           kills what is left if the driver is killed

Each worker leads a process group of its own, so whatever its objective starts ends with it. Workers are kept from trial
to trial, and with ``idle_timeout_s`` from search to search; one that dies is replaced at once, under a new name.
"""

import math
import os
import selectors
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from manyhands.checks import check_seconds, check_whole
from manyhands.errors import ExecutorError, PayloadError
from manyhands.events import (
    AnyCommand,
    AnyEvent,
    KillWorker,
    Logged,
    PartFailed,
    PartFinished,
    PartReturned,
    PartStopped,
    RecallParts,
    Reported,
    StartPart,
    StopPart,
    WorkerJoined,
    WorkerLost,
)
from manyhands.executors import reserve
from manyhands.executors.child import Child
from manyhands.executors.folder import RunFolder
from manyhands.executors.limits import available_cores, check_memory_limit, memory_used, thread_limits
from manyhands.executors.reserve import Surroundings
from manyhands.executors.shipping import write_payload
from manyhands.executors.team import Team
from manyhands.job import Job
from manyhands.trial import Part
from manyhands.wire import messages
from manyhands.wire.frames import FrameError

_START_TIMEOUT_S = 300.0  # heavy libraries on a slow disk take minutes to import
_MOST_FAILED_STARTS = 3  # in a row
_MOST_FAILED_STARTS_S = 30.0  # and for so long, if any worker was ever ready: then it is rather bad luck
_WATCH_S = 0.2  # how often processes are looked at, where the system does not tell by itself
_WARDEN_AFTER_S = 0.5  # searches that are over by then need none


class Processes:
    """Runs workers as processes of this machine.

    Args:
        workers: How many; one for each available core if not given.
        cores_per_worker: How many threads a worker's numeric libraries (BLAS, OpenMP) may use. Its share of the cores
            if not given, so that all workers together use each core once.
        memory_limit_mb: A worker that uses more memory of its own than this many megabytes (10^6 bytes) is killed,
            which costs its trial one attempt. Linux only.
        env: What the workers' environment has beside this process's own.
        idle_timeout_s: For how many seconds workers are kept after a search, for the next one in this process with such
            a number here, the same ``cores_per_worker`` and ``env``, in the same folder and with the same environment.
            0 ends them with the search. Modules that they have imported are not imported again, unless the file of one
            that this process has imported, too, has changed.
        folder: Where the workers' output goes; a temporary one if not given. It is removed at the end.

    Raises:
        SettingsError: A number makes no sense, or the system cannot tell how much memory a process uses.
    """

    is_busy = False  #: the objective never runs in the driver's own thread

    def __init__(
        self,
        workers: int | None = None,
        *,
        cores_per_worker: int | None = None,
        memory_limit_mb: float | None = None,
        env: Mapping[str, str] | None = None,
        idle_timeout_s: float = 0,
        folder: RunFolder | None = None,
    ):
        check_whole(workers=workers, cores_per_worker=cores_per_worker)
        check_seconds(idle_timeout_s=idle_timeout_s or None)
        check_memory_limit(memory_limit_mb)
        self.n_workers = workers or available_cores()
        self._threads = cores_per_worker or max(1, available_cores() // self.n_workers)
        self._memory_limit = None if memory_limit_mb is None else memory_limit_mb * 1e6
        self._idle_timeout_s = idle_timeout_s
        self._starting: dict[str, float] = {}  # workers that have not said hello -> when that will have taken too long
        self._failed_starts = 0
        self._last_hello_at = -math.inf
        self._selector: selectors.BaseSelector = selectors.DefaultSelector()
        self._extra_env = dict(env or {})
        self._folder = folder
        self._team: Team | None = None
        self._watched_at = 0.0

    # -- the executor's role -----------------------------------------------------------------------------------

    def start(self, job: Job, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> None:
        """Write the payload and start the processes; see ``manyhands.ports.Executor``."""
        team = self._gather()
        try:
            scratch = team.begin_job()
            payload = write_payload(job, scratch / "payload")
        except BaseException:
            self.close()
            raise
        self._begin(team, messages.Setup(payload, [str(entry) for entry in sys.path], str(scratch)), deliver, now)

    def start_with(
        self,
        payload: Sequence[str],
        path: Sequence[str],
        deliver: Callable[[AnyEvent], None],
        now: Callable[[], float],
    ) -> None:
        """Start the processes on a payload that is there already.

        Args:
            payload: Its files.
            path: The ``sys.path`` that the workers are to have.
            deliver: Takes each event.
            now: Tells the time that events carry.
        """
        team = self._gather()
        self._begin(team, messages.Setup(list(payload), list(path), str(team.begin_job())), deliver, now)

    def wake_on(self, fd: int) -> None:
        """Let ``poll`` return early when this file descriptor is readable."""
        self._selector.register(fd, selectors.EVENT_READ, None)

    def poll(self, timeout_s: float) -> None:
        """Deliver what has happened; see ``manyhands.ports.Executor``."""
        for child in self._children.values():
            if child.has_backlog:
                child.flush()
                timeout_s = min(timeout_s, 0.01)
        gone: dict[str, Child] = {}
        for key, _ in self._selector.select(min(timeout_s, _WATCH_S)):
            child = key.data
            if child is None:  # somebody else's file descriptor
                continue
            is_open = key.fd != child.pidfd and self._listen(child)
            if not is_open:
                gone[child.name] = child
        self._watch(gone)
        for child in gone.values():
            self._replace(child)

    def perform(self, command: AnyCommand) -> None:
        """Pass a command on to the worker it is for."""
        match command:
            case StartPart(worker, part, point, parent, cargo) if child := self._children.get(worker):
                child.parts.append(part)
                child.send(messages.Start(part, point, parent, cargo))
            case StopPart(worker, part, reason) if child := self._children.get(worker):
                child.send(messages.Stop(part, reason))
            case RecallParts(worker) if child := self._children.get(worker):
                child.send(messages.Return())
            case KillWorker(worker, reason) if child := self._children.get(worker):
                child.kill(reason)

    def close(self) -> None:
        """End all workers and whatever they started, at once; but those with nothing to do may be kept."""
        self._starting.clear()
        self._failed_starts, self._last_hello_at = 0, -math.inf
        self._selector.close()
        self._selector = selectors.DefaultSelector()
        team, self._team = self._team, None
        folder, self._folder = self._folder, None
        if team is None:
            if folder is not None:
                folder.remove()
        elif self._idle_timeout_s:
            self._deliver_words_of(team.rest())
            reserve.keep(team, self._surroundings, self._idle_timeout_s)
        else:
            self._deliver_words_of(team.end())
            team.leave()

    # -- workers come and go -----------------------------------------------------------------------------------

    @property
    def _children(self) -> Mapping[str, Child]:
        return {} if self._team is None else self._team.children

    def _gather(self) -> Team:
        """The team of an earlier search, or a new one."""
        env = {**os.environ, **thread_limits(self._threads), **self._extra_env}
        if self._idle_timeout_s:
            self._surroundings = Surroundings.now(env)
            self._team = reserve.take(self._surroundings)
        self._team = self._team or Team(env, self._folder)
        return self._team

    def _begin(
        self,
        team: Team,
        setup: messages.Setup,
        deliver: Callable[[AnyEvent], None],
        now: Callable[[], float],
    ) -> None:
        self._deliver, self._now = deliver, now
        self._started_at = time.monotonic()
        self._setup = setup
        for child in team.recall(self.n_workers):
            self._introduce(child)
            child.begin(setup)
        while len(team.children) < self.n_workers:
            self._hire()

    def _hire(self) -> None:
        assert self._team is not None  # noqa: S101
        self._introduce(self._team.hire(self._setup))

    def _introduce(self, child: Child) -> None:
        self._starting[child.name] = time.monotonic() + _START_TIMEOUT_S
        self._selector.register(child.socket, selectors.EVENT_READ, child)
        if child.pidfd >= 0:
            self._selector.register(child.pidfd, selectors.EVENT_READ, child)

    def _replace(self, child: Child) -> None:
        while self._listen(child):  # its last messages count, if they arrived whole
            if not self._has_more(child):
                break
        self._selector.unregister(child.socket)
        if child.pidfd >= 0:
            self._selector.unregister(child.pidfd)
        assert self._team is not None  # noqa: S101
        cause = self._team.bury(child)
        self._starting.pop(child.name, None)
        self._deliver_last_words(child)
        tail = child.log_tail()
        if not (child.has_joined or child.is_kept):
            self._count_failed_start(cause, tail)
        full_cause = f"{cause}\nIts last lines:\n{tail}" if tail else cause
        self._deliver(WorkerLost(worker=child.name, cause=full_cause, at=self._now()))
        self._hire()

    def _deliver_words_of(self, children: Sequence[Child]) -> None:
        for child in children:
            self._deliver_last_words(child)

    def _deliver_last_words(self, child: Child) -> None:
        words = child.last_words() if child.parts else ""
        if words:
            self._deliver(Logged(part=child.parts[0], text=words, at=self._now()))

    def _count_failed_start(self, cause: str, tail: str) -> None:
        self._failed_starts += 1
        since = time.monotonic() - self._last_hello_at
        if self._failed_starts >= _MOST_FAILED_STARTS and since > _MOST_FAILED_STARTS_S:
            raise ExecutorError(
                f"Workers die before they can do any work; the last one did because {cause}."
                + (f" Its last lines:\n{tail}" if tail else "")
            )

    def _watch(self, gone: dict[str, Child]) -> None:
        """Look at what no file descriptor tells: time, memory, and exits where there are no pidfds."""
        now = time.monotonic()
        if now - self._watched_at < _WATCH_S:
            return
        self._watched_at = now
        for name, child in self._children.items():
            if child.pidfd < 0 and child.has_exited():
                gone[name] = child
            if now > self._starting.get(name, now):
                child.kill(f"it was not ready after {_START_TIMEOUT_S:g} seconds")
            if self._memory_limit is not None and (used := memory_used(child.pid)) > self._memory_limit:
                limit = f"memory_limit_mb={self._memory_limit / 1e6:g}"
                child.kill(f"it used {used / 1e6:.0f} MB of memory, and {limit} is the limit")
        if self._team is not None and now - self._started_at > _WARDEN_AFTER_S:
            self._team.guard()

    # -- what workers say --------------------------------------------------------------------------------------

    def _listen(self, child: Child) -> bool:
        """Deliver what a worker has said; False if it will say no more."""
        try:
            bodies = child.receive()
        except FrameError as error:
            child.kill(f"it sent what is no message: {error}")
            return False
        if bodies is None:
            return False
        for body in bodies:
            try:
                self._understand(child, messages.decode(body))
            except msgspec.DecodeError as error:
                child.kill(f"it sent what is no message: {error}")
                return False
        return True

    def _has_more(self, child: Child) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(child.socket, selectors.EVENT_READ)
            return bool(selector.select(0))

    def _understand(self, child: Child, message: messages.Message) -> None:  # noqa: C901 - a table of messages
        at = self._now()
        match message:
            case messages.Finished(part, result, seconds):
                self._answered(child, part)
                self._deliver(PartFinished(part=part, result=result, seconds=seconds, at=at))
            case messages.Failed(part, failure, seconds):
                self._answered(child, part)
                self._deliver(PartFailed(part=part, failure=failure, seconds=seconds, at=at))
            case messages.Stopped(part, reason, seconds):
                self._answered(child, part)
                self._deliver(PartStopped(part=part, reason=reason, seconds=seconds, at=at))
            case messages.Returned(part):
                self._answered(child, part)
                self._deliver(PartReturned(part=part, at=at))
            case messages.Reports(part, reports) if part in child.parts:
                self._deliver(Reported(part=part, reports=reports, at=at))
            case messages.Printed(part, text, upto):
                child.has_printed(upto)
                if text and part in child.parts:
                    self._deliver(Logged(part=part, text=text, at=at))
            case messages.Hello():
                child.has_joined = True
                self._failed_starts = 0
                self._last_hello_at = time.monotonic()
                self._starting.pop(child.name, None)
                self._deliver(WorkerJoined(worker=child.name, at=at))
            case messages.Broken(traceback) if child.is_kept or self._last_hello_at > -math.inf:
                child.kill(f"it could not unpack the objective, as others could:\n{traceback}")
            case messages.Broken(traceback):
                raise PayloadError(
                    f"The objective was sent to the workers, but they cannot unpack it. "
                    f"Can everything it uses be imported there?\n{traceback}"
                )

    def _answered(self, child: Child, part: Part) -> None:
        with suppress(ValueError):  # a worker can only answer for what it was given; the search checks that too
            child.parts.remove(part)
