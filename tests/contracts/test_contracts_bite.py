"""Each contract is held against parts that are broken on purpose, so that it is known to reject them."""

import random
import tempfile
import unittest
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest
from msgspec.structs import replace

from manyhands.events import (
    AnyCommand,
    AnyEvent,
    PartFinished,
    Save,
    SaveSplit,
    SaveTrial,
    StartPart,
    StopPart,
    WorkerJoined,
)
from manyhands.executors.inline import Inline
from manyhands.executors.processes import Processes
from manyhands.job import Job
from manyhands.ports import History, Outcome, Problem, StudySpec
from manyhands.samplers import RandomSampler
from manyhands.space import Point
from manyhands.stores.memory import MemoryStore
from manyhands.testing.executors import ExecutorContract
from manyhands.testing.samplers import SamplerContract
from manyhands.testing.stores import StoreContract
from manyhands.trial import Part, Report, Trial


def rejects(contract: type, test: str, make: Callable[[], object], **attributes: object) -> bool:
    """Whether a test of a contract fails for what ``make`` returns."""
    suite: Any = type("Broken", (contract,), {"make": lambda self: make(), "patience_s": 1.0, **attributes})()
    try:
        with redirect_stdout(StringIO()):
            getattr(suite, test)()
    except unittest.SkipTest:
        return False
    except Exception:
        return True
    return False


# -- samplers ------------------------------------------------------------------------------------------------------


class Unseeded(RandomSampler):
    def start(self, problem: Problem) -> None:
        super().start(replace(problem, seed=random.randrange(2**32)))  # noqa: S311 - that is what is wrong with it


class Deaf(RandomSampler):
    """Takes no notice of its seed."""

    def start(self, problem: Problem) -> None:
        super().start(replace(problem, seed=0))


class Forgetful(RandomSampler):
    """Draws with repeats."""

    def start(self, problem: Problem) -> None:
        self._space, self._seed = problem.space, problem.seed

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        rng = random.Random(f"{self._seed} {trial_id}")  # noqa: S311
        return self._space.decode([rng.random() for _ in self._space.parameters])

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        pass


class Stateful(Forgetful):
    """Draws from one generator that a resumed search cannot wind forward."""

    def start(self, problem: Problem) -> None:
        self._space, self._rng = problem.space, random.Random(problem.seed)  # noqa: S311

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        return self._space.decode([self._rng.random() for _ in self._space.parameters])


class BlindToPending(RandomSampler):
    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        return super().suggest(trial_id, {}) if not running else dict(next(iter(running.values())))


class Flat(Forgetful):
    """Fills in the parameters that are not active too."""

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        return {name: parameter.decode(0.5) for name, parameter in self._space.parameters.items()}


class OutOfRange(RandomSampler):
    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        point = super().suggest(trial_id, running)
        return None if point is None else {name: value + 1000 for name, value in point.items()}


class Fragile(RandomSampler):
    """Counts on every trial to have a loss."""

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        super().observe(trial, replace(outcome, variance=0.0))  # type: ignore[operator]


class ValueReader(Forgetful):
    """Goes by the value, which has the other sign when maximising."""

    _bias = 0.0

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        return self._space.decode([self._bias % 1.0 for _ in self._space.parameters])

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        self._bias += trial.value or 0.0


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Unseeded, "test_the_same_seed_gives_the_same_trials"),
        (Deaf, "test_another_seed_gives_other_trials"),
        (Stateful, "test_a_resumed_search_goes_on_as_if_never_interrupted"),
        (Forgetful, "test_a_finite_space_is_searched_whole_without_repeats"),
        (Forgetful, "test_none_is_suggested_once_all_were_tried"),
        (Forgetful, "test_an_observed_point_from_elsewhere_is_not_repeated"),
        (BlindToPending, "test_pending_configurations_are_not_repeated"),
        (BlindToPending, "test_a_running_point_from_elsewhere_is_not_repeated"),
        (Flat, "test_its_points_hold_the_active_parameters_of_a_tree_and_no_others"),
        (OutOfRange, "test_its_points_lie_in_a_space_of_one_parameter"),
        (OutOfRange, "test_its_points_lie_in_nested_containers"),
        (Fragile, "test_failed_trials_are_accepted"),
        (Fragile, "test_a_search_in_which_every_trial_fails_goes_on"),
        (ValueReader, "test_only_losses_count_and_not_the_direction"),
    ],
)
def test_the_sampler_contract_rejects_a_broken_sampler(broken: type, test: str) -> None:
    assert rejects(SamplerContract, test, broken)


