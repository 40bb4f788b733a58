"""The search as a pure machine: events in, commands out; no clock, socket, thread or file.

    WorkerJoined ──▶ StartPart                 (a waiting part, or a new trial from the sampler)
    Reported     ──▶ SaveReports, StopPart     (the scheduler judges: the trial stops, or pauses)
    PartStopped  ──▶ SaveTrial                 (it has left: it is stopped, or paused until the scheduler lets it go on)
    PartFinished ──▶ SaveTrial                 (when it was the trial's last part)
    Saved        ──▶ StartPart                 (now the outcome may be told: to the sampler, and to the stop rules)
    WorkerLost   ──▶ StartPart                 (its parts wait again, before all others)
    Idled        ──▶                           (a suggestion is prepared, so that the next free worker need not wait)

Rule 1: everything that changes the state of a trial is in this file; whom it asks is in ``advisers.py``.
Rule 2: nothing here knows which executor, store or tracker is in use.
Rule 3: an outcome that is not on disk is known to nobody; it becomes known by ``Saved``.
Rule 4: the cost of an event does not depend on the number of trials.

Same settings and same events give the same commands, so a recorded run can be replayed.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from msgspec.structs import replace
from numpy.random import default_rng

from manyhands.advisers import Advisers
from manyhands.errors import SettingsError
from manyhands.events import (
    AnyCommand,
    AnyEvent,
    Asked,
    EndSearch,
    Idled,
    KillWorker,
    Logged,
    PartFailed,
    PartFinished,
    PartReturned,
    PartStopped,
    RecallParts,
    Reported,
    Saved,
    SaveReports,
    SaveSplit,
    SaveTrial,
    SearchEvent,
    StartPart,
    StopAsked,
    StopPart,
    Ticked,
    WorkerJoined,
    WorkerLost,
)
from manyhands.objectives import misfit, n_objectives
from manyhands.ports import (
    Fork,
    History,
    Pause,
    Resume,
    Sampler,
    Scheduler,
    StopRule,
    Wait,
)
from manyhands.restoring import Stand, latest, not_tried, recall
from manyhands.settings import Settings
from manyhands.space import Point, Space
from manyhands.splits import SplitValues, combine
from manyhands.transfer import Lessons
from manyhands.trial import Failure, Part, Report, Result, Trial, TrialState
from manyhands.work import WorkQueue

__all__ = ["Search", "Settings"]

#: A sampler draws from the stream ``[seed, trial_id]``; points given to start with are completed from this one.
_START_STREAM = 0x57A27


class Search:
    """Everything that is known of a search, and every decision about it.

    Args:
        space: What is searched.
        sampler: Proposes trials; is started here.
        settings: What is fixed.
        scheduler: Judges reports, and may say who is next; None lets every trial run to its end. Only for one
            objective.
        rules: What may end the search early.
        start_with: Points to try first; what they leave open is drawn at random.
        lessons: Trials of former studies, which the sampler is told of first. They count as none of this search's.
        timer: Tells how long the sampler thinks. No decision depends on it; without one no time is counted.

    Attributes:
        trials: All trials by id, the running ones included.
        incumbents: The best of the trials whose outcome is known.
        lessons: As given.
        end_reason: Why the search is over, or None.
        was_interrupted: Whether somebody asked for the end.
        fatal: The failure that shows the objective cannot work at all, or None.
        error: What the sampler, the scheduler or a rule raised, which ended the search; or None.
    """

    def __init__(
        self,
        space: Space,
        sampler: Sampler,
        settings: Settings,
        *,
        scheduler: Scheduler | None = None,
        rules: Sequence[StopRule] = (),
        start_with: Sequence[Point] = (),
        lessons: Lessons = Lessons(),  # noqa: B008 - it is frozen
        timer: Callable[[], float] = lambda: 0.0,
    ):
        self.space = space
        self.settings = settings
        self.lessons = lessons
        self.trials: dict[int, Trial] = {}
        self._advisers = Advisers(space, settings, sampler, scheduler, rules, lessons.trials, timer)
        self.incumbents = self._advisers.incumbents
        self.end_reason: str | None = None
        self.was_interrupted = False
        self.fatal: Failure | None = None
        self.error: Exception | None = None
        self._offer: Resume | Fork | None = None  # of the scheduler; waits for a worker
        self._start_with = deque(start_with)
        self._n_objectives = n_objectives(settings.direction)
        self._n_constraints: int | None = None  # of every trial, once one has told
        self._n_parts = settings.n_splits or 1
        # Ahead only if it changes nothing: no decision depends on outcomes, and lost parts are tried again.
        ahead = settings.ahead and settings.max_attempts > 1 and not self._advisers.wait_for_outcomes
        self._work = WorkQueue(settings.trial_timeout_s, ahead=ahead)
        self._pausing: set[int] = set()  # trials that were told to pause, and have not left yet
        self._paused: dict[int, Part] = {}  # paused trials, and what a worker has to do when they go on
        self._n_pauses: Counter[int] = Counter()  # of trials that left for a pause in this run
        self._cut_off: dict[int, str | Pause] = {}  # trials of an earlier run that had to leave, and had not yet
        self._pending: dict[int, Point] = {}  # trials without an outcome, the prepared ones included
        self._prepared: deque[Trial] = deque()
        self._splits: dict[int, dict[int, Result]] = {}  # results so far of running trials with splits
        self._unsaved: set[int] = set()  # trials whose outcome is on its way to the disk
        self._resting: set[int] = set()  # trials of an earlier run that have not been started in this one
        self._next_id = 0
        self._is_dry = False  # the sampler has nothing more to suggest, as things stand
        self._ends_at: float | None = None
        self._began_at: float | None = None
        self._last_at = 0.0

    # -- what can be asked of it -------------------------------------------------------------------------------

    @property
    def running(self) -> Mapping[int, Point]:
        """The points of trials that have no outcome yet."""
        return MappingProxyType(self._pending)

    @property
    def best(self) -> Trial | None:
        """The feasible finished trial with the best value so far; None if there are several objectives."""
        return self.incumbents.best

    @property
    def explanation(self) -> str:
        """What the sampler and the scheduler do and why, in their own words; empty if they have none."""
        return self._advisers.explanation

    @property
    def sampler_seconds(self) -> float:
        """How long the sampler has been thinking since the search was made or restored."""
        return self._advisers.sampler.seconds

    @property
    def seconds(self) -> float:
        """From the first event to the last, pauses included."""
        return 0.0 if self._began_at is None else self._last_at - self._began_at

    @property
    def n_ended(self) -> int:
        """How many trials have an outcome that is known."""
        return self._advisers.n_ended

    @property
    def can_prepare(self) -> bool:
        """Whether ``Idled`` would be of use."""
        return len(self._prepared) < self._n_prepared_wanted() and self._may_propose()

    def next_deadline(self) -> float | None:
        """When a ``Ticked`` is next needed, at the earliest."""
        if self.settings.trial_timeout_s is None:
            return self._ends_at
        search_ends_at, part_ends_at = self._ends_at, self._work.next_deadline
        if search_ends_at is None or part_ends_at is None:
            return part_ends_at if search_ends_at is None else search_ends_at
        return min(search_ends_at, part_ends_at)

    def restore(self, history: History, reports: Iterable[tuple[Part, Report]] = ()) -> None:
        """Take up a stored study: learn its outcomes in their order, and let its unfinished trials run again.

        Args:
            history: The study.
            reports: Its reports, in the order in which they arrived, for the scheduler.
        """
        for stored in history.trials:
            # The store may only know the names of what a choice was made from; this space has the objects.
            self.trials[stored.id] = replace(stored, params=self.space.build(stored.point))
            self._next_id = max(self._next_id, stored.id + 1)
            if stored.state is TrialState.FINISHED:
                self._n_constraints = len(stored.constraints)
        self._start_with = not_tried(self._start_with, history.trials)
        stands = recall(self._advisers, self.trials, history, reports)
        for (trial_id, split), result in history.splits.items():
            self._splits.setdefault(trial_id, {})[split] = result
            if not result.failed:
                self._n_constraints = len(result.constraints)
        self._advisers.sampler.seconds = 0.0
        for trial in [t for t in self.trials.values() if not t.state.is_end]:
            self._pending[trial.id] = trial.point
            self._take_back(trial, stands.get(trial.id, Stand()))

    def _take_back(self, trial: Trial, stand: Stand) -> None:
        """Let a trial of an earlier run be as it was there: paused, about to leave, or to be run."""
        if trial.state is TrialState.PAUSED and not isinstance(stand.verdict, str):
            self._paused[trial.id] = Part(trial.id)
        elif stand.verdict is not None:
            self._cut_off[trial.id] = stand.verdict
            value = trial.value if stand.value is None else stand.value
            metrics = stand.metrics or trial.metrics
            self.trials[trial.id] = replace(
                trial, state=TrialState.RUNNING, value=value, metrics=metrics, ended_at=None
            )
        elif (verdict := self._race_again(trial)) is not None:
            self._cut_off[trial.id] = verdict
        else:
            done = self._splits.get(trial.id, {})
            self._resting.add(trial.id)
            self.trials[trial.id] = replace(
                trial, state=TrialState.RUNNING, value=None, metrics={}, ended_at=None, reason=""
            )
            self._work.add(Part(trial.id, split) for split in range(self._n_parts) if split not in done)

    def _race_again(self, trial: Trial) -> str | None:
        """Why a trial that has some of its splits need not go on, if it need not; its value is then the estimate."""
        race, done = self._advisers.race, self._splits.get(trial.id, {})
        verdict = race.judge(done) if race is not None and done else None
        if race is None or verdict is None or (value := race.estimate(done)) is None:
            return None
        result, _ = combine([done[split] for split in sorted(done)])
        self.trials[trial.id] = replace(
            trial, state=TrialState.RUNNING, value=value, variance=result.variance, metrics=result.metrics
        )
        return verdict

    # -- events ------------------------------------------------------------------------------------------------

    def handle(self, event: AnyEvent) -> list[AnyCommand]:
        """Absorb one event and return the commands it calls for, in the order in which to perform them."""
        if isinstance(event, Logged):
            raise TypeError(f"A search cannot handle {event!r}.")
        out: list[AnyCommand] = []
        self._last_at = event.at
        if self._began_at is None:
            self._began_at = event.at
            if self.settings.timeout_s is not None:
                self._ends_at = event.at + self.settings.timeout_s
        try:
            if isinstance(event, Reported):  # by far the most frequent, and it leaves no worker free, no part waiting
                self._reported(event, out)
            else:
                self._react(event, out)
        except Exception as error:  # of a sampler, scheduler or rule: what was decided before it still holds
            self.error = error
            self._end(f"{type(error).__name__} was raised: {error}", event.at, out)
        return out

    def _react(self, event: SearchEvent, out: list[AnyCommand]) -> None:
        if self._cut_off:
            self._let_leave_at_last(event.at, out)
        self._absorb(event, out)
        if self.end_reason is None and self._advisers.wish_to_end is not None:
            self._end(self._advisers.wish_to_end, event.at, out)
        if self.end_reason is None:
            self._assign(event.at, out)
            self._check_whether_done(event.at, out)
        while self.end_reason is None and (worker := self._work.call_back()) is not None:
            out.append(RecallParts(worker))

    def _absorb(self, event: SearchEvent, out: list[AnyCommand]) -> None:  # noqa: C901 - a table of events
        match event:
            case PartFinished():
                self._part_finished(event, out)
            case Saved():
                self._saved(event)
            case PartFailed():
                self._part_failed(event, out)
            case PartStopped():
                self._part_stopped(event, out)
            case WorkerJoined():
                self._work.join(event.worker)
            case WorkerLost():
                self._worker_lost(event, out)
            case Idled():
                self._prepare()
            case Ticked():
                self._ticked(event, out)
            case StopAsked():
                self.was_interrupted = True
                self._end(event.reason, event.at, out)
            case PartReturned():
                self._work.give_back(event.part, waits=not self._has_ended(event.part))
            case Asked():
                self._asked(event, out)

    def _part_finished(self, event: PartFinished, out: list[AnyCommand]) -> None:
        part, result = event.part, event.result
        worker = self._release(part, event.at, event.seconds)
        if worker is None:
            return
        why_not = "" if result.failed else misfit(result, self._n_objectives, self._n_constraints)
        if why_not:
            self._fail(part.trial_id, Failure(why_not), event.at, out, worker, event.seconds)
            return
        if not result.failed:
            self._n_constraints = len(result.constraints)
        split_values: SplitValues = ()
        reported = self.trials[part.trial_id].metrics
        if self.settings.n_splits is not None:
            reported = {}  # by one of the splits, which does not speak for all
            done = self._splits.setdefault(part.trial_id, {})
            done[part.split] = result
            if len(done) < self._n_parts:
                out.append(SaveSplit(part.trial_id, part.split, result))
                self._race(part.trial_id, done, event.at, out, worker)
                return
            result, split_values = combine([done[split] for split in sorted(done)])
        if result.failed:
            failure = Failure(result.failed)
            metrics = {**reported, **result.metrics}
            self._fail(part.trial_id, failure, event.at, out, worker, event.seconds, metrics)
            return
        self._conclude(
            part.trial_id,
            event.at,
            out,
            state=TrialState.FINISHED,
            value=result.value,
            variance=result.variance,
            metrics={**reported, **result.metrics},
            values=result.values,
            constraints=result.constraints,
            split_values=split_values,
            reason="",  # it may have come to its end before it heard that it should stop
            worker=worker,
            seconds=event.seconds,
        )

    def _race(self, trial_id: int, done: Mapping[int, Result], at: float, out: list[AnyCommand], worker: str) -> None:
        """Leave a trial's other splits out, if they would hardly make it the best."""
        race = self._advisers.race
        verdict = None if race is None else race.judge(done)
        if race is None or verdict is None:
            return
        result, _ = combine([done[split] for split in sorted(done)])
        if result.failed:
            self._fail(trial_id, Failure(result.failed), at, out, worker, metrics=result.metrics)
            return
        self._conclude(
            trial_id,
            at,
            out,
            state=TrialState.STOPPED,
            value=race.estimate(done),
            variance=result.variance,
            metrics=result.metrics,
            reason=verdict,
            worker=worker,
        )

    def _part_failed(self, event: PartFailed, out: list[AnyCommand]) -> None:
        worker = self._release(event.part, event.at, event.seconds)
        if worker is None:
            return
        if event.failure.fatal and not self.incumbents.n_finished:
            self.fatal = event.failure
            self._end(event.failure.reason, event.at, out)
            return
        self._fail(event.part.trial_id, event.failure, event.at, out, worker, event.seconds)

    def _part_stopped(self, event: PartStopped, out: list[AnyCommand]) -> None:
        part = event.part
        worker = self._release(part, event.at, event.seconds)
        if worker is None:
            return
        if part.trial_id not in self._pausing:
            why = event.reason or "its objective stopped itself"
            self._stop(part.trial_id, event.at, out, worker, why, event.seconds)
            return
        self._pausing.remove(part.trial_id)
        self._n_pauses[part.trial_id] += 1
        part = _next_attempt(part)  # so that nothing meant for the former one can reach it
        if self.trials[part.trial_id].reason:
            self._pause(part, event.at, out, worker)
        else:
            self._work.put_back(part)  # the scheduler let it go on before it had left

    def _reported(self, event: Reported, out: list[AnyCommand]) -> None:
        part, reports = event.part, event.reports
        worker = self._work.holder(part)
        trial = self.trials.get(part.trial_id)
        if worker is None or trial is None or trial.state.is_end:
            return
        out.append(SaveReports(part, reports))
        value, metrics = latest(trial.value, trial.metrics, reports)
        if self._n_objectives > 1:
            value = None
        trial = self.trials[trial.id] = replace(trial, value=value, metrics=metrics)
        if not self._advisers.listen:
            return
        is_judged = not trial.reason  # else it was told to leave
        for report in reports:
            verdict = self._advisers.reported(trial, report, is_judged)
            if verdict is not None:
                self._tell_to_leave(trial, worker, part, verdict, out)
                is_judged = False

    def _tell_to_leave(
        self, trial: Trial, worker: str, part: Part, verdict: str | Pause, out: list[AnyCommand]
    ) -> None:
        reason = _reason_of(verdict)
        if isinstance(verdict, Pause):
            self._pausing.add(trial.id)
        else:
            self._pausing.discard(trial.id)
        self.trials[trial.id] = replace(trial, reason=reason)
        out.append(StopPart(worker, part, reason))

    def _worker_lost(self, event: WorkerLost, out: list[AnyCommand]) -> None:
        parts = self._work.leave(event.worker)
        self._wait_again(parts[1:])  # it had not come to these
        if not parts or self._has_ended(parts[0]):
            return
        part = parts[0]
        trial = self.trials[part.trial_id]
        trial = self.trials[trial.id] = replace(trial, lost=(*trial.lost, event.cause))
        is_pausing = trial.id in self._pausing
        self._pausing.discard(trial.id)
        if trial.reason and not is_pausing:  # it was told to stop, and is gone
            self._stop(trial.id, event.at, out, event.worker)
            return
        n_lost = part.attempt - self._n_pauses[trial.id]
        if n_lost >= self.settings.max_attempts:
            reason = f"its worker was lost {n_lost} times, the last time because {_first_line(event.cause)}"
            self._fail(trial.id, Failure(reason, event.cause), event.at, out, event.worker)
        elif trial.reason:
            self._pause(_next_attempt(part), event.at, out, event.worker)
        else:
            self._work.put_back(_next_attempt(part))

    def _ticked(self, event: Ticked, out: list[AnyCommand]) -> None:
        for worker, part in self._work.overdue(event.at):
            limit = self.settings.trial_timeout_s
            reason = f"it ran longer than trial_timeout_s={limit:g} seconds"
            if self._release(part, event.at) is not None:
                self._fail(part.trial_id, Failure(reason), event.at, out, worker)
            self._wait_again(self._work.leave(worker))
            out.append(KillWorker(worker, reason))
        if self._ends_at is not None and event.at >= self._ends_at:
            self._end(f"the time was up: timeout_s={self.settings.timeout_s:g}", event.at, out)

    def _asked(self, event: Asked, out: list[AnyCommand]) -> None:
        trial = self._propose() if self.end_reason is None else None
        if trial is not None:
            self._begin_new(trial, event.at, out)
            self._work.lend(Part(trial.id))

    # -- the life of a trial -----------------------------------------------------------------------------------

    def _assign(self, at: float, out: list[AnyCommand]) -> None:
        while True:
            taken = self._work.take(at)
            if taken is not None:
                worker, part = taken
                if part.trial_id in self._resting:
                    self._resting.remove(part.trial_id)
                    self._begin(self.trials[part.trial_id], at, out)
                trial = self.trials[part.trial_id]
                out.append(StartPart(worker, part, trial.point, trial.parent))
            elif not self._work.has_room or not self._find_work(at, out):
                return

    def _find_work(self, at: float, out: list[AnyCommand]) -> bool:
        """There is a worker free, and nothing waits for it: decide who is next; False if nobody is for now."""
        offer, self._offer = self._offered(), None
        trial: Trial | None = None
        match offer:
            case Resume(trial_id):
                self._take_up(trial_id, at, out)
                return True
            case Fork():
                trial = self._fork(offer)
            case None:
                trial = self._propose()
        if trial is None:
            return False
        self._begin_new(trial, at, out)
        self._work.add(Part(trial.id, split) for split in range(self._n_parts))
        return True

    def _offered(self) -> Resume | Fork | Wait | None:
        """Whom the scheduler wants next; it is asked once for each trial that it offers."""
        if self._offer is not None:
            return self._offer
        offer = self._advisers.next_trial()
        match offer:
            case Fork() if not self._may_add:
                return Wait()
            case Resume(trial_id) if trial_id in self._unsaved:
                return Wait()  # it came to its end before it heard that it should pause, as will be told once saved
            case Fork() | Resume():
                self._offer = offer
        return offer

    def _take_up(self, trial_id: int, at: float, out: list[AnyCommand]) -> None:
        """Let a trial go on that is paused, or is about to be."""
        trial, part = self.trials.get(trial_id), self._paused.pop(trial_id, None)
        if trial is not None and part is not None:
            paused_s = trial.paused_s + _seconds_since(trial.ended_at, at)
            trial = replace(trial, state=TrialState.RUNNING, reason="", ended_at=None, paused_s=paused_s)
            self._work.put_back(part)
        elif trial is not None and trial.reason and trial_id in self._pausing:
            trial = replace(trial, reason="")
        else:
            state = "there is no such trial" if trial is None else f"it is {trial.state.value}"
            raise SettingsError(
                f"The scheduler's next_trial() wants trial {trial_id!r} to go on, which is not paused: {state}."
            )
        self.trials[trial_id] = trial
        out.append(SaveTrial(trial))
        self._advisers.began(trial)

    def _fork(self, fork: Fork) -> Trial:
        if fork.parent not in self.trials:
            raise SettingsError(
                f"The scheduler's next_trial() wants a fork of trial {fork.parent!r}, and there is no such trial."
            )
        point = dict(fork.point)
        try:
            params = self.space.build(point)
            is_whole = self.space.find(params).keys() == point.keys()
        except (LookupError, TypeError) as error:
            raise SettingsError(f"The scheduler's {fork!r} has no point of the space: {error!r}.") from error
        if not is_whole:
            raise SettingsError(f"The scheduler's {fork!r} has parameters that are not active at its point.")
        return self._new_trial(point, params, fork.parent)

    def _propose(self) -> Trial | None:
        if self._prepared:
            return self._prepared.popleft()
        return self._suggest() if self._may_propose() else None

    def _may_propose(self) -> bool:
        if self.end_reason is not None or self._is_dry or not self._may_add:
            return False
        # A sampler that learns should know what is about to be on disk before it thinks.
        return not (self._advisers.sampler.learns and self._unsaved)

    @property
    def _may_add(self) -> bool:
        """Whether there may be one trial more."""
        return self.settings.max_trials is None or self._next_id < self.settings.max_trials

    def _suggest(self) -> Trial | None:
        trial_id = self._next_id
        if self._start_with:
            rng = default_rng([_START_STREAM, self.settings.seed, trial_id])
            point: Point | None = self.space.sample(rng, self._start_with.popleft())
        else:
            point = self._advisers.sampler.suggest(trial_id, self.running)
        if point is None:
            self._is_dry = True
            return None
        return self._new_trial(point, self.space.build(point))

    def _new_trial(self, point: Point, params: object, parent: int | None = None) -> Trial:
        trial_id = self._next_id
        self._next_id += 1
        self._pending[trial_id] = point
        return Trial(trial_id, point, params, parent=parent)

    def _prepare(self) -> None:
        trial = self._suggest() if self.can_prepare else None
        if trial is not None:
            self._prepared.append(trial)

    def _n_prepared_wanted(self) -> int:
        # One worker alone should have the newest knowledge; many gain more from not waiting. But what is prepared would
        # have to begin, in the order of numbers, although a scheduler may want its own trials first.
        if self._advisers.choose_next:
            return 0
        return 1 if self._advisers.sampler.learns and self._work.n_workers > 1 else 0

    def _begin(self, trial: Trial, at: float, out: list[AnyCommand]) -> None:
        trial = self.trials[trial.id] = replace(trial, started_at=at, paused_s=0.0)
        out.append(SaveTrial(trial))

    def _begin_new(self, trial: Trial, at: float, out: list[AnyCommand]) -> None:
        self._begin(trial, at, out)
        self._advisers.began(trial)

    def _pause(self, part: Part, at: float, out: list[AnyCommand], worker: str) -> None:
        """A trial has left its worker to others; ``part`` is what has to be done when it goes on."""
        self._paused[part.trial_id] = part
        trial = replace(self.trials[part.trial_id], state=TrialState.PAUSED, ended_at=at, worker=worker)
        self.trials[trial.id] = trial
        out.append(SaveTrial(trial))

    def _let_leave_at_last(self, at: float, out: list[AnyCommand]) -> None:
        """Trials that had been told to leave, and had not when an earlier run was cut off, are not run again."""
        cut_off, self._cut_off = self._cut_off, {}
        for trial_id, verdict in cut_off.items():
            trial = self.trials[trial_id] = replace(self.trials[trial_id], reason=_reason_of(verdict))
            if isinstance(verdict, Pause):
                self._pause(Part(trial_id), at, out, trial.worker)
            else:
                self._stop(trial_id, at, out, trial.worker)

    def _release(self, part: Part, at: float, seconds: float | None = None) -> str | None:
        """Free the part's worker and return its name; None if the part is not to count (any more)."""
        worker = self._work.holder(part)
        if worker is None or not self._work.finish(part, at, seconds):
            return None
        return None if self._has_ended(part) else worker

    def _has_ended(self, part: Part) -> bool:
        return self.trials[part.trial_id].state.is_end

    def _wait_again(self, parts: Sequence[Part]) -> None:
        """Let parts that were not begun wait before all others, in their order, if they are still to be done."""
        for part in reversed(parts):
            if not self._has_ended(part):
                self._work.put_back(part)

    def _fail(
        self,
        trial_id: int,
        failure: Failure,
        at: float,
        out: list[AnyCommand],
        worker: str,
        seconds: float | None = None,
        metrics: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self._conclude(
            trial_id,
            at,
            out,
            state=TrialState.FAILED,
            value=None,
            metrics={**self.trials[trial_id].metrics, **metrics},
            reason=failure.reason,
            traceback=failure.traceback,
            worker=worker,
            seconds=seconds,
        )

    def _stop(
        self,
        trial_id: int,
        at: float,
        out: list[AnyCommand],
        worker: str,
        why: str = "",
        seconds: float | None = None,
    ) -> None:
        """A trial has left for good, because it was told to, or else for this reason."""
        reason = self.trials[trial_id].reason or why
        self._conclude(trial_id, at, out, state=TrialState.STOPPED, reason=reason, worker=worker, seconds=seconds)

    def _conclude(
        self, trial_id: int, at: float, out: list[AnyCommand], *, seconds: float | None = None, **changes: object
    ) -> None:
        """A trial has its outcome: have it saved. Nobody is told before that is done."""
        order = self.n_ended + len(self._unsaved)
        trial = self.trials[trial_id]
        started_at, paused_s = trial.started_at, trial.paused_s
        in_one_go = self._n_parts == 1 and trial_id not in self._n_pauses and not trial.lost and not paused_s
        if seconds is not None and in_one_go:  # its worker may have had it long before it began
            started_at = max(started_at, at - seconds)
        if self._paused.pop(trial_id, None) is not None:
            paused_s += _seconds_since(trial.ended_at, at)
        trial = replace(trial, started_at=started_at, ended_at=at, order=order, paused_s=paused_s, **changes)
        self.trials[trial_id] = trial
        self._pausing.discard(trial_id)
        self._n_pauses.pop(trial_id, None)
        self._splits.pop(trial_id, None)
        self._unsaved.add(trial_id)
        out.append(SaveTrial(trial))
        if self._n_parts > 1:
            for worker, part in self._work.drop(trial_id, self._n_parts):
                out.append(StopPart(worker, part, "its trial has come to its end with another split"))

    def _saved(self, event: Saved) -> None:
        for trial_id in event.trial_ids:
            if trial_id not in self._unsaved:
                continue
            self._unsaved.remove(trial_id)
            del self._pending[trial_id]
            self._is_dry = False
            self._advisers.learn(self.trials[trial_id])

    # -- the end -----------------------------------------------------------------------------------------------

    def _check_whether_done(self, at: float, out: list[AnyCommand]) -> None:
        if self._unsaved or len(self._pending) > len(self._paused):
            return
        offer = self._offered()
        if isinstance(offer, Resume | Fork):
            self._assign(at, out)  # it may have been of another mind before
            return
        if not self._may_add:
            reason = f"all {self.n_ended} trials are done"
        elif offer is not None:
            reason = f"the scheduler wants no more: all {self.n_ended} trials are done"
        elif self._is_dry:
            reason = f"the space is used up: all {self.n_ended} configurations were tried"
        else:
            return
        if not self._paused:
            self._end(reason, at, out)
        for trial_id in list(self._paused):  # nobody will ever let them go on
            self._stop(trial_id, at, out, self.trials[trial_id].worker)

    def _end(self, reason: str, at: float, out: list[AnyCommand]) -> None:
        if self.end_reason is not None:
            return
        self.end_reason = reason
        for trial in self._prepared:
            del self._pending[trial.id]
        self._prepared.clear()
        for trial_id in self._pending:
            if trial_id in self._unsaved or trial_id in self._paused:
                continue
            trial = replace(self.trials[trial_id], state=TrialState.INTERRUPTED, ended_at=at, reason=reason)
            self.trials[trial_id] = trial
            out.append(SaveTrial(trial))
        out.append(EndSearch(reason))


def _next_attempt(part: Part) -> Part:
    return Part(part.trial_id, part.split, part.attempt + 1)


def _reason_of(verdict: str | Pause) -> str:
    reason = verdict.reason if isinstance(verdict, Pause) else verdict
    return reason or "its scheduler gave no reason"


def _seconds_since(then: float | None, at: float) -> float:
    return 0.0 if then is None else max(0.0, at - then)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
