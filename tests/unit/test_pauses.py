"""Stories of trials that pause, go on and are forked: events in, commands out."""

from collections.abc import Sequence
from typing import Any

import pytest

import manyhands as mh
from manyhands.events import (
    AnyCommand,
    AnyEvent,
    EndSearch,
    PartFinished,
    PartStopped,
    Reported,
    Saved,
    SaveTrial,
    StartPart,
    StopAsked,
    StopPart,
    Ticked,
    WorkerJoined,
    WorkerLost,
)
from manyhands.ports import History, Moment, StudySpec
from manyhands.search import Search, Settings
from manyhands.space import Space
from manyhands.trial import Part, Report, Result, Trial, TrialState

SPACE = Space({"x": mh.Float(0, 100)})
RUNNING, PAUSED, STOPPED, FINISHED = (
    TrialState.RUNNING,
    TrialState.PAUSED,
    TrialState.STOPPED,
    TrialState.FINISHED,
)


class Director:
    """A scheduler that pauses what reports 1.0 and stops what reports 2.0, and offers what it was told to."""

    def __init__(self) -> None:
        self.offers: list[Any] = []
        self.began_: list[tuple[int, int | None]] = []
        self.observed: list[int] = []

    def judge(self, trial_id: int, report: Report, loss: float) -> str | mh.Pause | None:
        if loss == 1.0:
            return mh.Pause("let others try")
        return "it is poor" if loss == 2.0 else None

    def observe(self, trial: Trial, loss: float | None) -> None:
        self.observed.append(trial.id)

    def began(self, trial: Trial) -> None:
        self.began_.append((trial.id, trial.parent))

    def next_trial(self) -> Any:
        return self.offers.pop(0) if self.offers else None


class Story:
    """A search with a director."""

    def __init__(self, *workers: str, sampler: Any = None, scheduler: Any = None, **settings: Any):
        self.director = Director()
        sampler = sampler or mh.RandomSampler()
        self.search = Search(SPACE, sampler, Settings(**settings), scheduler=scheduler or self.director)
        self.at = 0.0
        for worker in workers:
            self.joins(worker)

    def happens(self, event: AnyEvent) -> list[AnyCommand]:
        return self.search.handle(event)

    def joins(self, worker: str) -> list[AnyCommand]:
        return self.happens(WorkerJoined(worker=worker, at=self.at))

    def is_lost(self, worker: str) -> list[AnyCommand]:
        return self.happens(WorkerLost(worker=worker, cause="it was killed", at=self.at))

    def reports(self, part: Part, value: float, step: int = 0) -> list[AnyCommand]:
        return self.happens(Reported(part=part, reports=[Report(step, value)], at=self.at))

    def leaves(self, part: Part) -> list[AnyCommand]:
        return self.happens(PartStopped(part=part, reason="as it was told", at=self.at))

    def pauses(self, part: Part) -> list[AnyCommand]:
        """A trial is told to pause, and does."""
        return [*self.reports(part, 1.0), *self.leaves(part)]

    def finishes(self, part: Part, value: float = 0.5) -> list[AnyCommand]:
        return self.happens(PartFinished(part=part, result=Result(value), at=self.at))

    def is_saved(self, *trial_ids: int) -> list[AnyCommand]:
        return self.happens(Saved(trial_ids=list(trial_ids), at=self.at))

    def trial(self, trial_id: int = 0) -> Trial:
        return self.search.trials[trial_id]


def of(kind: Any, commands: Sequence[AnyCommand]) -> list[Any]:
    return [command for command in commands if isinstance(command, kind)]


def starts(commands: Sequence[AnyCommand]) -> list[tuple[str, Part]]:
    return [(command.worker, command.part) for command in of(StartPart, commands)]


# -- pausing -------------------------------------------------------------------------------------------------------


def test_a_trial_that_is_to_pause_is_told_to_leave_and_frees_its_worker() -> None:
    story = Story("a")

    told = story.reports(Part(0), 1.0)
    story.at = 5.0
    commands = story.leaves(Part(0))

    assert of(StopPart, told) == [StopPart("a", Part(0), "let others try")]
    trial = story.trial()
    assert (trial.state, trial.reason, trial.value, trial.ended_at) == (PAUSED, "let others try", 1.0, 5.0)
    assert not trial.state.is_end
    assert commands[0] == SaveTrial(trial)
    assert starts(commands) == [("a", Part(1))], "its worker has a new trial"


