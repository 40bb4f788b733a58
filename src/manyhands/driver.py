"""The one loop around a search: it performs commands, and turns what happens into events.

    executor ──events──▶ search ──commands──▶ store, then executor and trackers ──Saved──▶ search

One turn of the loop handles everything that has arrived, writes it in one transaction, and only then lets anybody know.
"""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType

from msgspec import Struct

from manyhands.errors import StoreError
from manyhands.events import (
    AnyCommand,
    AnyEvent,
    EndSearch,
    Idled,
    Logged,
    Reported,
    Save,
    Saved,
    SaveReports,
    SaveSplit,
    SaveTrial,
    StartPart,
    StopAsked,
    Ticked,
)
from manyhands.job import Job
from manyhands.ports import Clock, Executor, Store, StudySpec, Tracker
from manyhands.search import Search
from manyhands.trial import Part, TrialState

log = logging.getLogger("manyhands")

#: What trackers are told of a trial that was saved, if it is not its end.
_HOOKS = {TrialState.RUNNING: "trial_started", TrialState.PAUSED: "trial_paused"}


class Pace(Struct, frozen=True):
    """How long the loop waits for things, in seconds.

    Attributes:
        patience_s: The longest for events, before it looks at the clock.
        hurry_s: The longest that reports and output wait for their transaction.
    """

    patience_s: float = 0.2
    hurry_s: float = 0.05


