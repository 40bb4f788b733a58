"""A pool of workers that run tasks: any thread submits them, one drives the executor.

submit ──▶ inbox ──▶ the pool's thread: desk, executor ──▶ futures
"""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from manyhands.errors import ExecutorError, ManyhandsError
from manyhands.events import (
    AnyCommand,
    AnyEvent,
    Logged,
    PartFailed,
    PartFinished,
    PartReturned,
    PartStopped,
    Reported,
    WorkerJoined,
    WorkerLost,
)
from manyhands.job import Job
from manyhands.ports import Executor
from manyhands.tasks.desk import Desk, Task

log = logging.getLogger("manyhands")

_POLL_S = 1.0
_DEAF_POLL_S = 0.005  # of executors that cannot be woken
_CLOSE_TIMEOUT_S = 30.0


class WorkerDiedError(ManyhandsError):
    """The worker that ran a task died."""


class PoolClosedError(ManyhandsError):
    """The pool runs no tasks any more."""


class Answer:
    """What a worker said of a task that is done.

    Args:
        metrics: The fields of its last message.
        chunks: What it said before, as one stream of bytes that was cut anywhere.
    """

    def __init__(self, metrics: Mapping[str, Any], chunks: deque[bytes]):
        self.metrics = metrics
        self._chunks = chunks

    def take(self, n_bytes: int) -> bytearray:
        """The next bytes of the stream, as memory of its own.

        Raises:
            EOFError: There are fewer.
        """
        taken = bytearray(n_bytes)
        at = 0
        while at < n_bytes:
            if not self._chunks:
                raise EOFError(f"{n_bytes - at} bytes of a result are missing")
            chunk = self._chunks.popleft()
            fits = chunk[: n_bytes - at]
            taken[at : at + len(fits)] = fits
            at += len(fits)
            if len(fits) < len(chunk):
                self._chunks.appendleft(chunk[len(fits) :])
        return taken


