import math
import pickle
from typing import Any

import pytest

import manyhands as mh
from manyhands.trial import Report, Trial

SPACE = {"x": mh.Float(-1, 1)}


class StopsAbove:
    def __init__(self, limit: float):
        self.limit = limit

    def judge(self, trial_id: int, report: Report, loss: float) -> str | None:
        return "too much" if loss > self.limit else None

    def observe(self, trial: Trial, loss: float | None) -> None:
        pass


@pytest.fixture
def study() -> mh.Study:
    return mh.Study(SPACE, sampler="random", seed=1)


# -- ask -----------------------------------------------------------------------------------------------------------


def test_a_trial_has_params_to_try(study: mh.Study) -> None:
    trial = study.ask()

    assert (trial.id, trial.state) == (0, mh.TrialState.RUNNING)
    assert -1 <= trial.params["x"] <= 1


def test_any_number_of_trials_may_be_on_their_way(study: mh.Study) -> None:
    trials = [study.ask() for _ in range(50)]
    for trial in reversed(trials):
        study.tell(trial, trial.params["x"])

    assert study.best_value == min(t.params["x"] for t in trials)
    assert len(study.trials) == 50


def test_the_same_seed_gives_the_same_trials() -> None:
    first, second, other = (mh.Study(SPACE, sampler="random", seed=seed).ask().params for seed in (1, 1, 2))

    assert first == second != other


def test_no_more_than_max_trials_can_be_asked() -> None:
    study = mh.Study(SPACE, sampler="random", max_trials=2, name="short")
    study.ask()
    study.ask()

    with pytest.raises(mh.SearchEndedError, match="'short' has no trial to give"):
        study.ask()


def test_a_study_that_is_done_says_why() -> None:
    study = mh.Study(SPACE, sampler="random", max_trials=1)
    study.tell(study.ask(), 1.0)

    assert study.end_reason == "all 1 trials are done"
    with pytest.raises(mh.SearchEndedError, match="all 1 trials are done"):
        study.ask()


def test_a_space_that_is_used_up_gives_no_more_trials() -> None:
    study = mh.Study({"x": mh.Int(0, 1)}, sampler="random")
    for _ in range(2):
        study.tell(study.ask(), 1.0)

    with pytest.raises(mh.SearchEndedError, match="used up"):
        study.ask()


def test_given_params_come_first_and_may_be_partial() -> None:
    study = mh.Study({"x": mh.Float(0, 1), "y": mh.Float(0, 1)}, sampler="random", start_with=[{"y": 0.25}])

    assert study.ask().params["y"] == 0.25


# -- tell ----------------------------------------------------------------------------------------------------------


def test_a_value_that_is_told_finishes_the_trial(study: mh.Study) -> None:
    trial = study.ask()

    study.tell(trial, 0.5)

    assert (study.best_trial.id, study.best_value, study.best_params) == (trial.id, 0.5, trial.params)


@pytest.mark.parametrize(("direction", "best"), [("minimize", -2.0), ("maximize", 3.0)])
def test_the_best_is_what_the_direction_says(direction: str, best: float) -> None:
    study = mh.Study(SPACE, sampler="random", direction=direction)
    for value in (1.0, 3.0, -2.0):
        study.tell(study.ask(), value)

    assert study.best_value == best


def test_a_trial_can_be_told_by_its_number(study: mh.Study) -> None:
    trial = study.ask()

    study.tell(trial.id, 0.5)

    assert study.best_value == 0.5


def test_a_trial_cannot_be_told_twice(study: mh.Study) -> None:
    trial = study.ask()
    study.tell(trial, 0.5)

    with pytest.raises(mh.SettingsError, match="Trial 0 has its outcome already: it is finished"):
        study.tell(trial, 0.6)
    assert study.best_value == 0.5


def test_a_trial_that_was_never_asked_cannot_be_told(study: mh.Study) -> None:
    with pytest.raises(mh.SettingsError, match="no trial 7"):
        study.tell(7, 1.0)


def test_a_trial_may_have_failed(study: mh.Study) -> None:
    trial = study.ask()

    study.tell(trial, failed="the machine burned")

    assert (study.trials[0].state, study.trials[0].reason) == (mh.TrialState.FAILED, "the machine burned")


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "high", [1.0]])
def test_what_is_no_finite_number_is_a_failure(value: Any, study: mh.Study) -> None:
    study.tell(study.ask(), value)

    assert study.trials[0].state is mh.TrialState.FAILED
    assert "number" in study.trials[0].reason


def test_a_value_and_a_failure_together_are_refused(study: mh.Study) -> None:
    trial = study.ask()

    with pytest.raises(mh.SettingsError, match="both a value and failed="):
        study.tell(trial, 1.0, failed="no")


