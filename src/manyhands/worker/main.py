"""A worker process: it reads what to do from a socket it was born with, does it, and says how it went.

    main thread      waits for parts, runs the objective, sends outcomes
    reader thread    takes what the driver says; ten times a second sends on what the objective reported and printed

The socket is one end of a pair made by the worker's parent, so there is no address that anybody else could connect to.
When the other end closes, the parent is gone: the worker then ends itself and all it started, at once.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from queue import SimpleQueue
from select import select
from typing import Any

from manyhands.job import Job
from manyhands.template import fill
from manyhands.wire.frames import Frames, pack
from manyhands.wire.payload import load
from manyhands.worker.handle import TrialHandle
from manyhands.worker.output import Spool
from manyhands.worker.run import run_part

_PULSE_S = 0.1
_FLUSH_REPORTS = 100

PartKey = tuple[int, int, int]  # trial, split, attempt


class Worker:
    """The state of one worker process.

    Args:
        sock: Connected to the parent.
    """

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self._todo: SimpleQueue[tuple[PartKey, dict[str, float]] | None] = SimpleQueue()
        self._current: TrialHandle | None = None
        self._current_key: PartKey | None = None
        self._stops: dict[PartKey, str] = {}
        self._reports: deque[list[object]] = deque()
        self._sending = threading.RLock()  # keeps messages whole and in order
        self._spool = Spool(self._send_output)

    def serve(self) -> None:
        """Do parts until told to quit."""
        job = self._unpack(*self._read_setup())
        if job is None:
            return
        threading.Thread(target=self._read, name="manyhands-reader", daemon=True).start()
        self._send("hello", os.getpid())
        while (todo := self._todo.get()) is not None:
            self._run(job, *todo)

    # -- main thread -------------------------------------------------------------------------------------------

    def _read_setup(self) -> tuple[str, list[str]]:
        self._frames = Frames()
        while True:
            data = self._sock.recv(1 << 16)
            if not data:
                _die()
            bodies = self._frames.feed(data)
            if bodies:
                for body in bodies[1:]:
                    self._obey(json.loads(body))
                _, payload, path = json.loads(bodies[0])
                return payload, path

    def _unpack(self, payload: str, path: list[str]) -> Job | None:
        sys.path[:] = path
        try:
            job = load(payload)
            assert isinstance(job, Job)  # noqa: S101
            return job
        except BaseException:
            import traceback

            self._send("broken", traceback.format_exc())
            return None

    def _run(self, job: Job, key: PartKey, point: dict[str, float]) -> None:
        handle = TrialHandle(key, fill(job.template, point), job.checkpoints, self._report)
        self._current_key, self._current = key, handle
        began = time.perf_counter()
        if key in self._stops:
            outcome: list[object] = ["stopped", self._stops.pop(key)]
        else:
            outcome = run_part(job, handle)
        seconds = time.perf_counter() - began
        self._flush(last=True)
        self._current = self._current_key = None
        self._send(outcome[0], key, *outcome[1:], seconds)

    def _report(self, report: list[object]) -> None:
        self._reports.append(report)
        if len(self._reports) >= _FLUSH_REPORTS:
            self._flush_reports()

    # -- both threads ------------------------------------------------------------------------------------------

    def _flush(self, *, last: bool = False) -> None:
        with self._sending:
            self._flush_reports()
            self._spool.ship(last=last)

    def _flush_reports(self) -> None:
        with self._sending:
            if self._reports and self._current_key is not None:
                batch = []
                while self._reports:
                    batch.append(self._reports.popleft())
                self._send("reports", self._current_key, batch)

    def _send_output(self, text: str, upto: int) -> None:
        self._send("printed", self._current_key or (-1, 0, 0), text, upto)

    def _send(self, *message: object) -> None:
        data = pack(message)
        with self._sending:
            try:
                self._sock.sendall(data)
            except OSError:
                _die()

    # -- reader thread -----------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            self._keep_reading()
        except BaseException:  # deaf, the worker would be of no use, and nobody could tell
            import traceback

            traceback.print_exc()
            _die()

    def _keep_reading(self) -> None:
        while True:
            ready, _, _ = select([self._sock], [], [], _PULSE_S)
            if not ready:
                self._flush()
                continue
            try:
                data = self._sock.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                _die()
            for body in self._frames.feed(data):
                self._obey(json.loads(body))

    def _obey(self, order: list[Any]) -> None:
        tag, *fields = order
        if tag == "start":
            part, point = fields
            self._todo.put((tuple(part), point))
        elif tag == "stop":
            self._stop(tuple(fields[0]), fields[1])
        elif tag == "quit":
            self._todo.put(None)

    def _stop(self, key: PartKey, reason: str) -> None:
        current = self._current
        if self._current_key == key and current is not None:
            current.stop(reason)
        else:
            self._stops[key] = reason


def _die() -> None:
    """The parent is gone: end this process and whatever it started."""
    os.killpg(0, signal.SIGKILL)


def main(fd: int) -> None:
    """Be a worker on the socket with this file descriptor; the process leads a group of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, who then says what happens
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    Worker(socket.socket(fileno=fd)).serve()
