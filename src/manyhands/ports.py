"""The roles that can be filled by anybody: what a search, and the driver around it, asks of its parts.

None of these is inherited from, but for ``Tracker``, whose methods do nothing until overridden. The suites in
``manyhands.testing`` say the same as these docstrings in a form that runs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from manyhands.events import AnyCommand, AnyEvent, Save
from manyhands.job import Job
from manyhands.space import Point, Space
from manyhands.trial import Part, Report, Result, Trial, TrialState


class Problem(Struct, frozen=True):
    """What a sampler is to solve.

    Attributes:
        space: What is searched.
        seed: The one source of the sampler's randomness.
        n_objectives: How many losses are to be made small; more than one asks for the Pareto front.
        max_trials: When the search will end, if that is known.
        max_steps: The step of a trial's last report, if that is known.
    """

    space: Space
    seed: int = 0
    n_objectives: int = 1
    max_trials: int | None = None
    max_steps: int | None = None


class Outcome(Struct, frozen=True):
    """What came of a trial, as a sampler sees it.

    Attributes:
        losses: One for each objective; smaller is better, whatever the study's directions.
        violations: One for each constraint, in its own unit; the trial is feasible if none is above 0.
        variance: Of the noise in the first loss; None if unknown.
    """

    losses: tuple[float, ...]
    violations: tuple[float, ...] = ()
    variance: float | None = None

    @property
    def loss(self) -> float:
        """The first loss; the only one, unless the study has several objectives."""
        return self.losses[0]

    @property
    def is_feasible(self) -> bool:
        """Whether every constraint is kept."""
        return all(violation <= 0 for violation in self.violations)


class Forecast(Struct, frozen=True):
    """What is expected of a trial's end, as long as it is not known.

    Attributes:
        loss: The most probable one.
        mean: The same in units in which what is expected is normally distributed. All forecasts that were made at the
            same time have the same units.
        deviation: Its standard deviation, in those units.
    """

    loss: float
    mean: float
    deviation: float


class Sampler(Protocol):
    """Proposes the next trial, knowing every finished and every running one.

    Values reach a sampler as *losses*: smaller is better, whatever the study's direction. Outcomes come once each,
    through ``observe``, in the order in which they were known; a resumed study replays them, so a sampler whose
    randomness depends on nothing but the seed and ``trial_id`` goes on as if never interrupted.

    A sampler may also have a method ``explain() -> str``: in one line, what it does and why, as things stand. It is
    asked now and then, and what it says is shown on the console (at the start, and whenever it changes) and in the
    study's summary. So it should be cheap, and change only if there is something new to say.

    One that learns from unfinished trials may have two more methods:

    - ``report(trial_id: int, point: Point, report: Report, loss: float) -> None``, which tells what a trial reported,
      in studies of one objective without splits. It is asked for every report, and should be quick.
    - ``forecast() -> Mapping[int, Forecast]``, which says what it expects of the trials that it knows of; empty if it
      knows too little. A scheduler may ask for that: see ``Scheduler``.

    Attributes:
        learns: Whether outcomes change what is suggested. If not, trials may be proposed long before they start.
    """

    learns: bool

    def start(self, problem: Problem) -> None:
        """Prepare for a search; called once, before anything else.

        Raises:
            SettingsError: The sampler cannot solve this problem.
        """

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return a point for a new trial.

        Args:
            trial_id: The new trial's id, which is not used again.
            running: The points of trials that have no outcome yet, by id.

        Returns:
            The active parameters by name; None if there is nothing to suggest before another outcome is known. If no
            trial runs either, that ends the search.
        """

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Learn of an outcome.

        Args:
            trial: The trial as it ended.
            outcome: What to make small; None if the trial failed, or was stopped before it had a value. What a trial
                that was stopped would have made of its constraints is not known.
        """


class Pause(Struct, frozen=True):
    """A scheduler's answer to a report: the trial leaves its worker to others, and may go on later.

    The trial leaves at its next report, as one that is stopped does, and is then ``paused``.

    Attributes:
        reason: Why, in words.
    """

    reason: str


class Resume(Struct, frozen=True):
    """A scheduler's answer to who is next: a paused trial goes on, from its checkpoint if it has one.

    Attributes:
        trial_id: The trial. It is paused, or was told to and has not left yet.
    """

    trial_id: int


class Fork(Struct, frozen=True):
    """A scheduler's answer to who is next: a new trial, which begins with the checkpoint of another one.

    Attributes:
        parent: The other trial.
        point: The new trial's params.
    """

    parent: int
    point: Point


class Wait(Struct, frozen=True):
    """A scheduler's answer to who is next: nobody for now, even if the sampler knew somebody.

    While nothing runs there is nothing to wait for, so that this ends the search then.
    """


class Scheduler(Protocol):
    """Judges the reports of running trials against all others; for studies of one objective.

    Smaller losses are better, whatever the direction. After a stop or a pause, the trial's reports are not judged any
    more. A scheduler may have more:

    - ``start(direction: str) -> None``, which is called before the search begins: for one that speaks of the user's
      values.
    - ``prepare(problem: Problem) -> None``, which is called after that: for one that has to know what is searched.
    - ``consult(forecast: Callable[[], Mapping[int, Forecast]] | None) -> None``, which is called then: for one that
      goes by the sampler's forecasts. None if this sampler makes none.
    - ``next_trial() -> Resume | Fork | Wait | None``, for one that says who is next. It is asked whenever a worker is
      free and no trial waits for one, before the sampler is; None leaves it to the sampler. A ``Resume`` or a ``Fork``
      is taken at once, or else as soon as there is a worker. A ``Fork`` beyond ``max_trials`` counts as a ``Wait``.
    - ``began(trial: Trial) -> None``, which tells that a trial begins, or goes on after a pause.
    - ``explain() -> str``, as samplers have it.
    - ``max_steps: int | None``, the step of a trial's last report, if that is known.

    A study that goes on gives a new scheduler its past: each report, outcome and beginning in their old order, but no
    question. So whatever ``next_trial`` has to remember should be noted in ``began``.

    If nothing runs, no new trial is to be had and ``next_trial`` offers none, then paused trials are stopped, for the
    reason of their pause, and the search ends.
    """

    def judge(self, trial_id: int, report: Report, loss: float) -> str | Pause | None:
        """Return why the trial should stop, in words, or that it should pause, or None if it should go on.

        Args:
            trial_id: The trial.
            report: What it reported.
            loss: The report's value as a loss; NaN if it was not finite.
        """

    def observe(self, trial: Trial, loss: float | None) -> None:
        """Learn of an outcome, in the order in which they were known; the loss is None if the trial failed."""


class StopRule(Protocol):
    """Ends a search early.

    A rule that has to know what is searched may have a ``start(problem: Problem) -> None``, which is called before
    anything else. One with ``is_urgent = False`` may be heard late, after a few very short trials that had been given
    to workers ahead of time.
    """

    def observe(self, trial: Trial, is_best: bool, direction: str | tuple[str, ...]) -> str | None:
        """Learn of an outcome, and return why the search should end, or None.

        Args:
            trial: The trial as it ended.
            is_best: Whether it is feasible, and better than every feasible trial before it. With several objectives:
                whether it brought new values to the Pareto front.
            direction: ``"minimize"`` or ``"maximize"``; several objectives have one each.
        """


class Executor(Protocol):
    """Runs workers somewhere, and no more.

    Everything happens within ``poll``, on the caller's thread: there it hands events to the ``deliver`` it was
    started with. A worker is announced by ``WorkerJoined``, and again after it was lost and replaced, under a new
    name.

    Attributes:
        n_workers: How many workers there will be.
        is_busy: Whether the objective is running just now in the very thread that called ``poll``.
    """

    n_workers: int
    is_busy: bool

    def start(self, job: Job, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> None:
        """Get the workers going; returns before they are there.

        Args:
            job: What the workers have to do.
            deliver: Takes each event.
            now: Tells the time that events carry.

        Raises:
            PayloadError: The objective cannot be sent to workers.
            ExecutorError: No worker can be started.
        """

    def poll(self, timeout_s: float) -> None:
        """Deliver what has happened; if nothing has, wait for it, at most ``timeout_s`` seconds.

        Raises:
            PayloadError: The objective cannot be unpacked by the workers.
            ExecutorError: Workers die before they can do any work.
        """

    def perform(self, command: AnyCommand) -> None:
        """Carry out a command that names a worker; unknown workers are ignored.

        Whoever never holds more parts than it runs may ignore ``RecallParts``.
        """

    def close(self) -> None:
        """End all workers and whatever they started, at once; may be called twice."""


class StudySpec(Struct, frozen=True):
    """What makes a study the one it is: a rerun has to agree with it.

    Attributes:
        name: The study's name in its store.
        space: ``Space.spec()``.
        direction: ``"minimize"`` or ``"maximize"``; several objectives have one each.
        metric: The key of the objective's dict that is optimised; several objectives have one each.
        n_splits: How many splits a trial has; None if trials come in one piece.
        seed: Of the sampler; -1 leaves it to the store, which has the stored one or 0.
        sampler: Its name; may change from run to run.
        created_at: Seconds since 1970.
        fingerprint: What the objective works on, such as data: a short text by the name of each thing.
    """

    name: str
    space: Any
    direction: str | tuple[str, ...] = "minimize"
    metric: str | tuple[str, ...] | None = None
    n_splits: int | None = None
    seed: int = 0
    sampler: str = ""
    created_at: float = 0.0
    fingerprint: dict[str, str] = {}


class Moment(Struct, frozen=True, gc=False):
    """That a trial was written to a store, and when: by the reports before it, as clocks are not to be trusted.

    Attributes:
        trial_id: The trial.
        state: Its state then.
        n_reports: How many of the study's reports had been written before.
    """

    trial_id: int
    state: TrialState
    n_reports: int


class History(Struct, frozen=True):
    """What a store knows of a study.

    Attributes:
        spec: What makes it this study.
        trials: By id. Those without an end are to be run again.
        splits: The results so far of trials without an end, by trial id and split.
        end_reason: Why its last run ended; empty if it was cut off.
        moments: Each time that a trial was written, in order. Those of trials written by older versions are missing.
    """

    spec: StudySpec
    trials: list[Trial]
    splits: dict[tuple[int, int], Result]
    end_reason: str = ""
    moments: list[Moment] = []

    @property
    def has_outcomes(self) -> bool:
        """Whether any trial has come to its end."""
        return any(trial.state.is_end for trial in self.trials)


class Archive(Protocol):
    """Where to look up what a study does not keep in memory."""

    def log(self, trial_id: int) -> str:
        """Everything the trial printed, its parts and attempts one after another."""

    def reports_of(self, trial_id: int) -> list[Report]:
        """The trial's intermediate values, in the order of their arrival."""