def test_a_paused_trial_still_runs_for_the_sampler() -> None:
    story = Story("a")
    story.pauses(Part(0))

    assert set(story.search.running) == {0, 1}


def test_a_trial_that_comes_to_its_end_before_it_hears_is_finished() -> None:
    story = Story("a")
    story.reports(Part(0), 1.0)

    story.finishes(Part(0))

    assert (story.trial().state, story.trial().reason) == (FINISHED, "")


def test_a_trial_whose_worker_is_lost_before_it_could_leave_is_paused() -> None:
    story = Story("a", max_trials=1)
    story.reports(Part(0), 1.0)
    story.director.offers = [mh.Resume(0)]

    commands = story.is_lost("a")

    assert [command.trial.state for command in of(SaveTrial, commands)] == [PAUSED]
    assert starts(story.joins("b")) == [("b", Part(0, 0, 2))]
    assert story.trial().lost == ("it was killed",)


def test_a_trial_that_was_lost_too_often_fails_and_does_not_pause() -> None:
    story = Story("a", max_attempts=1)
    story.reports(Part(0), 1.0)

    story.is_lost("a")

    assert story.trial().state is TrialState.FAILED


def test_pauses_are_no_lost_attempts() -> None:
    story = Story("a", max_attempts=2, max_trials=1)
    for attempt in (1, 2, 3):
        story.director.offers = [mh.Resume(0)]
        story.pauses(Part(0, 0, attempt))
    story.is_lost("a")
    story.joins("b")

    story.finishes(Part(0, 0, 5))

    assert story.trial().state is FINISHED


def test_trials_with_splits_cannot_pause() -> None:
    story = Story("a", n_splits=2)

    story.reports(Part(0), 1.0)

    assert isinstance(story.search.error, mh.SettingsError)
    assert "splits" in str(story.search.error)


# -- going on ------------------------------------------------------------------------------------------------------


def test_a_paused_trial_goes_on_when_the_scheduler_says_so() -> None:
    story = Story("a")
    story.at = 5.0
    story.pauses(Part(0))
    story.director.offers = [mh.Resume(0)]
    story.at = 8.0

    commands = story.finishes(Part(1))

    assert starts(commands) == [("a", Part(0, 0, 2))], "as another attempt, so that nothing old can reach it"
    trial = story.trial()
    assert (trial.state, trial.reason, trial.ended_at, trial.paused_s) == (RUNNING, "", None, 3.0)
    assert SaveTrial(trial) in commands
    assert story.director.began_ == [(0, None), (1, None), (0, None)]


def test_a_trial_that_went_on_may_be_judged_and_pause_again() -> None:
    story = Story("a")
    story.director.offers = [mh.Resume(0)]
    story.pauses(Part(0))

    assert of(StopPart, story.reports(Part(0, 0, 2), 1.0, 1))
    story.leaves(Part(0, 0, 2))
    assert story.trial().state is PAUSED


def test_a_trial_may_go_on_before_it_has_left() -> None:
    story = Story("a", "b")
    story.reports(Part(0), 1.0)
    story.director.offers = [mh.Resume(0)]

    first = story.finishes(Part(1))
    then = story.leaves(Part(0))

    assert starts(first) == [("b", Part(2))], "nobody has to be told yet, and a worker is free"
    assert starts(then) == [("a", Part(0, 0, 2))]
    assert story.trial().state is RUNNING
    assert story.director.began_.count((0, None)) == 2


def test_what_a_leaving_trial_reports_counts_again_once_it_may_go_on() -> None:
    story = Story("a", "b")
    story.reports(Part(0), 1.0)
    story.director.offers = [mh.Resume(0)]
    story.finishes(Part(1))

    assert of(StopPart, story.reports(Part(0), 2.0, 1)) == [StopPart("a", Part(0), "it is poor")]
    story.leaves(Part(0))
    assert story.trial().state is STOPPED


def test_a_trial_that_ended_and_is_not_saved_is_not_let_go_on() -> None:
    """The scheduler cannot know yet that it has come to its end."""
    story = Story("a", max_trials=2)
    story.reports(Part(0), 1.0)
    story.director.offers = [mh.Resume(0)]

    assert starts(story.finishes(Part(0))) == []
    assert starts(story.is_saved(0)) == [("a", Part(1))]
    assert story.search.error is None


