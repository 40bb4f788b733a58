"""A simulated objective on its way: how long it takes until its next report, and what that is."""

import math
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from manyhands.errors import TrialStopped
from manyhands.events import StartPart
from manyhands.job import Job
from manyhands.template import fill
from manyhands.trial import Failure, Part, Result
from manyhands.worker.result import Unclear, clean, keepable, number, read_result

_HOW = "A simulated objective yields (seconds, value) or (seconds, value, metrics) for each report"
_MOST_AT_ONCE = 10_000  # steps without any time; a curve that goes on like that would never end
_NO_METRICS: dict[str, Any] = {}


#: What simulated trials saved last, pickled, by trial and split.
Checkpoints = dict[tuple[int, int], bytes]


class SimulatedTrial:
    """The ``trial`` that a simulated objective is given, if it asks for one.

    Checkpoints are saved before a report, as in a real objective, since a stop or a pause leaves it at a report:

        def train(params, trial):
            for epoch in range(trial.restore(0), 27):
                trial.save(epoch + 1)
                yield 60.0, loss, {"step": epoch}

    What is saved counts from the end of the next step on: here after these 60 seconds, just before the report. If the
    worker is lost in between, the checkpoint is still the last one. Objects are pickled, and so independent of what
    the objective does to them later.

    Args:
        part: Which part of the search this is.
        parent: The trial whose checkpoint it begins with, if it has none of its own.
        checkpoints: What all trials saved last.

    Attributes:
        id: The trial's number, from 0.
        split: Which split of the trial this is, from 0.
        attempt: From 1; more if workers were lost at it, or if it goes on after a pause.
        parent: The trial that it was forked from; None for most.
    """

    def __init__(self, part: Part, parent: int | None = None, checkpoints: Checkpoints | None = None):
        self.id, self.split, self.attempt = part.trial_id, part.split, part.attempt
        self.parent = parent
        self._checkpoints = {} if checkpoints is None else checkpoints
        self._unsaved: bytes | None = None

    def save(self, obj: object) -> None:
        """Save a checkpoint, to count from the end of the next step on; it replaces the last one.

        Args:
            obj: Anything that can be pickled.
        """
        self._unsaved = pickle.dumps(obj)

    def restore(self, default: Any = None) -> Any:
        """Return what this trial saved last; if it has saved nothing, what its parent saved last.

        Args:
            default: What to return if there is neither.
        """
        saved = self._unsaved or self._checkpoints.get((self.id, self.split))
        if saved is None and self.parent is not None:
            saved = self._checkpoints.get((self.parent, self.split))
        return default if saved is None else pickle.loads(saved)  # noqa: S301 - this process wrote it

    def keep(self) -> None:
        """What was saved counts from now on. For executors."""
        if self._unsaved is not None:
            self._checkpoints[self.id, self.split] = self._unsaved
            self._unsaved = None


class Step(Struct, frozen=True, gc=False):
    """What a simulated objective does next.

    Attributes:
        seconds: How long it takes on a worker of speed 1; infinity if it hangs.
        number: The step it then reports, such as its epoch; None if it reports nothing.
        value: What it then reports; None if that is not finite.
        metrics: Whatever else it reports.
    """

    seconds: float
    number: int | None
    value: float | None
    metrics: dict[str, Any]


