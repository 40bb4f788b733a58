from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.incumbents import Incumbents, dominates, incumbents_of
from manyhands.trial import Trial, TrialState

WORSE_THAN_NOTHING = (TrialState.FAILED, TrialState.STOPPED)
#: Few different numbers, so that ties and duplicates are common.
GRADES = st.integers(0, 4).map(float)
CONSTRAINTS = st.sampled_from([(-1.0,), (0.0,), (0.5,), (2.0,)])
DIRECTIONS = st.lists(st.sampled_from(["minimize", "maximize"]), min_size=1, max_size=3)


def trial(
    trial_id: int,
    values: tuple[float, ...],
    constraints: tuple[float, ...] = (),
    state: TrialState = TrialState.FINISHED,
    order: int = 0,
) -> Trial:
    value, several = (values[0], ()) if len(values) == 1 else (None, values)
    return Trial(trial_id, {}, {}, state, value, values=several, constraints=constraints, order=order)


@st.composite
def stories(draw: st.DrawFn) -> tuple[str | tuple[str, ...], list[Trial]]:
    """A direction, and trials for it."""
    words = draw(DIRECTIONS)
    outcome = st.tuples(st.tuples(*[GRADES] * len(words)), CONSTRAINTS, st.sampled_from([TrialState.FINISHED] * 4))
    ids = count()
    trials = [trial(next(ids), *fields) for fields in draw(st.lists(outcome, max_size=25))]
    return (words[0] if len(words) == 1 else tuple(words)), trials


def losses(found: Trial, direction: str | tuple[str, ...]) -> tuple[float, ...]:
    words = [direction] if isinstance(direction, str) else direction
    values = [found.value] if found.value is not None else found.values
    return tuple(v if word == "minimize" else -v for v, word in zip(values, words, strict=True))


@given(stories())
def test_the_front_has_every_feasible_trial_that_none_dominates(story: tuple[str, list[Trial]]) -> None:
    direction, trials = story
    feasible = [t for t in trials if t.constraints[0] <= 0]
    expected = [t for t in feasible if not any(dominates(losses(o, direction), losses(t, direction)) for o in feasible)]

    found = Incumbents(direction, trials)

    assert found.front == sorted(expected, key=lambda t: (losses(t, direction), t.id))
    assert found.n_front == len(expected)
    assert (found.n_feasible, found.n_infeasible) == (len(feasible), len(trials) - len(feasible))


@given(stories())
def test_a_trial_is_a_new_best_if_it_brings_new_values_to_the_front(story: tuple[str, list[Trial]]) -> None:
    direction, trials = story
    found = Incumbents(direction)

    for new in trials:
        before = {losses(t, direction) for t in found.front}
        is_best = found.add(new)
        after = {losses(t, direction) for t in found.front}
        assert is_best == bool(after - before)
        assert not is_best or found.latest is new


@given(stories())
def test_the_first_of_the_best_is_the_best_of_one_objective(story: tuple[str, list[Trial]]) -> None:
    direction, trials = story

    found = Incumbents(direction, trials)

    if isinstance(direction, str):
        assert found.best is (found.front[0] if found.front else None)
    else:
        assert found.best is None


@given(stories())
def test_the_closest_is_known_as_long_as_no_trial_is_feasible(story: tuple[str, list[Trial]]) -> None:
    direction, trials = story
    found = Incumbents(direction, trials)

    if found.n_feasible or not trials:
        assert found.closest is None
    else:
        assert found.closest is min(trials, key=lambda t: t.constraints[0])


@given(st.lists(st.tuples(GRADES, GRADES, GRADES), min_size=3, max_size=3))
def test_domination_is_an_order(rows: list[tuple[float, ...]]) -> None:
    a, b, c = rows

    assert not (dominates(a, b) and dominates(b, a))
    assert not (dominates(a, b) and dominates(b, c)) or dominates(a, c)


@pytest.mark.parametrize("state", WORSE_THAN_NOTHING)
def test_only_finished_trials_count(state: TrialState) -> None:
    found = Incumbents("minimize")

    assert not found.add(trial(0, (1.0,), state=state))
    assert (found.best, found.n_finished) == (None, 0)


def test_a_stored_study_is_told_in_the_order_of_its_outcomes() -> None:
    trials = [
        trial(0, (1.0,), order=1),
        trial(1, (1.0,), order=0),
        trial(2, (0.0,), state=TrialState.RUNNING, order=-1),
    ]

    assert incumbents_of(trials, "minimize").best is trials[1]


def test_trials_with_the_same_values_cost_no_more_the_more_there_are() -> None:
    found = Incumbents(("minimize", "minimize"))
    for trial_id in range(20_000):
        found.add(trial(trial_id, (1.0, 2.0)))

    assert found.n_front == 20_000
    assert len(found._front) == 1