def test_the_time_until_it_went_on_is_no_time_of_its_work() -> None:
    story = Story("a", max_trials=1)
    story.director.offers = [mh.Resume(0)]
    story.pauses(Part(0))
    story.at = 10.0
    story.happens(PartFinished(part=Part(0, 0, 2), result=Result(0.5), seconds=2.0, at=10.0))

    assert (story.trial().started_at, story.trial().duration_s) == (0.0, 10.0), "it began before its pause"


# -- forks, and waiting --------------------------------------------------------------------------------------------


def test_a_fork_is_a_new_trial_with_the_checkpoint_of_another() -> None:
    story = Story("a", max_trials=2)
    story.director.offers = [mh.Fork(0, {"x": 7.0})]

    commands = story.pauses(Part(0))

    assert of(StartPart, commands) == [StartPart("a", Part(1), {"x": 7.0}, parent=0)]
    assert (story.trial(1).params, story.trial(1).parent) == ({"x": 7.0}, 0)
    assert story.director.began_ == [(0, None), (1, 0)]


def test_a_fork_beyond_the_last_trial_does_not_begin() -> None:
    story = Story("a", max_trials=1)
    story.director.offers = [mh.Fork(0, {"x": 7.0})] * 3

    story.pauses(Part(0))
    commands = story.is_saved(0)

    assert (list(story.search.trials), story.trial().state) == ([0], STOPPED)
    assert of(EndSearch, commands) == [EndSearch("all 1 trials are done")]


def test_a_worker_stays_free_while_the_scheduler_waits() -> None:
    story = Story("a")
    story.director.offers = [mh.Wait(), None]

    assert starts(story.joins("b")) == []
    assert starts(story.joins("c")) == [("b", Part(1)), ("c", Part(2))]


def test_a_scheduler_that_waits_while_nothing_runs_ends_the_search() -> None:
    story = Story("a")
    story.director.offers = [mh.Wait()] * 4

    story.finishes(Part(0))
    commands = story.is_saved(0)

    assert of(EndSearch, commands) == [EndSearch("the scheduler wants no more: all 1 trials are done")]


def test_who_is_next_is_the_schedulers_say_before_the_samplers() -> None:
    story = Story("a", "b", max_trials=3)
    story.director.offers = [mh.Wait(), mh.Resume(0)]
    story.pauses(Part(0))

    commands = story.finishes(Part(1))

    assert starts(commands) == [("a", Part(0, 0, 2)), ("b", Part(2))]


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (mh.Resume(5), "trial 5 to go on, which is not paused: there is no such trial"),
        (mh.Resume(1), "trial 1 to go on, which is not paused: it is running"),
        (mh.Fork(5, {"x": 1.0}), "a fork of trial 5, and there is no such trial"),
        (mh.Fork(0, {"y": 1.0}), "has no point of the space"),
        (mh.Fork(0, {"x": 1.0, "y": 1.0}), "not active"),
        (mh.Fork(0, {"x": 1000.0}), "1000"),
        ("the best", "returned 'the best'. It must return mh.Resume"),
    ],
)
def test_an_offer_that_makes_no_sense_ends_the_search_and_is_named(offer: Any, words: str) -> None:
    story = Story("a", "b")
    story.director.offers = [offer]

    commands = story.joins("c")

    assert words in str(story.search.error)
    assert of(EndSearch, commands)
    assert {trial.state for trial in story.search.trials.values()} == {TrialState.INTERRUPTED}


# -- the end -------------------------------------------------------------------------------------------------------


def test_paused_trials_are_stopped_when_nothing_else_is_left() -> None:
    story = Story("a", max_trials=2)
    story.pauses(Part(0))
    story.at = 9.0
    story.finishes(Part(1))

    commands = story.is_saved(1)
    last = story.is_saved(0)

    assert [command.trial.state for command in of(SaveTrial, commands)] == [STOPPED]
    trial = story.trial()
    assert (trial.reason, trial.value, trial.ended_at, trial.paused_s) == ("let others try", 1.0, 9.0, 9.0)
    assert last == [EndSearch("all 2 trials are done")]
    assert story.director.observed == [1, 0]


def test_paused_trials_are_stopped_when_the_space_is_used_up() -> None:
    class Once(mh.RandomSampler):
        def suggest(self, trial_id: int, running: Any) -> Any:
            return None if trial_id else super().suggest(trial_id, running)

    story = Story("a", sampler=Once())
    story.pauses(Part(0))

    assert story.trial().state is STOPPED
    assert of(EndSearch, story.is_saved(0))


