import math
from typing import Any

import numpy as np
import pytest

from manyhands.worker.result import Unclear, keepable, number, read_result


class Scalar:
    """Like a tensor of no dimensions."""

    shape = ()

    def __init__(self, value: object):
        self._value = value

    def item(self) -> object:
        return self._value


class Unshowable:
    def __repr__(self) -> str:
        raise ValueError


# -- the value -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "returned", [0.5, np.float32(0.5), np.float64(0.5), np.array(0.5), Scalar(0.5), {"value": 0.5}, {"loss": 0.5}]
)
def test_a_number_in_any_form_is_the_value(returned: object) -> None:
    value, *rest = read_result(returned, None)

    assert (value, *rest) == (0.5, None, {}, (), (), "")
    assert type(value) is float


def test_a_whole_number_is_a_value() -> None:
    assert read_result(3, None)[0] == 3.0


def test_the_metric_names_the_value() -> None:
    assert read_result({"f1": 0.5, "loss": 2.0}, "f1") == (0.5, None, {"loss": 2.0}, (), (), "")


def test_the_variance_is_set_apart() -> None:
    assert read_result({"value": 0.5, "variance": 0.25, "n": 3}, None) == (0.5, 0.25, {"n": 3}, (), (), "")


def test_a_variance_of_none_is_no_variance() -> None:
    assert read_result({"value": 0.5, "variance": None}, None) == (0.5, None, {}, (), (), "")


@pytest.mark.parametrize(
    "returned",
    [
        None,
        "0.5",
        True,
        math.nan,
        math.inf,
        -math.inf,
        [0.5],
        np.array([0.5]),
        10**400,
        {"value": None},
        Scalar("a"),
        np.array([0.5, 2.0]),
    ],
)
def test_what_is_no_finite_number_fails_the_trial_and_no_more(returned: object) -> None:
    with pytest.raises(Unclear) as caught:
        read_result(returned, None)

    assert not caught.value.fatal
    assert "number" in caught.value.reason


def test_a_variance_below_zero_fails_the_trial() -> None:
    with pytest.raises(Unclear, match="below 0"):
        read_result({"value": 1.0, "variance": -0.5}, None)


@pytest.mark.parametrize(
    ("returned", "metric", "words"),
    [
        ({"accuracy": 1.0}, None, ["neither 'value' nor 'loss'", "metric='accuracy'"]),
        ({"value": 1.0, "loss": 1.0}, None, ["both", "metric="]),
        ({}, None, ["nothing"]),
        (1.0, "f1", ["metric='f1'", "1.0", "dict"]),
    ],
)
def test_an_unclear_return_is_fatal_and_says_what_to_do(returned: Any, metric: str | None, words: list[str]) -> None:
    with pytest.raises(Unclear) as caught:
        read_result(returned, metric)

    assert caught.value.fatal
    assert [word for word in words if word not in caught.value.reason] == []


def test_a_dict_without_the_metric_fails_the_trial_and_shows_what_it_has() -> None:
    with pytest.raises(Unclear, match=r"'f1'.*'accuracy'") as caught:
        read_result({"accuracy": 1.0}, "f1")

    assert not caught.value.fatal


# -- several objectives, constraints -------------------------------------------------------------------------------


class Vector:
    """Like a tensor of one dimension."""

    shape = (2,)

    def tolist(self) -> list[float]:
        return [0.5, 2.0]


@pytest.mark.parametrize(
    ("returned", "metric"),
    [
        ([0.5, 2], None),
        ((np.float32(0.5), 2.0), None),
        (np.array([0.5, 2.0]), None),
        (Vector(), None),
        ({"values": [0.5, 2.0]}, None),
        ({"values": np.array([0.5, 2.0])}, None),
        ({"seconds": 2, "error": 0.5}, ("error", "seconds")),
    ],
)
def test_several_numbers_in_any_form_are_the_values(returned: object, metric: tuple[str, ...] | None) -> None:
    value, variance, metrics, values, constraints, _ = read_result(returned, metric, 2)

    assert (value, variance, metrics, values, constraints) == (None, None, {}, (0.5, 2.0), ())
    assert [type(v) for v in values] == [float, float]


def test_what_else_is_in_the_dict_is_kept_as_metrics() -> None:
    returned = {"error": 0.5, "seconds": 2.0, "variance": 0.25, "n": 3, "constraints": [-1, 0.5]}

    assert read_result(returned, ("error", "seconds"), 2) == (None, 0.25, {"n": 3}, (0.5, 2.0), (-1.0, 0.5), "")


@pytest.mark.parametrize("constraints", [[-1, 0.5], (-1.0, np.float64(0.5)), np.array([-1.0, 0.5])])
def test_constraints_are_set_apart(constraints: object) -> None:
    assert read_result({"value": 1.0, "constraints": constraints}, None) == (1.0, None, {}, (), (-1.0, 0.5), "")