class Store(Protocol):
    """Keeps one study. One driver at a time owns it, and only the owner writes."""

    def open(self, spec: StudySpec, *, resume: bool) -> History:
        """Create the study, or take it up again, and become its owner.

        Returns:
            What is stored. Its spec is the stored one, which may differ from the given one in seed and sampler.

        Raises:
            StudyMismatchError: A study of that name has outcomes, and differs or ``resume`` is false. One without any
                outcome is begun anew if it differs.
            StudyOwnedError: Another driver owns it.
            StoreError: The store cannot be used.
        """

    def write(self, saves: Sequence[Save], logs: Iterable[tuple[Part, str]] = ()) -> None:
        """Keep all of it or none; on return it is durable.

        The order of reports and trials, over all writes and within each, is that in which the search learned of them,
        and is kept: see ``Moment``.

        Raises:
            StudyOwnedError: Another driver took the study over.
            StoreError: It could not be written.
        """

    def beat(self) -> None:
        """Show that the owner lives, if it has not written for some seconds."""

    def end(self, reason: str) -> None:
        """Note why the run ended, and give the study up."""

    def reports(self) -> Iterable[tuple[Part, Report]]:
        """All intermediate values of the open study, in the order of their arrival."""

    def log(self, trial_id: int) -> str:
        """Everything the trial printed, its parts and attempts one after another."""

    def close(self) -> None:
        """Release the file; may be called twice."""


class Tracker:
    """Listens to a search. Override what is of interest; what a method raises is logged and goes no further.

    Outcomes are told after they are on disk.
    """

    def started(self, spec: StudySpec, n_workers: int, trials: Mapping[int, Trial], max_trials: int | None) -> None:
        """The search begins, with the trials of earlier runs."""

    def explained(self, text: str) -> None:
        """Sampler and scheduler say what they do and why; told at the start, and again when they say something else."""

    def trial_started(self, trial: Trial) -> None:
        """A trial was given to a worker, or goes on after a pause."""

    def reported(self, trial: Trial, reports: Sequence[Report]) -> None:
        """A running trial reported intermediate values."""

    def logged(self, trial_id: int, text: str) -> None:
        """A running trial printed something."""

    def trial_paused(self, trial: Trial) -> None:
        """A trial left its worker to others; ``trial_started`` tells if it goes on."""

    def trial_ended(self, trial: Trial) -> None:
        """A trial has its outcome, or was interrupted by the end of the search."""

    def tick(self, at: float) -> None:
        """Some time went by; called a few times a second."""

    def ended(self, reason: str) -> None:
        """The search is over."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Seconds since 1970, never going backwards."""
