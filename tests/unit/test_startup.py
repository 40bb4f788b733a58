import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from manyhands.samplers.cube import Array
from manyhands.samplers.startup import Lattice


def first(n: int, n_dimensions: int, seed: int) -> Array:
    lattice = Lattice(n_dimensions, seed)
    return np.array([lattice.row(i) for i in range(n)])


def closest(rows: Array) -> float:
    """The least distance between two of them, around the ends of the cube."""
    away = np.abs(rows[:, None] - rows[None])
    distances = np.linalg.norm(np.minimum(away, 1 - away), axis=2)
    return float(distances[np.triu_indices(len(rows), 1)].min())


@given(st.integers(1, 200), st.integers(0, 2**63), st.integers(0, 10**9))
def test_every_point_lies_in_the_cube(n_dimensions: int, seed: int, i: int) -> None:
    row = Lattice(n_dimensions, seed).row(i)

    assert row.shape == (n_dimensions,)
    assert ((row >= 0) & (row < 1)).all()


@pytest.mark.parametrize("n_dimensions", [1, 2, 3, 6])
@pytest.mark.parametrize("n", [8, 50, 200])
def test_points_are_spread_more_evenly_than_random_ones(n_dimensions: int, n: int) -> None:
    ours, random = [], []
    for seed in range(5):
        ours.append(qmc.discrepancy(first(n, n_dimensions, seed), method="WD"))
        random.append(qmc.discrepancy(np.random.default_rng(seed).random((n, n_dimensions)), method="WD"))

    assert np.mean(ours) < 0.7 * np.mean(random)


@pytest.mark.parametrize("n_dimensions", [1, 2, 3])
def test_points_keep_their_distance_however_many_there_are(n_dimensions: int) -> None:
    for n in (10, 100, 500):
        assert closest(first(n, n_dimensions, 0)) > 0.25 * n ** (-1 / n_dimensions)


def test_the_seed_and_nothing_else_makes_the_points() -> None:
    np.random.default_rng().random(5)

    assert (first(20, 4, 7) == first(20, 4, 7)).all()
    assert (first(20, 4, 7) != first(20, 4, 8)).any(axis=1).all()


def test_no_two_dimensions_move_alike() -> None:
    rows = first(300, 12, 0)

    correlations = np.corrcoef(rows.T) - np.eye(12)
    assert np.abs(correlations).max() < 0.5