# -- stores --------------------------------------------------------------------------------------------------------


class Amnesiac(MemoryStore):
    """Forgets everything when it is opened again."""

    def open(self, spec: StudySpec, *, resume: bool) -> History:
        self.__init__()
        return super().open(spec, resume=resume)


class Lenient(MemoryStore):
    """Goes on with any study at all."""

    def open(self, spec: StudySpec, *, resume: bool) -> History:
        return super().open(self._spec or spec, resume=True)


class FirstWins(MemoryStore):
    def write(self, saves: Sequence[Save], logs: Iterable[tuple[Part, str]] = ()) -> None:
        super().write([s for s in saves if not (isinstance(s, SaveTrial) and s.trial.id in self._trials)], logs)


class Ascii(MemoryStore):
    """Loses what is no ASCII, in trials and in logs."""

    def write(self, saves: Sequence[Save], logs: Iterable[tuple[Part, str]] = ()) -> None:
        plain = [
            SaveTrial(replace(s.trial, reason=_ascii(s.trial.reason))) if isinstance(s, SaveTrial) else s for s in saves
        ]
        super().write(plain, [(part, _ascii(text)) for part, text in logs])


class OneValued(MemoryStore):
    """Has no place for several values, nor for constraints."""

    def write(self, saves: Sequence[Save], logs: Iterable[tuple[Part, str]] = ()) -> None:
        plain = [
            SaveTrial(replace(s.trial, values=(), constraints=())) if isinstance(s, SaveTrial) else s for s in saves
        ]
        super().write(plain, logs)


class Splitless(MemoryStore):
    def write(self, saves: Sequence[Save], logs: Iterable[tuple[Part, str]] = ()) -> None:
        super().write([s for s in saves if not isinstance(s, SaveSplit)], logs)


class Reportless(MemoryStore):
    def reports(self) -> Iterator[tuple[Part, Report]]:
        return iter(())


class Sorted(MemoryStore):
    """Gives reports trial by trial."""

    def reports(self) -> Iterator[tuple[Part, Report]]:
        return iter(sorted(super().reports(), key=lambda found: (found[0].trial_id, found[1].step)))


class Tidy(MemoryStore):
    """Keeps the last report of each step, and none of trials that ended."""

    def reports(self) -> Iterator[tuple[Part, Report]]:
        last = {(part, report.step): (part, report) for part, report in super().reports()}
        return (found for found in last.values() if not self._has_ended(found[0].trial_id))

    def _has_ended(self, trial_id: int) -> bool:
        return trial_id in self._trials and self._trials[trial_id].state.is_end


class Hoarder(MemoryStore):
    """Keeps the reports of a study that is begun anew."""

    def open(self, spec: StudySpec, *, resume: bool) -> History:
        reports = list(self._reports)
        history = super().open(spec, resume=resume)
        self._reports = reports
        return history


class Finishing(MemoryStore):
    """Gives back only what has ended."""

    def open(self, spec: StudySpec, *, resume: bool) -> History:
        history = super().open(spec, resume=resume)
        return replace(history, trials=[t for t in history.trials if t.state.is_end])


class Jumbled(MemoryStore):
    """Gives logs in the order of arrival."""

    def write(self, saves: Sequence[Save], logs: Iterable[tuple[Part, str]] = ()) -> None:
        super().write(saves, [(Part(part.trial_id), text) for part, text in logs])


class Wordless(MemoryStore):
    def end(self, reason: str) -> None:
        pass


class CloseOnce(MemoryStore):
    _closed = False

    def close(self) -> None:
        if self._closed:
            raise ValueError("closed already")
        self._closed = True


