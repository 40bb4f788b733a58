import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from manyhands.errors import SpaceError
from manyhands.parameters import Choice, Float, Int, Normal

UNIT = st.floats(0, 1)


def even(n: int) -> list[float]:
    """The middles of ``n`` equal pieces of the unit interval."""
    return [(i + 0.5) / n for i in range(n)]


@st.composite
def floats(draw: st.DrawFn) -> Float:
    log = draw(st.booleans())
    low = draw(st.floats(1e-12, 1e12) if log else st.floats(-1e12, 1e12))
    high = low + abs(low) * draw(st.floats(1e-3, 1e9)) + draw(st.floats(1e-3, 1e9))
    return Float(low, high, log=log)


@st.composite
def stepped_floats(draw: st.DrawFn) -> Float:
    log = draw(st.booleans())
    step = draw(st.sampled_from([0.01, 0.1, 0.25, 1 / 3, 0.5, 1.0, 2.5, 10.0]))
    low = draw(st.integers(1 if log else -100, 100)) * draw(st.sampled_from([0.1, 1 / 3, 1.0, math.pi]))
    n = draw(st.integers(1, 200))
    return Float(low, low + (n - 1) * step + draw(st.sampled_from([0.0, 0.4])) * step, log=log, step=step)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    log = draw(st.booleans())
    low = draw(st.integers(1, 10**6) if log else st.integers(-(10**6), 10**6))
    return Int(low, low + draw(st.integers(0, 10**9)), log=log, step=draw(st.integers(1, 1000)))


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    n = draw(st.integers(1, 12))
    weights = draw(st.none() | st.lists(st.floats(0.01, 100), min_size=n, max_size=n))
    return Choice(list(range(n)), weights=weights)


normals = st.builds(
    Normal, st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.just(False), st.none() | st.sampled_from([0.5, 1.0])
)
lognormals = st.builds(Normal, st.floats(-5, 5), st.floats(0.01, 3), st.just(True))


# -- there and back ------------------------------------------------------------------------------------------------


@given(floats(), UNIT)
def test_a_real_value_is_found_where_it_was_taken_from(parameter: Float, u: float) -> None:
    value = parameter.decode(u)

    again = parameter.decode(parameter.encode(value))

    assert math.isclose(again, value, rel_tol=1e-9, abs_tol=1e-9 * (parameter.high - parameter.low))


@given(stepped_floats(), st.data())
def test_every_step_of_a_real_range_is_found_again(parameter: Float, data: Any) -> None:
    value = parameter.nth(data.draw(st.integers(0, parameter.n_values - 1)))

    assert parameter.decode(parameter.encode(value)) == value


@given(ints(), st.data())
def test_every_whole_number_is_found_again(parameter: Int, data: Any) -> None:
    value = parameter.nth(data.draw(st.integers(0, parameter.n_values - 1)))

    assert parameter.decode(parameter.encode(value)) == value


@given(choices(), st.data())
def test_every_option_is_found_again(parameter: Choice, data: Any) -> None:
    i = data.draw(st.integers(0, parameter.n_values - 1))

    assert parameter.decode(parameter.encode(i)) == i


@given(normals | lognormals, st.floats(-4, 4))
def test_a_normal_value_within_four_deviations_is_found_again(parameter: Normal, z: float) -> None:
    value = parameter.decode(math.erfc(-z / math.sqrt(2)) / 2)

    again = parameter.decode(parameter.encode(value))

    assert math.isclose(again, value, rel_tol=1e-9, abs_tol=1e-9 * max(abs(parameter.mu), parameter.sigma))


@given(stepped_floats() | ints() | choices(), st.data())
def test_values_are_numbered_both_ways(parameter: Any, data: Any) -> None:
    i = data.draw(st.integers(0, parameter.n_values - 1))

    assert parameter.index(parameter.nth(i)) == i


