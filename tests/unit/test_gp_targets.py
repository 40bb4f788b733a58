import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from manyhands.samplers.cube import Array
from manyhands.samplers.gp.targets import of_losses, of_violations, scalarised

RNG = np.random.default_rng(0)


def test_known_noise_is_scaled_as_the_losses_are() -> None:
    rows, losses, variances = RNG.random((9, 2)), RNG.normal(size=9), RNG.random(9)

    plain = of_losses(rows, losses, variances)
    other = of_losses(rows, 1000.0 * losses - 77, 1e6 * variances)

    np.testing.assert_allclose(other.values, plain.values, atol=1e-9)
    np.testing.assert_allclose(other.noise, plain.noise)
    assert (plain.noise > 0).all()


def test_scalarised_losses_do_not_depend_on_units_and_nor_does_their_noise() -> None:
    losses, variances, weights = RNG.normal(size=(9, 3)), RNG.random(9), np.array([0.5, 0.2, 0.3])

    plain, noise = scalarised(losses, variances, weights)
    other, other_noise = scalarised(losses * [1e6, 1, 1e-3] + 5, variances * 1e12, weights)

    np.testing.assert_allclose(other, plain, rtol=1e-6)
    np.testing.assert_allclose(other_noise, noise, rtol=1e-6)


def test_noise_of_scalarised_losses_is_that_of_a_small_step_in_the_first() -> None:
    losses, weights, h = RNG.random((50, 2)), np.array([0.4, 0.6]), 1e-7
    losses[0], losses[1] = 0, 1  # which stay the ends of the range
    plain, noise = scalarised(losses, np.full(50, h * h), weights)
    moved, _ = scalarised(_moved(losses, h), np.zeros(50), weights)

    np.testing.assert_allclose(np.abs(moved - plain)[2:], np.sqrt(noise)[2:], rtol=1e-3)


def _moved(losses: Array, h: float) -> Array:
    moved = losses.copy()
    moved[2:, 0] += h
    return moved


def test_of_many_losses_the_best_are_kept() -> None:
    losses = RNG.permutation(1000).astype(float)
    rows = losses[:, None] / 1000

    kept = of_losses(rows, losses, np.zeros(1000)).rows[:, 0] * 1000

    assert len(kept) == 300
    assert set(range(150)) <= set(kept.round().astype(int).tolist())
    assert kept.max() > 950


# -- whatever losses there are -------------------------------------------------------------------------------------

FULL_RANGE = st.floats(-1.7e308, 1.7e308)


@given(st.lists(st.tuples(FULL_RANGE, st.floats(0, 1.7e308)), min_size=1, max_size=12))
def test_any_losses_become_targets_in_their_order(pairs: list[tuple[float, float]]) -> None:
    losses, variances = np.array(pairs).T
    found = of_losses(np.zeros((len(losses), 1)), losses, variances)

    assert np.isfinite(found.values).all()
    assert np.isfinite(found.noise).all()
    order = np.argsort(losses, kind="stable")
    assert (np.diff(found.values[order]) >= -1e-9).all()


@given(st.lists(st.tuples(FULL_RANGE, FULL_RANGE), min_size=1, max_size=12), st.floats(0, 1.7e308), st.floats(0, 1))
def test_any_two_losses_become_one(pairs: list[tuple[float, float]], variance: float, weight: float) -> None:
    losses = np.array(pairs)
    found, noise = scalarised(losses, np.full(len(losses), variance), np.array([weight, 1 - weight]))

    assert np.isfinite(found).all()
    assert np.isfinite(noise).all()
    assert np.isfinite(of_losses(losses, found, noise).noise).all()


@given(st.lists(FULL_RANGE, min_size=1, max_size=12))
def test_violations_keep_their_sign(violations: list[float]) -> None:
    found = of_violations(np.zeros((len(violations), 1)), np.array(violations)).values

    assert (np.abs(found) <= 3).all()
    assert ((found > 0) <= (np.array(violations) > 0)).all()
    assert ((found < 0) <= (np.array(violations) < 0)).all()