def test_paused_trials_stay_paused_when_the_search_is_cut_short() -> None:
    story = Story("a")
    story.pauses(Part(0))

    story.happens(StopAsked(reason="Ctrl-C", at=1.0))

    assert [trial.state for trial in story.search.trials.values()] == [PAUSED, TrialState.INTERRUPTED]


def test_a_paused_trial_waits_for_a_worker_to_come() -> None:
    story = Story("a", max_trials=2)
    story.pauses(Part(0))
    story.finishes(Part(1))
    story.is_lost("a")
    story.director.offers = [mh.Resume(0)]

    assert story.is_saved(1) == []
    assert starts(story.joins("b")) == [("b", Part(0, 0, 2))], "what was offered once is not forgotten"


# -- after a restart -----------------------------------------------------------------------------------------------


def stored(*trials: Trial, moments: Sequence[Moment] = ()) -> History:
    return History(StudySpec("s", SPACE.spec()), list(trials), {}, "", list(moments))


def trial(trial_id: int, state: TrialState, **changes: Any) -> Trial:
    point = {"x": float(trial_id)}
    return Trial(trial_id, point, SPACE.build(point), state, **changes)


def test_a_paused_trial_of_an_earlier_run_is_paused_and_may_go_on() -> None:
    story = Story(max_trials=1)
    paused = trial(0, PAUSED, value=1.0, reason="let others try", started_at=1.0, ended_at=3.0)
    story.search.restore(
        stored(paused, moments=[Moment(0, RUNNING, 0), Moment(0, PAUSED, 1)]), [(Part(0), Report(0, 1.0))]
    )
    story.director.offers = [mh.Resume(0)]
    story.at = 10.0

    commands = story.joins("a")

    assert starts(commands) == [("a", Part(0))]
    assert (story.trial().started_at, story.trial().paused_s) == (1.0, 7.0)
    assert story.director.began_ == [(0, None)] * 2


def test_without_a_scheduler_that_lets_it_go_on_a_paused_trial_is_stopped_at_the_end() -> None:
    search = Search(SPACE, mh.RandomSampler(), Settings(max_trials=1))
    search.restore(stored(trial(0, PAUSED, value=1.0, reason="let others try")))

    (command,) = search.handle(Ticked(at=1.0))

    assert (command.trial.state, command.trial.reason) == (STOPPED, "let others try")


@pytest.mark.parametrize(("value", "state"), [(1.0, PAUSED), (2.0, STOPPED)])
def test_a_trial_that_had_been_told_to_leave_is_not_run_again(value: float, state: TrialState) -> None:
    story = Story(max_trials=2)
    moments = [Moment(0, RUNNING, 0)]
    reports = [(Part(0), Report(0, 0.5)), (Part(0), Report(1, value)), (Part(0), Report(2, 0.75))]
    story.search.restore(stored(trial(0, RUNNING), moments=moments), reports)

    commands = story.joins("a")

    assert [command.trial.state for command in of(SaveTrial, commands)] == [state, RUNNING]
    assert story.trial().value == 0.75, "the last that it reported"
    assert starts(commands) == [("a", Part(1))]


def test_a_trial_that_went_on_before_the_restart_is_run_again() -> None:
    story = Story(max_trials=1)
    moments = [Moment(0, RUNNING, 0), Moment(0, PAUSED, 1), Moment(0, RUNNING, 1)]
    story.search.restore(stored(trial(0, RUNNING), moments=moments), [(Part(0), Report(0, 1.0))])

    assert starts(story.joins("a")) == [("a", Part(0))]
    assert story.director.began_ == [(0, None)] * 2


def test_studies_of_older_versions_go_by_the_clock() -> None:
    story = Story(max_trials=2)
    ended = trial(0, FINISHED, value=0.5, order=0, ended_at=5.0)
    reports = [(Part(0), Report(0, 0.5, at=4.0)), (Part(1), Report(0, 1.0, at=6.0))]

    story.search.restore(stored(ended, trial(1, TrialState.INTERRUPTED)), reports)
    story.happens(Ticked(at=7.0))

    assert story.director.began_ == [(0, None), (1, None)]
    assert story.director.observed == [0]
    assert story.trial(1).state in (PAUSED, STOPPED)


# -- by hand -------------------------------------------------------------------------------------------------------


def test_a_pause_is_a_reason_to_stop_for_who_runs_a_trial_by_hand() -> None:
    study = mh.Study(SPACE, sampler="random", scheduler=Director())
    asked = study.ask()

    assert study.report(asked, 1.0, step=0) == "let others try"
    study.tell(asked, 1.0)

    assert study.trials[0].state is FINISHED
