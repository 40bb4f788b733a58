import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from manyhands.advisers import Advisers
from manyhands.errors import SettingsError
from manyhands.parameters import Float
from manyhands.ports import Outcome, Problem
from manyhands.rules import Budget, NoProgress, Target
from manyhands.rules.gain import Outlook
from manyhands.rules.regret import RegretBound
from manyhands.samplers import make_sampler
from manyhands.settings import Settings
from manyhands.space import Space
from manyhands.splits import combine
from manyhands.trial import Result, Trial, TrialState


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


def test_a_small_improvement_is_no_progress_until_it_adds_up() -> None:
    rule = NoProgress(2, min_improvement=0.5)

    said = [rule.observe(trial(value), True, "minimize") for value in (1.0, 0.75, 0.25, 0.0, -0.125)]

    assert said == [None] * 4 + ["there was no progress of more than 0.5 for 2 trials"]


def test_what_is_better_when_maximising_is_progress() -> None:
    rule = NoProgress(1, min_improvement=0.5)

    assert [rule.observe(trial(value), True, "maximize") is None for value in (1.0, 2.0, 2.25)] == [True, True, False]


@pytest.mark.parametrize("least", [-0.1, math.nan, math.inf, True, "1", None])
def test_the_least_improvement_is_a_number_from_zero_on(least: Any) -> None:
    with pytest.raises(SettingsError, match=r"min_improvement=.*0 or more"):
        NoProgress(3, min_improvement=least)


def test_improvements_of_several_objectives_have_no_size() -> None:
    problem = Problem(Space({"x": Float(0, 1)}), n_objectives=2)
    NoProgress(3).start(problem)

    with pytest.raises(SettingsError, match=r"one objective.*Leave min_improvement out"):
        NoProgress(3, min_improvement=0.1).start(problem)
    with pytest.raises(SettingsError, match="one objective"):
        NoProgress(3, min_improvement=0.1).observe(trial(None), True, ("minimize", "minimize"))


# -- budget --------------------------------------------------------------------------------------------------------


def costing(metrics: dict[str, Any], state: TrialState = TrialState.FINISHED, n_splits: int = 0) -> Trial:
    return replace(trial(1.0, state), metrics=metrics, split_values=(1.0,) * n_splits)


def test_a_budget_is_spent_by_all_trials_together() -> None:
    rule = Budget(10)

    said = [rule.observe(costing({"cost": cost}), False, "minimize") for cost in (4.0, 5, 1.5)]

    assert said == [None, None, "the budget is spent: cost came to 10.5 of 10"]


def test_what_a_stopped_trial_has_reported_of_its_cost_counts() -> None:
    rule = Budget(1.0, metric="euros")

    assert rule.observe(costing({"euros": 1.0}, TrialState.STOPPED), False, "minimize") is not None


def test_a_cost_counts_once_for_each_split_as_it_is_their_mean() -> None:
    rule = Budget(10)

    assert rule.observe(costing({"cost": 3.0}, n_splits=3), False, "minimize") is None
    assert rule.observe(costing({"cost": 0.5}, n_splits=2), False, "minimize") is not None


def test_a_finished_trial_without_a_cost_is_an_error_that_says_what_it_has() -> None:
    with pytest.raises(SettingsError, match=r"'cost', and trial 4 has none: it has \['euros'\].*missing="):
        Budget(10).observe(costing({"euros": 1.0}), False, "minimize")


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.STOPPED])
def test_what_a_failed_or_stopped_trial_cost_may_be_unknown(state: TrialState) -> None:
    rule = Budget(1)

    assert rule.observe(costing({}, state), False, "minimize") is None
    assert rule.observe(costing({"cost": 1}), False, "minimize") is not None


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.STOPPED, TrialState.FINISHED])
def test_a_trial_that_does_not_tell_its_cost_counts_what_was_said_for_it(state: TrialState) -> None:
    rule = Budget(5, missing=2.5)

    assert [rule.observe(costing({}, state), False, "minimize") is None for _ in range(2)] == [True, False]