class Piecemeal(MemoryStore):
    """Keeps the trials before it looks at the logs."""

    def write(self, saves: Sequence[Save], logs: Iterable[tuple[Part, str]] = ()) -> None:
        super().write(saves)
        super().write([], list(logs))


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Amnesiac, "test_every_field_of_a_trial_comes_back"),
        (Amnesiac, "test_logs_survive"),
        (Amnesiac, "test_a_seed_left_open_later_is_the_stored_one"),
        (Lenient, "test_another_space_is_refused_and_the_place_named"),
        (Lenient, "test_another_direction_is_refused"),
        (Lenient, "test_other_objectives_are_refused"),
        (Lenient, "test_another_order_of_objectives_is_refused"),
        (Lenient, "test_another_metric_is_refused"),
        (Lenient, "test_another_number_of_splits_is_refused"),
        (Lenient, "test_another_seed_is_refused"),
        (Lenient, "test_going_on_is_refused_if_nobody_wants_to"),
        (FirstWins, "test_a_trial_written_again_replaces_the_first"),
        (Ascii, "test_every_field_of_a_trial_comes_back"),
        (Ascii, "test_a_log_is_whole"),
        (OneValued, "test_every_field_of_a_trial_comes_back"),
        (OneValued, "test_the_values_of_several_objectives_come_back"),
        (Splitless, "test_splits_of_an_unfinished_trial_come_back"),
        (Splitless, "test_splits_with_several_values_and_constraints_come_back"),
        (Finishing, "test_a_running_trial_comes_back"),
        (Finishing, "test_an_interrupted_trial_comes_back"),
        (Reportless, "test_every_field_of_a_report_comes_back"),
        (Reportless, "test_reports_can_be_read_while_the_search_runs"),
        (Sorted, "test_reports_are_in_the_order_of_arrival"),
        (Tidy, "test_a_report_that_comes_twice_is_kept_twice"),
        (Tidy, "test_reports_stay_when_their_trial_ends"),
        (Hoarder, "test_reports_of_a_study_that_is_begun_anew_are_forgotten"),
        (Jumbled, "test_a_log_is_in_the_order_of_splits_then_attempts_then_arrival"),
        (Wordless, "test_the_reason_of_the_end_comes_back"),
        (CloseOnce, "test_closing_twice_is_harmless"),
        (Piecemeal, "test_a_write_that_fails_keeps_nothing"),
    ],
)
def test_the_store_contract_rejects_a_broken_store(broken: type, test: str) -> None:
    assert rejects(StoreContract, test, broken)


# -- executors -----------------------------------------------------------------------------------------------------


