"""The contract of schedulers, for each of ours, and held against some that are broken on purpose."""

import math
import random
import runpy
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from manyhands.parameters import Float
from manyhands.ports import Forecast, Pause, Problem, Resume, Scheduler
from manyhands.schedulers import make_scheduler
from manyhands.schedulers.asha import ASHAScheduler
from manyhands.schedulers.base import StoppingScheduler
from manyhands.schedulers.forecast import ForecastScheduler
from manyhands.schedulers.hyperband import HyperbandScheduler
from manyhands.schedulers.median import MedianScheduler
from manyhands.schedulers.patience import PatienceScheduler
from manyhands.schedulers.pb2 import PB2Scheduler
from manyhands.schedulers.pbt import PBTScheduler
from manyhands.schedulers.promotion import ASHAPromotionScheduler
from manyhands.schedulers.threshold import ThresholdScheduler
from manyhands.space import Space
from manyhands.testing.schedulers import SchedulerContract
from manyhands.trial import Report, Trial


class TestMedianScheduler(SchedulerContract):
    def make(self) -> Scheduler:
        return make_scheduler("median", "minimize")


class TestImpatientMedianScheduler(SchedulerContract):
    def make(self) -> Scheduler:
        return MedianScheduler(grace_steps=1, min_trials=1)


class TestASHAScheduler(SchedulerContract):
    def make(self) -> Scheduler:
        return make_scheduler("asha", "minimize")


class TestASHASchedulerWithBrackets(SchedulerContract):
    def make(self) -> Scheduler:
        return ASHAScheduler(min_steps=2, reduction=2, max_steps=30, brackets=3)


class TestASHAPromotionScheduler(SchedulerContract):
    def make(self) -> Scheduler:
        return make_scheduler("asha-promotion", "minimize")


class TestASHAPromotionSchedulerWithBrackets(SchedulerContract):
    def make(self) -> Scheduler:
        return ASHAPromotionScheduler(min_steps=2, reduction=2, max_steps=30, brackets=3)


class TestHyperbandScheduler(SchedulerContract):
    def make(self) -> Scheduler:
        return make_scheduler("hyperband", "minimize")


class TestPBTScheduler(SchedulerContract):
    """With as many workers as members, and with members that take turns."""

    def make(self) -> Scheduler:
        return population_of(5)


class TestPBTSchedulerByTurns(SchedulerContract):
    def make(self) -> Scheduler:
        return population_of(8)


class TestPB2Scheduler(SchedulerContract):
    n_trials = 12  # its model takes 10 ms
    n_steps = 15

    def make(self) -> Scheduler:
        return population_of(6, PB2Scheduler, self.n_trials)


def population_of(n: int, kind: type[PBTScheduler] = PBTScheduler, max_trials: int = 30) -> PBTScheduler:
    scheduler = kind(interval=3, population=n, max_steps=20 * max_trials // 30)
    scheduler.prepare(Problem(Space({"x": Float(0, 1)}), max_trials=max_trials))
    return scheduler


class TestAutoScheduler(SchedulerContract):
    def make(self) -> Scheduler:
        return make_scheduler("auto", "minimize")


class TestForecastScheduler(SchedulerContract):
    """Forecasts are what trials have come to."""

    max_work = 2000  # now and then it looks at all forecasts

    def make(self) -> Scheduler:
        scheduler = ForecastOfTheLast(min_steps=2)
        scheduler.consult(None)
        return scheduler


class ForecastOfTheLast(ForecastScheduler):
    def start(self, direction: str) -> None:
        super().start(direction)
        self.last: dict[int, float] = {}

    def consult(self, forecast: object) -> None:
        super().consult(lambda: {i: Forecast(loss, loss, 0.2) for i, loss in self.last.items()})

    def judge(self, trial_id: int, report: Report, loss: float) -> str | Pause | None:
        self.last[trial_id] = loss if math.isfinite(loss) else 1e9
        if len(self.last) > 50:  # no sampler forecasts for all that ever were
            del self.last[min(self.last)]
        return super().judge(trial_id, report, loss)


class TestPatienceScheduler(SchedulerContract):
    compares = False

    def make(self) -> Scheduler:
        return PatienceScheduler(5)


class TestThresholdScheduler(SchedulerContract):
    compares = False

    def make(self) -> Scheduler:
        return ThresholdScheduler(1.5, step=3)

    def make_for_maximizing(self) -> Scheduler:
        return ThresholdScheduler(-1.5, step=3)


class TestTheSchedulerOfTheExample(SchedulerContract):
    def make(self) -> Scheduler:
        example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "custom_scheduler.py"))
        scheduler: Scheduler = example["TooFarBehind"](slack=0.6)
        return scheduler


# -- broken ones ---------------------------------------------------------------------------------------------------


class NeverStops:
    def judge(self, trial_id: int, report: Report, loss: float) -> str | Pause | None:
        return None

    def observe(self, trial: Trial, loss: float | None) -> None:
        pass


class UpsideDown(ASHAScheduler):
    """Takes losses for scores."""

    def judge(self, trial_id: int, report: Report, loss: float) -> str | Pause | None:
        return super().judge(trial_id, report, -loss)


