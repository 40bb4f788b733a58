"""What every executor must do. Real workers run real, small jobs here."""

import itertools
import os
import tempfile
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

from manyhands.errors import PayloadError
from manyhands.events import (
    AnyEvent,
    KillWorker,
    Logged,
    PartFailed,
    PartFinished,
    PartStopped,
    Reported,
    StartPart,
    StopPart,
    WorkerJoined,
    WorkerLost,
)
from manyhands.job import Job
from manyhands.parameters import Choice, Float, Int
from manyhands.ports import Executor
from manyhands.space import Space
from manyhands.trial import Part, Result
from manyhands.worker.handle import TrialHandle

_ACTIONS = (
    *("return", "raise", "report", "until stopped", "print", "hang", "die", "identify", "trade off", "tell kinds"),
    *("save", "save and report", "save on and on", "restore", "save files", "look at files"),
)
_SPACE = Space({"do": Choice(_ACTIONS), "x": Float(0, 1000), "n": Int(0, 9)})
_N_REPORTS = 250
_BIG_BYTES = 4_000_000  # enough for a worker to be killed in the middle of saving it
_N_KILLS = 4

E = TypeVar("E", bound=AnyEvent)


def objective(params: dict[str, object], trial: TrialHandle) -> object:
    """Do what ``params["do"]`` says; every executor's tests run this."""
    return _DO[str(params["do"])](params, trial)


def _return(params: dict[str, object], trial: TrialHandle) -> object:
    return {"value": params["x"], "variance": 0.25, "id": trial.id, "split": trial.split, "attempt": trial.attempt}


def _raise(params: dict[str, object], trial: TrialHandle) -> object:
    raise ValueError(f"{params['x']} is no good: é")


def _report(params: dict[str, object], trial: TrialHandle) -> object:
    for i in range(_N_REPORTS):
        trial.report(i / 10, step=i, double=2 * i)
    return 1.0


def _until_stopped(params: dict[str, object], trial: TrialHandle) -> object:
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        trial.report(1.0)
        time.sleep(0.01)
    return 0.0


def _print(params: dict[str, object], trial: TrialHandle) -> object:
    for i in range(1000):
        print(f"line {i} of part {trial.id}: é")
    return 1.0


def _hang(params: dict[str, object], trial: TrialHandle) -> object:
    print("about to hang", flush=True)
    trial.report(0.0)
    while True:
        time.sleep(60)


def _die(params: dict[str, object], trial: TrialHandle) -> object:
    print("last words", flush=True)
    os._exit(3)


def _identify(params: dict[str, object], trial: TrialHandle) -> object:
    return {"value": 0, "pid": os.getpid()}


def _trade_off(params: dict[str, object], trial: TrialHandle) -> object:
    return {"values": [params["x"], -0.5], "constraints": (0.0, -1), "id": trial.id}


def _tell_kinds(params: dict[str, object], trial: TrialHandle) -> object:
    return {"value": 0, "x": type(params["x"]).__name__, "n": type(params["n"]).__name__}


def _save(params: dict[str, object], trial: TrialHandle) -> object:
    trial.save({"x": params["x"]})
    return 0.0


def _save_and_report(params: dict[str, object], trial: TrialHandle) -> object:
    began_with = trial.restore(0)
    give_up_at = time.monotonic() + 60
    for i in itertools.count(began_with + 1):
        trial.save(i)
        trial.report(i, step=i, began_with=began_with)
        time.sleep(0.01)
        if time.monotonic() > give_up_at:
            break
    return 0.0


def _save_on_and_on(params: dict[str, object], trial: TrialHandle) -> NoReturn:
    i, _ = trial.restore((0, b""))
    while True:
        i += 1
        trial.save((i, bytes([i % 256]) * _BIG_BYTES))
        trial.report(i, step=i)


def _restore(params: dict[str, object], trial: TrialHandle) -> object:
    found = trial.restore("nothing")
    if isinstance(found, tuple):
        number, data = found
        found = number if data == bytes([number % 256]) * _BIG_BYTES else "something torn"
    return {"value": 0, "found": found}


