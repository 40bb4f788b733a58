"""What is written by hand must be what a library reads."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.wire.msgpack_writer import encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def there_and_back(value: object) -> object:
    return msgspec.msgpack.decode(encode(value))


@given(VALUES)
def test_everything_comes_back(value: object) -> None:
    assert there_and_back(value) == value


@pytest.mark.parametrize("n", [0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 100_000])
def test_lengths_at_every_border_come_back(n: int) -> None:
    for value in ("é" * n, [None] * n, {str(i): i for i in range(n)}):
        assert there_and_back(value) == value


@pytest.mark.parametrize("n", [0, 1, 127, 128, 255, 256, 2**31, 2**32, 2**63 - 1, -1, -32, -33, -128, -129, -(2**63)])
def test_whole_numbers_at_every_border_come_back(n: int) -> None:
    found = there_and_back(n)

    assert (found, type(found)) == (n, int)


@pytest.mark.parametrize("value", [True, False, 0, 1, 0.0, 1.0, None])
def test_types_come_back(value: object) -> None:
    assert type(there_and_back(value)) is type(value)


def test_a_tuple_comes_back_as_a_list() -> None:
    assert there_and_back((1, (2,))) == [1, [2]]


@pytest.mark.parametrize(
    ("n", "expected"), [(2**63, 2.0**63), (-(10**30), -1e30), (10**400, math.inf), (-(10**400), -math.inf)]
)
def test_a_number_of_too_many_digits_becomes_a_float(n: int, expected: float) -> None:
    assert there_and_back(n) == expected


def test_floats_that_are_not_finite_do_no_harm() -> None:
    assert str(there_and_back([math.nan, math.inf, -math.inf])) == "[nan, inf, -inf]"


def test_half_characters_become_question_marks() -> None:
    assert there_and_back({"caf\udce9": "\ud83d"}) == {"caf?": "?"}


def test_what_a_message_cannot_hold_is_named() -> None:
    with pytest.raises(TypeError, match="set"):
        encode([{1}])
