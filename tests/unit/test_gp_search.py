import numpy as np
import pytest

from manyhands.parameters import Choice, Float, Int
from manyhands.samplers.cube import Array, Cube
from manyhands.samplers.gp.acquisition import Acquisition
from manyhands.samplers.gp.features import Features
from manyhands.samplers.gp.search import FULL, LIGHT, CandidateSearch, Effort
from manyhands.space import Space

MIXED = Space(
    {
        "x": Float(0, 1),
        "rate": Float(1e-4, 1, log=True),
        "n": Int(1, 40),
        "c": Choice(["a", "b", "c", "d"]),
        "size": Choice(["s", "m", "l"], ordered=True),
    }
)
TREE = Space({"kind": Choice([{"kind": "a", "x": Float(0, 1)}, {"kind": "b", "y": Float(0, 1), "n": Int(1, 9)}])})
FINITE = Space({"a": Int(1, 30), "b": Choice(list("uvwxyz")), "c": Int(1, 40)})


def parabola(features: Features, top: Array) -> Acquisition:
    """Largest, and 0, at the row ``top``."""
    centre = features.of(top[None])[0]

    def acquisition(at: Array, with_gradient: bool) -> tuple[Array, Array | None]:
        away = at - centre
        return -(away**2).sum(1), -2 * away if with_gradient else None

    return acquisition


def look(space: Space, top: Array, seed: int, effort: Effort = FULL) -> tuple[Array, Cube, Acquisition, Features]:
    cube = Cube(space)
    features = Features(cube)
    rng = np.random.default_rng(seed)
    anchors = cube.snap(rng.random((3, cube.n_dimensions)))
    acquisition = parabola(features, top)
    return CandidateSearch(cube, features).best_rows(acquisition, anchors, rng, effort), cube, acquisition, features


@pytest.mark.parametrize("effort", [FULL, LIGHT])
@pytest.mark.parametrize("space", [MIXED, TREE, FINITE], ids=["mixed", "tree", "finite"])
def test_it_finds_the_highest_point(space: Space, effort: Effort) -> None:
    for seed in range(10):
        top = Cube(space).snap(np.random.default_rng(100 + seed).random((1, len(space.parameters))))[0]

        rows, cube, _, _ = look(space, top, seed, effort)

        assert (np.isnan(rows[0]) == np.isnan(top)).all()
        np.testing.assert_allclose(rows[0], top, atol=0.01)
        discrete = (cube.n_values > 0) & ~np.isnan(top)
        np.testing.assert_array_equal(rows[0][discrete], top[discrete])


@pytest.mark.parametrize("space", [MIXED, TREE, FINITE], ids=["mixed", "tree", "finite"])
def test_rows_stand_for_points_the_best_one_first(space: Space) -> None:
    top = Cube(space).snap(np.random.default_rng(5).random((1, len(space.parameters))))[0]

    rows, cube, acquisition, features = look(space, top, 0)

    np.testing.assert_array_equal(cube.snap(rows), rows)
    assert (np.diff(acquisition(features.of(rows), False)[0]) <= 0).all()
    assert len(rows) > 5


def test_it_goes_into_the_corners() -> None:
    space = Space({f"x{i}": Float(0, 1) for i in range(6)})
    top = np.array([0.0, 1, 0, 1, 0, 1])

    rows, *_ = look(space, top, 0)

    np.testing.assert_allclose(rows[0], top, atol=1e-4)


@pytest.mark.parametrize(
    "space", [Space({"c": Choice(["a", "b"])}), Space({"n": Int(3, 3)}), Space({"x": Float(1, 1)})]
)
def test_spaces_without_much_to_search(space: Space) -> None:
    top = Cube(space).snap(np.array([[0.9]]))[0]

    assert look(space, top, 0)[0][0] == pytest.approx(top)


def test_an_anchor_of_one_branch_does_not_hide_the_other() -> None:
    cube = Cube(TREE)
    features = Features(cube)
    anchors = cube.snap(np.array([[0.1, 0.5, 0.5, 0.5]]))
    top = cube.snap(np.array([[0.9, 0.5, 0.7, 0.3]]))[0]

    found = CandidateSearch(cube, features).best_rows(parabola(features, top), anchors, np.random.default_rng(0))[0]

    np.testing.assert_allclose(found, top, atol=0.01)


def test_the_best_of_given_rows() -> None:
    cube = Cube(MIXED)
    features = Features(cube)
    rows = cube.snap(np.random.default_rng(0).random((200, 5)))

    found = CandidateSearch(cube, features).best_of(parabola(features, rows[77]), rows)

    np.testing.assert_array_equal(found[0], rows[77])


def test_the_same_numbers_give_the_same_rows() -> None:
    top = Cube(MIXED).snap(np.full((1, 5), 0.3))[0]

    assert (look(MIXED, top, 3)[0] == look(MIXED, top, 3)[0]).all()
    assert (look(MIXED, top, 3)[0] != look(MIXED, top, 4)[0]).any()


def test_the_options_of_a_very_long_choice_are_not_looked_through_one_by_one() -> None:
    cube = Cube(Space({"word": Choice(list(range(3000))), "x": Float(0, 1)}))
    features = Features(cube)
    n_rows = []

    def acquisition(at: Array, with_gradient: bool) -> tuple[Array, Array | None]:
        n_rows.append(len(at))
        return np.zeros(len(at)), np.zeros_like(at) if with_gradient else None

    CandidateSearch(cube, features).best_rows(acquisition, cube.snap(np.full((1, 2), 0.5)), np.random.default_rng(0))

    assert sum(n_rows) < 2000
