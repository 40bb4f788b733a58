from collections.abc import Mapping
from typing import Any

import pytest

from manyhands.parameters import Choice, Float
from manyhands.ports import Outcome, Problem, Sampler
from manyhands.samplers.auto import AutoSampler
from manyhands.samplers.gp.sampler import GPSampler
from manyhands.samplers.tpe.sampler import TPESampler
from manyhands.space import Point, Space
from manyhands.trial import Trial, TrialState

SPACE = Space({"c": Choice(["a", {"tag": "b", "x": Float(0, 1)}]), "y": Float(0, 1)})
GP, TPE = "Gaussian process", "Parzen estimators"


def bowl(point: Mapping[str, float], n_objectives: int = 1) -> Outcome:
    loss = point["c"] + (point["y"] - 0.3) ** 2
    return Outcome((loss, 1 - loss)[:n_objectives], (0.1 - point["y"],))


def tell(sampler: Sampler, trial_id: int, outcome: Outcome | None, point: Point, seconds: float = 0.0) -> None:
    state = TrialState.FAILED if outcome is None else TrialState.FINISHED
    trial = Trial(trial_id, point, None, state=state, order=trial_id, started_at=1e9, ended_at=1e9 + seconds)
    sampler.observe(trial, outcome)


def after(n: int, seconds: float = 0.0, n_objectives: int = 1) -> AutoSampler:
    """The sampler when ``n`` trials of so many seconds have ended, at points in a row."""
    sampler = AutoSampler()
    sampler.start(Problem(SPACE, 1, n_objectives))
    for i in range(n):
        point = SPACE.decode([i / n, i * 0.618 % 1, i * 0.414 % 1])
        tell(sampler, i, None if i % 5 == 0 else bowl(point, n_objectives), point, seconds)
    return sampler


def alone(kind: Any, n: int, trial_id: int, n_objectives: int = 1) -> Point | None:
    """What a sampler of that kind suggests, told the same."""
    sampler = kind()
    sampler.start(Problem(SPACE, 1, n_objectives))
    for trial, outcome in after(n, n_objectives=n_objectives)._told:
        sampler.observe(trial, outcome)
    found: Point | None = sampler.suggest(trial_id, {})
    return found


def method(sampler: AutoSampler, trial_id: int, n_running: int = 0) -> str:
    """What it says of the suggestion that it was just asked for."""
    running = {10_000 + i: SPACE.decode([0.1, 0.5, i / 100]) for i in range(n_running)}
    assert sampler.suggest(trial_id, running) is not None
    return sampler.explain()


@pytest.mark.parametrize("trial_id", [0, 5, 20, 30, 41])
def test_most_trials_are_those_of_the_gaussian_process(trial_id: int) -> None:
    assert after(trial_id).suggest(trial_id, {}) == alone(GPSampler, trial_id, trial_id)


@pytest.mark.parametrize("trial_id", [15, 31, 43])
def test_every_fourth_is_that_of_parzen_estimators(trial_id: int) -> None:
    assert after(trial_id).suggest(trial_id, {}) == alone(TPESampler, trial_id, trial_id)


@pytest.mark.parametrize("trial_id", [3, 7, 11])
def test_but_not_before_they_have_something_to_say(trial_id: int) -> None:
    assert after(trial_id).suggest(trial_id, {}) == alone(GPSampler, trial_id, trial_id)


@pytest.mark.parametrize("trial_id", [14, 15, 31])
def test_several_objectives_are_all_left_to_the_gaussian_process(trial_id: int) -> None:
    sampler = after(trial_id, n_objectives=2)

    assert sampler.suggest(trial_id, {}) == alone(GPSampler, trial_id, trial_id, n_objectives=2)
    assert TPE not in sampler.explain()


@pytest.mark.parametrize(("n", "trial_id", "kind"), [(505, 505, TPESampler), (505, 507, GPSampler)])
def test_later_they_change_places(n: int, trial_id: int, kind: Any) -> None:
    assert after(n).suggest(trial_id, {}) == alone(kind, n, trial_id)


@pytest.mark.parametrize("trial_id", [1000, 1003])
def test_a_thousand_trials_and_more_are_those_of_parzen_estimators(trial_id: int) -> None:
    sampler = after(1000)

    assert sampler.suggest(trial_id, {}) == alone(TPESampler, 1000, trial_id)
    assert GP not in sampler.explain()


def test_a_gaussian_process_would_be_too_slow_for_very_many_workers() -> None:
    assert GP in method(after(40), 40, n_running=128)
    assert GP not in method(after(40), 40, n_running=129)


def test_how_long_trials_take_changes_nothing() -> None:
    assert after(60, seconds=0.0).suggest(60, {}) == after(60, seconds=1e5).suggest(60, {})


@pytest.mark.parametrize("n", [0, 40, 600, 1001])
def test_it_says_in_one_line_what_it_does_and_does_not_change_its_mind_at_each_trial(n: int) -> None:
    sampler = after(n)
    said = {method(sampler, trial_id) for trial_id in range(n, n + 4)}

    assert len(said) == 1
    line = said.pop()
    assert "\n" not in line
    assert 20 < len(line) < 140
    assert (GP in line) or (TPE in line)


@pytest.mark.parametrize("n", [3, 11, 30])
def test_a_resumed_search_goes_on_the_same(n: int) -> None:
    """Outcomes are all that it is told again; it was not asked for a suggestion after each of them."""
    asked = AutoSampler()
    asked.start(Problem(SPACE, 1))
    told = after(n)._told
    for i, (trial, outcome) in enumerate(told):
        if i < 14 or i > n - 5:
            asked.suggest(i, {})
        asked.observe(trial, outcome)

    resumed = after(n)
    for trial_id in range(n, n + 4):
        point = asked.suggest(trial_id, {})
        assert point == resumed.suggest(trial_id, {})
        assert point is not None
        for sampler in (asked, resumed):
            tell(sampler, trial_id, bowl(point), point)


def test_constraints_and_failures_reach_the_methods() -> None:
    """Feasible is y > 0.1 alone, and below it losses are least."""
    sampler = AutoSampler()
    sampler.start(Problem(SPACE, 1))
    points = []
    for trial_id in range(40):
        point = sampler.suggest(trial_id, {})
        assert point is not None
        points.append(point)
        tell(sampler, trial_id, Outcome((point["y"],), (0.1 - point["y"],)) if point["c"] else None, point)

    kept = [point for point in points if point["c"] and point["y"] > 0.1]
    assert len(kept) > 20
    assert min(point["y"] for point in kept) < 0.12
