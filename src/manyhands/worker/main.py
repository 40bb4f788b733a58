"""A worker process: it reads what to do from its line to the driver, does it, and says how it went.

    main thread      waits for parts, runs the objective, sends outcomes, and reports that somebody judges
    reader thread    takes what the driver says; ten times a second sends on what the objective reported and printed

Searches of a second or two wait for this file more than for anything else, so it and all below it do without modules
that take long to import: ``threading``, ``socket``, ``json`` and ``typing`` together would double the time that a bare
interpreter takes to start.
"""

from __future__ import annotations

import atexit
import faulthandler
import os
import sys
import time
from _thread import allocate_lock, start_new_thread

from manyhands.job import Job
from manyhands.template import fill
from manyhands.wire.payload import load
from manyhands.worker.handle import TrialHandle
from manyhands.worker.line import Line, die
from manyhands.worker.mailbox import Mailbox
from manyhands.worker.output import Spool, flush
from manyhands.worker.run import run_part

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from typing import Any

    from manyhands.worker.result import Parcel

    PartKey = tuple[int, int, int]  # trial, split, attempt

_PULSE_S = 0.1
_FLUSH_REPORTS = 100


class Worker:
    """The state of one worker process.

    Args:
        fd: The file descriptor of its line.
    """

    def __init__(self, fd: int):
        self._line = Line(fd)
        self._todo = Mailbox()
        self._current: TrialHandle | None = None
        self._current_key: PartKey | None = None
        self._stops: dict[PartKey, str] = {}
        self._reports: list[list[object]] = []
        self._speaking = allocate_lock()  # keeps messages whole and in order
        self._spool = Spool(self._say_output)
        self._scratch = ""

    def serve(self) -> None:
        """Do parts until told to quit."""
        (_, *setup), *orders = self._hear_first()
        job = self._take_up(*setup)
        for order in orders:
            self._obey(order)
        start_new_thread(self._listen, ())
        while (todo := self._todo.take()) is not None:
            what, *fields = todo
            if what == "setup":
                job = None  # first, as two may be too large for the memory
                job = self._take_up(*fields)
            elif job is not None:
                self._run(job, *fields)

    # -- main thread -------------------------------------------------------------------------------------------

    def _hear_first(self) -> list[list[Any]]:
        orders: list[list[Any]] = []
        while not orders:
            orders = self._line.hear() or []
        return orders

    def _take_up(self, payload: list[str], path: list[str], scratch: str) -> Job | None:
        """Unpack a job and say hello; a worker that cannot is of no use, and ends."""
        self._stops.clear()
        self._scratch = scratch
        if not payload:
            _let_go()
            return None
        sys.path[:] = path
        try:
            job = load(payload)
            assert isinstance(job, Job)  # noqa: S101
        except BaseException:
            import traceback

            self._send("broken", traceback.format_exc())
            self._todo.put(None)
            return None
        self._send("hello", os.getpid())
        return job

    def _run(
        self, job: Job, key: PartKey, point: dict[str, float], parent: int | None, cargo: list[Any] | None
    ) -> None:
        handle = TrialHandle(
            key,
            fill(job.template, point),
            job.checkpoints,
            self._report,
            parent=parent,
            scratch=self._scratch,
            hurry=self._hurry if job.is_judged else None,
            cargo=None if cargo is None else (cargo[0], cargo[1]),
            hand_over=self._hand_over,
        )
        self._current_key, self._current = key, handle
        began = time.perf_counter()
        if key in self._stops:
            outcome: list[object] = ["stopped", self._stops.pop(key)]
        else:
            outcome = run_part(job, handle)
        seconds = time.perf_counter() - began
        self._flush(last=True)
        self._current = self._current_key = None
        try:
            self._send(outcome[0], key, *outcome[1:], seconds)
        except ValueError as error:
            self._send("failed", key, [f"what the objective returned takes {error}", "", False], seconds)
        handle.close()

    def _report(self, report: list[object]) -> None:
        self._reports.append(report)
        if len(self._reports) >= _FLUSH_REPORTS:
            with self._speaking:
                self._say_reports()

    def _hurry(self) -> None:
        """Send at once what was reported; if that would have to wait for anything, the other thread will."""
        if self._line.is_clear and self._speaking.acquire(False):
            try:
                self._say_reports()
            finally:
                self._speaking.release()

    def _hand_over(self, step: int, data: Parcel) -> None:
        with self._speaking:
            self._say_reports()
            self._line.say("reports", self._current_key, [[step, None, {"data": data}, time.time()]])

    # -- both threads ------------------------------------------------------------------------------------------

    def _send(self, *message: object) -> None:
        with self._speaking:
            self._line.say(*message)

    def _flush(self, *, last: bool = False) -> None:
        with self._speaking:
            self._say_reports()
            self._spool.ship(last=last)

    # -- whoever holds the lock for speaking ---------------------------------------------------------------------

    def _say_reports(self) -> None:
        batch = self._reports[:]
        if batch and self._current_key is not None:
            del self._reports[: len(batch)]  # and not what was reported since
            self._line.say("reports", self._current_key, batch)

    def _say_output(self, text: str, upto: int) -> None:
        self._line.say("printed", self._current_key or (-1, 0, 0), text, upto)

    # -- reader thread -----------------------------------------------------------------------------------------

    def _listen(self) -> None:
        try:
            self._keep_listening()
        except BaseException:  # deaf, the worker would be of no use, and nobody could tell
            import traceback

            traceback.print_exc()
            die()

    def _keep_listening(self) -> None:
        while True:
            orders = self._line.hear(_PULSE_S)
            if orders is None:
                self._flush()
            else:
                for order in orders:
                    self._obey(order)

    def _obey(self, order: list[Any]) -> None:
        tag, *fields = order
        if tag == "start":
            part, *rest = fields
            self._todo.put((tag, tuple(part), *rest))
        elif tag == "setup":
            self._todo.put((tag, *fields))
        elif tag == "stop":
            self._stop(tuple(fields[0]), fields[1])
        elif tag == "return":
            for todo in self._todo.empty():
                if todo is None:  # it was told to quit
                    self._todo.put(None)
                else:
                    self._send("returned", todo[1])
        elif tag == "quit":
            self._todo.put(None)

    def _stop(self, key: PartKey, reason: str) -> None:
        current = self._current
        if self._current_key == key and current is not None:
            current.stop(reason)
        else:
            self._stops[key] = reason


def main(fd: int) -> None:
    """Be a worker on the socket with this file descriptor; the process leads a group of its own."""
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    Worker(fd).serve()
    _leave()


def _let_go() -> None:
    """Free what a job held, which may be a large part of the memory; nobody waits for this."""
    import gc

    gc.collect()


def _leave() -> None:
    """End the process, once libraries have said goodbye: to take an interpreter apart is a third of its whole life."""
    try:
        atexit._run_exitfuncs()
        flush(sys.stdout, sys.stderr)
    finally:
        os._exit(0)