@pytest.mark.parametrize("constraints", [None, [], ()])
def test_no_constraints_are_none(constraints: object) -> None:
    assert read_result({"value": 1.0, "constraints": constraints}, None)[4] == ()


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ({"value": 1.0, "constraints": [0.5, math.nan]}, "under 'constraints', as number 2 nan"),
        ({"value": 1.0, "constraints": [math.inf]}, "finite"),
        ({"value": 1.0, "constraints": ["tight"]}, "'tight' \\(a str\\), which is not a number"),
        ({"value": 1.0, "constraints": "tight"}, "not a list of numbers"),
    ],
)
def test_constraints_that_are_no_finite_numbers_fail_the_trial_and_no_more(returned: object, words: str) -> None:
    with pytest.raises(Unclear, match=words) as caught:
        read_result(returned, None)

    assert not caught.value.fatal


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "not a list of 2 numbers"),
        (math.nan, "not a list of 2 numbers"),
        ("ab", "not a list of 2 numbers"),
        ([1.0, math.nan], "as number 2 nan, which is not a finite number"),
        ([1.0, math.inf], "finite"),
        (["1", 2.0], "as number 1 '1'"),
        ([True, 2.0], "as number 1 True"),
        ({"values": [1.0, None]}, "under 'values', as number 2 None"),
    ],
)
def test_values_that_are_no_finite_numbers_fail_the_trial_and_no_more(returned: object, words: str) -> None:
    with pytest.raises(Unclear, match=words) as caught:
        read_result(returned, None, 2)

    assert not caught.value.fatal


@pytest.mark.parametrize(
    ("returned", "metric", "n", "words"),
    [
        (0.5, None, 2, ["0.5", "not a list of 2 numbers"]),
        ([0.5], None, 2, ["[0.5]", "not a list of 2 numbers"]),
        ([1, 2, 3], None, 2, ["[1, 2, 3]", "not a list of 2 numbers"]),
        ({"values": [1, 2, 3]}, None, 2, ["under 'values'", "not a list of 2 numbers"]),
        ({"a": 1, "b": 2}, None, 2, ["without 'values'", "metric=[", "'a', 'b'"]),
        ([1, 2], ("a", "b"), 2, ["metric=['a', 'b']", "[1, 2]", "these keys"]),
        ([1, 2], None, 1, ["[1, 2]", "direction=["]),
        ({"value": [1, 2]}, None, 1, ["under 'value'", "direction=["]),
        ({"value": 1, "constraints": 0.5}, None, 1, ["'constraints'", "0.5", "not a list"]),
    ],
)
def test_a_wrong_number_of_values_is_fatal_and_says_what_to_do(
    returned: Any, metric: tuple[str, ...] | None, n: int, words: list[str]
) -> None:
    with pytest.raises(Unclear) as caught:
        read_result(returned, metric, n)

    assert caught.value.fatal
    assert [word for word in words if word not in caught.value.reason] == []


def test_a_dict_without_one_of_the_metrics_fails_the_trial_and_shows_what_it_has() -> None:
    with pytest.raises(Unclear, match=r"without 'seconds'.*'error'") as caught:
        read_result({"error": 1.0}, ("error", "seconds"), 2)

    assert not caught.value.fatal


# -- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1", None, True, np.bool_(True), [1], np.array([1.0]), object()])
def test_what_is_no_number_is_none(value: object) -> None:
    assert number(value) is None


def test_a_number_too_large_for_a_float_is_infinite() -> None:
    assert number(10**400) == math.inf


# -- what is kept --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        (True, True),
        ("é", "é"),
        (3, 3),
        (0.5, 0.5),
        (math.nan, None),
        (math.inf, None),
        (10**30, 10**30),
        (10**400, None),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        ((1, [2, (3,)]), [1, [2, [3]]]),
        ({1: {"a": np.float64(2.5)}}, {"1": {"a": 2.5}}),
    ],
)
def test_metrics_are_kept_as_json_can_hold_them(value: object, kept: object) -> None:
    found = keepable(value)

    assert found == kept
    assert type(found) is type(kept)


def test_a_whole_numpy_number_is_kept_as_a_number() -> None:
    assert keepable(np.int64(3)) == 3


def test_a_strange_object_is_kept_by_its_repr() -> None:
    assert keepable({3}) == "{3} (a set)"


def test_a_long_repr_is_cut() -> None:
    assert len(str(keepable(set(range(1000))))) < 250


def test_an_object_that_cannot_be_shown_is_kept_all_the_same() -> None:
    assert "ValueError" in str(keepable(Unshowable()))


def test_an_objective_may_say_that_it_failed_and_keep_what_it_measured():
    assert read_result({"failed": "diverged", "n": 3}, None) == (None, None, {"n": 3}, (), (), "diverged")


def test_a_metric_called_failed_beside_a_value_is_a_metric():
    assert read_result({"value": 1.0, "failed": "no"}, None) == (1.0, None, {"failed": "no"}, (), (), "")
