import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from manyhands.samplers.noise import variance_of_means

POOLED = 4.0


def straightforwardly(values: list[list[float]]) -> list[float]:
    """The same by loops: residuals of the two-way layout, and what one trial says mixed with what all say."""
    n, k = len(values), len(values[0])
    whole = sum(map(sum, values)) / (n * k)
    of_trial = [sum(row) / k for row in values]
    of_split = [sum(row[j] for row in values) / n for j in range(k)]
    degrees = (n - 1) * (k - 1) / n
    own = []
    for i in range(n):
        squares = [(values[i][j] - of_trial[i] - of_split[j] + whole) ** 2 for j in range(k)]
        own.append(sum(squares) / degrees / k)
    average = sum(own) / n
    return [(one * degrees + average * POOLED) / (degrees + POOLED) for one in own]


TABLES = hnp.arrays(
    np.float64, st.tuples(st.integers(2, 8), st.integers(2, 6)), elements=st.floats(-100, 100, allow_subnormal=False)
)


@given(TABLES)
def test_it_is_what_a_two_way_layout_leaves_over(values: np.ndarray) -> None:
    assert variance_of_means(values) == pytest.approx(straightforwardly(values.tolist()), rel=1e-9, abs=1e-9)


@given(TABLES, st.integers(0, 99))
def test_what_all_trials_share_is_no_noise(values: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    folds, trials = rng.normal(size=values.shape[1]), rng.normal(size=(len(values), 1))

    assert variance_of_means(values + folds + trials) == pytest.approx(variance_of_means(values), rel=1e-6, abs=1e-9)


def test_trials_that_only_differ_as_a_whole_have_none() -> None:
    values = np.array([[1.0], [5.0], [9.0]]) + np.array([0.0, 10.0, -30.0])

    assert variance_of_means(values) == pytest.approx(0, abs=1e-20)


def test_it_estimates_the_variance_of_a_mean() -> None:
    """1000 trials of 5 splits with noise of variance 4: their means vary by 4 / 5."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 2, (1000, 5)) + rng.normal(0, 50, (1000, 1)) + rng.normal(0, 50, 5)

    assert variance_of_means(values).mean() == pytest.approx(0.8, rel=0.05)


def test_a_noisy_trial_is_told_from_quiet_ones() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (30, 5))
    values[7] = rng.normal(0, 5, 5)

    found = variance_of_means(values)

    assert found.argmax() == 7
    assert found[7] > 3 * np.delete(found, 7).max()


def test_of_a_single_trial_nothing_can_be_told() -> None:
    assert variance_of_means(np.array([[1.0, 2.0, 4.0]])) == pytest.approx([0.0])


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_values_of_any_size_give_a_finite_number(size: float) -> None:
    found = variance_of_means(size * np.array([[1.0, 2.0], [1.5, 1.0], [3.0, 3.5]]))

    assert np.isfinite(found).all()
    assert (found >= 0).all()