@given(stepped_floats() | ints() | choices(), st.data())
def test_bins_are_in_the_order_of_their_values(parameter: Any, data: Any) -> None:
    i = data.draw(st.integers(0, parameter.n_values - 1))
    j = data.draw(st.integers(0, parameter.n_values - 1))

    assert (parameter.encode(parameter.nth(i)) < parameter.encode(parameter.nth(j))) == (i < j)


# -- ranges --------------------------------------------------------------------------------------------------------


@given(floats(), UNIT)
def test_real_values_lie_in_their_range(parameter: Float, u: float) -> None:
    assert parameter.low <= parameter.decode(u) <= parameter.high


@example(Float(math.pi, 10, step=1), 0.0)
@given(stepped_floats(), UNIT)
def test_stepped_values_lie_in_their_range(parameter: Float, u: float) -> None:
    assert parameter.low <= parameter.decode(u) <= parameter.high


@given(ints(), UNIT)
def test_whole_numbers_lie_in_their_range(parameter: Int, u: float) -> None:
    assert parameter.low <= parameter.decode(u) <= parameter.high


@given(floats() | ints() | stepped_floats() | normals | lognormals, UNIT)
@example(Float(1 / 3, 1, step=1 / 3), 0.0)
@example(Float(0.12345678901234568, 0.12345678901234568), 0.5)
def test_a_parameter_reads_whatever_it_gives(parameter: Any, u: float) -> None:
    value = parameter.decode(u)

    assert parameter.read(value) == value


@given(floats())
def test_both_ends_of_a_real_range_are_reached(parameter: Float) -> None:
    assert (parameter.decode(0.0), parameter.decode(1.0)) == (parameter.low, parameter.high) or math.isclose(
        parameter.decode(1.0), parameter.high, rel_tol=1e-12
    )


@given(stepped_floats() | ints() | choices())
def test_the_first_and_the_last_value_are_reached(parameter: Any) -> None:
    assert parameter.decode(0.0) == parameter.nth(0)
    assert parameter.decode(1.0) == parameter.nth(parameter.n_values - 1)


def test_a_range_wider_than_the_largest_float_is_refused() -> None:
    with pytest.raises(SpaceError, match="wider than a floating-point number"):
        Float(-1.5e308, 1.5e308)


def test_a_normal_parameter_is_finite_at_the_ends_of_the_unit_interval() -> None:
    parameter = Normal(0, 1)

    assert -10 < parameter.decode(0.0) < -8
    assert 8 < parameter.decode(1.0) < 10


def test_a_log_normal_parameter_does_not_overflow() -> None:
    assert math.isfinite(Normal(0, 1000, log=True).decode(1.0))


def test_the_values_of_a_log_normal_parameter_are_above_zero() -> None:
    assert Normal(0, 1000, log=True).decode(0.0) > 0


def test_a_range_of_one_value_has_that_value() -> None:
    parameter = Float(0.5, 0.5)

    assert parameter.n_values == 1
    assert parameter.decode(0.9) == 0.5


def test_the_high_end_is_a_value_although_steps_are_not_exact_in_binary() -> None:
    parameter = Float(0, 0.3, step=0.1)

    assert [parameter.nth(i) for i in range(parameter.n_values)] == [0.0, 0.1, 0.2, 0.3]


def test_a_high_end_between_steps_is_left_out() -> None:
    assert Int(0, 10, step=4).decode(1.0) == 8


def test_steps_of_a_normal_parameter_are_shown_without_rounding_noise() -> None:
    values = {Normal(0, 1, step=0.1).decode(u) for u in even(200)}

    assert {str(v) for v in values} == {str(round(v, 1)) for v in values}


# -- how probability is spread -------------------------------------------------------------------------------------


@given(st.integers(-50, 50), st.integers(1, 40), st.integers(1, 5))
def test_whole_numbers_have_equal_shares(low: int, n: int, step: int) -> None:
    parameter = Int(low, low + (n - 1) * step, step=step)

    counts = Counter(parameter.decode(u) for u in even(n * 7))

    assert counts == {low + i * step: 7 for i in range(n)}


