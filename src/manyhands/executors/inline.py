"""No workers at all: trials run one after another where ``tune`` was called. For debuggers, and for tiny objectives."""

import time
from collections import deque
from collections.abc import Callable

from manyhands.events import (
    AnyCommand,
    AnyEvent,
    KillWorker,
    Logged,
    PartFailed,
    PartFinished,
    PartStopped,
    Reported,
    StartPart,
    StopAsked,
    StopPart,
    WorkerJoined,
)
from manyhands.executors.capture import captured_output
from manyhands.executors.folder import RunFolder
from manyhands.job import Job
from manyhands.template import fill
from manyhands.trial import Failure, Part, Report, Result
from manyhands.worker.handle import TrialHandle
from manyhands.worker.result import clean
from manyhands.worker.run import run_part
from manyhands.worker.storage import is_url


class Inline:
    """Runs the objective in the caller's own thread, one trial at a time.

    A trial that hangs cannot be ended from outside: ``trial_timeout_s`` works only for objectives that report.

    Attributes:
        n_workers: 1.
        is_busy: Whether the objective is running just now.
    """

    n_workers = 1

    def __init__(self) -> None:
        self.is_busy = False
        self._n_joined = 0
        self._todo: deque[StartPart] = deque()
        self._handle: TrialHandle | None = None
        self._running: Part | None = None
        self._stops: dict[Part, str] = {}  # parts that are to be stopped when their turn comes
        self._killed = False
        self._folder: RunFolder | None = None  # for the working copies of checkpoints that are elsewhere

    def start(self, job: Job, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> None:
        """Remember what to do; see ``manyhands.ports.Executor``."""
        self._job, self._deliver, self._now = job, deliver, now
        self._todo.clear()
        self._n_joined = 0
        if is_url(job.checkpoints) and self._folder is None:
            self._folder = RunFolder()

    def poll(self, timeout_s: float) -> None:
        """Run the next trial, if there is one."""
        if self._n_joined == 0 or self._killed:
            self._killed = False
            self._n_joined += 1
            self._deliver(WorkerJoined(worker=self._name, at=self._now()))
        elif self._todo:
            start = self._todo.popleft()
            if start.part in self._stops:
                self._deliver(PartStopped(part=start.part, reason=self._stops.pop(start.part), at=self._now()))
            else:
                self._run(start)
        else:
            time.sleep(min(timeout_s, 0.01))

    def perform(self, command: AnyCommand) -> None:
        """Queue, stop or give up a part."""
        match command:
            case StartPart(worker) if worker == self._name and not self._killed:
                self._todo.append(command)
            case StopPart(worker, part, reason) if worker == self._name:
                self._stop(part, reason)
            case KillWorker(worker, reason) if worker == self._name:
                self._killed = True
                self._todo.clear()
                if self._handle is not None:
                    self._handle.stop(reason)

    def close(self) -> None:
        """Forget what was left to do."""
        self._todo.clear()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def _stop(self, part: Part, reason: str) -> None:
        if self._handle is not None and self._running == part:
            self._handle.stop(reason)
        else:
            self._stops[part] = reason

    @property
    def _name(self) -> str:
        return f"inline-{self._n_joined}" if self._n_joined > 1 else "inline"

    def _run(self, start: StartPart) -> None:
        part = self._running = start.part
        params = fill(self._job.template, start.point)

        def report(fields: list[object]) -> None:
            self._deliver(Reported(part=part, reports=[Report(*fields)], at=self._now()))  # type: ignore[arg-type]

        key = (part.trial_id, part.split, part.attempt)
        scratch = "" if self._folder is None else str(self._folder.path)
        handle = self._handle = TrialHandle(
            key, params, self._job.checkpoints, report, parent=start.parent, scratch=scratch
        )
        self.is_busy = True
        try:
            with captured_output() as printed:
                outcome = run_part(self._job, handle)
        except KeyboardInterrupt:
            outcome = None
        finally:
            self.is_busy = False
            self._handle = None
            handle.close()
        if printed:
            self._deliver(Logged(part=part, text=clean("".join(printed)), at=self._now()))
        self._deliver(_event(part, outcome, self._now()))


def _event(part: Part, outcome: list[object] | None, at: float) -> AnyEvent:
    match outcome:
        case ["finished", list(fields)]:
            return PartFinished(part=part, result=Result(*fields), at=at)
        case ["failed", list(fields)]:
            return PartFailed(part=part, failure=Failure(*fields), at=at)
        case ["stopped", str(reason)]:
            return PartStopped(part=part, reason=reason, at=at)
    return StopAsked(reason="it was interrupted by Ctrl-C", at=at)
