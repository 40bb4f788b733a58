"""Workers that exist only in a simulation: an objective says how long it takes, and time jumps to what comes next.

The search, the driver, the sampler and the scheduler around it are the real ones, so what they decide here they would
decide there. An objective is a generator function of the params, or of the params and the trial:

    def train(params):                  # or train(params, trial); see manyhands.executors.curve.SimulatedTrial
        for epoch in range(27):
            yield 60.0, loss            # a minute later it reports its loss; with metrics: yield 60.0, loss, {...}
        return ...                      # as of any objective; the last value that it yielded if it returns nothing

The metrics are what one would give ``trial.report`` by name, ``step`` included. ``yield seconds, None`` takes time
without a report, and an infinite time is a hang: only its time limit, or a fault, can end such a trial.

Trials save checkpoints, and go on from them, by ``trial.save`` and ``trial.restore``; they are kept in memory. An
executor that is used for a second search goes on from the time at which the first one ended, and the trials of a study
that is taken up again find their checkpoints. A study that comes from a store goes on from the latest time that its
trials know; faults and time limits count from there.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

from msgspec import Struct

from manyhands.checks import check_whole
from manyhands.errors import ExecutorError, SettingsError
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
from manyhands.executors.curve import Checkpoints, Curve, Step
from manyhands.job import Job
from manyhands.trial import Failure, Part, Report, Result, Trial

_REPLACED_AFTER_S = 1.0  # a worker that was killed by the search


class Fault(Struct, frozen=True, kw_only=True):
    """Something that happens to a worker of a simulation. What is None stays as it is.

    A message that is lost costs the worker its connection (``docs/design.md``), so it is a loss, too.

    Attributes:
        worker: Which one, from 0.
        at_s: When, in seconds from the start of the search.
        lost_for_s: How long it is gone then; infinity for good. A worker that is lost at 0 seconds joins late.
        speed: How fast it is from then on, also in what it is just doing: with 0.5 everything takes twice as long, and
            with 0 it stands still until the next fault.
        clock_s: By how many seconds its clock is wrong from then on. Its reports carry that clock's time; all else goes
            by the driver's, which never jumps.
    """

    worker: int
    at_s: float
    lost_for_s: float | None = None
    speed: float | None = None
    clock_s: float | None = None


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

    def go_on_from(self, trials: Iterable[Trial]) -> None:
        """Begin when the last of these trials began or ended, if that is later than now."""
        self.at = max((self.at, *(trial.ended_at or trial.started_at for trial in trials)))


class _Worker:
    """One worker: what it holds, and where it is in it.

    A worker does one thing at a time. ``due`` is the number of the plan for that; any other plan for it is void.
    """

    __slots__ = (
        "back_at",
        "began_at",
        "clock_s",
        "curve",
        "due",
        "left_s",
        "n_joined",
        "name",
        "number",
        "outcome",
        "parts",
        "since",
        "speed",
        "step",
        "stops",
    )

    def __init__(self, number: int, back_at: float):
        self.number = number
        self.name = ""
        self.n_joined = 0
        self.back_at = back_at  # when it joins, or joins again
        self.due = 0
        self.speed = 1.0
        self.clock_s = 0.0
        self.parts: deque[StartPart] = deque()
        self.stops: dict[Part, str] = {}
        self.curve: Curve | None = None
        self.began_at = 0.0  # the part that it is at
        self.step: Step | None = None  # what it is doing
        self.since = 0.0  # when ``left_s`` was true
        self.left_s = 0.0  # seconds that the step still took, at speed 1
        self.outcome: Result | Failure | str = ""  # of the part that is about to end

    def drop_everything(self) -> None:
        self.parts.clear()
        self.stops.clear()
        self.curve = self.step = None


class Simulated:
    """Runs objectives that say how long they take, in no time; see ``manyhands.executors.simulated``.

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

    def __init__(self, workers: int = 1, *, faults: Sequence[Fault] = (), start_s: float = 0.0):
        check_whole(workers=workers)
        for fault in faults:
            _check(fault, workers)
        if not _is_time(start_s):
            raise SettingsError(f"start_s={start_s!r} must be a number of seconds from 0 on.")
        self.n_workers = workers
        self.clock = SimulatedClock()
        self._faults = tuple(faults)
        self._start_s = start_s
        self._agenda: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._n_planned = 0
        self._workers: list[_Worker] = []
        self._by_name: dict[str, _Worker] = {}
        self._checkpoints: dict[str, Checkpoints] = {}  # by study

    def start(self, job: Job, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> None:
        """Plan the arrival of the workers, and their faults; see ``manyhands.ports.Executor``."""
        self._job, self._deliver = job, deliver
        self._agenda.clear()
        self._by_name.clear()
        self._workers = [_Worker(i, self.clock.at + self._start_s) for i in range(self.n_workers)]
        for fault in self._faults:  # first, so that who is lost at 0 seconds does not join before
            self._plan(fault.at_s, self._suffer, fault)
        for worker in self._workers:
            self._plan_for(worker, self._start_s, self._join)

    def poll(self, timeout_s: float) -> None:
        """Jump to the next moment at which something happens, ``timeout_s`` ahead at most, and let it happen.

        Raises:
            ExecutorError: Nothing is left that could happen, and no time limit either.
        """
        until = self.clock.at + timeout_s
        agenda = self._agenda
        while agenda and agenda[0][0] <= until:
            at, n, happen, subject = heappop(agenda)
            if isinstance(subject, _Worker) and subject.due != n:
                continue  # something came between
            self.clock.at = at
            happen(subject)
            return
        if until == math.inf:
            raise ExecutorError(self._standstill())
        self.clock.at = until

    def perform(self, command: AnyCommand) -> None:
        """Give a worker work, or take it away."""
        match command:
            case StartPart(name) if worker := self._by_name.get(name):
                worker.parts.append(command)
                if len(worker.parts) == 1:
                    self._begin(worker)
            case StopPart(name, part, reason) if worker := self._by_name.get(name):
                if part in [start.part for start in worker.parts]:
                    worker.stops[part] = reason
            case RecallParts(name) if worker := self._by_name.get(name):
                while len(worker.parts) > 1:
                    self._plan(0.0, self._give_back, worker.parts.pop().part)
            case KillWorker(name) if name in self._by_name:
                self._plan(0.0, self._kill, command)

    def close(self) -> None:
        """Forget what was planned."""
        self._agenda.clear()
        self._by_name.clear()

    # -- workers -----------------------------------------------------------------------------------------------

    def _join(self, worker: _Worker) -> None:
        worker.n_joined += 1
        worker.name = f"w{worker.number}" if worker.n_joined == 1 else f"w{worker.number}.{worker.n_joined}"
        self._by_name[worker.name] = worker
        self._deliver(WorkerJoined(worker=worker.name, at=self.clock.at))

    def _suffer(self, fault: Fault) -> None:
        worker = self._workers[fault.worker]
        if fault.clock_s is not None:
            worker.clock_s = fault.clock_s
        if fault.speed is not None:
            self._change_speed(worker, fault.speed)
        if fault.lost_for_s is not None:
            self._lose(worker, "the simulation lost it", fault.lost_for_s)

    def _change_speed(self, worker: _Worker, speed: float) -> None:
        """What is left of the step is done at the new speed."""
        if worker.step is not None:
            worker.left_s = max(0.0, worker.left_s - (self.clock.at - worker.since) * worker.speed)
        worker.speed = speed
        if worker.step is not None:
            self._go_on(worker)

    def _kill(self, command: KillWorker) -> None:
        worker = self._by_name.get(command.worker)
        if worker is not None:
            self._lose(worker, command.reason, _REPLACED_AFTER_S)

    def _lose(self, worker: _Worker, cause: str, lost_for_s: float) -> None:
        was_there = self._by_name.pop(worker.name, None) is not None
        worker.drop_everything()
        worker.back_at = max(worker.back_at, self.clock.at + lost_for_s + self._start_s)
        self._plan_for(worker, worker.back_at - self.clock.at, self._join)
        if was_there:
            self._deliver(WorkerLost(worker=worker.name, cause=cause, at=self.clock.at))

    # -- parts -------------------------------------------------------------------------------------------------

    def _begin(self, worker: _Worker) -> None:
        """Begin the first of the parts that a worker holds."""
        start = worker.parts[0]
        worker.began_at = self.clock.at
        if start.part in worker.stops:
            self._plan_end(worker, worker.stops[start.part])
            return
        checkpoints = self._checkpoints.setdefault(self._job.checkpoints, {})  # a study's folder tells which it is
        worker.curve = Curve(self._job, start, checkpoints)
        self._advance(worker)

    def _advance(self, worker: _Worker) -> None:
        """Find out what the objective does next, and plan it."""
        assert worker.curve is not None  # noqa: S101
        found = worker.curve.advance()
        if isinstance(found, Step):
            worker.step, worker.left_s = found, found.seconds
            self._go_on(worker)
        else:
            self._plan_end(worker, found)

    def _go_on(self, worker: _Worker) -> None:
        worker.since = self.clock.at
        in_s = worker.left_s / worker.speed if worker.speed else math.inf
        self._plan_for(worker, in_s, self._finish_step)

    def _finish_step(self, worker: _Worker) -> None:
        step, curve, part, at = worker.step, worker.curve, worker.parts[0].part, self.clock.at
        assert step is not None  # noqa: S101
        assert curve is not None  # noqa: S101
        worker.step = None
        if curve.trial is not None:
            curve.trial.keep()
        if step.number is not None:
            report = Report(step.number, step.value, step.metrics, at + worker.clock_s)
            self._deliver(Reported(part=part, reports=[report], at=at))
            if part in worker.stops:  # the objective asks right after its report whether to go on
                worker.outcome = worker.stops[part]
                self._end(worker)
                return
        self._advance(worker)

    def _plan_end(self, worker: _Worker, outcome: Result | Failure | str) -> None:
        """Nothing is told while a command is performed; so the end comes later, though at the same time."""
        worker.outcome = outcome
        self._plan_for(worker, 0.0, self._end)

    def _end(self, worker: _Worker) -> None:
        part, outcome, at = worker.parts.popleft().part, worker.outcome, self.clock.at
        spent_s = at - worker.began_at
        worker.curve = None
        worker.stops.pop(part, None)
        if worker.parts:
            self._begin(worker)
        if isinstance(outcome, Result):
            self._deliver(PartFinished(part=part, result=outcome, seconds=spent_s, at=at))
        elif isinstance(outcome, Failure):
            self._deliver(PartFailed(part=part, failure=outcome, seconds=spent_s, at=at))
        else:
            self._deliver(PartStopped(part=part, reason=outcome, seconds=spent_s, at=at))

    def _give_back(self, part: Part) -> None:
        self._deliver(PartReturned(part=part, at=self.clock.at))

    # -- time --------------------------------------------------------------------------------------------------

    def _plan(self, in_s: float, happen: Callable[[Any], None], subject: Any) -> None:
        self._n_planned += 1  # what is planned for the same moment happens in the order of its planning
        heappush(self._agenda, (self.clock.at + in_s, self._n_planned, happen, subject))

    def _plan_for(self, worker: _Worker, in_s: float, happen: Callable[[_Worker], None]) -> None:
        """Plan what a worker does next, instead of what was planned for it before; never, if that is infinitely far."""
        self._n_planned += 1
        worker.due = self._n_planned
        if in_s < math.inf:
            heappush(self._agenda, (self.clock.at + in_s, worker.due, happen, worker))

    def _standstill(self) -> str:
        n_hanging = sum(bool(worker.parts) for worker in self._workers)
        n_lost = self.n_workers - len(self._by_name)
        return (
            f"The simulation stands still at {self.clock.at:g} seconds: {n_lost} of its {self.n_workers} workers are "
            f"lost for good and {n_hanging} hang, and trials are left. Let a fault bring workers back, or give the "
            f"search a timeout_s=, or trials that hang a trial_timeout_s=."
        )


def _check(fault: Fault, workers: int) -> None:
    if not isinstance(fault, Fault):
        raise SettingsError(f"faults= is a list of mh.Fault, and {fault!r} is a {type(fault).__name__}.")
    if not isinstance(fault.worker, int) or fault.worker not in range(workers):
        raise SettingsError(f"{fault!r} is of a worker that there is not: they are 0 to {workers - 1}.")
    if fault.lost_for_s is None and fault.speed is None and fault.clock_s is None:
        raise SettingsError(f"{fault!r} changes nothing. Give it lost_for_s=, speed= or clock_s=.")
    if not _is_time(fault.at_s) or not (fault.lost_for_s is None or fault.lost_for_s >= 0):
        raise SettingsError(f"{fault!r} has a time that is not a number of seconds from 0 on.")
    if fault.speed is not None and not 0 <= fault.speed < math.inf:
        raise SettingsError(f"{fault!r} has a speed that is not a number from 0 on.")
    if fault.clock_s is not None and not math.isfinite(fault.clock_s):
        raise SettingsError(f"{fault!r} has a clock that is wrong by {fault.clock_s!r} seconds.")


def _is_time(seconds: float) -> bool:
    return 0 <= seconds < math.inf