@given(st.integers(-50, 50), st.integers(1, 40), st.sampled_from([0.1, 0.25, 1.0]))
def test_steps_have_equal_shares(low: int, n: int, step: float) -> None:
    parameter = Float(low, low + (n - 1) * step, step=step)

    counts = Counter(parameter.decode(u) for u in even(n * 7))

    assert set(counts.values()) == {7}
    assert len(counts) == n


@given(st.integers(1, 12))
def test_options_have_equal_shares(n: int) -> None:
    counts = Counter(Choice(range(n)).decode(u) for u in even(n * 7))

    assert counts == dict.fromkeys(range(n), 7)


def test_weighted_options_have_the_shares_of_their_weights() -> None:
    parameter = Choice(["a", "b", "c"], weights=[1, 2, 5])

    counts = Counter(parameter.decode(u) for u in even(800))

    assert counts == {0: 100, 1: 200, 2: 500}


def test_each_decade_of_a_log_range_has_the_same_share() -> None:
    parameter = Float(1e-4, 1.0, log=True)

    decades = Counter(math.floor(math.log10(parameter.decode(u))) for u in even(4000))

    assert decades == {-4: 1000, -3: 1000, -2: 1000, -1: 1000}


def test_a_whole_number_on_a_log_range_has_the_share_of_what_rounds_to_it() -> None:
    parameter = Int(1, 4, log=True)
    whole = math.log(4.5 / 0.5)

    counts = Counter(parameter.decode(u) for u in even(10_000))

    for value in (1, 2, 3, 4):
        share = math.log((value + 0.5) / (value - 0.5)) / whole
        assert abs(counts[value] - 10_000 * share) <= 1


def test_quantiles_of_a_normal_parameter_are_those_of_the_distribution() -> None:
    parameter = Normal(10, 2)

    assert parameter.decode(0.5) == 10
    assert math.isclose(parameter.decode(0.8413447460685429), 12, rel_tol=1e-12)


def test_the_median_of_a_log_normal_parameter_is_the_exponential_of_mu() -> None:
    assert math.isclose(Normal(1, 2, log=True).decode(0.5), math.e)