class Curve:
    """One part of a simulated search.

    Args:
        job: What the workers have to do; its objective yields.
        start: Which part this is, and its params.
        checkpoints: What all trials saved last.

    Attributes:
        trial: What the objective is given, if it asks for one; it is to ``keep`` at the end of each step.
    """

    def __init__(self, job: Job, start: StartPart, checkpoints: Checkpoints):
        self._job = job
        self._point = start.point
        self.trial = SimulatedTrial(start.part, start.parent, checkpoints) if job.takes_trial else None
        self._steps: Iterator[object] | None = None
        self._n_reports = 0
        self._n_at_once = 0
        self._last: object = None  # what it yielded as its value at last
        self._metrics = _NO_METRICS

    def advance(self) -> Step | Result | Failure | str:
        """Return what comes next: a step, or in the end the result, a failure or why the objective stopped itself."""
        try:
            if self._steps is None:
                self._steps = self._begin()
            return self._read(next(self._steps))
        except StopIteration as ended:
            return self._end(ended.value)
        except TrialStopped as stopped:
            return clean(str(stopped))
        except Unclear as unclear:
            return Failure(unclear.reason, "", unclear.fatal)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # as for a real objective: see manyhands.worker.run
            return _failure(error)

    def _begin(self) -> Iterator[object]:
        job = self._job
        params = fill(job.template, self._point)
        returned = job.objective(params, self.trial) if job.takes_trial else job.objective(params)
        if isinstance(returned, str | dict) or not hasattr(returned, "__iter__"):
            raise Unclear(f"the objective returned {returned!r}. {_HOW}", fatal=True)
        return iter(returned)

    def _read(self, item: object) -> Step:
        if not isinstance(item, tuple | list) or not 2 <= len(item) <= 3:
            raise Unclear(f"the objective yielded {item!r}. {_HOW}", fatal=True)
        seconds, given = self._read_seconds(item[0]), item[1]
        if given is None:
            return Step(seconds, None, None, _NO_METRICS)
        metrics = self._read_metrics(item[2]) if len(item) == 3 else _NO_METRICS
        value = given if type(given) is float else number(given)
        if value is None:
            raise Unclear(f"the objective yielded {given!r} as a value, which is not a number")
        step = self._n_reports
        self._n_reports = step + 1
        if "step" in metrics:
            step = _whole(metrics["step"])
            metrics = {key: kept for key, kept in metrics.items() if key != "step"}
        self._last, self._metrics = value, metrics
        return Step(seconds, step, value if math.isfinite(value) else None, metrics)

    def _read_seconds(self, given: object) -> float:
        seconds = given if type(given) is float else number(given)
        if seconds is None or not seconds >= 0:
            raise Unclear(f"the objective yielded {given!r} as its seconds, which must be a number from 0 on")
        self._n_at_once = 0 if seconds else self._n_at_once + 1
        if self._n_at_once > _MOST_AT_ONCE:
            raise Unclear(f"the objective yielded more than {_MOST_AT_ONCE} times in a row without taking any time")
        return seconds

    def _read_metrics(self, given: object) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise Unclear(f"the objective yielded {given!r} as its metrics, which must be a dict", fatal=True)
        return {clean(str(key)): keepable(metric) for key, metric in given.items()}

    def _end(self, returned: object) -> Result | Failure:
        """The result: what the objective returned, else its last value."""
        job = self._job
        try:
            if returned is not None:
                return Result(*read_result(returned, job.metric, job.n_objectives))
            if job.n_objectives > 1:
                raise Unclear(f"the objective has {job.n_objectives} values, and has to return them", fatal=True)
            if self._last is None:
                raise Unclear(f"the objective yielded no value. {_HOW}")
            value, *_ = read_result(self._last, None)
            return Result(value, None, self._metrics)
        except Unclear as unclear:
            said = "the objective returned" if returned is not None else "the objective yielded last"
            return Failure(unclear.reason.replace("the objective returned", said), "", unclear.fatal)


def _whole(step: object) -> int:
    found = number(step)
    if found is None or not abs(found) < 1 << 63 or found != int(found):  # no store has room for more digits
        raise Unclear(f"the objective yielded {step!r} as its step, which must be a whole number")
    return int(found)


def _failure(error: BaseException) -> Failure:
    text = clean(" ".join(str(error).split()))
    reason = f"it raised {type(error).__name__}" + (f": {text}" if text else "")
    below = error.__traceback__.tb_next if error.__traceback__ is not None else None
    return Failure(reason, clean("".join(traceback.format_exception(type(error), error, below))))
