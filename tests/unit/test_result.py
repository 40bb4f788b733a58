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
    value, variance, metrics = read_result(returned, None)

    assert (value, variance, metrics) == (0.5, None, {})
    assert type(value) is float


def test_a_whole_number_is_a_value() -> None:
    assert read_result(3, None)[0] == 3.0


def test_the_metric_names_the_value() -> None:
    assert read_result({"f1": 0.5, "loss": 2.0}, "f1") == (0.5, None, {"loss": 2.0})


def test_the_variance_is_set_apart() -> None:
    assert read_result({"value": 0.5, "variance": 0.25, "n": 3}, None) == (0.5, 0.25, {"n": 3})


def test_a_variance_of_none_is_no_variance() -> None:
    assert read_result({"value": 0.5, "variance": None}, None) == (0.5, None, {})


@pytest.mark.parametrize(
    "returned",
    [None, "0.5", True, math.nan, math.inf, -math.inf, [0.5], np.array([0.5]), 10**400, {"value": None}, Scalar("a")],
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