class Driver:
    """Runs one search to its end.

    Args:
        search: Decides.
        spec: What makes the study the one it is.
        executor: Runs the workers.
        store: Keeps the outcomes; already open.
        clock: Tells the time.
        trackers: Listen.
        recorder: Is given every event before the search is; for replays.
        pace: How long it waits for things.
    """

    def __init__(
        self,
        search: Search,
        spec: StudySpec,
        executor: Executor,
        store: Store,
        clock: Clock,
        trackers: Sequence[Tracker] = (),
        recorder: Callable[[AnyEvent], None] | None = None,
        pace: Pace | None = None,
    ):
        self._search = search
        self._pace = pace or Pace()
        self._spec = spec
        self._executor = executor
        self._store = store
        self._clock = clock
        self._trackers = trackers
        self._recorder = recorder
        self._commands: list[AnyCommand] = []
        self._saves: list[Save] = []  # wait for the next transaction, in the order in which the search learned of them
        self._outcomes: list[Save] = []  # the same; it learns of these when they are on disk, and so after the others
        self._logs: list[tuple[Part, str]] = []  # the same
        self._waiting_since: float | None = None
        self._explanation = ""
        self._deadline: float | None = None  # of the search, as it stands
        self._can_prepare = False  # the same
        self._ended = False
        self._interrupted = False
        self._ticked_at = 0.0

    def run(self, job: Job) -> None:
        """Run the search until it ends.

        Raises:
            PayloadError: The objective cannot be sent to workers.
            ExecutorError: Workers cannot be had.
            StoreError: An outcome could not be written.
        """
        self._each_tracker(
            "started",
            self._spec,
            self._executor.n_workers,
            self._search.trials,
            self._search.settings.max_trials,
        )
        self._explain()
        reason = "it was cut off"
        try:
            with _CtrlC(self._on_ctrl_c):
                self._handle(Ticked(at=self._clock.now()))  # a finished study ends here, before any worker starts
                self._turn()
                if not self._ended:
                    self._executor.start(job, self.deliver, self._clock.now)
                while not self._ended:
                    self._executor.poll(self._patience())
                    self._look_at_clock()
                    self._turn()
            reason = self._search.end_reason or reason
        finally:
            self._executor.close()
            self._save_what_is_left()
            self._explain()
            self._each_tracker("ended", reason)
        self._store.end(reason)

    def deliver(self, event: AnyEvent) -> None:
        """Take an event from the executor. What it calls for is done at the end of the turn, but for stops."""
        if isinstance(event, Logged):
            self._logs.append((event.part, event.text))
            self._each_tracker("logged", event.part.trial_id, event.text)
            if self._waiting_since is None:
                self._start_waiting()
            return
        self._handle(event)
        if self._executor.is_busy:
            self._look_at_deadline()  # the loop cannot, while the objective has its thread

    # -- inside ------------------------------------------------------------------------------------------------

    def _handle(self, event: AnyEvent) -> None:
        if self._recorder is not None:
            self._recorder(event)
        search = self._search
        commands = search.handle(event)
        if not isinstance(event, Reported):  # by far the most frequent, and it changes neither
            self._deadline, self._can_prepare = search.next_deadline(), search.can_prepare
        for command in commands:
            match command:
                case SaveReports():
                    self._saves.append(command)
                    if self._waiting_since is None:
                        self._start_waiting()
                    if self._trackers:
                        self._each_tracker("reported", search.trials[command.part.trial_id], command.reports)
                case SaveTrial(trial):
                    (self._outcomes if trial.state.is_end else self._saves).append(command)
                    self._commands.append(command)
                case SaveSplit():
                    self._saves.append(command)
                    self._commands.append(command)
                case StartPart() | EndSearch():
                    self._commands.append(command)
                case _:
                    self._executor.perform(command)  # a stop: the sooner the better

    def _turn(self) -> None:
        while self._commands or self._is_due():
            commands, self._commands = self._commands, []
            self._write()
            self._tell(commands)
        while self._can_prepare and not self._ended:
            self._handle(Idled(at=self._clock.now()))

    def _write(self) -> None:
        saves = [*self._saves, *self._outcomes]
        self._saves, self._outcomes = [], []
        logs, self._logs = self._logs, []
        self._waiting_since = None
        if saves or logs:
            self._store.write(saves, logs)

    def _save_what_is_left(self) -> None:
        """Outcomes that came in the turn that was cut off, and the last words of workers that had to be killed."""
        try:
            self._write()
        except StoreError as error:
            log.warning("what happened last could not be saved: %s", error)

    def _tell(self, commands: Sequence[AnyCommand]) -> None:
        """Everything is on disk: now it may be known."""
        trials = []
        for command in commands:
            match command:
                case StartPart():
                    self._executor.perform(command)
                case SaveTrial(trial):
                    trials.append(trial)
                case EndSearch():
                    self._ended = True
        ended = [trial.id for trial in trials if trial.state.is_end]
        if ended:
            self._handle(Saved(trial_ids=ended, at=self._clock.now()))
        if self._trackers:
            for trial in trials:
                self._each_tracker(_HOOKS.get(trial.state, "trial_ended"), trial)

    def _start_waiting(self) -> None:
        self._waiting_since = self._clock.now()

    def _is_due(self) -> bool:
        return self._waiting_since is not None and self._clock.now() - self._waiting_since >= self._pace.hurry_s

    def _patience(self) -> float:
        wait = self._pace.patience_s if self._waiting_since is None else self._pace.hurry_s
        return wait if self._deadline is None else max(0.0, min(wait, self._deadline - self._clock.now()))

    def _look_at_clock(self) -> None:
        now = self._clock.now()
        if self._interrupted:
            self._interrupted = False
            self._handle(StopAsked(reason="it was interrupted by Ctrl-C", at=now))
        if self._deadline is not None and self._deadline <= now:
            self._handle(Ticked(at=now))
        if now - self._ticked_at >= self._pace.patience_s:
            self._ticked_at = now
            self._store.beat()
            self._explain()
            self._each_tracker("tick", now)

    def _explain(self) -> None:
        """Pass on what the sampler says of itself, if that is new."""
        text = self._search.explanation if self._trackers else ""
        if text and text != self._explanation:
            self._explanation = text
            self._each_tracker("explained", text)

    def _look_at_deadline(self) -> None:
        if self._deadline is not None and self._deadline <= self._clock.now():
            self._handle(Ticked(at=self._clock.now()))

    def _on_ctrl_c(self) -> None:
        if self._interrupted or self._executor.is_busy:
            raise KeyboardInterrupt  # asked twice; or the objective itself runs in this thread, and must leave it
        self._interrupted = True

    def _each_tracker(self, hook: str, *args: object) -> None:
        for tracker in self._trackers:
            try:
                getattr(tracker, hook, _ignore)(*args)  # one that is no mh.Tracker may lack the newer hooks
            except Exception:
                log.exception("the tracker %r failed in %s; the search goes on", tracker, hook)


def _ignore(*_: object) -> None:
    """Nobody listens."""


class _CtrlC:
    """Calls a function on Ctrl-C instead of raising KeyboardInterrupt just anywhere, where that can be done."""

    def __init__(self, on_interrupt: Callable[[], None]):
        self._on_interrupt = on_interrupt
        self._is_main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> None:
        if self._is_main:
            self._before = signal.signal(signal.SIGINT, self._on_signal)

    def __exit__(self, *_: object) -> None:
        if self._is_main:
            signal.signal(signal.SIGINT, self._before)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._on_interrupt()
