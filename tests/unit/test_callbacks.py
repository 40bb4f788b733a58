"""What all callbacks of trainers have in common; each of them is tested with its library in tests/integration."""

import os
from pathlib import Path
from typing import Any

import pytest

import manyhands as mh
from manyhands import callbacks
from manyhands.callbacks.reporter import Reporter
from manyhands.worker.handle import TrialHandle


@pytest.fixture
def sent() -> list[list[Any]]:
    return []


@pytest.fixture
def trial(sent: list[list[Any]], tmp_path: Path) -> TrialHandle:
    return TrialHandle((0, 0, 1), {}, str(tmp_path), sent.append)


def test_the_metric_is_reported_with_the_others_beside_it(trial: TrialHandle, sent: list[list[Any]]) -> None:
    goes_on = not Reporter(trial, "val_loss").report(3, {"loss": 1.0, "val_loss": 2.0})

    assert goes_on
    assert [fields[:3] for fields in sent] == [[3, 2.0, {"loss": 1.0}]]


def test_metrics_may_be_called_like_arguments_of_report(trial: TrialHandle, sent: list[list[Any]]) -> None:
    Reporter(trial, "value").report(1, {"value": 2.0, "step": 5, "self": 1, "reported": 4})

    assert [fields[:3] for fields in sent] == [[1, 2.0, {"reported": 4}]]


def test_the_trial_is_left_when_the_library_has_ended_and_not_before(trial: TrialHandle, sent: list[list[Any]]) -> None:
    reporter = Reporter(trial, "loss")
    reporter.leave()
    trial.stop("enough")

    assert reporter.report(1, {"loss": 1.0})
    assert len(sent) == 1
    with pytest.raises(mh.TrialStopped, match="enough"):
        reporter.leave()


def test_a_library_that_does_not_end_at_once_may_go_on_reporting(trial: TrialHandle, sent: list[list[Any]]) -> None:
    reporter = Reporter(trial, "loss")
    trial.stop("enough")

    assert [reporter.report(step, {"loss": 1.0}) for step in (1, 2)] == [True, True]
    assert len(sent) == 2


def test_steps_between_two_reports_are_left_out(trial: TrialHandle, sent: list[list[Any]]) -> None:
    reporter = Reporter(trial, "loss", every=3)
    for step in range(1, 8):
        reporter.report(step, {"loss": 1.0})

    assert [fields[0] for fields in sent] == [3, 6]


def test_a_metric_that_is_not_there_is_an_error_that_names_those_that_are(trial: TrialHandle) -> None:
    reporter = Reporter(trial, "val_los", every=10)

    with pytest.raises(mh.ObjectiveError, match=r"no metric 'val_los' to report. There are 'loss', 'val_loss'."):
        reporter.report(1, {"loss": 1.0, "val_loss": 1.0})
    with pytest.raises(mh.ObjectiveError, match="Is there validation data"):
        reporter.report(1, {})


def test_only_the_objectives_own_process_can_report(trial: TrialHandle, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = Reporter(trial, "loss")
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)  # as if forked

    with pytest.raises(mh.ObjectiveError, match=f"runs in process {pid}"):
        reporter.report(1, {"loss": 1.0})


def test_a_process_without_a_trial_cannot_report() -> None:
    with pytest.raises(mh.ObjectiveError, match="no way to report"):
        Reporter(None, "loss").report(1, {"loss": 1.0})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("val_loss", "val_loss"), "trial='val_loss' must be the trial"),
        ((None, None), "metric=None must be the name"),
        ((None, ""), "metric='' must be the name"),
        ((None, "loss", 0), "every=0 must be a whole number"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(given: tuple[Any, ...], message: str) -> None:
    with pytest.raises(mh.SettingsError, match=message):
        Reporter(*given)


def test_callbacks_are_found_without_importing_them_first() -> None:
    assert mh.callbacks is callbacks
    assert mh.callbacks.LightGBMCallback.__module__ == "manyhands.callbacks.lightgbm"
    assert "KerasCallback" in dir(mh.callbacks)
    assert "callbacks" in dir(mh)


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match="it has KerasCallback, "):
        mh.callbacks.Keras  # noqa: B018
