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


def test_several_values_and_constraints_become_their_means() -> None:
    parts = [Result(None, None, {}, (1.0, 10.0), (-1.0,)), Result(None, None, {}, (3.0, 20.0), (2.0,))]

    result, split_values = combine(parts)

    assert result == Result(None, 2.0, {}, (2.0, 15.0), (0.5,))
    assert split_values == ((1.0, 10.0), (3.0, 20.0))


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=6))
def test_each_of_several_values_is_combined_as_if_it_were_alone(rows: list[tuple[float, float]]) -> None:
    together, _ = combine([Result(None, values=row) for row in rows])

    alone = [combine([Result(row[i]) for row in rows])[0] for i in range(2)]

    assert together.values == (alone[0].value, alone[1].value)
    assert together.variance == alone[0].variance


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
