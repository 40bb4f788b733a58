from typing import Any

import pytest

from manyhands.errors import SettingsError
from manyhands.objectives import (
    goal,
    losses_of,
    misfit,
    n_objectives,
    read_direction,
    read_metric,
    total_violation,
    value_names,
    values_of,
)
from manyhands.trial import Result

BOTH = ("minimize", "maximize")


# -- what a user gives ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [("maximize", "maximize"), (["maximize"], "maximize"), (["minimize", "maximize"], BOTH), (BOTH, BOTH)],
)
def test_a_direction_is_a_word_or_one_for_each_of_several_objectives(given: object, kept: object) -> None:
    assert read_direction(given) == kept


@pytest.mark.parametrize("given", ["up", None, [], ["minimize", "up"], ["minimize", ["maximize"]], 3, {"minimize"}])
def test_what_is_no_direction_is_refused_with_its_value(given: object) -> None:
    with pytest.raises(SettingsError) as caught:
        read_direction(given)

    assert repr(given) in str(caught.value)


@pytest.mark.parametrize(
    ("metric", "direction", "kept"),
    [
        (None, "minimize", None),
        (None, BOTH, None),
        ("f1", "minimize", "f1"),
        (["f1"], "minimize", "f1"),
        (["f1", "speed"], BOTH, ("f1", "speed")),
    ],
)
def test_a_metric_has_a_key_for_each_objective(metric: object, direction: Any, kept: object) -> None:
    assert read_metric(metric, direction) == kept


@pytest.mark.parametrize(
    ("metric", "direction", "words"),
    [
        ("f1", BOTH, "1 value.*2 objectives"),
        (["f1", "speed"], "minimize", "2 values.*1 objective"),
        (["f1", "speed", "size"], BOTH, "3 values.*2 objectives"),
        (["f1", "f1"], BOTH, "different keys"),
        (["f1", 3], BOTH, "different keys"),
        (5, "minimize", "metric=5"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(metric: object, direction: Any, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_metric(metric, direction)


# -- words ---------------------------------------------------------------------------------------------------------


def test_values_are_called_by_their_number_or_their_key() -> None:
    assert value_names("minimize", "f1") == ("value",)
    assert value_names(BOTH) == ("value.0", "value.1")
    assert value_names(BOTH, ("f1", "speed")) == ("value.f1", "value.speed")


def test_the_goal_names_every_objective() -> None:
    assert goal(BOTH) == "minimize, maximize"
    assert goal(BOTH, ("f1", "speed")) == "minimize f1, maximize speed"
    assert goal("maximize", "f1") == "maximize"


# -- values --------------------------------------------------------------------------------------------------------


def test_losses_are_small_when_values_are_good() -> None:
    assert losses_of([3.0, 4.0], BOTH) == (3.0, -4.0)
    assert losses_of([3.0], "maximize") == (-3.0,)
    assert (n_objectives("minimize"), n_objectives(BOTH)) == (1, 2)


def test_one_value_and_several_are_read_alike() -> None:
    assert values_of(Result(0.0)) == (0.0,)
    assert values_of(Result(None, values=(1.0, 2.0))) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Result(None, values=(1.0, 2.0), constraints=(0.0,)), ""),
        (Result(1.0, constraints=(0.0,)), "1 value, and the study has 2 objectives"),
        (Result(None, values=(1.0, 2.0, 3.0), constraints=(0.0,)), "3 values"),
        (Result(None, values=(1.0, 2.0)), "0 constraints, and 1 in other trials"),
        (Result(None, values=(1.0, 2.0), constraints=(0.0, 0.0)), "2 constraints, and 1"),
    ],
)
def test_a_result_of_another_shape_does_not_fit(result: Result, words: str) -> None:
    why_not = misfit(result, 2, 1)

    assert words in why_not
    assert bool(words) == bool(why_not)


def test_the_first_result_may_have_any_number_of_constraints() -> None:
    assert misfit(Result(1.0, constraints=(1.0, 2.0)), 1, None) == ""


def test_only_what_is_above_zero_is_a_violation() -> None:
    assert total_violation([-5.0, 0.0, 0.5, 0.25]) == 0.75
    assert total_violation([]) == 0.0