class TaskPool:
    """Workers that run tasks until they are told to end, or have had nothing to do for long.

    Args:
        executor: Runs the workers; nobody else may use it.
        runner: What they do with a task.
        max_attempts: How many workers a task may cost before it is given up.
        idle_timeout_s: After so many seconds without any task the workers are given back.

    Raises:
        ExecutorError: No worker can be started.
    """

    def __init__(
        self, executor: Executor, runner: Callable[..., object], *, max_attempts: int = 1, idle_timeout_s: float = 300.0
    ):
        self._executor = executor
        self._idle_timeout_s = idle_timeout_s
        self._desk = Desk(max_attempts)
        self._futures: dict[int, Future[Answer]] = {}
        self._inbox: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()  # between those who submit and the end
        self._end: BaseException | None = None  # why there are no tasks taken any more
        self._n_tasks = 0
        self._idle_since = time.monotonic()
        self._looked_at = time.monotonic()
        self._pid = os.getpid()  # a fork has no copy of the thread
        self._wake_fd, self._bell_fd = os.pipe()
        os.set_blocking(self._wake_fd, False)
        os.set_blocking(self._bell_fd, False)
        self._has_rung = False
        try:
            executor.start(Job(runner, None, takes_trial=True), self._hear, time.time)
        except BaseException:
            executor.close()
            self._close_fds()
            raise
        self._poll_s = _POLL_S
        # Spark's: whether another job waits for the cores that these workers hold.
        self._is_in_the_way: Callable[[], bool] = getattr(executor, "is_in_the_way", lambda: False)
        wake_on = getattr(executor, "wake_on", None)
        if wake_on is None:
            self._poll_s = _DEAF_POLL_S
        else:
            wake_on(self._wake_fd)
        self._thread = threading.Thread(target=self._run, name="manyhands-pool", daemon=True)
        self._thread.start()

    # -- any thread --------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it takes tasks."""
        return self._end is None and self._pid == os.getpid()

    @property
    def is_idle(self) -> bool:
        """Whether it has no task."""
        return not self._futures

    def submit(self, cargo: Any, call: object) -> Future[Answer]:
        """Let a worker run a task.

        Args:
            cargo: What it is given; see ``manyhands.tasks.task``.
            call: Whose task it is; see ``cancel``.

        Returns:
            Its future. Done callbacks run in the pool's thread, so they must be short. Exceptions: ``WorkerDiedError``,
            ``PoolClosedError``, and whatever ends the executor.

        Raises:
            PoolClosedError: The pool has ended.
        """
        future: Future[Answer] = Future()
        with self._lock:
            if self._end is not None:
                raise PoolClosedError(f"the workers were given back: {self._end}")
            self._n_tasks += 1
            task = Task(self._n_tasks, cargo, call)
            self._futures[task.number] = future
            future.add_done_callback(lambda _: self._futures.pop(task.number, None))
            self._inbox.append(lambda: self._desk.add(task))
        self._ring()
        return future

    def cancel(self, call: object, futures: Iterable[Future[Answer]]) -> None:
        """Nobody wants the tasks of a call any more. Workers that are at one are killed, and replaced."""
        for future in futures:
            future.cancel()
        self._inbox.append(lambda: self._perform(self._desk.cancel(call, time.monotonic())))
        self._ring()

    def close(self, *, wait: bool = True) -> None:
        """End all workers; tasks that are not done fail.

        Args:
            wait: Whether to wait until the workers are gone, at most half a minute.
        """
        self._refuse(PoolClosedError("it was closed"))
        self._ring()
        if wait and threading.current_thread() is not self._thread:
            self._thread.join(_CLOSE_TIMEOUT_S)

    def _ring(self) -> None:
        if self._has_rung:
            return
        with self._lock:
            self._has_rung = True
            if self._bell_fd >= 0:
                with suppress(BlockingIOError):  # it is full, and so is heard
                    os.write(self._bell_fd, b"!")

    # -- the pool's thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._end is None:
                self._turn()
        except BaseException as error:
            self._refuse(error)
        try:
            self._executor.close()
        except Exception:
            log.exception("the workers of a pool could not be ended")
        self._fail_all()
        self._close_fds()

    def _turn(self) -> None:
        look_s = self._desk.next_look_s()
        self._executor.poll(self._poll_s if look_s is None else min(look_s, self._poll_s))
        if self._has_rung:
            self._has_rung = False  # first, so that whoever rings from now on is heard
            with suppress(BlockingIOError):
                os.read(self._wake_fd, 4096)
        while self._inbox:
            self._inbox.popleft()()
        now = time.monotonic()
        self._perform(self._desk.assign(now))
        self._perform(self._desk.look(now))
        self._watch_idleness(now)

    def _perform(self, commands: Iterable[AnyCommand]) -> None:
        for command in commands:
            self._executor.perform(command)

    def _hear(self, event: AnyEvent) -> None:
        """Take an event; comes from within ``poll``."""
        now = time.monotonic()
        match event:
            case PartFinished() | PartFailed() | PartStopped():
                self._hear_end(event, now)
            case Reported(part=part, reports=reports):
                task = self._desk.find(part)
                if task is not None:
                    task.chunks.extend(report.metrics["data"] for report in reports)
            case Logged(text=text):
                _show(text)
            case PartReturned(part=part):
                self._desk.returned(part, now)
            case WorkerJoined(worker=worker):
                self._desk.joined(worker)
            case WorkerLost(worker=worker, cause=cause):
                self._settle(self._desk.lost(worker), WorkerDiedError(f"A worker died while it ran a task: {cause}"))
        self._perform(self._desk.assign(now))  # at once, and not only when all that has happened is told

    def _hear_end(self, event: PartFinished | PartFailed | PartStopped, now: float) -> None:
        task = self._desk.ended(event.part, now)
        match event:
            case PartFinished(result=result):
                self._settle(task, Answer(result.metrics, task.chunks if task else deque()))
            case PartFailed(failure=failure):
                why = f"{failure.reason}.\n{failure.traceback}"
                self._settle(task, ExecutorError(f"A task could not be run: {why}"))
            case PartStopped(reason=reason):
                self._settle(task, ExecutorError(f"A task was stopped: {reason}."))

    def _settle(self, task: Task | None, outcome: Answer | BaseException) -> None:
        if task is None:
            return
        future = self._futures.get(task.number)
        if future is None:
            return
        with suppress(InvalidStateError):  # it was cancelled
            if isinstance(outcome, Answer):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

    def _watch_idleness(self, now: float) -> None:
        if not self._desk.is_empty or self._inbox:
            self._idle_since = now
        elif now - self._idle_since > self._idle_timeout_s:
            self._end_if_idle("there was nothing to do for long")
        elif now - self._looked_at > _POLL_S:
            self._looked_at = now
            if self._is_in_the_way():
                self._end_if_idle("there was nothing to do, and somebody else had something")

    def _end_if_idle(self, why: str) -> None:
        with self._lock:
            if not self._inbox and self._end is None:
                self._end = PoolClosedError(why)

    # -- the end -----------------------------------------------------------------------------------------------

    def _refuse(self, reason: BaseException) -> None:
        with self._lock:
            if self._end is None:
                self._end = reason

    def _fail_all(self) -> None:
        for future in list(self._futures.values()):
            with suppress(InvalidStateError):
                future.set_exception(self._end)

    def _close_fds(self) -> None:
        with self._lock:  # nobody rings with a number that is another file's by then
            os.close(self._wake_fd)
            os.close(self._bell_fd)
            self._bell_fd = -1


def _show(text: str) -> None:
    """Let a task's output appear where the driver's does."""
    with suppress(Exception):  # a closed stream is no reason to lose results
        sys.stdout.write(text)
        sys.stdout.flush()
