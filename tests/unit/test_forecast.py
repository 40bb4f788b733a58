"""Stopping by forecasts, in searches whose late bloomers are known by their params."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import manyhands as mh
from manyhands.errors import SettingsError
from manyhands.ports import Forecast
from manyhands.schedulers.auto import AutoScheduler
from manyhands.schedulers.forecast import ForecastScheduler
from manyhands.trial import Report, TrialState

N_EPOCHS = 20
SPACE = {"x": mh.Float(0, 1), "slow": mh.Float(0, 1)}


def late_bloomers(params: Mapping[str, float]) -> Iterator[tuple[float, float]]:
    """What is slow is behind for most of its training, and ends best."""
    end = (params["x"] - 0.3) ** 2 + 0.3 * (1 - params["slow"])
    for epoch in range(1, N_EPOCHS + 1):
        yield 60.0, end + (0.2 + 2.0 * params["slow"]) * (epoch**-0.7 - N_EPOCHS**-0.7)


def upside_down(params: Mapping[str, float]) -> Iterator[tuple[float, float]]:
    for seconds, loss in late_bloomers(params):
        yield seconds, 5.0 - loss


def searched(objective: Any = late_bloomers, **settings: Any) -> mh.Study:
    defaults: dict[str, Any] = {"workers": 4, "timeout_s": 30 * N_EPOCHS * 60 / 4, "scheduler": "auto"}
    return mh.simulate(objective, SPACE, **{**defaults, **settings})


def n_epochs(study: mh.Study) -> int:
    return sum(len(study.reports(trial)) for trial in study.trials)


@pytest.fixture(scope="module")
def study() -> mh.Study:
    return searched()


def test_late_bloomers_are_found_with_fewer_epochs_than_without_stopping(study: mh.Study) -> None:
    assert study.best_value < 0.02
    assert len(study.trials) > 34  # there is room for 30 whole ones
    assert study.best_params["slow"] > 0.9


def test_ranks_alone_lose_them(study: mh.Study) -> None:
    by_rank = searched(scheduler="asha", sampler="random")
    finished = [trial for trial in by_rank.trials if trial.state is TrialState.FINISHED]
    assert study.best_value <= min(trial.value or 9.0 for trial in finished)


def test_the_direction_makes_no_difference(study: mh.Study) -> None:
    other = searched(upside_down, direction="maximize")
    assert [trial.state for trial in other.trials][:40] == [trial.state for trial in study.trials][:40]
    assert other.best_value == pytest.approx(5.0 - study.best_value, abs=0.01)


def test_reasons_speak_of_what_is_expected(study: mh.Study) -> None:
    reason = next(trial.reason for trial in study.trials if trial.state is TrialState.STOPPED)
    assert "expected to end at" in reason
    assert "of trial" in reason


def test_the_best_trial_is_never_stopped(study: mh.Study) -> None:
    assert study.best_trial.state is TrialState.FINISHED


@pytest.mark.parametrize("max_steps", [None, N_EPOCHS])
def test_poor_trials_are_stopped_before_any_has_finished(max_steps: int | None) -> None:
    study = searched(timeout_s=(N_EPOCHS - 1) * 60, workers=16, scheduler=AutoScheduler(max_steps))
    assert [trial for trial in study.trials if trial.state is TrialState.STOPPED]


def test_a_metric_by_name_is_forecast_as_well() -> None:
    def named(params: Mapping[str, float]) -> Iterator[Any]:
        for seconds, loss in late_bloomers(params):
            yield seconds, loss
        return {"error": loss, "other": 1.0}

    study = searched(named, metric="error")
    assert study.best_value < 0.02


def test_other_samplers_are_judged_by_ranks_and_told_so() -> None:
    study = searched(sampler="random")
    reasons = {trial.reason for trial in study.trials if trial.state is TrialState.STOPPED}
    assert all("is not among the best third" in reason for reason in reasons)
    assert "as there are no forecasts" in study.summary()


def test_with_constraints_trials_are_judged_by_ranks() -> None:
    def constrained(params: Mapping[str, float]) -> Iterator[Any]:
        loss = 9.0
        for seconds, loss in late_bloomers(params):
            yield seconds, loss
        return {"loss": loss, "constraints": [params["x"] - 0.5]}

    study = searched(constrained, workers=2, timeout_s=20 * N_EPOCHS * 60 / 2)
    stopped = [trial for trial in study.trials if trial.state is TrialState.STOPPED]
    assert stopped
    assert "is not among the best third" in stopped[-1].reason


def test_whoever_works_alone_is_judged_by_forecasts_once_there_are_any() -> None:
    study = searched(workers=1, timeout_s=12 * N_EPOCHS * 60)
    reasons = [trial.reason for trial in study.trials if trial.state is TrialState.STOPPED]
    assert "is expected to end at" in reasons[-1]


def test_the_summary_says_what_stops_trials(study: mh.Study) -> None:
    assert "stops by forecasts of how trials end" in study.summary()


def test_with_very_many_workers_trials_are_judged_by_ranks() -> None:
    study = searched(workers=150, timeout_s=8 * 60)
    stopped = [trial for trial in study.trials if trial.state is TrialState.STOPPED]
    assert stopped
    assert all("is not among the best third" in trial.reason for trial in stopped)


def test_only_what_is_all_but_certain_to_lose_stops() -> None:
    scheduler = ForecastScheduler(chance=0.03, min_steps=1)
    forecasts = {0: Forecast(0.1, 0.0, 0.1), 1: Forecast(0.2, 0.2, 0.1), 2: Forecast(0.5, 1.0, 0.1)}
    scheduler.consult(lambda: forecasts)
    assert scheduler.judge(0, Report(1, 0.1), 0.1) is None
    assert scheduler.judge(1, Report(1, 0.2), 0.2) is None
    reason = scheduler.judge(2, Report(1, 0.5), 0.5)
    assert reason is not None
    assert "0.5" in str(reason)


@pytest.mark.parametrize("chance", [0.0, 0.5, -1.0, float("nan")])
def test_a_chance_that_makes_no_sense_is_refused(chance: float) -> None:
    with pytest.raises(SettingsError, match="chance="):
        ForecastScheduler(chance=chance)