def _save_files(params: dict[str, object], trial: TrialHandle) -> object:
    Path(trial.checkpoint_dir, "weights").write_text(f"{params['x']}")
    trial.save()
    Path(trial.checkpoint_dir, "weights").write_text("not saved")
    return 0.0


def _look_at_files(params: dict[str, object], trial: TrialHandle) -> object:
    return {"value": 0, "found": {path.name: path.read_text() for path in Path(trial.checkpoint_dir).iterdir()}}


_DO: dict[str, Callable[[dict[str, object], TrialHandle], object]] = dict(
    zip(
        _ACTIONS,
        (
            *(_return, _raise, _report, _until_stopped, _print, _hang, _die, _identify, _trade_off, _tell_kinds),
            *(_save, _save_and_report, _save_on_and_on, _restore, _save_files, _look_at_files),
        ),
        strict=True,
    )
)


class Session:
    """An executor at work, and everything it has delivered.

    Args:
        executor: Started.
        patience_s: The longest to wait for an event.

    Attributes:
        events: What was delivered, in order.
        on_event: Called with every event, within ``deliver``.
    """

    def __init__(self, executor: Executor, patience_s: float):
        self.executor = executor
        self.events: list[AnyEvent] = []
        self.on_event: Callable[[AnyEvent], None] = lambda _: None
        self._patience_s = patience_s

    def deliver(self, event: AnyEvent) -> None:
        """Take an event."""
        self.events.append(event)
        self.on_event(event)

    def every(self, kind: type[E]) -> list[E]:
        """All events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def until(self, kind: type[E], n: int = 1) -> list[E]:
        """Wait for ``n`` events of a kind, counted from the start."""
        give_up_at = time.monotonic() + self._patience_s
        while len(self.every(kind)) < n:
            assert time.monotonic() < give_up_at, f"no {kind.__name__} came within {self._patience_s:g} s"
            self.executor.poll(0.05)
        return self.every(kind)

    def worker(self) -> str:
        """The newest worker."""
        return self.until(WorkerJoined)[-1].worker

    def start(
        self, part: Part, action: str, x: float = 1.0, worker: str | None = None, parent: int | None = None
    ) -> None:
        """Give a worker work."""
        point = {"do": _ACTIONS.index(action), "x": x, "n": 7}
        self.executor.perform(StartPart(worker or self.worker(), part, point, parent))

    def run(self, action: str, x: float = 1.0, part: Part = Part(0), parent: int | None = None) -> AnyEvent:  # noqa: B008
        """Run a part to its end and return how it ended."""
        self.worker()
        n_ended = len(self.ends)
        self.start(part, action, x, parent=parent)
        self.until_ended(n_ended + 1)
        return self.ends[-1]

    def found(self, part: Part, action: str = "restore", parent: int | None = None) -> object:
        """What a part that looks for its checkpoint finds."""
        end = self.run(action, part=part, parent=parent)
        assert isinstance(end, PartFinished), end
        return end.result.metrics["found"]

    @property
    def ends(self) -> list[AnyEvent]:
        """The events by which parts ended."""
        return [e for e in self.events if isinstance(e, PartFinished | PartFailed | PartStopped)]

    def until_ended(self, n: int) -> None:
        """Wait until ``n`` parts have ended."""
        give_up_at = time.monotonic() + self._patience_s
        while len(self.ends) < n:
            assert time.monotonic() < give_up_at, f"only {len(self.ends)} parts ended within {self._patience_s:g} s"
            self.executor.poll(0.05)

    def text(self, part: Part) -> str:
        """What a part has printed."""
        return "".join(event.text for event in self.every(Logged) if event.part == part)


class ExecutorContract:
    """Tests that any executor passes; override ``make``.

    Attributes:
        patience_s: The longest to wait for anything.
        can_kill: Whether workers can be killed, and die, without the driver.
        on_this_machine: Whether workers are processes here, so that it can be seen that none is left.
    """

    patience_s = 30.0
    can_kill = True
    on_this_machine = True

    def make(self) -> Executor:
        """Return an executor with one worker, not yet started."""
        raise NotImplementedError

    # -- workers and parts -------------------------------------------------------------------------------------

    def test_every_worker_joins_under_a_name_of_its_own(self) -> None:
        with self._session() as session:
            joined = session.until(WorkerJoined, session.executor.n_workers)

            assert len({event.worker for event in joined}) == session.executor.n_workers

    def test_a_part_gives_its_result(self) -> None:
        with self._session() as session:
            session.worker()
            session.start(Part(5, 2, 3), "return", x=2.5)
            (finished,) = session.until(PartFinished)

            assert finished.part == Part(5, 2, 3)
            assert (finished.result.value, finished.result.variance) == (2.5, 0.25)
            assert finished.result.metrics == {"id": 5, "split": 2, "attempt": 3}

    def test_whole_numbers_arrive_as_whole_numbers_and_others_as_floats(self) -> None:
        with self._session() as session:
            end = session.run("tell kinds", x=3.0)

            assert isinstance(end, PartFinished)
            assert end.result.metrics == {"x": "float", "n": "int"}

    def test_a_part_gives_several_values_and_its_constraints(self) -> None:
        with self._session(n_objectives=2) as session:
            end = session.run("trade off", x=2.5)

            assert isinstance(end, PartFinished)
            assert end.result == Result(None, None, {"id": 0}, (2.5, -0.5), (0.0, -1.0))

    def test_a_number_where_several_are_needed_is_a_failure_for_good(self) -> None:
        with self._session(n_objectives=2) as session:
            end = session.run("report")

            assert isinstance(end, PartFailed)
            assert "list of 2 numbers" in end.failure.reason
            assert end.failure.fatal

    def test_what_the_objective_raises_is_the_parts_failure(self) -> None:
        with self._session() as session:
            end = session.run("raise", x=7.5)

            assert isinstance(end, PartFailed)
            assert "ValueError" in end.failure.reason
            assert "7.5 is no good: é" in end.failure.traceback
            assert not end.failure.fatal

    def test_a_worker_takes_the_next_part_after_a_failure(self) -> None:
        with self._session() as session:
            session.run("raise")
            session.start(Part(1), "return")
            (finished,) = session.until(PartFinished)

            assert finished.part == Part(1)
            assert session.every(WorkerLost) == []

    def test_parts_given_ahead_are_done_in_order(self) -> None:
        with self._session() as session:
            session.worker()
            for i in range(5):
                session.start(Part(i), "return", x=float(i))
            finished = session.until(PartFinished, 5)

            assert [event.part.trial_id for event in finished] == [0, 1, 2, 3, 4]
            assert [event.result.value for event in finished] == [0, 1, 2, 3, 4]

    def test_events_carry_the_time_they_were_given(self) -> None:
        with self._session() as session:
            session.run("return")

            assert {event.at for event in session.events} == {123.0}

    def test_it_is_not_busy_between_polls(self) -> None:
        with self._session() as session:
            before = session.executor.is_busy
            session.run("return")

            assert (before, session.executor.is_busy) == (False, False)

    def test_work_for_an_unknown_worker_is_ignored(self) -> None:
        with self._session() as session:
            session.worker()
            session.executor.perform(StopPart("nobody", Part(0), "no"))
            session.executor.perform(KillWorker("nobody", "no"))
            session.start(Part(0), "return", worker="nobody")
            session.start(Part(1), "return")
            session.until_ended(1)

            assert [end.part for end in session.every(PartFinished)] == [Part(1)]

    # -- reports and output ------------------------------------------------------------------------------------

    def test_reports_arrive_whole_in_order_and_before_the_end(self) -> None:
        with self._session() as session:
            end = session.run("report")
            reports = [report for event in session.every(Reported) for report in event.reports]

            assert [report.step for report in reports] == list(range(_N_REPORTS))
            assert [report.value for report in reports] == [i / 10 for i in range(_N_REPORTS)]
            assert reports[3].metrics == {"double": 6}
            assert session.events[-1] is end

    def test_what_a_part_prints_arrives_whole_and_before_the_end(self) -> None:
        with self._session() as session:
            end = session.run("print")

            assert session.text(Part(0)) == "".join(f"line {i} of part 0: é\n" for i in range(1000))
            assert session.events[-1] is end

    def test_each_part_has_its_own_output(self) -> None:
        with self._session() as session:
            session.worker()
            for i in range(3):
                session.start(Part(i), "print")
            session.until_ended(3)

            for i in range(3):
                assert session.text(Part(i)).count(f"of part {i}") == 1000
                assert len(session.text(Part(i)).splitlines()) == 1000

    # -- stopping ----------------------------------------------------------------------------------------------

    def test_a_part_leaves_its_objective_when_told_to_stop(self) -> None:
        with self._session() as session:
            session.on_event = _stop_at_first_report(session)
            end = session.run("until stopped")

            assert isinstance(end, PartStopped)

    def test_a_worker_takes_the_next_part_after_a_stop(self) -> None:
        with self._session() as session:
            session.on_event = _stop_at_first_report(session)
            session.run("until stopped")
            session.start(Part(1), "return")
            (finished,) = session.until(PartFinished)

            assert finished.part == Part(1)

    def test_a_part_stopped_before_it_began_is_not_run(self) -> None:
        """A trial's other splits wait behind the one that failed, and need not run any more."""
        with self._session() as session:
            worker = session.worker()
            session.start(Part(0, 0), "until stopped")  # so that the other one waits for as long as is needed
            session.start(Part(0, 1), "print")
            session.executor.perform(StopPart(worker, Part(0, 1), "another split failed"))
            session.executor.perform(StopPart(worker, Part(0, 0), "enough"))
            session.until_ended(2)

            assert [type(end) for end in session.ends] == [PartStopped, PartStopped]
            assert session.text(Part(0, 1)) == ""

    # -- checkpoints -------------------------------------------------------------------------------------------

    def test_a_part_started_again_restores_what_it_saved(self) -> None:
        with self._session() as session:
            before = session.found(Part(3, 1))
            session.run("save", x=2.5, part=Part(3, 1))

            assert before == "nothing"
            assert session.found(Part(3, 1, 2)) == {"x": 2.5}

    def test_each_trial_and_each_split_has_a_checkpoint_of_its_own(self) -> None:
        with self._session() as session:
            session.run("save", part=Part(3, 1))

            assert session.found(Part(3, 0)) == "nothing"
            assert session.found(Part(4, 1)) == "nothing"

    def test_a_part_that_left_at_a_report_goes_on_from_what_it_had_saved(self) -> None:
        with self._session() as session:
            session.on_event = _stop_at_first_report(session)
            session.run("save and report")
            n_reports = sum(len(event.reports) for event in session.every(Reported))
            session.on_event = _stop_at_first_report(session)
            session.run("save and report", part=Part(0, 0, 2))
            again = [report for event in session.every(Reported) for report in event.reports][n_reports]

            assert again.metrics == {"began_with": n_reports}
            assert again.step == n_reports + 1

    def test_a_part_with_a_parent_restores_what_that_one_saved(self) -> None:
        with self._session() as session:
            session.run("save", x=2.5, part=Part(3))
            session.run("save", x=3.5, part=Part(4))

            assert session.found(Part(5), parent=3) == {"x": 2.5}
            assert session.found(Part(6), parent=0) == "nothing"

    def test_a_part_restores_its_own_before_its_parents(self) -> None:
        with self._session() as session:
            session.run("save", x=2.5, part=Part(3))
            session.run("save", x=3.5, part=Part(5), parent=3)

            assert session.found(Part(5, 0, 2), parent=3) == {"x": 3.5}
            assert session.found(Part(3, 0, 2)) == {"x": 2.5}

    def test_files_are_found_again_as_they_were_saved(self) -> None:
        with self._session() as session:
            before = session.found(Part(3), "look at files")
            session.run("save files", x=2.5, part=Part(3))

            assert before == {}
            assert session.found(Part(3, 0, 2), "look at files") == {"weights": "2.5"}
            assert session.found(Part(4), "look at files", parent=3) == {"weights": "2.5"}
            assert session.found(Part(5), "look at files") == {}

    def test_a_checkpoint_is_whole_though_its_worker_was_killed_while_it_saved(self) -> None:
        self._needs_death()
        with self._session() as session:
            session.worker()
            for attempt in range(1, _N_KILLS + 1):
                n_before = len(session.every(Reported))
                session.start(Part(0, 0, attempt), "save on and on")
                session.until(Reported, n_before + 2)
                session.executor.perform(KillWorker(session.worker(), "to see what is left"))
                session.until(WorkerLost, attempt)
                session.until(WorkerJoined, session.executor.n_workers + attempt)
            last = session.every(Reported)[-1].reports[-1].step
            found = session.found(Part(0, 0, _N_KILLS + 1))

            assert isinstance(found, int), found
            assert found >= last, "what was reported had been saved"

    # -- death -------------------------------------------------------------------------------------------------

    def test_a_worker_that_dies_is_replaced_under_another_name(self) -> None:
        self._needs_death()
        with self._session() as session:
            first = session.worker()
            session.start(Part(0), "die")
            (lost,) = session.until(WorkerLost)
            joined = session.until(WorkerJoined, session.executor.n_workers + 1)

            assert lost.worker == first
            assert "3" in lost.cause, "the exit code says what happened"
            assert "last words" in lost.cause
            assert len({event.worker for event in joined}) == len(joined)

    def test_the_output_of_a_worker_that_died_is_whole(self) -> None:
        self._needs_death()
        with self._session() as session:
            session.worker()
            session.start(Part(0), "die")
            session.until(WorkerLost)

            assert session.text(Part(0)) == "last words\n"

    def test_a_worker_that_hangs_can_be_killed(self) -> None:
        self._needs_death()
        with self._session() as session:
            worker = session.worker()
            session.start(Part(0), "hang")
            session.until(Reported)
            session.executor.perform(KillWorker(worker, "it took too long"))
            (lost,) = session.until(WorkerLost)

            assert lost.worker == worker
            assert "it took too long" in lost.cause

    def test_the_replacement_works(self) -> None:
        self._needs_death()
        with self._session() as session:
            session.worker()
            session.start(Part(0), "die")
            session.until(WorkerJoined, session.executor.n_workers + 1)
            session.start(Part(0, 0, 2), "return")
            (finished,) = session.until(PartFinished)

            assert finished.part == Part(0, 0, 2)

    # -- start and close ---------------------------------------------------------------------------------------

    def test_an_objective_that_cannot_be_sent_is_refused_with_the_culprits_name(self) -> None:
        self._needs_death()  # without processes nothing is sent
        hostile = threading.Lock()
        executor = self.make()
        message = ""
        try:
            executor.start(Job(lambda p: hostile.locked(), _SPACE.template), lambda _: None, float)
        except PayloadError as error:
            message = str(error)
        finally:
            executor.close()

        assert "hostile" in message

    def test_closing_ends_every_worker(self) -> None:
        if not self.on_this_machine:
            raise unittest.SkipTest("its workers cannot be seen from here")
        with self._session() as session:
            end = session.run("identify")
            assert isinstance(end, PartFinished)
            pid = end.result.metrics["pid"]
            session.start(Part(1), "hang")
            session.until(Reported)

        assert not _is_alive(pid)

    def test_closing_twice_is_harmless(self) -> None:
        with self._session() as session:
            session.worker()
            session.executor.close()
            session.executor.close()

    def test_one_that_never_started_can_be_closed(self) -> None:
        self.make().close()

    # -- inside ------------------------------------------------------------------------------------------------

    @contextmanager
    def _session(self, n_objectives: int = 1) -> Iterator[Session]:
        executor = self.make()
        session = Session(executor, self.patience_s)
        with tempfile.TemporaryDirectory() as folder:
            job = Job(objective, _SPACE.template, takes_trial=True, n_objectives=n_objectives, checkpoints=folder)
            try:
                executor.start(job, session.deliver, lambda: 123.0)
                yield session
            finally:
                executor.close()

    def _needs_death(self) -> None:
        if not self.can_kill:
            raise unittest.SkipTest("its workers cannot die without the driver")


def _stop_at_first_report(session: Session) -> Callable[[AnyEvent], None]:
    def on_event(event: AnyEvent) -> None:
        if isinstance(event, Reported):
            session.on_event = lambda _: None
            session.executor.perform(StopPart(session.worker(), event.part, "enough"))

    return on_event


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
