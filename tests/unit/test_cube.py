import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.parameters import Choice, Float, Int, Normal
from manyhands.samplers.cube import Array, Cube
from manyhands.space import Space

SMALL = st.integers(-50, 50)
LEAVES = st.one_of(
    st.builds(lambda low, width: Float(low, low + width), SMALL, st.integers(0, 9)),
    st.builds(lambda low, width: Float(low / 50, low / 50 + width, log=True), st.integers(1, 50), st.integers(1, 9)),
    st.builds(lambda low, n, step: Float(low, low + n * step, step=step), SMALL, st.integers(0, 20), st.just(0.25)),
    st.builds(lambda low, width: Int(low, low + width), SMALL, st.integers(0, 2000)),
    st.builds(lambda low, width: Int(low, low + width, log=True), st.integers(1, 50), st.integers(0, 2000)),
    st.builds(lambda mu, sigma, log: Normal(mu, sigma, log=log), SMALL, st.floats(0.1, 3), st.booleans()),
    st.builds(
        lambda n, ordered: Choice([f"o{i}" for i in range(n)], ordered=ordered), st.integers(1, 6), st.booleans()
    ),
    st.lists(st.integers(1, 9), min_size=1, max_size=5).map(
        lambda weights: Choice([f"w{i}" for i in range(len(weights))], weights=weights)
    ),
)


def nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    branch = st.lists(st.one_of(st.just("bare"), st.tuples(inner), st.tuples(inner, inner)), min_size=1, max_size=3)
    return branch.map(lambda options: Choice([{"tag": f"t{i}", "in": o} for i, o in enumerate(options)]))


SPACES = st.lists(st.recursive(LEAVES, nested, max_leaves=6), min_size=1, max_size=4).map(Space)


def some_rows(space: Space, seed: int, n: int = 20) -> Array:
    return np.random.default_rng(seed).random((n, len(space.parameters)))


@given(SPACES, st.integers(0, 99))
def test_snapping_moves_a_row_to_the_point_it_stands_for(space: Space, seed: int) -> None:
    cube = Cube(space)
    rows = some_rows(space, seed)

    snapped = cube.snap(rows)

    for row, at in zip(rows, snapped, strict=True):
        assert cube.decode(at) == cube.decode(row) == space.decode(row.tolist())


@given(SPACES, st.integers(0, 99))
def test_snapping_twice_is_snapping_once(space: Space, seed: int) -> None:
    cube = Cube(space)
    snapped = cube.snap(some_rows(space, seed))

    np.testing.assert_array_equal(cube.snap(snapped), snapped)


@given(SPACES, st.integers(0, 99))
def test_a_snapped_row_is_that_of_its_point(space: Space, seed: int) -> None:
    """To the last digit where values can be counted, so that a point is known again by its row."""
    cube = Cube(space)
    snapped = cube.snap(some_rows(space, seed))

    encoded = np.array([cube.encode(cube.decode(row)) for row in snapped])

    is_finite = cube.n_values > 0
    np.testing.assert_array_equal(encoded[:, is_finite], snapped[:, is_finite])
    is_real = np.array([isinstance(parameter, Float | Normal) for parameter in space.parameters.values()])
    np.testing.assert_allclose(encoded[:, is_real], snapped[:, is_real], atol=1e-9, rtol=0)


@given(SPACES, st.integers(0, 99))
def test_what_is_not_active_is_nan(space: Space, seed: int) -> None:
    cube = Cube(space)
    for row in cube.snap(some_rows(space, seed)):
        point = cube.decode(row)
        assert [name in point for name in space.parameters] == (~np.isnan(row)).tolist()


@given(SPACES, st.integers(0, 99))
def test_the_row_of_a_point_decodes_to_it(space: Space, seed: int) -> None:
    cube = Cube(space)
    for u in some_rows(space, seed):
        point = space.decode(u.tolist())
        found = cube.decode(cube.encode(point))
        assert found.keys() == point.keys()
        assert found == pytest.approx(point, rel=1e-6, abs=1e-9)


@given(SPACES)
def test_every_value_has_its_own_bin_and_lies_within(space: Space) -> None:
    cube = Cube(space)
    for i, parameter in enumerate(space.parameters.values()):
        n = int(cube.n_values[i])
        assert len(cube.centres[i]) == n
        if n:
            np.testing.assert_array_equal(cube.value_index(i, cube.centres[i]), np.arange(n))
            assert (cube.edges[i][:-1] < cube.centres[i]).all()
            assert (cube.centres[i] < cube.edges[i][1:]).all()
            values = [parameter.nth(k) for k in range(n)]  # type: ignore[union-attr]
            assert [parameter.decode(u) for u in cube.centres[i]] == values


@given(st.integers(1, 300), st.floats(0, 1))
def test_bins_agree_with_the_parameter(n: int, u: float) -> None:
    for parameter in (Int(1, n), Int(1, n, log=True), Choice(list(range(n)), weights=[1 + i % 7 for i in range(n)])):
        cube = Cube(Space({"x": parameter}))
        if np.abs(cube.edges[0] - u).min() > 1e-12:  # within rounding of an edge either side may be right
            assert cube.value_index(0, np.array([u]))[0] == parameter.index(parameter.decode(u))


def test_coordinates_beyond_the_cube_and_none_at_all_are_brought_in() -> None:
    cube = Cube(Space({"x": Float(0, 1), "c": Choice(["a", {"y": Float(0, 1)}])}))

    snapped = cube.snap(np.array([[-3.0, 7.0, 0.25], [np.nan, np.nan, np.nan], [2.0, 0.9, np.nan]]))

    np.testing.assert_array_equal(snapped, [[0, 0.75, 0.25], [0, 0.25, np.nan], [1, 0.75, 0]])


def test_the_kinds_of_dimensions() -> None:
    options = [{"kind": "a"}, {"kind": "b", "n": Int(1, 5)}]
    cube = Cube(
        Space([Choice(options), Float(0, 1), Int(0, 10**6), Float(2, 2), Choice([7, 8], ordered=True), Normal(0, 1)])
    )

    assert cube.n_values.tolist() == [2, 5, 0, 0, 1, 2, 0]
    assert cube.is_unordered.tolist() == [True, False, False, False, False, False, False]
    assert cube.parents == [None, (0, 1), None, None, None, None, None]
