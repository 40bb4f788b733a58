import math
from typing import Any

import pytest
from msgspec.structs import replace

from manyhands.errors import SettingsError
from manyhands.rules import NoProgress, Target
from manyhands.trial import Trial, TrialState


def trial(value: float | None, state: TrialState = TrialState.FINISHED) -> Trial:
    return Trial(4, {"x": 1.0}, {"x": 1.0}, state=state, value=value)


def test_no_progress_counts_trials_since_the_best() -> None:
    rule = NoProgress(2)

    said = [rule.observe(trial(1.0), is_best, "minimize") for is_best in (True, False, True, False, False)]

    assert said == [None] * 4 + ["there was no progress for 2 trials"]


def test_failed_trials_are_no_progress() -> None:
    rule = NoProgress(1)

    assert rule.observe(trial(None, TrialState.FAILED), False, "minimize") is not None


def test_an_infeasible_trial_reaches_no_target() -> None:
    rule = Target(1.0)
    broken, kept = (replace(trial(0.5), constraints=(limit,)) for limit in (0.1, 0.0))

    assert rule.observe(broken, False, "minimize") is None
    assert rule.observe(kept, True, "minimize") is not None


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "3", None])
def test_no_progress_needs_a_number_of_trials(n: Any) -> None:
    with pytest.raises(SettingsError, match=r"NoProgress\(.*1 or more"):
        NoProgress(n)


@pytest.mark.parametrize(
    ("direction", "value", "is_reached"),
    [
        ("minimize", 0.4, True),
        ("minimize", 0.5, True),
        ("minimize", 0.6, False),
        ("maximize", 0.4, False),
        ("maximize", 0.5, True),
        ("maximize", 0.6, True),
    ],
)
def test_a_target_is_reached_by_what_is_as_good(direction: str, value: float, is_reached: bool) -> None:
    assert (Target(0.5).observe(trial(value), True, direction) is not None) == is_reached


def test_a_target_names_the_trial_that_reached_it() -> None:
    assert Target(0.5).observe(trial(0.25), True, "minimize") == "the target 0.5 was reached by trial 4 with 0.25"


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.STOPPED])
def test_only_a_finished_trial_reaches_a_target(state: TrialState) -> None:
    assert Target(0.5).observe(trial(0.1, state), False, "minimize") is None


@pytest.mark.parametrize("value", [math.nan, True, "0.5", None])
def test_a_target_is_a_number(value: Any) -> None:
    with pytest.raises(SettingsError, match=r"Target\(.*number"):
        Target(value)