@pytest.mark.parametrize("cost", ["3", True, math.nan, math.inf, -1.0, [1.0, 2.0]])
def test_what_is_no_cost_cannot_be_added_up(cost: Any) -> None:
    with pytest.raises(SettingsError, match=r"'cost' of trial 4 is .*finite number, 0 or more"):
        Budget(10).observe(costing({"cost": cost}), False, "minimize")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"limit": 0}, r"Budget\(0\).*above 0"),
        ({"limit": math.nan}, "above 0"),
        ({"limit": math.inf}, "above 0"),
        ({"limit": "10"}, "above 0"),
        ({"limit": 1, "metric": ""}, "name of a metric"),
        ({"limit": 1, "metric": 3}, "name of a metric"),
        ({"limit": 1, "missing": -1}, "0 or more"),
        ({"limit": 1, "missing": True}, "0 or more"),
    ],
)
def test_a_budget_needs_a_limit_and_the_name_of_a_metric(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Budget(**settings)


# -- regret bound --------------------------------------------------------------------------------------------------

PLANE = Problem(Space({"x": Float(0, 1), "y": Float(0, 1)}))
Loss = Callable[[Mapping[str, float]], float]


def bowl(point: Mapping[str, float]) -> float:
    return (point["x"] - 0.6) ** 2 + (point["y"] - 0.3) ** 2


def search(
    rule: RegretBound,
    loss: Loss,
    n: int = 120,
    *,
    noise: float = 0.0,
    sampler: str = "gp",
    direction: str = "minimize",
    problem: Problem = PLANE,
) -> tuple[list[Trial], list[str | None]]:
    """Trials one after another, with five splits if there is noise, until the rule speaks; and what it said."""
    proposer = make_sampler(sampler)
    proposer.start(problem)
    rule.start(problem)
    rng = np.random.default_rng(0)
    sign = 1 if direction == "minimize" else -1
    trials: list[Trial] = []
    said: list[str | None] = []
    while len(trials) < n and (not said or said[-1] is None):
        point = proposer.suggest(len(trials), {})
        assert point is not None
        values = [sign * (loss(point) + noise * z) for z in rng.standard_normal(5 if noise else 1)]
        result, splits = combine([Result(value) for value in values])
        assert result.value is not None
        variance, splits = (result.variance, splits) if noise else (None, ())
        ended = Trial(len(trials), point, point, TrialState.FINISHED, result.value, variance, split_values=splits)
        proposer.observe(ended, Outcome((sign * result.value,), (), variance))
        said.append(rule.observe(ended, False, direction))
        trials.append(ended)
    return trials, said


def test_a_search_ends_when_no_more_than_the_noise_can_be_gained() -> None:
    trials, said = search(RegretBound(), bowl, noise=0.05)

    assert 20 <= len(trials) < 120
    assert re.fullmatch(r"at most [\d.e-]+ could still be gained, which is less than the noise of .*", str(said[-1]))
    best = min(trials, key=lambda t: t.value or 0.0)
    assert bowl(best.point) < 0.05


def test_a_limit_of_ones_own_takes_the_place_of_the_noise() -> None:
    coarse, said = search(RegretBound(below=0.05), bowl)
    fine, _ = search(RegretBound(below=1e-5), bowl)

    assert "less than 0.05" in str(said[-1])
    assert len(coarse) < len(fine)


def test_maximising_is_minimising_with_the_sign_turned() -> None:
    small, _ = search(RegretBound(), bowl, noise=0.05)
    large, said = search(RegretBound(), bowl, noise=0.05, direction="maximize")

    assert said[-1] is not None
    assert [t.point for t in small] == [t.point for t in large]


def test_a_search_that_has_seen_nothing_but_a_plain_goes_on() -> None:
    _, alike = search(RegretBound(below=0.1), lambda point: 1.0, 40)
    _, noisy = search(RegretBound(), lambda point: 1.0, 40, noise=0.05)

    assert set(alike) == set(noisy) == {None}


def test_a_random_search_is_not_ended_while_the_model_knows_little() -> None:
    _, said = search(RegretBound(), lambda p: math.sin(20 * p["x"]) * math.cos(20 * p["y"]), 60, sampler="random")

    assert set(said) == {None}


def test_no_look_is_had_before_enough_trials_have_finished() -> None:
    first, _ = search(RegretBound(below=1.0, min_trials=8), lambda p: 100 * bowl(p))
    wide = Problem(Space({f"x{i}": Float(0, 1) for i in range(4)}))
    later, said = search(RegretBound(below=1.0), lambda p: 100 * (p["x0"] - 0.6) ** 2, problem=wide)

    assert 9 <= len(first) < 20
    assert len(later) > 40
    assert said[-1] is not None


def test_told_the_same_outcomes_again_the_rule_says_the_same() -> None:
    trials, said = search(RegretBound(), bowl, noise=0.05)
    again = RegretBound()
    again.start(PLANE)

    assert [again.observe(t, False, "minimize") for t in trials] == said


def test_what_was_found_holds_until_the_next_look() -> None:
    rule = RegretBound()
    _, said = search(rule, bowl, noise=0.05)

    failed = Trial(999, {"x": 0.5, "y": 0.5}, None, TrialState.FAILED)

    assert rule.observe(failed, False, "minimize") == said[-1]


def test_better_outcomes_make_the_rule_take_its_word_back() -> None:
    rule = RegretBound(below=0.05)
    _, said = search(rule, bowl)
    assert said[-1] is not None

    for i in range(8):  # much better ones, and ever better
        found = Trial(500 + i, {"x": 0.9, "y": 0.02 * i}, None, TrialState.FINISHED, -5.0 - i)
        last = rule.observe(found, True, "minimize")

    assert last is None


def spread_out(n: int, low: float, high: float) -> list[dict[str, float]]:
    return [{"x": low + (high - low) * i / n, "y": (0.37 * i) % 1.0} for i in range(n)]


def bound_beside(state: TrialState | None, value: float | None = None) -> float:
    """What could be gained after twelve trials of the left half, and perhaps twenty of the right that ended so."""
    outlook = Outlook(PLANE)
    for i, point in enumerate(spread_out(12, 0, 0.5)):
        outlook.add(Trial(i, point, None, TrialState.FINISHED, bowl(point)), "minimize")
    for i, point in enumerate(spread_out(20, 0.5, 1) if state else []):
        outlook.add(Trial(100 + i, point, None, state, value), "minimize")
    gain = outlook.gain()
    assert gain is not None
    return gain.bound


def test_little_is_hoped_for_where_trials_failed_or_were_stopped_whatever_those_had_reported() -> None:
    failed, stopped = bound_beside(TrialState.FAILED), bound_beside(TrialState.STOPPED, -50.0)

    assert failed == stopped
    assert failed < 0.8 * bound_beside(None)


def test_infeasible_trials_alone_tell_nothing_of_what_could_be_gained() -> None:
    outlook = Outlook(PLANE)
    for i, point in enumerate(spread_out(12, 0, 1)):
        outlook.add(Trial(i, point, None, TrialState.FINISHED, bowl(point), constraints=(1.0,)), "minimize")

    assert outlook.gain() is None


def test_the_noise_is_that_of_the_best_trial_in_units_of_the_loss() -> None:
    outlook = Outlook(PLANE)
    for i, point in enumerate(spread_out(12, 0, 1)):
        variance = 0.04 if i != 7 else 0.09
        found = Trial(i, point, None, TrialState.FINISHED, bowl(point) - (i == 7), variance)
        outlook.add(found, "minimize")
    gain = outlook.gain()

    assert gain is not None
    assert gain.noise == pytest.approx(0.3)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_the_unit_of_the_loss_makes_no_difference(scale: float) -> None:
    outlook = Outlook(PLANE)
    for i, point in enumerate(spread_out(25, 0, 1)):
        outlook.add(Trial(i, point, None, TrialState.FINISHED, scale * bowl(point)), "minimize")
    gain = outlook.gain()

    assert gain is not None
    assert 1e-5 < gain.bound / scale < 0.5
    assert gain.range / scale == pytest.approx(0.42, abs=0.2)


def test_losses_as_large_as_numbers_can_be_do_no_harm() -> None:
    outlook = Outlook(PLANE)
    for i, point in enumerate(spread_out(12, 0, 1)):
        outlook.add(Trial(i, point, None, TrialState.FINISHED, (-1) ** i * 1.7e308), "minimize")

    gain = outlook.gain()

    assert gain is None or not gain.bound < 1.0


def test_the_regret_bound_is_for_one_objective() -> None:
    with pytest.raises(SettingsError, match="one objective, and this study has 2"):
        RegretBound().start(Problem(PLANE.space, n_objectives=2))


def test_the_regret_bound_has_to_know_the_space() -> None:
    with pytest.raises(SettingsError, match=r"call its start\(problem\)"):
        RegretBound().observe(trial(1.0), True, "minimize")


@pytest.mark.parametrize("settings", [{"below": 0}, {"below": math.nan}, {"below": "1"}, {"below": True}])
def test_the_limit_of_the_regret_bound_is_a_number(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"RegretBound\(below=.*above 0"):
        RegretBound(**settings)


def test_the_regret_bound_waits_for_a_whole_number_of_trials() -> None:
    with pytest.raises(SettingsError, match="min_trials=0 must be a whole number"):
        RegretBound(min_trials=0)


@pytest.mark.parametrize("is_urgent", [True, False])
def test_only_a_rule_that_is_urgent_keeps_work_from_being_given_ahead(is_urgent):
    rule = NoProgress(3)
    rule.is_urgent = is_urgent

    space = Space({"x": Float(0, 1)})

    advisers = Advisers(space, Settings(), make_sampler("random"), None, [rule], (), lambda: 0.0)

    assert advisers.wait_for_outcomes is is_urgent
