"""Stories of a search: events in, commands out."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    StartPart,
    StopAsked,
    StopPart,
    Ticked,
    WorkerJoined,
    WorkerLost,
)
from manyhands.parameters import Choice, Float, Int
from manyhands.ports import History, Outcome, Problem, StudySpec
from manyhands.rules import NoProgress, Target
from manyhands.samplers import RandomSampler
from manyhands.search import Search, Settings
from manyhands.space import Point, Space
from manyhands.trial import Failure, Part, Report, Result, Trial, TrialState

SPACE = Space({"x": Float(0, 100)})


class Scripted:
    """A sampler that suggests 0, 1, 2 ... and remembers what it was told and asked."""

    def __init__(self, n: int = 1000, *, learns: bool = True):
        self.learns = learns
        self.observed: list[tuple[int, float | None]] = []
        self.asked: list[int] = []
        self.running: list[dict[int, Point]] = []
        self._n = n

    def start(self, problem: Problem) -> None:
        pass

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        if len(self.asked) >= self._n:
            return None
        self.asked.append(trial_id)
        self.running.append(dict(running))
        return {"x": float(trial_id)}

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        self.observed.append((trial.id, None if outcome is None else outcome.loss))


class StopsAbove:
    """A scheduler that stops whatever reports a loss above a limit."""

    def __init__(self, limit: float):
        self.limit = limit
        self.judged: list[tuple[int, float]] = []
        self.observed: list[int] = []

    def judge(self, trial_id: int, report: Report, loss: float) -> str | None:
        self.judged.append((trial_id, loss))
        return f"{loss:g} is too much" if loss > self.limit else None

    def observe(self, trial: Trial, loss: float | None) -> None:
        self.observed.append(trial.id)


class Story:
    """A search, and every command it has given."""

    def __init__(self, sampler: Any = None, *, workers: Sequence[str] = (), **given: Any):
        pieces = {key: given.pop(key) for key in ("scheduler", "rules", "start_with", "space", "timer") if key in given}
        space = pieces.pop("space", SPACE)
        self.sampler = sampler if sampler is not None else Scripted()
        self.search = Search(space, self.sampler, Settings(**given), **pieces)
        self.commands: list[AnyCommand] = []
        self.at = 0.0
        for worker in workers:
            self.joins(worker)

    def happens(self, event: AnyEvent) -> list[AnyCommand]:
        out = self.search.handle(event)
        self.commands += out
        return out

    def joins(self, worker: str) -> list[AnyCommand]:
        return self.happens(WorkerJoined(worker=worker, at=self.at))

    def is_lost(self, worker: str, cause: str = "it was killed.\ndetails") -> list[AnyCommand]:
        return self.happens(WorkerLost(worker=worker, cause=cause, at=self.at))

    def finishes(self, part: Part | int, value: float = 1.0) -> list[AnyCommand]:
        return self.happens(PartFinished(part=as_part(part), result=Result(value), at=self.at))

    def fails(self, part: Part | int, reason: str = "it raised", *, fatal: bool = False) -> list[AnyCommand]:
        return self.happens(PartFailed(part=as_part(part), failure=Failure(reason, "trace", fatal), at=self.at))

    def stops(self, part: Part | int) -> list[AnyCommand]:
        return self.happens(PartStopped(part=as_part(part), at=self.at))

    def reports(self, part: Part | int, *values: float | None) -> list[AnyCommand]:
        reports = [Report(i, value) for i, value in enumerate(values)]
        return self.happens(Reported(part=as_part(part), reports=reports, at=self.at))

    def reports_metrics(self, part: Part, *metrics: dict[str, Any]) -> list[AnyCommand]:
        reports = [Report(i, 1.0, each) for i, each in enumerate(metrics)]
        return self.happens(Reported(part=part, reports=reports, at=self.at))

    def is_saved(self, *trial_ids: int) -> list[AnyCommand]:
        return self.happens(Saved(trial_ids=list(trial_ids), at=self.at))

    def ticks(self, at: float) -> list[AnyCommand]:
        self.at = at
        return self.happens(Ticked(at=at))

    def ends_trial(self, part: Part | int, value: float = 1.0) -> list[AnyCommand]:
        """A trial finishes and its outcome is on disk."""
        self.finishes(part, value)
        return self.is_saved(as_part(part).trial_id)

    def fails_trial(self, part: Part | int) -> list[AnyCommand]:
        """A trial fails and its outcome is on disk."""
        self.fails(part)
        return self.is_saved(as_part(part).trial_id)

    def trial(self, trial_id: int = 0) -> Trial:
        return self.search.trials[trial_id]


def as_part(part: Part | int) -> Part:
    return Part(part) if isinstance(part, int) else part


def of(kind: Any, commands: Sequence[AnyCommand]) -> list[Any]:
    return [command for command in commands if isinstance(command, kind)]


def starts(commands: Sequence[AnyCommand]) -> list[tuple[str, Part]]:
    return [(command.worker, command.part) for command in of(StartPart, commands)]


def ended(trial_id: int, value: float | None = 1.0, order: int | None = None, **changes: Any) -> Trial:
    """A stored trial."""
    point = {"x": float(trial_id)}
    state = TrialState.FINISHED if value is not None else TrialState.FAILED
    fields = {"state": state, "value": value, "order": trial_id if order is None else order, "ended_at": 1.0}
    return Trial(trial_id, point, SPACE.build(point), **{**fields, **changes})


def stored(*trials: Trial, splits: dict[tuple[int, int], Result] | None = None) -> History:
    return History(StudySpec("s", SPACE.spec()), list(trials), splits or {})


# -- the usual course ----------------------------------------------------------------------------------------------


def test_a_worker_that_joins_is_given_a_new_trial_which_is_saved_as_running() -> None:
    story = Story()

    saved, started = story.joins("w")

    assert isinstance(saved, SaveTrial)
    assert (saved.trial.id, saved.trial.state, saved.trial.params) == (0, TrialState.RUNNING, {"x": 0.0})
    assert started == StartPart("w", Part(0), {"x": 0.0})


def test_each_worker_has_a_trial_of_its_own() -> None:
    story = Story()

    commands = [*story.joins("a"), *story.joins("b")]

    assert starts(commands) == [("a", Part(0)), ("b", Part(1))]


def test_a_finished_part_is_saved_and_nothing_starts_before_it_is() -> None:
    story = Story(workers=["w"])

    (saved,) = story.finishes(0, 2.5)

    assert isinstance(saved, SaveTrial)
    assert (saved.trial.state, saved.trial.value, saved.trial.worker) == (TrialState.FINISHED, 2.5, "w")


def test_a_saved_outcome_frees_the_sampler_to_suggest_the_next() -> None:
    story = Story(workers=["w"])
    story.finishes(0)

    commands = story.is_saved(0)

    assert starts(commands) == [("w", Part(1))]


def test_the_sampler_knows_what_runs_elsewhere() -> None:
    story = Story(workers=["a", "b"])

    assert story.sampler.running == [{}, {0: {"x": 0.0}}]


def test_times_of_a_trial_are_those_of_its_events() -> None:
    story = Story()
    story.at = 10.0
    story.joins("w")
    story.at = 12.5
    story.finishes(0)

    assert (story.trial().started_at, story.trial().ended_at, story.trial().duration_s) == (10.0, 12.5, 2.5)


def test_outcomes_are_numbered_in_the_order_in_which_they_came() -> None:
    story = Story(workers=["a", "b", "c"])
    story.finishes(2)
    story.finishes(0)
    story.is_saved(0, 2)
    story.finishes(1)

    assert [story.trial(i).order for i in (2, 0, 1)] == [0, 1, 2]


def test_variance_and_metrics_are_kept() -> None:
    story = Story(workers=["w"])

    story.happens(PartFinished(part=Part(0), result=Result(1.0, 0.5, {"f1": 0.9})))

    assert (story.trial().variance, story.trial().metrics) == (0.5, {"f1": 0.9})


def test_a_trial_that_ends_otherwise_has_the_metrics_that_it_reported_last() -> None:
    story = Story(workers=["a", "b"], max_trials=2)
    for part in (Part(0), Part(1)):
        story.reports_metrics(part, {"cost": 1.0, "lr": 0.1})
        story.reports_metrics(part, {"cost": 2.0}, {}, {})

    story.stops(0)
    story.fails(1)

    assert [story.trial(i).state for i in (0, 1)] == [TrialState.STOPPED, TrialState.FAILED]
    assert [story.trial(i).metrics for i in (0, 1)] == [{"cost": 2.0, "lr": 0.1}] * 2


def test_what_a_finished_trial_returned_comes_before_what_it_had_reported() -> None:
    story = Story(workers=["w"])
    story.reports_metrics(Part(0), {"cost": 1.0, "f1": 0.1})

    story.happens(PartFinished(part=Part(0), result=Result(1.0, None, {"f1": 0.9})))

    assert story.trial().metrics == {"cost": 1.0, "f1": 0.9}


def test_what_one_split_reported_does_not_count_for_its_trial() -> None:
    story = Story(workers=["a", "b"], n_splits=2)
    story.reports_metrics(Part(0, 1), {"cost": 1.0})

    for split in (0, 1):
        story.happens(PartFinished(part=Part(0, split), result=Result(1.0, None, {"f1": 0.9})))

    assert story.trial().metrics == {"f1": 0.9}


def test_a_trial_that_runs_again_has_no_metrics_until_it_reports() -> None:
    stored = Trial(0, {"x": 1.0}, None, TrialState.INTERRUPTED, value=1.0, metrics={"cost": 2.0})
    search = Search(SPACE, Scripted(), Settings())

    search.restore(History(StudySpec("s", SPACE.spec()), [stored], {}))

    assert (search.trials[0].value, search.trials[0].metrics) == (None, {})


def test_a_trial_that_an_earlier_run_could_not_stop_any_more_has_its_metrics() -> None:
    stored = Trial(0, {"x": 1.0}, None, TrialState.INTERRUPTED)
    search = Search(SPACE, Scripted(), Settings(), scheduler=StopsAbove(10))
    reports = [(Part(0), Report(0, 9.0, {"cost": 1.0, "lr": 0.1})), (Part(0), Report(1, 11.0, {"cost": 2.0}))]

    search.restore(History(StudySpec("s", SPACE.spec()), [stored], {}), reports)
    search.handle(Ticked(at=1.0))

    trial = search.trials[0]
    assert (trial.state, trial.value, trial.metrics) == (TrialState.STOPPED, 11.0, {"cost": 2.0, "lr": 0.1})


def test_a_stopped_trial_begins_when_its_worker_came_to_it() -> None:
    """It may have been given to its worker long before."""
    story = Story(workers=["w"])

    story.at = 10.0
    story.happens(PartStopped(part=Part(0), seconds=4.0, at=10.0))

    assert (story.trial().started_at, story.trial().ended_at) == (6.0, 10.0)


@pytest.mark.parametrize("ending", ["finished", "stopped"])
def test_a_trial_whose_worker_was_lost_began_when_it_was_first_begun(ending: str) -> None:
    story = Story(workers=["a", "b"])
    story.at = 5.0
    story.is_lost("a")
    story.finishes(1)
    part = Part(0, attempt=2)

    if ending == "finished":
        story.happens(PartFinished(part=part, result=Result(1.0), seconds=1.0, at=9.0))
    else:
        story.happens(PartStopped(part=part, seconds=1.0, at=9.0))

    assert story.trial().state.value == ending
    assert (story.trial().started_at, story.trial().ended_at) == (0.0, 9.0)


def test_the_best_trial_is_the_lowest_when_minimising_and_the_first_of_equals() -> None:
    story = Story(workers=["w"])
    for trial_id, value in enumerate([3.0, 1.0, 1.0, 2.0]):
        story.ends_trial(trial_id, value)

    assert story.search.best.id == 1


def test_the_best_trial_is_the_highest_when_maximising() -> None:
    story = Story(workers=["w"], direction="maximize")
    for trial_id, value in enumerate([3.0, 1.0, 5.0]):
        story.ends_trial(trial_id, value)

    assert story.search.best.value == 5.0


def test_the_sampler_hears_losses_which_are_small_when_good() -> None:
    story = Story(workers=["w"], direction="maximize")

    story.ends_trial(0, 3.0)

    assert story.sampler.observed == [(0, -3.0)]


def test_values_constraints_and_losses_of_several_objectives() -> None:
    story = Story(workers=["w"], direction=("minimize", "maximize"))
    for trial_id, (values, constraint) in enumerate([((1.0, 5.0), 0.0), ((0.0, 9.0), 0.5), ((0.5, 6.0), -1.0)]):
        result = Result(None, values=values, constraints=(constraint,))
        story.happens(PartFinished(part=Part(trial_id), result=result))
        story.is_saved(trial_id)

    assert (story.trial().values, story.trial().constraints, story.trial().value) == ((1.0, 5.0), (0.0,), None)
    assert [t.id for t in story.search.incumbents.front] == [2]
    assert story.search.best is None
    assert story.sampler.observed == [(0, 1.0), (1, 0.0), (2, 0.5)]


@pytest.mark.parametrize(
    ("settings", "result"),
    [
        ({"direction": ("minimize", "maximize")}, Result(1.0)),
        ({"direction": ("minimize", "maximize")}, Result(None, values=(1.0, 2.0, 3.0))),
        ({}, Result(None, values=(1.0, 2.0))),
        ({"n_splits": 2}, Result(None, values=(1.0, 2.0))),
    ],
)
def test_a_worker_that_sends_another_number_of_values_has_failed_its_trial(
    settings: dict[str, Any], result: Result
) -> None:
    story = Story(workers=["w"], **settings)

    story.happens(PartFinished(part=Part(0), result=result))
    story.is_saved(0)

    assert story.trial().state is TrialState.FAILED
    assert "objective" in story.trial().reason
    assert story.sampler.observed == [(0, None)]


def test_splits_that_come_with_different_numbers_of_constraints_fail_their_trial() -> None:
    story = Story(workers=["w"], n_splits=2)
    story.happens(PartFinished(part=Part(0, 0), result=Result(1.0, constraints=(0.0,))))

    story.happens(PartFinished(part=Part(0, 1), result=Result(1.0)))

    assert story.trial().state is TrialState.FAILED
    assert "0 constraints, and 1 in other trials" in story.trial().reason


def test_a_restored_split_says_how_many_constraints_there_are() -> None:
    story = Story(n_splits=2)
    running = ended(0, None, state=TrialState.RUNNING, order=-1, ended_at=None)
    story.search.restore(stored(running, splits={(0, 0): Result(1.0, constraints=(0.0,))}))
    story.joins("w")

    story.happens(PartFinished(part=Part(0, 1), result=Result(1.0)))

    assert story.trial().state is TrialState.FAILED


def test_a_failure_is_not_fatal_once_any_trial_has_finished_feasible_or_not() -> None:
    story = Story(workers=["w"])
    story.happens(PartFinished(part=Part(0), result=Result(1.0, constraints=(1.0,))))
    story.is_saved(0)

    story.fails(1, fatal=True)

    assert (story.search.best, story.search.fatal) == (None, None)
    assert story.trial(1).state is TrialState.FAILED


def test_the_time_that_the_sampler_takes_is_counted_and_changes_nothing() -> None:
    ticks = itertools.count()
    timed, other = Story(timer=lambda: float(next(ticks))), Story()
    for story in (timed, other):
        story.joins("w")
        story.at = 8.0
        story.ends_trial(0)

    assert timed.commands == other.commands
    assert (timed.search.sampler_seconds, other.search.sampler_seconds) == (3.0, 0.0)  # two suggested, one observed
    assert timed.search.seconds == 8.0


def test_the_time_that_a_restored_study_takes_to_be_learned_does_not_count() -> None:
    ticks = itertools.count()
    story = Story(timer=lambda: float(next(ticks)))

    story.search.restore(stored(ended(0), ended(1)))

    assert story.search.sampler_seconds == 0.0


def test_same_settings_and_same_events_give_the_same_commands() -> None:
    first, second = Story(RandomSampler(), seed=3), Story(RandomSampler(), seed=3)
    for story in (first, second):
        story.joins("a")
        story.joins("b")
        story.ends_trial(1)
        story.is_lost("a")

    assert first.commands == second.commands


def test_what_is_no_event_of_a_search_is_refused() -> None:
    with pytest.raises(TypeError, match="Logged"):
        Story().search.handle(Logged(part=Part(0), text="x"))


# -- nothing is known before it is on disk -------------------------------------------------------------------------


def test_nobody_is_told_of_an_outcome_before_it_is_saved() -> None:
    scheduler = StopsAbove(10)
    story = Story(workers=["w"], scheduler=scheduler, rules=[Target(100)])

    story.finishes(0)

    assert story.sampler.observed == []
    assert scheduler.observed == []
    assert (story.search.best, story.search.n_ended, story.search.end_reason) == (None, 0, None)


def test_everybody_is_told_of_an_outcome_once_it_is_saved() -> None:
    scheduler = StopsAbove(10)
    story = Story(workers=["w"], scheduler=scheduler)
    story.finishes(0)

    story.is_saved(0)

    assert story.sampler.observed == [(0, 1.0)]
    assert scheduler.observed == [0]
    assert (story.search.best.id, story.search.n_ended) == (0, 1)


def test_an_outcome_saved_twice_is_told_once() -> None:
    story = Story(workers=["w"])
    story.finishes(0)

    story.is_saved(0)
    story.is_saved(0)

    assert story.sampler.observed == [(0, 1.0)]


def test_a_learning_sampler_is_not_asked_while_an_outcome_is_unsaved() -> None:
    story = Story(workers=["a", "b"])
    story.finishes(0)

    assert starts(story.joins("c")) == []
    assert starts(story.is_saved(0)) == [("a", Part(2)), ("c", Part(3))]


def test_a_sampler_that_does_not_learn_is_asked_at_once() -> None:
    story = Story(Scripted(learns=False), workers=["w"])
    story.at = 1.0

    commands = story.finishes(0)

    assert starts(commands) == [("w", Part(1))]


def test_an_unsaved_trial_still_counts_as_running_for_the_sampler() -> None:
    story = Story(workers=["w"])
    story.finishes(0)

    assert dict(story.search.running) == {0: {"x": 0.0}}


# -- thinking ahead ------------------------------------------------------------------------------------------------


def test_in_idle_time_one_suggestion_is_prepared_for_many_workers() -> None:
    story = Story(workers=["a", "b"])
    assert story.search.can_prepare

    assert story.happens(Idled()) == []

    assert story.sampler.asked == [0, 1, 2]
    assert not story.search.can_prepare


def test_a_prepared_trial_starts_without_waiting_for_the_disk() -> None:
    story = Story(workers=["a", "b"])
    story.happens(Idled())

    commands = story.finishes(0)

    assert starts(commands) == [("a", Part(2))]


def test_with_one_worker_nothing_is_prepared() -> None:
    story = Story(workers=["w"])

    story.happens(Idled())

    assert story.sampler.asked == [0]


def test_nothing_is_prepared_for_a_sampler_that_does_not_learn() -> None:
    story = Story(Scripted(learns=False), workers=["a", "b"])

    story.happens(Idled())

    assert story.sampler.asked == [0, 1]


def test_nothing_is_prepared_beyond_the_last_trial() -> None:
    story = Story(workers=["a", "b"], max_trials=2)

    story.happens(Idled())

    assert story.sampler.asked == [0, 1]


def test_a_prepared_trial_that_never_began_is_in_no_list_of_trials() -> None:
    story = Story(workers=["a", "b"])
    story.happens(Idled())

    story.happens(StopAsked(reason="enough"))

    assert sorted(story.search.trials) == [0, 1]
    assert sorted(story.search.running) == [0, 1]


# -- failures ------------------------------------------------------------------------------------------------------


def test_a_failed_trial_has_no_value_but_a_reason_and_a_traceback() -> None:
    story = Story(workers=["w"])
    story.reports(0, 0.5)

    story.fails(0, "it raised ValueError: no")

    trial = story.trial()
    assert (trial.state, trial.value, trial.reason, trial.traceback) == (
        TrialState.FAILED,
        None,
        "it raised ValueError: no",
        "trace",
    )


def test_the_search_goes_on_after_a_failure() -> None:
    story = Story(workers=["w"])

    commands = story.fails_trial(0)

    assert starts(commands) == [("w", Part(1))]
    assert story.sampler.observed == [(0, None)]


def test_a_failure_that_no_params_can_cure_ends_the_search() -> None:
    story = Story(workers=["w"])

    story.fails(0, "unclear dict", fatal=True)

    assert story.search.fatal == Failure("unclear dict", "trace", True)
    assert story.search.end_reason == "unclear dict"


def test_so_many_failures_end_the_search() -> None:
    story = Story(workers=["w"], max_failures=2)
    story.fails_trial(0)
    assert story.search.end_reason is None

    story.fails_trial(1)

    assert story.search.end_reason == "2 trials failed, and max_failures=2"


# -- lost workers --------------------------------------------------------------------------------------------------


def test_the_part_of_a_lost_worker_goes_to_the_next_free_one_before_all_others() -> None:
    story = Story(workers=["a"])
    story.is_lost("a")

    commands = story.joins("b")

    assert starts(commands) == [("b", Part(0, 0, 2))]
    assert story.trial().lost == ("it was killed.\ndetails",)
    assert story.trial().attempts == 2


def test_a_trial_fails_when_its_workers_were_lost_too_often() -> None:
    story = Story(workers=["w1"], max_attempts=2)
    story.is_lost("w1")
    story.joins("w2")

    story.is_lost("w2")

    trial = story.trial()
    assert trial.state is TrialState.FAILED
    assert trial.reason == "its worker was lost 2 times, the last time because it was killed."
    assert trial.traceback == "it was killed.\ndetails"
    assert len(trial.lost) == 2


def test_attempts_are_as_many_as_there_were() -> None:
    """A trial that failed because its workers were lost was started once for each of them, and no more."""
    story = Story(workers=["w1"], max_attempts=2)
    story.is_lost("w1")
    story.joins("w2")
    story.is_lost("w2")

    assert story.trial().attempts == 2


def test_the_answer_of_an_earlier_attempt_does_not_count() -> None:
    story = Story(workers=["a"])
    story.is_lost("a")
    story.joins("b")

    assert story.finishes(Part(0, 0, 1), 99.0) == []
    assert story.trial().state is TrialState.RUNNING
    story.finishes(Part(0, 0, 2), 1.0)
    assert story.trial().value == 1.0


def test_reports_of_an_earlier_attempt_do_not_count() -> None:
    story = Story(workers=["a"])
    story.is_lost("a")
    story.joins("b")

    assert story.reports(Part(0, 0, 1), 5.0) == []


def test_an_answer_that_nobody_owes_does_not_count() -> None:
    story = Story(workers=["w"])

    assert story.finishes(7) == []
    assert story.fails(Part(0, 3)) == []
    assert story.stops(8) == []


def test_a_trial_ends_once() -> None:
    story = Story(workers=["w"])
    story.finishes(0, 1.0)

    assert story.finishes(0, 2.0) == []
    assert story.fails(0) == []
    assert story.trial().value == 1.0


def test_losing_a_free_worker_costs_nothing() -> None:
    story = Story(workers=["w"], max_trials=1)
    story.finishes(0)

    assert story.is_lost("w") == []


def test_only_the_part_a_lost_worker_was_at_is_blamed() -> None:
    story = quick_story()

    story.is_lost("w")
    commands = story.joins("v")

    assert starts(commands)[0] == ("v", Part(1, 0, 2))
    assert [story.trial(i).lost for i in (2, 3)] == [(), ()]
    assert ("v", Part(2, 0, 1)) in starts(story.finishes(Part(1, 0, 2)))


def quick_story(**given: Any) -> Story:
    """One worker, whose first trial took a millisecond, and which then got several at once."""
    story = Story(Scripted(learns=False), **given)
    story.joins("w")
    story.at = 0.001
    story.finishes(0)
    story.is_saved(0)
    assert [part for _, part in starts(story.commands)][:4] == [Part(0), Part(1), Part(2), Part(3)]
    return story


# -- reports -------------------------------------------------------------------------------------------------------


def test_reports_are_saved_and_the_last_value_is_the_trials_for_now() -> None:
    story = Story(workers=["w"])

    (saved,) = story.reports(0, 3.0, 2.0, None)

    assert isinstance(saved, SaveReports)
    assert [report.value for report in saved.reports] == [3.0, 2.0, None]
    assert story.trial().value == 2.0


def test_the_scheduler_judges_losses() -> None:
    scheduler = StopsAbove(10)
    story = Story(workers=["w"], scheduler=scheduler, direction="maximize")

    story.reports(0, 3.0, None, -2.0)

    assert [loss for _, loss in scheduler.judged] == pytest.approx([-3.0, math.nan, 2.0], nan_ok=True)


def test_a_poor_trial_is_told_to_stop_once() -> None:
    story = Story(workers=["w"], scheduler=StopsAbove(10))

    stops = of(StopPart, [*story.reports(0, 1.0, 11.0, 12.0), *story.reports(0, 13.0)])

    assert stops == [StopPart("w", Part(0), "11 is too much")]


def test_a_stopped_trial_keeps_its_last_value_and_the_reason() -> None:
    story = Story(workers=["w"], scheduler=StopsAbove(10))
    story.reports(0, 11.0)

    story.stops(0)
    story.is_saved(0)

    trial = story.trial()
    assert (trial.state, trial.value, trial.reason) == (TrialState.STOPPED, 11.0, "11 is too much")
    assert story.sampler.observed == [(0, 11.0)]


def test_a_stopped_trial_is_never_the_best() -> None:
    story = Story(workers=["w"], scheduler=StopsAbove(10))
    story.reports(0, 11.0)
    story.stops(0)
    story.is_saved(0)

    assert story.search.best is None


def test_a_trial_that_was_told_to_stop_is_stopped_when_its_worker_is_lost() -> None:
    """The worker died before it could obey. To run the trial again would only tell what is known."""
    story = Story(workers=["a"], scheduler=StopsAbove(10))
    story.reports(0, 11.0)

    story.is_lost("a")

    trial = story.trial()
    assert (trial.state, trial.reason, trial.value) == (TrialState.STOPPED, "11 is too much", 11.0)
    assert trial.lost == ("it was killed.\ndetails",)


def test_a_finished_trial_has_no_reason_to_have_been_stopped() -> None:
    """It returned before the order to stop reached it."""
    story = Story(workers=["w"], scheduler=StopsAbove(10))
    story.reports(0, 11.0)

    story.finishes(0, 1.0)

    assert (story.trial().state, story.trial().reason) == (TrialState.FINISHED, "")


# -- splits --------------------------------------------------------------------------------------------------------


def test_splits_of_a_trial_go_to_all_workers() -> None:
    story = Story(n_splits=3)

    commands = [*story.joins("a"), *story.joins("b"), *story.joins("c")]

    assert starts(commands) == [("a", Part(0, 0)), ("b", Part(0, 1)), ("c", Part(0, 2))]


def test_waiting_splits_come_before_new_trials() -> None:
    story = Story(n_splits=3, workers=["w"])

    commands = story.finishes(Part(0, 0))

    assert starts(commands) == [("w", Part(0, 1))]
    assert story.sampler.asked == [0]


def test_the_result_of_a_split_is_saved_and_the_trial_goes_on() -> None:
    story = Story(n_splits=2, workers=["a", "b"])

    commands = story.finishes(Part(0, 1), 3.0)

    assert of(SaveSplit, commands) == [SaveSplit(0, 1, Result(3.0))]
    assert story.trial().state is TrialState.RUNNING


def test_a_trial_is_the_mean_of_its_splits_in_their_order() -> None:
    story = Story(n_splits=2, workers=["a", "b"])
    story.finishes(Part(0, 1), 3.0)

    story.finishes(Part(0, 0), 1.0)

    trial = story.trial()
    assert (trial.state, trial.value, trial.variance, trial.split_values) == (TrialState.FINISHED, 2.0, 2.0, (1.0, 3.0))


def test_one_split_alone_is_a_split_still() -> None:
    story = Story(n_splits=1, workers=["w"])

    story.finishes(Part(0, 0), 3.0)

    assert (story.trial().split_values, story.trial().variance) == ((3.0,), None)


def test_a_failing_split_fails_its_trial_and_drops_the_others() -> None:
    story = Story(n_splits=3, workers=["a", "b"])

    commands = story.fails(Part(0, 0))

    assert story.trial().state is TrialState.FAILED
    assert of(StopPart, commands) == [StopPart("b", Part(0, 1), "its trial has come to its end with another split")]
    assert starts(story.is_saved(0)) == [("a", Part(1, 0))]


def test_a_split_that_was_told_to_stop_frees_its_worker_and_no_more() -> None:
    story = Story(n_splits=2, workers=["a", "b"])
    story.fails(Part(0, 0))
    story.is_saved(0)

    commands = story.stops(Part(0, 1))

    assert of(SaveTrial, commands) == []
    assert [worker for worker, _ in starts(commands)] == ["b"]


def test_a_lost_split_is_tried_again_alone() -> None:
    story = Story(n_splits=2, workers=["a", "b"])
    story.is_lost("b")

    assert starts(story.joins("c")) == [("c", Part(0, 1, 2))]


# -- time ----------------------------------------------------------------------------------------------------------


def test_a_trial_that_takes_too_long_fails_and_its_worker_is_killed() -> None:
    story = Story(workers=["w"], trial_timeout_s=10.0)
    assert story.search.next_deadline() == 10.0

    commands = story.ticks(10.0)

    assert of(KillWorker, commands) == [KillWorker("w", "it ran longer than trial_timeout_s=10 seconds")]
    assert (story.trial().state, story.trial().reason) == (
        TrialState.FAILED,
        "it ran longer than trial_timeout_s=10 seconds",
    )


def test_a_killed_worker_is_given_nothing_more() -> None:
    story = Story(workers=["w"], trial_timeout_s=10.0)
    story.ticks(10.0)

    assert starts(story.is_saved(0)) == []
    assert starts(story.is_lost("w")) == []
    assert story.trial().lost == ()


def test_what_waited_behind_a_trial_that_took_too_long_is_not_blamed() -> None:
    story = quick_story(trial_timeout_s=10.0)
    story.ticks(20.0)
    story.is_lost("w")

    commands = story.joins("v")

    assert starts(commands)[0] == ("v", Part(2, 0, 1))
    assert story.trial(2).lost == ()


def test_splits_that_waited_behind_one_that_took_too_long_are_dropped_with_their_trial() -> None:
    story = Story(Scripted(learns=False), n_splits=4, trial_timeout_s=10.0)
    story.joins("w")
    story.at = 0.001
    story.finishes(Part(0, 0))
    assert Part(0, 2) in [part for _, part in starts(story.commands)]

    story.ticks(20.0)
    story.is_saved(0)
    story.is_lost("w")
    commands = story.joins("v")

    assert story.trial(0).state is TrialState.FAILED
    assert 0 not in [part.trial_id for _, part in starts(commands)]


def test_the_time_of_the_search_begins_with_its_first_event() -> None:
    story = Story(timeout_s=60.0)
    story.ticks(1000.0)
    story.at = 1030.0
    story.joins("w")

    assert story.search.next_deadline() == 1060.0
    story.ticks(1059.0)
    assert story.search.end_reason is None
    story.ticks(1060.0)
    assert story.search.end_reason == "the time was up: timeout_s=60"


# -- the end -------------------------------------------------------------------------------------------------------


def test_the_search_ends_when_all_trials_are_saved() -> None:
    story = Story(workers=["w"], max_trials=2)
    story.ends_trial(0)
    assert story.finishes(1) == [SaveTrial(story.trial(1))]

    commands = story.is_saved(1)

    assert commands == [EndSearch("all 2 trials are done")]
    assert story.search.end_reason == "all 2 trials are done"


def test_no_more_than_max_trials_begin() -> None:
    story = Story(workers=["a", "b", "c"], max_trials=2)

    assert len(story.search.trials) == 2


def test_the_search_ends_when_the_space_is_used_up() -> None:
    story = Story(Scripted(n=1), workers=["w"])

    commands = story.ends_trial(0)

    assert commands == [EndSearch("the space is used up: all 1 configurations were tried")]


def test_the_search_goes_on_while_something_runs_although_nothing_is_suggested() -> None:
    story = Story(Scripted(n=1), workers=["a", "b"])

    assert story.search.end_reason is None


def test_a_sampler_that_had_nothing_is_asked_again_after_an_outcome() -> None:
    class Waits(Scripted):
        def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
            return None if running else super().suggest(trial_id, running)

    story = Story(Waits(), workers=["a", "b"])
    assert starts(story.commands) == [("a", Part(0))]

    commands = story.ends_trial(0)

    assert starts(commands) == [("b", Part(1))]


def test_the_target_ends_the_search() -> None:
    story = Story(workers=["w"], rules=[Target(0.5)])

    story.ends_trial(0, 0.25)

    assert story.search.end_reason == "the target 0.5 was reached by trial 0 with 0.25"


def test_no_progress_ends_the_search() -> None:
    story = Story(workers=["w"], rules=[NoProgress(2)])
    for trial_id, value in enumerate([2.0, 1.0, 3.0, 4.0]):
        assert story.search.end_reason is None
        story.ends_trial(trial_id, value)

    assert story.search.end_reason == "there was no progress for 2 trials"


def test_the_end_interrupts_what_runs() -> None:
    story = Story(workers=["a", "b"])
    story.at = 5.0

    commands = story.happens(StopAsked(reason="Ctrl-C", at=5.0))

    assert [(c.trial.id, c.trial.state, c.trial.ended_at) for c in of(SaveTrial, commands)] == [
        (0, TrialState.INTERRUPTED, 5.0),
        (1, TrialState.INTERRUPTED, 5.0),
    ]
    assert commands[-1] == EndSearch("Ctrl-C")


def test_the_end_keeps_an_outcome_that_is_on_its_way_to_the_disk() -> None:
    story = Story(workers=["a", "b"])
    story.finishes(0)

    commands = story.happens(StopAsked(reason="Ctrl-C"))

    assert [c.trial.id for c in of(SaveTrial, commands)] == [1]
    story.is_saved(0)
    assert story.search.best.id == 0


def test_a_search_ends_once_and_for_its_first_reason() -> None:
    story = Story(workers=["w"])
    story.happens(StopAsked(reason="first"))

    assert story.happens(StopAsked(reason="second")) == []
    assert story.search.end_reason == "first"


def test_nothing_starts_after_the_end() -> None:
    story = Story(workers=["a", "b"])
    story.happens(StopAsked(reason="enough"))

    assert starts([*story.joins("c"), *story.finishes(0), *story.is_saved(0), *story.happens(Idled())]) == []


# -- start_with ----------------------------------------------------------------------------------------------------


def test_given_points_are_tried_first() -> None:
    story = Story(start_with=[{"x": 50.0}, {"x": 60.0}], workers=["a", "b", "c"])

    assert [story.trial(i).params["x"] for i in range(3)] == [50.0, 60.0, 2.0]
    assert story.sampler.asked == [2]


def test_what_a_given_point_leaves_open_is_drawn_from_the_seed() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    drawn = [Story(space=space, start_with=[{"x": 0.5}], seed=seed, workers=["w"]).trial().params for seed in (1, 1, 2)]

    assert [params["x"] for params in drawn] == [0.5, 0.5, 0.5]
    assert drawn[0]["y"] == drawn[1]["y"] != drawn[2]["y"]


def test_given_points_count_as_running_for_the_sampler() -> None:
    story = Story(start_with=[{"x": 50.0}], workers=["a", "b"])

    assert story.sampler.running == [{0: {"x": 50.0}}]


# -- asked from outside --------------------------------------------------------------------------------------------


def test_somebody_outside_can_take_a_trial_and_bring_its_result() -> None:
    story = Story()

    (saved,) = story.happens(Asked())
    story.ends_trial(0, 4.0)

    assert saved.trial.state is TrialState.RUNNING
    assert story.search.best.value == 4.0


# -- going on ------------------------------------------------------------------------------------------------------


def test_stored_outcomes_are_learned_in_the_order_they_came() -> None:
    story = Story()

    story.search.restore(stored(ended(0, 3.0, order=1), ended(1, 2.0, order=0), ended(2, None, order=2)))

    assert story.sampler.observed == [(1, 2.0), (0, 3.0), (2, None)]
    assert (story.search.best.id, story.search.n_ended) == (1, 3)


def test_new_trials_go_on_counting() -> None:
    story = Story()
    story.search.restore(stored(ended(0), ended(4)))

    assert starts(story.joins("w")) == [("w", Part(5))]


def test_unfinished_trials_run_again_before_new_ones() -> None:
    story = Story()
    story.search.restore(stored(ended(0), ended(1, None, -1, state=TrialState.INTERRUPTED, reason="Ctrl-C")))

    commands = [*story.joins("a"), *story.joins("b")]

    assert starts(commands) == [("a", Part(1)), ("b", Part(2))]
    assert (story.trial(1).state, story.trial(1).reason, story.trial(1).ended_at) == (TrialState.RUNNING, "", None)


def test_a_trial_that_runs_again_is_saved_as_running_from_now_on() -> None:
    story = Story()
    story.search.restore(stored(ended(0, 0.5, -1, state=TrialState.INTERRUPTED, started_at=3.0)))
    story.at = 1000.0

    (saved, _) = story.joins("w")

    assert (saved.trial.state, saved.trial.started_at, saved.trial.value) == (TrialState.RUNNING, 1000.0, None)


def test_splits_that_were_done_are_not_run_again() -> None:
    story = Story(n_splits=3)
    unfinished = ended(0, None, -1, state=TrialState.RUNNING, ended_at=None)
    story.search.restore(stored(unfinished, splits={(0, 1): Result(5.0)}))
    started = starts([*story.joins("a"), *story.joins("b")])

    story.finishes(Part(0, 0), 1.0)
    story.finishes(Part(0, 2), 3.0)

    assert started == [("a", Part(0, 0)), ("b", Part(0, 2))]
    assert story.trial().split_values == (1.0, 5.0, 3.0)


def test_params_are_built_anew_from_the_space_at_hand() -> None:
    thing = object()
    story = Story(space=Space({"x": Choice([thing])}))

    story.search.restore(stored(Trial(0, {"x": 0}, {"x": "a stand-in"}, state=TrialState.FINISHED, value=1.0, order=0)))

    assert story.trial().params["x"] is thing


def test_a_study_that_has_all_its_trials_ends_at_once() -> None:
    story = Story(max_trials=2)
    story.search.restore(stored(ended(0), ended(1)))

    assert story.ticks(0.0) == [EndSearch("all 2 trials are done")]


def test_a_study_that_a_rule_had_ended_ends_at_once() -> None:
    story = Story(rules=[Target(1.0)])
    story.search.restore(stored(ended(0, 0.5)))

    assert of(EndSearch, story.ticks(0.0))


# -- any course whatever -------------------------------------------------------------------------------------------


class Pool:
    """Simulated workers that do, die, dawdle and report at random, checking every command they get."""

    def __init__(self, story: Story, seed: int, n_workers: int):
        self.story = story
        self.rng = random.Random(seed)  # noqa: S311 - not for secrets
        self.held: dict[str, list[Part]] = {}
        self.outbox: list[int] = []
        self.ends: Counter[int] = Counter()
        self.is_over = False
        self.n_named = 0
        for _ in range(n_workers):
            self.hire()

    def hire(self) -> None:
        self.n_named += 1
        name = f"w{self.n_named}"
        self.held[name] = []
        self.obey(self.story.joins(name))

    def obey(self, commands: Sequence[AnyCommand]) -> None:
        for command in commands:
            match command:
                case StartPart(worker, part):
                    self.accept(worker, part)
                case SaveTrial(trial) if trial.state.is_end:
                    self.ends[trial.id] += 1
                    self.outbox.append(trial.id)
                case KillWorker(worker):
                    self.lose(worker)
                case EndSearch():
                    assert not self.is_over
                    self.is_over = True

    def accept(self, worker: str, part: Part) -> None:
        assert not self.is_over, "work was given out after the end"
        assert worker in self.held, "work was given to a worker that is gone"
        elsewhere = [(p.trial_id, p.split) for parts in self.held.values() for p in parts]
        assert (part.trial_id, part.split) not in elsewhere, "a part was given out twice"
        assert len(self.held[worker]) < 16
        assert not self.story.trial(part.trial_id).state.is_end, "an ended trial was started"
        self.held[worker].append(part)

    def lose(self, worker: str) -> None:
        if self.held.pop(worker, None) is not None:
            self.obey(self.story.is_lost(worker))
            self.hire()

    def step(self) -> None:
        self.story.at += self.rng.choice([0.0001] * 19 + [1.0])
        busy = [worker for worker, parts in self.held.items() if parts]
        action = self.rng.random()
        if action < 0.25 and self.outbox:
            self.save()
        elif action < 0.30:
            self.lose(self.rng.choice(list(self.held)))
        elif action < 0.35:
            self.obey(self.story.ticks(self.story.at))
        elif action < 0.40:
            self.obey(self.story.happens(Idled(at=self.story.at)))
        elif busy:
            self.work(self.rng.choice(busy), action)
        else:
            self.save()

    def work(self, worker: str, action: float) -> None:
        part = self.held[worker][0]
        if action < 0.5:
            self.obey(self.story.reports(part, self.rng.random() * 20))
            return
        self.held[worker].pop(0)
        if action < 0.6:
            self.obey(self.story.fails(part))
        elif action < 0.65:
            self.obey(self.story.stops(part))
        else:
            self.obey(self.story.finishes(part, self.rng.random()))
            if self.rng.random() < 0.1:
                self.obey(self.story.finishes(part, -1.0))  # a second answer, which must not count

    def save(self) -> None:
        saved, self.outbox = self.outbox, []
        self.obey(self.story.is_saved(*saved))


@given(
    seed=st.integers(0, 2**32),
    n_workers=st.integers(1, 5),
    n_splits=st.sampled_from([None, 1, 3]),
    learns=st.booleans(),
    timeout_s=st.sampled_from([None, 2.0]),
    max_attempts=st.integers(1, 3),
)
@settings(max_examples=150, deadline=None)
def test_whatever_workers_do_the_search_keeps_its_promises(
    seed: int, n_workers: int, n_splits: int | None, learns: bool, timeout_s: float | None, max_attempts: int
) -> None:
    story = Story(
        Scripted(learns=learns),
        max_trials=12,
        n_splits=n_splits,
        trial_timeout_s=timeout_s,
        max_attempts=max_attempts,
        scheduler=None if n_splits else StopsAbove(15),
    )
    pool = Pool(story, seed, n_workers)

    for _ in range(5000):
        if pool.is_over:
            break
        pool.step()

    trials = story.search.trials
    assert pool.is_over, "the search did not end"
    assert sorted(trials) == list(range(12))
    assert pool.ends == dict.fromkeys(range(12), 1), "a trial ends once"
    assert sorted(trial.order for trial in trials.values()) == list(range(12))
    assert sorted(trial_id for trial_id, _ in story.sampler.observed) == list(range(12))
    assert len(story.search.running) == 0


@given(seed=st.integers(0, 2**32), n_workers=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_whatever_workers_do_a_finite_space_is_searched_whole(seed: int, n_workers: int) -> None:
    space = Space({"a": Int(0, 2), "b": Choice(["x", "y"])})
    pool = Pool(Story(RandomSampler(), space=space, seed=seed), seed, n_workers)

    for _ in range(5000):
        if pool.is_over:
            break
        pool.step()

    trials = pool.story.search.trials.values()
    assert sorted(space.index(trial.point) for trial in trials) == list(range(6))
    assert pool.story.search.end_reason == "the space is used up: all 6 configurations were tried"


def test_a_split_that_comes_back_after_its_trial_failed_is_not_run() -> None:
    """Its worker had not begun it when another split failed, and somebody else then had time for it."""
    story = Story(Scripted(learns=False), workers=["a"], n_splits=3, max_trials=2)
    for split in range(3):
        story.happens(PartFinished(part=Part(0, split), result=Result(1.0), seconds=1e-4))
    story.happens(PartFailed(part=Part(1, 0), failure=Failure("no"), seconds=1e-4))

    recalled = story.joins("b")
    back = story.happens(PartReturned(part=Part(1, 2)))

    assert RecallParts("a") in recalled
    assert [command for command in back if isinstance(command, StartPart)] == []