def test_a_dict_may_be_told(study: mh.Study) -> None:
    study.tell(study.ask(), {"value": 0.5, "variance": 0.1, "f1": 0.9})

    best = study.best_trial
    assert (best.value, best.variance, best.metrics) == (0.5, 0.1, {"f1": 0.9})


def test_the_metric_names_the_value_in_a_dict() -> None:
    study = mh.Study(SPACE, sampler="random", metric="f1")

    study.tell(study.ask(), {"f1": 0.9, "loss": 3})

    assert study.best_value == 0.9


def test_an_unclear_dict_is_refused_and_the_trial_stays_on_its_way(study: mh.Study) -> None:
    trial = study.ask()

    with pytest.raises(mh.SettingsError, match=r"tell was given a dict.*metric="):
        study.tell(trial, {"accuracy": 1.0})

    study.tell(trial, 1.0)
    assert study.best_value == 1.0


def test_without_a_finished_trial_there_is_no_best_one(study: mh.Study) -> None:
    study.tell(study.ask(), failed="no")

    with pytest.raises(mh.NoResultError, match="no finished trial"):
        _ = study.best_value


# -- report --------------------------------------------------------------------------------------------------------


def test_a_report_without_a_scheduler_stops_nothing(study: mh.Study) -> None:
    assert study.report(study.ask(), 1e9, step=0) is None


def test_a_report_says_when_a_trial_should_stop() -> None:
    study = mh.Study(SPACE, sampler="random", scheduler=StopsAbove(10))
    trial = study.ask()

    assert study.report(trial, 5.0, step=0) is None
    assert study.report(trial, 11.0, step=1, note="a metric") == "too much"


def test_a_report_goes_on_saying_that_a_trial_should_stop() -> None:
    study = mh.Study(SPACE, sampler="random", scheduler=StopsAbove(10))
    trial = study.ask()
    study.report(trial, 11.0, step=1)

    assert study.report(trial, 12.0, step=2) == "too much"


def test_a_scheduler_sees_losses() -> None:
    study = mh.Study(SPACE, sampler="random", scheduler=StopsAbove(10), direction="maximize")
    trial = study.ask()

    assert study.report(trial, 11.0, step=0) is None
    assert study.report(trial, -11.0, step=1) == "too much"


def test_a_report_that_is_no_number_is_refused(study: mh.Study) -> None:
    with pytest.raises(mh.SettingsError, match=r"number.*'high'"):
        study.report(study.ask(), "high", step=0)  # type: ignore[arg-type]


def test_a_report_that_is_not_finite_is_accepted(study: mh.Study) -> None:
    assert study.report(study.ask(), math.nan, step=0) is None


def test_a_finished_trial_cannot_report(study: mh.Study) -> None:
    trial = study.ask()
    study.tell(trial, 1.0)

    with pytest.raises(mh.SettingsError, match="outcome already"):
        study.report(trial, 1.0, step=0)


# -- looking at it -------------------------------------------------------------------------------------------------


def test_a_study_shows_itself(study: mh.Study) -> None:
    assert repr(study).endswith("0 trials, best value none>")

    study.tell(study.ask(), 0.125)

    assert repr(study).endswith("1 trials, best value 0.125>")
    assert "Best value 0.125, by trial 0" in study.summary()


def test_there_is_a_row_for_each_trial(study: mh.Study) -> None:
    for value in (1.0, 2.0):
        study.tell(study.ask(), value)
    study.ask()

    rows = study.to_dicts()

    assert [row["value"] for row in rows] == [1.0, 2.0, None]
    assert [row["state"] for row in rows] == ["finished", "finished", "running"]


def test_a_study_of_ones_own_has_no_logs(study: mh.Study) -> None:
    assert study.log(study.ask()) == ""


# -- bad arguments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"direction": "up"}, "'up'"),
        ({"sampler": "best"}, "'best'"),
        ({"max_trials": 0}, "max_trials=0"),
        ({"max_trials": 1.5}, r"max_trials=1\.5"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": "a"}, "seed='a'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(mh.SettingsError, match=words):
        mh.Study(SPACE, **arguments)


def test_given_params_from_outside_the_space_are_refused() -> None:
    with pytest.raises(mh.SpaceError, match=r"params\['x'\].*7"):
        mh.Study(SPACE, start_with=[{"x": 7}])


def test_a_study_can_be_pickled_and_looked_at():
    study = mh.tune(lambda p: p["x"] ** 2, {"x": mh.Float(-1, 1)}, max_trials=5, executor="inline", progress=False)

    copy = pickle.loads(pickle.dumps(study))  # noqa: S301 - it is our own

    assert copy.trials == study.trials
    assert copy.best_trial == study.best_trial
    assert copy.summary().splitlines()[:3] == study.summary().splitlines()[:3]
    assert copy.end_reason == study.end_reason
    with pytest.raises(mh.SearchEndedError):
        copy.ask()
