import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.splits import combine
from manyhands.trial import Result

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=10)


@given(VALUES)
def test_the_value_is_the_mean_and_the_variance_the_sample_variance(values: list[float]) -> None:
    result, split_values = combine([Result(value) for value in values])

    assert result.value == pytest.approx(statistics.mean(values), abs=1e-6)
    assert result.variance == pytest.approx(statistics.variance(values), rel=1e-6, abs=1e-6)
    assert split_values == tuple(values)


def test_the_mean_does_not_depend_on_rounding_on_the_way() -> None:
    result, _ = combine([Result(v) for v in (1e16, 1.0, -1e16)])

    assert math.isclose(result.value, 1 / 3)


def test_one_split_has_no_variance() -> None:
    assert combine([Result(3.0, 0.5)])[0].variance is None


def test_numbers_become_their_mean_and_all_else_a_list() -> None:
    results = [
        Result(1.0, None, {"f1": 1, "note": "a", "ok": True}),
        Result(1.0, None, {"f1": 2, "note": "b", "ok": False}),
    ]

    assert combine(results)[0].metrics == {"f1": 1.5, "note": ["a", "b"], "ok": [True, False]}


def test_a_metric_that_is_missing_somewhere_is_left_out() -> None:
    assert combine([Result(1.0, None, {"a": 1, "b": 1}), Result(1.0, None, {"a": 3})])[0].metrics == {"a": 2.0}
