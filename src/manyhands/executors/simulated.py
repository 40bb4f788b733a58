"""Workers that exist only in a simulation: an objective says how long it takes, and time jumps to what comes next.

The search, the driver, the sampler and the scheduler around it are the real ones, so what they decide here they would
decide there. An objective is a function of the params that yields ``(seconds, value)`` for each of its reports; the
last value is the trial's, unless the function returns another one.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from manyhands.checks import check_whole
from manyhands.errors import SettingsError
from manyhands.events import (
    AnyCommand,
    AnyEvent,
    KillWorker,
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
from manyhands.job import Job
from manyhands.template import fill
from manyhands.trial import Failure, Part, Report, Result

_REPLACED_AFTER_S = 1.0  # a worker that was killed by the search


class Fault(Struct, frozen=True, kw_only=True):
    """Something that happens to a worker of a simulation.

    Attributes:
        worker: Which one, from 0.
        at_s: When, in seconds from the start of the simulation.
        lost_for_s: How long it is gone then; infinity for good. None if it is not lost.
        speed: How fast it is from then on; with 0.5 everything takes twice as long.
    """

    worker: int
    at_s: float
    lost_for_s: float | None = None
    speed: float = 1.0


class SimulatedClock:
    """Time that passes only when nothing is left to do at the present moment.

    Attributes:
        at: Seconds since 1970; a simulation begins in 1970.
    """

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return self.at


class _Worker:
    """One worker: what it holds, and where it is in it.

    ``n_lives`` tells the present life from former ones: what was planned for those does not happen any more.
    """

    def __init__(self, number: int):
        self.number = number
        self.n_lives = 0
        self.speed = 1.0
        self.parts: deque[StartPart] = deque()
        self.curve: Iterator[tuple[float, float]] | None = None
        self.step = 0
        self.value: float | None = None
        self.began_at = 0.0
        self.stops: dict[Part, str] = {}

    @property
    def name(self) -> str:
        return f"w{self.number}" if self.n_lives <= 1 else f"w{self.number}.{self.n_lives}"


class Simulated:
    """Runs objectives that say how long they take, in no time.

    Args:
        workers: How many workers there are.
        faults: What happens to them. A loss at 0 seconds makes a worker that joins late.
        start_s: How long a worker takes from the start, or from the end of its loss, until it is ready.

    Attributes:
        clock: The time of the simulation.

    Raises:
        SettingsError: A fault is of a worker that there is not, or has a time or speed that makes no sense.

    Example:
        >>> import manyhands as mh
        >>> def train(params):
        ...     for epoch in range(1, 4):
        ...         yield 60.0, params["x"] / epoch
        >>> study = mh.tune(train, {"x": mh.Float(0, 1)}, executor=mh.Simulated(2), max_trials=4, progress=False)
        >>> [trial.ended_at for trial in study.trials]
        [180.0, 180.0, 360.0, 360.0]
    """

    is_busy = False  #: nothing runs in the caller's thread that could not wait
    is_simulated = True

    def __init__(self, workers: int = 1, *, faults: Sequence[Fault] = (), start_s: float = 0.0):
        check_whole(workers=workers)
        for fault in faults:
            _check(fault, workers)
        self.n_workers = workers
        self.clock = SimulatedClock()
        self._faults = faults
        self._start_s = start_s
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._n_planned = 0

    def start(self, job: Job, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> None:
        """Plan the arrival of the workers, and their faults; see ``manyhands.ports.Executor``."""
        self._job, self._deliver = job, deliver
        self._agenda.clear()
        self._workers = [_Worker(i) for i in range(self.n_workers)]
        self._by_name: dict[str, _Worker] = {}
        for fault in self._faults:
            self._plan(fault.at_s, self._suffer, fault)
        for worker in self._workers:
            self._plan(self._start_s, self._join, worker, worker.n_lives)

    def poll(self, timeout_s: float) -> None:
        """Jump to the next moment at which something happens, ``timeout_s`` ahead at most, and let it happen."""
        until = self.clock.at + timeout_s
        if not self._agenda or self._agenda[0][0] > until:
            if math.isfinite(until):
                self.clock.at = until
                return
            raise SettingsError("The simulation stands still: all its workers are lost for good, and trials are left.")
        at, _, happen, details = heapq.heappop(self._agenda)
        self.clock.at = max(at, self.clock.at)
        happen(*details)

    def perform(self, command: AnyCommand) -> None:
        """Give a worker work, or take it away."""
        worker = self._by_name.get(getattr(command, "worker", ""))
        if worker is None:
            return
        match command:
            case StartPart():
                worker.parts.append(command)
                if len(worker.parts) == 1:
                    self._begin(worker)
            case StopPart(_, part, reason):
                worker.stops[part] = reason
            case RecallParts():
                while len(worker.parts) > 1:
                    self._plan(0.0, self._deliver_now, PartReturned(part=worker.parts.pop().part))
            case KillWorker(_, reason):
                self._plan(0.0, self._lose, worker, worker.n_lives, reason, _REPLACED_AFTER_S)

    def close(self) -> None:
        """Forget what was planned."""
        self._agenda.clear()

    # -- workers -----------------------------------------------------------------------------------------------

    def _join(self, worker: _Worker, life: int) -> None:
        if worker.n_lives != life:
            return
        worker.n_lives += 1
        self._by_name[worker.name] = worker
        self._deliver(WorkerJoined(worker=worker.name, at=self.clock.at))

    def _suffer(self, fault: Fault) -> None:
        worker = self._workers[fault.worker]
        worker.speed = fault.speed
        if fault.lost_for_s is not None:
            self._lose(worker, worker.n_lives, "the simulation lost it", fault.lost_for_s)

    def _lose(self, worker: _Worker, life: int, cause: str, lost_for_s: float) -> None:
        if worker.n_lives != life:
            return
        was_there = self._by_name.pop(worker.name, None) is not None
        name = worker.name
        worker.n_lives += 1  # what was planned for it is void
        worker.parts.clear()
        worker.stops.clear()
        worker.curve = None
        if was_there:
            self._deliver(WorkerLost(worker=name, cause=cause, at=self.clock.at))
        if math.isfinite(lost_for_s):
            self._plan(lost_for_s + self._start_s, self._join, worker, worker.n_lives)

    # -- parts -------------------------------------------------------------------------------------------------

    def _begin(self, worker: _Worker) -> None:
        """Begin the first of the parts that a worker holds."""
        start = worker.parts[0]
        worker.step, worker.value, worker.began_at = 0, None, self.clock.at
        if start.part in worker.stops:
            reason = worker.stops.pop(start.part)
            self._plan(0.0, self._end, worker, worker.n_lives, PartStopped(part=start.part, reason=reason))
            return
        try:
            worker.curve = iter(self._job.objective(fill(self._job.template, start.point)))
        except Exception as error:
            self._fail(worker, error)
        else:
            self._advance(worker)

    def _advance(self, worker: _Worker) -> None:
        """Find out what the objective does next, and plan it."""
        part = worker.parts[0].part
        assert worker.curve is not None  # noqa: S101
        try:
            seconds, reported = next(worker.curve)
        except StopIteration as ended:
            value = worker.value if ended.value is None else ended.value
            if value is None:
                self._fail(worker, ValueError("it yielded no value"))
                return
            spent = self.clock.at - worker.began_at
            self._plan(
                0.0, self._end, worker, worker.n_lives, PartFinished(part=part, result=Result(value), seconds=spent)
            )
        except Exception as error:
            self._fail(worker, error)
        else:
            self._plan(seconds / worker.speed, self._report, worker, worker.n_lives, reported)

    def _report(self, worker: _Worker, life: int, value: float) -> None:
        if worker.n_lives != life:
            return
        part = worker.parts[0].part
        worker.value = value
        self._deliver(Reported(part=part, reports=[Report(worker.step, value, {}, self.clock.at)], at=self.clock.at))
        worker.step += 1
        if worker.n_lives != life:
            return
        if part in worker.stops:  # the objective asks right after its report whether to go on
            self._end(worker, life, PartStopped(part=part, reason=worker.stops.pop(part)))
        else:
            self._advance(worker)

    def _finish(self, worker: _Worker, part: Part, value: float | None) -> None:
        if value is None:
            self._fail(worker, ValueError("it yielded no value"))
            return
        finished = PartFinished(part=part, result=Result(value), seconds=self.clock.at - worker.began_at)
        self._plan(0.0, self._end, worker, worker.n_lives, finished)

    def _fail(self, worker: _Worker, error: Exception) -> None:
        failure = Failure(f"it raised {type(error).__name__}: {error}")
        part = worker.parts[0].part
        self._plan(0.0, self._end, worker, worker.n_lives, PartFailed(part=part, failure=failure))

    def _end(self, worker: _Worker, life: int, event: AnyEvent) -> None:
        if worker.n_lives != life:
            return
        worker.parts.popleft()
        worker.curve = None
        waits = bool(worker.parts)
        self._deliver_now(event)
        if waits and worker.n_lives == life:
            self._begin(worker)

    # -- time --------------------------------------------------------------------------------------------------

    def _plan(self, in_s: float, happen: Callable[..., None], *details: Any) -> None:
        self._n_planned += 1  # what is planned for the same moment happens in the order of its planning
        heapq.heappush(self._agenda, (self.clock.at + in_s, self._n_planned, happen, details))

    def _deliver_now(self, event: AnyEvent) -> None:
        self._deliver(replace(event, at=self.clock.at))


def _check(fault: Fault, workers: int) -> None:
    if fault.worker not in range(workers):
        raise SettingsError(f"{fault!r} is of a worker that there is not: they are 0 to {workers - 1}.")
    if not fault.at_s >= 0 or not 0 < fault.speed < math.inf or (fault.lost_for_s is not None and fault.lost_for_s < 0):
        raise SettingsError(f"{fault!r} has a time below 0, or a speed that is not above 0.")