def test_a_stepped_normal_parameter_gives_multiples_of_its_step() -> None:
    values = {Normal(0.3, 2, step=0.5).decode(u) for u in even(100)}

    assert all(value * 2 == round(value * 2) for value in values)


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Float(2, 1), ["low=2", "high=1", "Did you mean Float(1, 2)"]),
        (lambda: Float(0, 1, log=True), ["low=0", "log=True", "above 0"]),
        (lambda: Float(-1, 1, log=True), ["low=-1", "above 0"]),
        (lambda: Float(0, math.inf), ["inf", "finite"]),
        (lambda: Float(math.nan, 1), ["nan", "finite"]),
        (lambda: Float("0", 1), ["'0'", "finite numbers"]),
        (lambda: Float(False, True), ["False", "numbers"]),
        (lambda: Float(0, 1, step=0), ["step", "above 0", "0"]),
        (lambda: Float(0, 1, step=-0.1), ["step", "-0.1"]),
        (lambda: Float(0, 1, step="a"), ["step", "'a'"]),
        (lambda: Int(5, 1), ["low=5", "Did you mean Int(1, 5)"]),
        (lambda: Int(0.5, 3), ["0.5", "Use Float"]),
        (lambda: Int(0, 10, log=True), ["low=0", "log=True"]),
        (lambda: Int(0, 10, step=0), ["step", "0"]),
        (lambda: Int(0, 10, step=0.5), ["step", "0.5"]),
        (lambda: Normal(0, 0), ["sigma=0", "above 0"]),
        (lambda: Normal(math.nan, 1), ["nan", "finite"]),
        (lambda: Normal(0, 1, step=0), ["step", "0"]),
        (lambda: Normal("0", 1), ["'0'", "numbers"]),
        (lambda: Choice([]), ["no options"]),
        (lambda: Choice("abc"), ["'abc'", "list"]),
        (lambda: Choice({"a": 1}), ["{'a': 1}", "list"]),
        (lambda: Choice(7), ["7", "list"]),
        (lambda: Choice([1, 2], weights=[1]), ["2 options", "1 weights"]),
        (lambda: Choice([1, 2], weights=[1, 0]), ["weight", "0"]),
        (lambda: Choice([1, 2], weights=[1, "x"]), ["weight", "'x'"]),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_value_and_a_remedy(make: Any, words: list[str]) -> None:
    with pytest.raises(SpaceError) as caught:
        make()

    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (Float(0, 1), 1.5),
        (Float(0, 1), "0.5"),
        (Float(0, 1), True),
        (Float(0, 1), math.nan),
        (Float(0, 1, step=0.25), 0.3),
        (Int(0, 10), 11),
        (Int(0, 10), 2.5),
        (Int(0, 10), math.nan),
        (Int(0, 10), math.inf),
        (Int(0, 10), "3"),
        (Int(0, 10, step=2), 3),
        (Normal(0, 1), math.inf),
        (Normal(0, 1, log=True), -1.0),
        (Normal(0, 1, step=0.5), 0.3),
        (Choice(["a"]), 1),
        (Choice(["a"]), True),
    ],
)
def test_a_value_from_outside_is_not_read(parameter: Any, value: object) -> None:
    with pytest.raises(SpaceError, match=r"\S"):
        parameter.read(value)


def test_a_whole_number_is_read_as_a_real_one_where_one_is_wanted() -> None:
    value = Float(0, 2).read(1)

    assert isinstance(value, float)
    assert value == 1.0


def test_a_real_number_without_fraction_is_read_as_a_whole_one() -> None:
    value = Int(0, 2).read(1.0)

    assert isinstance(value, int)
    assert value == 1


def test_a_value_close_to_a_step_is_read_as_that_step() -> None:
    assert Float(0, 1, step=0.1).read(0.1 + 0.2) == 0.3


# -- numbers of NumPy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (Int(np.int64(1), np.uint8(9), step=np.int32(2)), Int(1, 9, step=2)),
        (Int(np.int64(1), 9, log=np.bool_(True)), Int(1, 9, log=True)),
        (Float(np.float32(0.5), np.int64(4), step=np.float32(0.25)), Float(0.5, 4, step=0.25)),
        (Float(np.float64(0.1), np.float64(0.7)), Float(0.1, 0.7)),
        (Normal(np.float32(0.5), np.int64(2), step=np.float64(0.1)), Normal(0.5, 2, step=0.1)),
    ],
    ids=str,
)
def test_numpy_scalars_are_taken_as_the_numbers_they_stand_for(given: Any, wanted: Any) -> None:
    assert repr(given) == repr(wanted)
    assert given == wanted


def test_numpy_scalars_among_options_and_weights_become_numbers() -> None:
    choice = Choice([*np.arange(3), np.float32(0.5), np.str_("a")], weights=np.float32([1, 2, 3, 4, 5]))  # type: ignore[arg-type]

    assert repr(choice.options) == "(0, 1, 2, 0.5, 'a')"
    assert repr(choice.weights) == "(1.0, 2.0, 3.0, 4.0, 5.0)"


def test_an_array_among_the_options_stays_an_array() -> None:
    array, date = np.zeros(3), np.datetime64("2020-01-01")

    choice = Choice([array, date])

    assert choice.options[0] is array
    assert choice.options[1] is date


def test_a_numpy_number_that_makes_no_sense_is_refused_like_any_other() -> None:
    with pytest.raises(SpaceError, match="Use Float"):
        Int(np.float64(0.5), 3)  # type: ignore[arg-type]