class Filtered(Inline):
    """An executor between whose events and the driver something goes wrong."""

    def start(self, job: Job, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> None:
        self._really_deliver = deliver
        super().start(job, lambda event: [deliver(e) for e in self.changed(event)], now)  # type: ignore[func-returns-value]

    def changed(self, event: AnyEvent) -> Iterator[AnyEvent]:
        yield event


class NeverJoins(Filtered):
    def changed(self, event: AnyEvent) -> Iterator[AnyEvent]:
        if not isinstance(event, WorkerJoined):
            yield event


class Mute(Filtered):
    """Delivers neither reports nor output."""

    def changed(self, event: AnyEvent) -> Iterator[AnyEvent]:
        if type(event).__name__ not in ("Reported", "Logged"):
            yield event


class Unconstrained(Filtered):
    """Forgets constraints."""

    def changed(self, event: AnyEvent) -> Iterator[AnyEvent]:
        if isinstance(event, PartFinished):
            event = replace(event, result=replace(event.result, constraints=()))
        yield event


class Narrow(Inline):
    """Knows one objective only."""

    def start(self, job: Job, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> None:
        job.n_objectives = 1
        super().start(job, deliver, now)


class LosesReports(Filtered):
    _n = 0

    def changed(self, event: AnyEvent) -> Iterator[AnyEvent]:
        self._n += type(event).__name__ == "Reported"
        if type(event).__name__ != "Reported" or self._n % 10:
            yield event


class TellsTooEarly(Filtered):
    """Delivers the output of a part after its end."""

    def __init__(self) -> None:
        super().__init__()
        self._late: list[AnyEvent] = []

    def changed(self, event: AnyEvent) -> Iterator[AnyEvent]:
        if type(event).__name__ == "Logged":
            self._late.append(event)
            return
        yield event
        if type(event).__name__.startswith("Part"):
            yield from self._late
            self._late.clear()


class NewestFirst(Inline):
    def perform(self, command: AnyCommand) -> None:
        super().perform(command)
        self._todo = deque(reversed(self._todo))


class Restless(Processes):
    """Takes the work of its workers for its own."""

    is_busy = True


class StopsOnlyTheFirst(Inline):
    def perform(self, command: AnyCommand) -> None:
        if not isinstance(command, StopPart) or command.part.split == 0:
            super().perform(command)


class Orphanage(Inline):
    """Tells no part of its parent."""

    parent: int | None = None

    def perform(self, command: AnyCommand) -> None:
        super().perform(replace(command, parent=self.parent) if isinstance(command, StartPart) else command)


class OneFamily(Orphanage):
    """Takes one trial for the parent of all."""

    parent = 3


class Amnesia(Inline):
    """Lets each part keep its checkpoints elsewhere."""

    def _run(self, start: StartPart) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self._job.checkpoints = folder
            super()._run(start)


class Careless(Processes):
    """Saves objects into one file, over the last one."""

    def start(self, job: Job, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> None:
        objective = job.objective

        def carelessly(params: Any, trial: Any) -> object:
            import pickle

            path = f"{job.checkpoints}/object"

            def save(obj: object) -> None:
                with open(path, "wb") as file:
                    for i in range(0, len(pickled := pickle.dumps(obj)), 1000):  # as a slow disk would
                        file.write(pickled[i : i + 1000])
                        file.flush()

            def restore(default: object) -> object:
                try:
                    with open(path, "rb") as file:
                        return pickle.load(file)  # noqa: S301 - our own
                except FileNotFoundError:
                    return default

            trial.save, trial.restore = save, restore
            return objective(params, trial)

        job.objective = carelessly
        super().start(job, deliver, now)


class Leaky(Processes):
    """Leaves its workers behind."""

    left: list[Any] = []  # noqa: RUF012 - shared, so that the test can clear up

    def close(self) -> None:
        self.left.extend(self._team.children.values())
        self._team.children.clear()
        super().close()


class Impatient(Processes):
    """Ends instead of replacing a worker."""

    _is_satisfied = False

    def _hire(self) -> None:
        if not self._is_satisfied:
            self._is_satisfied = True
            super()._hire()


class Merciful(Processes):
    """Cannot bring itself to kill."""

    def perform(self, command: AnyCommand) -> None:
        if isinstance(command, StartPart | StopPart):
            super().perform(command)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (NeverJoins, "test_every_worker_joins_under_a_name_of_its_own"),
        (Unconstrained, "test_a_part_gives_several_values_and_its_constraints"),
        (Narrow, "test_a_part_gives_several_values_and_its_constraints"),
        (Narrow, "test_a_number_where_several_are_needed_is_a_failure_for_good"),
        (Mute, "test_reports_arrive_whole_in_order_and_before_the_end"),
        (Mute, "test_what_a_part_prints_arrives_whole_and_before_the_end"),
        (LosesReports, "test_reports_arrive_whole_in_order_and_before_the_end"),
        (TellsTooEarly, "test_what_a_part_prints_arrives_whole_and_before_the_end"),
        (NewestFirst, "test_parts_given_ahead_are_done_in_order"),
        (StopsOnlyTheFirst, "test_a_part_stopped_before_it_began_is_not_run"),
        (Orphanage, "test_a_part_with_a_parent_restores_what_that_one_saved"),
        (Orphanage, "test_files_are_found_again_as_they_were_saved"),
        (OneFamily, "test_each_trial_and_each_split_has_a_checkpoint_of_its_own"),
        (Amnesia, "test_a_part_started_again_restores_what_it_saved"),
        (Amnesia, "test_a_part_that_left_at_a_report_goes_on_from_what_it_had_saved"),
        (Amnesia, "test_a_part_restores_its_own_before_its_parents"),
    ],
)
def test_the_executor_contract_rejects_a_broken_executor(broken: type, test: str) -> None:
    assert rejects(ExecutorContract, test, broken)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Restless, "test_it_is_not_busy_between_polls"),
        (Impatient, "test_a_worker_that_dies_is_replaced_under_another_name"),
        (Impatient, "test_the_replacement_works"),
        (Merciful, "test_a_worker_that_hangs_can_be_killed"),
        (Careless, "test_a_checkpoint_is_whole_though_its_worker_was_killed_while_it_saved"),
    ],
)
def test_the_executor_contract_rejects_broken_processes(broken: type, test: str) -> None:
    assert rejects(ExecutorContract, test, lambda: broken(1))


def test_the_executor_contract_rejects_workers_left_behind() -> None:
    rejected = rejects(ExecutorContract, "test_closing_ends_every_worker", lambda: Leaky(1))
    for child in Leaky.left:
        child.bury()

    assert rejected