class LooksAtValues(ASHAScheduler):
    def judge(self, trial_id: int, report: Report, loss: float) -> str | Pause | None:
        return super().judge(trial_id, report, loss if report.value is None else report.value)


class Moody(ASHAScheduler):
    def judge(self, trial_id: int, report: Report, loss: float) -> str | Pause | None:
        return "it had bad luck" if random.random() < 0.1 else super().judge(trial_id, report, loss)  # noqa: S311


class Speechless(ASHAScheduler):
    def judge(self, trial_id: int, report: Report, loss: float) -> Any:
        return super().judge(trial_id, report, loss) is not None or None


class StopsTheFirst(ASHAScheduler):
    """Has trial 0 wait for nobody."""

    def _judge(self, trial_id: int, step: int, loss: float) -> str | Pause | None:
        return "it is the first" if trial_id == 0 and step == 3 else super()._judge(trial_id, step, loss)


class CountsRepeats(MedianScheduler):
    """Takes no notice of which steps a trial has reported."""

    def judge(self, trial_id: int, report: Report, loss: float) -> str | Pause | None:
        self._last_steps.clear()
        return super().judge(trial_id, report, loss)


class CountsTheStopped(MedianScheduler):
    """Takes no notice of which trials it has stopped."""

    def judge(self, trial_id: int, report: Report, loss: float) -> str | Pause | None:
        self._verdicts.clear()
        return super().judge(trial_id, report, loss)


class SparesTheDiverged(ASHAScheduler):
    def judge(self, trial_id: int, report: Report, loss: float) -> str | Pause | None:
        return None if report.value is None else super().judge(trial_id, report, loss)


class Scans(StoppingScheduler):
    """Compares with all trials, one after another."""

    def _reset(self) -> None:
        self._losses: dict[tuple[int, int], float] = {}

    def _judge(self, trial_id: int, step: int, loss: float) -> str | Pause | None:
        self._losses[trial_id, step] = loss
        if trial_id != 9_950:  # one is enough, as it takes so long
            return None
        losses = [seen for (_, s), seen in self._losses.items() if s == step]
        return "it is poor" if loss > median(losses) else None


class Remembers(ASHAScheduler):
    """Forgets nothing when a second search starts."""

    def start(self, direction: str) -> None:
        if not hasattr(self, "_ladders"):
            super().start(direction)


class CountsOutcomes(ASHAScheduler):
    def observe(self, trial: Trial, loss: float | None) -> None:
        self._ladders[0].enter(-trial.id - 1, 1, loss)  # type: ignore[arg-type]


class ResumesTheFirst(ASHAPromotionScheduler):
    """Takes no notice of who is paused."""

    def next_trial(self) -> Resume | None:
        return Resume(0) if self._last_steps else None


class NotesInTheQuestion(ASHAPromotionScheduler):
    """Notes who goes on when it is asked, which a resumed search does not do for what is past."""

    def next_trial(self) -> Resume | None:
        offer = super().next_trial()
        if offer is not None:
            self._places.pop(offer.trial_id)
        return offer

    def began(self, trial: Trial) -> None:
        self._verdicts.pop(trial.id, None)


def rejects(test: str, make: Any) -> bool:
    suite: Any = type("Broken", (SchedulerContract,), {"make": lambda self: make()})()
    try:
        getattr(suite, test)()
    except Exception:
        return True
    return False


@pytest.mark.parametrize(
    ("make", "test"),
    [
        (NeverStops, "test_poor_trials_are_stopped"),
        (UpsideDown, "test_the_best_trial_is_never_stopped"),
        (LooksAtValues, "test_maximizing_stops_the_trials_that_minimizing_stops"),
        (Moody, "test_the_same_reports_get_the_same_decisions"),
        (Speechless, "test_a_reason_is_a_text"),
        (ResumesTheFirst, "test_who_goes_on_was_paused"),
        (NotesInTheQuestion, "test_a_resumed_search_goes_on_as_if_never_interrupted"),
        (StopsTheFirst, "test_the_only_trial_is_never_stopped"),
        (UpsideDown, "test_steps_may_be_skipped"),
        (CountsRepeats, "test_a_trial_that_begins_again_is_not_counted_twice"),
        (CountsTheStopped, "test_a_resumed_search_goes_on_as_if_never_interrupted"),
        (SparesTheDiverged, "test_a_trial_without_a_finite_value_is_stopped"),
        (UpsideDown, "test_diverged_trials_do_not_save_poor_ones"),
        (CountsOutcomes, "test_outcomes_of_any_kind_are_accepted"),
        (Remembers, "test_a_second_search_begins_afresh"),
        (Scans, "test_a_report_is_judged_without_a_look_at_all_others"),
    ],
)
def test_the_contract_rejects_a_broken_scheduler(make: Any, test: str) -> None:
    assert not rejects(test, HyperbandScheduler), "a sound one passes"
    assert rejects(test, make)


def test_every_test_of_the_contract_is_held_against_a_broken_scheduler() -> None:
    (marks,) = test_the_contract_rejects_a_broken_scheduler.pytestmark  # type: ignore[attr-defined]
    held = {test for _, test in marks.args[1]}

    assert held == {name for name in vars(SchedulerContract) if name.startswith("test_")}
