from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyhands.parameters import Choice, Float, Int
from manyhands.samplers.cube import Array, Cube
from manyhands.samplers.gp.features import Features
from manyhands.samplers.gp.fitting import fit, negative_log_likelihood
from manyhands.samplers.gp.hyperparameters import Hyperparameters, Prior
from manyhands.samplers.gp.linalg import cholesky, inverse_of
from manyhands.samplers.gp.model import JITTER, GaussianProcess
from manyhands.samplers.gp.surrogate import Surrogate
from manyhands.samplers.gp.targets import Targets, of_losses
from manyhands.space import Space

TREE = Space(
    {
        "kind": Choice([{"kind": "a", "x": Float(0, 1)}, {"kind": "b", "n": Int(1, 9), "c": Choice(["u", "v", "w"])}]),
        "y": Float(0, 1),
        "size": Choice(["s", "m", "l"], ordered=True),
    }
)
CUBE = Cube(TREE)
FEATURES = Features(CUBE)
RNG = np.random.default_rng(0)
SEEDS = st.integers(0, 10_000)


def some_rows(n: int, seed: int) -> Array:
    return CUBE.snap(np.random.default_rng(seed).random((n, CUBE.n_dimensions)))


def some_hyperparameters(seed: int, bent: bool = True) -> Hyperparameters:
    rng = np.random.default_rng(seed)
    warp = rng.normal(0, 0.5, (2, len(FEATURES.ordered))) * bent
    return Hyperparameters(rng.normal(0, 0.5, CUBE.n_dimensions), rng.normal(), np.log(0.05), warp)


def process(n: int, seed: int, noise: Array | float = 0.0, bent: bool = True) -> GaussianProcess:
    return GaussianProcess(FEATURES, some_rows(n, seed), noise, some_hyperparameters(seed, bent))


# -- a textbook ----------------------------------------------------------------------------------------------------


def slow_kernel(a: Array, b: Array, hyperparameters: Hyperparameters) -> Array:
    """Pair by pair, of features."""
    return np.array([[slow_covariance(p, q, hyperparameters) for q in b] for p in a])


def slow_covariance(p: Array, q: Array, hyperparameters: Hyperparameters) -> float:
    ordered = FEATURES.ordered.tolist()
    squared = 0.0
    for i in range(FEATURES.n):
        x, y = p[i], q[i]
        if i in ordered:
            a, b = np.exp(hyperparameters.warp[:, ordered.index(i)])
            x, y = (1 - (1 - np.clip(u, 1e-4, 1 - 1e-4) ** a) ** b for u in (x, y))
        squared += ((x - y) / np.exp(hyperparameters.length[FEATURES.dimension[i]])) ** 2
    r = np.sqrt(5 * squared)
    return float(np.exp(hyperparameters.scale) * (1 + r + r * r / 3) * np.exp(-r))


def slow_posterior(
    rows: Array, targets: Array, noise: Array, at: Array, hyperparameters: Hyperparameters
) -> tuple[Array, Array]:
    known, new = FEATURES.of(rows), FEATURES.of(at)
    k = slow_kernel(known, known, hyperparameters) + np.diag(np.exp(hyperparameters.noise) + JITTER + noise)
    across = slow_kernel(new, known, hyperparameters)
    mean = across @ np.linalg.solve(k, targets)
    covariance = slow_kernel(new, new, hyperparameters) - across @ np.linalg.solve(k, across.T)
    return mean, covariance


@given(SEEDS)
@settings(max_examples=10)
def test_the_posterior_is_that_of_the_textbook(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, at, targets, noise = some_rows(9, seed), some_rows(5, seed + 1), rng.normal(size=9), rng.random(9)
    ours = GaussianProcess(FEATURES, rows, noise, some_hyperparameters(seed)).given(targets)

    mean, variance = ours.predict(FEATURES.of(at))

    expected_mean, expected = slow_posterior(rows, targets, noise, at, ours.hyperparameters)
    assert mean == pytest.approx(expected_mean, rel=1e-6, abs=1e-8)
    assert variance == pytest.approx(np.diag(expected), rel=1e-6, abs=1e-8)
    assert ours.n == 9


def test_samples_have_the_posterior_mean_and_covariance() -> None:
    targets = RNG.normal(size=9)
    rows, at = some_rows(9, 3), some_rows(4, 4)
    ours = GaussianProcess(FEATURES, rows, 0.1, some_hyperparameters(3)).given(targets)

    drawn = ours.sample(FEATURES.of(at), np.random.default_rng(0).standard_normal((4, 50_000)))

    mean, covariance = slow_posterior(rows, targets, np.full(9, 0.1), at, ours.hyperparameters)
    covariance += 0.05 * np.eye(4)  # what is sampled are values as trials would bring them, with their noise
    assert drawn.mean(1) == pytest.approx(mean, abs=0.05)
    np.testing.assert_allclose(np.cov(drawn), covariance, atol=0.05)


@given(SEEDS, st.integers(1, 12), st.integers(1, 6))
@settings(max_examples=25)
def test_extending_is_building_at_once(seed: int, n: int, m: int) -> None:
    rows, hyperparameters = some_rows(n + m, seed), some_hyperparameters(seed)
    noise = np.random.default_rng(seed).random(n + m)
    targets = np.random.default_rng(seed).normal(size=n + m)
    at = FEATURES.of(some_rows(7, seed + 1))
    first = GaussianProcess(FEATURES, rows[:n], noise[:n], hyperparameters)

    found = first.extended(rows[n:], noise[n:]).given(targets).predict(at)

    expected = GaussianProcess(FEATURES, rows, noise, hyperparameters).given(targets).predict(at)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-7)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-7)
    assert first.n == n  # and stays as it was


def test_imagining_is_having_been_given_each_of_the_values() -> None:
    rows, fantasies, at = some_rows(3, 1), RNG.normal(size=(3, 5)), FEATURES.of(some_rows(4, 2))
    targets = RNG.normal(size=8)
    known = process(8, 0).given(targets)

    means, variance = known.imagining(rows, fantasies).predict(at)

    assert means.shape == (4, 5)
    for i in range(5):
        one = known.extended(rows).given(np.concatenate([targets, fantasies[:, i]]))
        mean, expected = one.predict(at)
        np.testing.assert_allclose(means[:, i], mean, atol=1e-9)
        np.testing.assert_allclose(variance, expected)


# -- gradients -----------------------------------------------------------------------------------------------------


def slopes(function: Callable[[Array], float], x: Array) -> Array:
    """By central differences."""
    h = 1e-5
    return np.array([(function(x + h * e) - function(x - h * e)) / (2 * h) for e in np.eye(len(x))])


@pytest.mark.parametrize("bent", [True, False])
@pytest.mark.parametrize("n_fantasies", [0, 3])
def test_gradients_of_mean_and_variance(bent: bool, n_fantasies: int) -> None:
    """At features of both branches of the tree, in which parameters of the other one are not active."""
    known = process(10, 5, bent=bent).given(RNG.normal(size=10))
    if n_fantasies:
        known = known.imagining(some_rows(2, 9), RNG.normal(size=(2, n_fantasies)))
    at = np.clip(FEATURES.of(some_rows(6, 6)), 0.01, 0.99)
    by_mean = RNG.normal(size=(6, n_fantasies) if n_fantasies else 6)
    by_variance = RNG.normal(size=6)

    mean, variance, pull_back = known.predict_with_gradient(at)
    found = pull_back(by_mean, by_variance)

    assert (mean == known.predict(at)[0]).all()
    assert (variance == known.predict(at)[1]).all()
    for i, row in enumerate(at):

        def combined(x: Array, i: int = i) -> float:
            m, v = known.predict(x[None])
            return float((m[0] * by_mean[i]).sum() + v[0] * by_variance[i])

        assert found[i] == pytest.approx(slopes(combined, row), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_likelihood_and_its_gradient(seed: int) -> None:
    rows, targets, noise = some_rows(12, seed), RNG.normal(size=12), RNG.random(12)
    z, hyperparameters = FEATURES.of(rows), some_hyperparameters(seed)

    value, gradient = negative_log_likelihood(z, FEATURES, targets, noise, hyperparameters)

    k = slow_kernel(z, z, hyperparameters) + np.diag(np.exp(hyperparameters.noise) + JITTER + noise)
    _, log_determinant = np.linalg.slogdet(k)
    expected = 0.5 * (targets @ np.linalg.solve(k, targets) + log_determinant + 12 * np.log(2 * np.pi))
    assert value == pytest.approx(expected)

    def of(vector: Array) -> float:
        return negative_log_likelihood(z, FEATURES, targets, noise, hyperparameters.with_vector(vector))[0]

    assert gradient == pytest.approx(slopes(of, hyperparameters.vector()), rel=1e-4, abs=1e-5)


def test_a_prior_and_its_gradient() -> None:
    prior = Prior(FEATURES)
    x = prior.start.vector() + RNG.normal(size=len(prior.start.vector()))

    assert prior.negative_log_density(x)[1] == pytest.approx(slopes(lambda v: prior.negative_log_density(v)[0], x))
    assert prior.negative_log_density(prior.start.vector())[0] <= prior.negative_log_density(x)[0]
    assert len(prior.bounds) == len(x)


def test_a_fit_finds_out_which_dimension_matters() -> None:
    cube = Cube(Space({name: Float(0, 1) for name in "abc"}))
    features, rows = Features(cube), RNG.random((40, 3))
    targets = np.sin(9 * rows[:, 1])
    prior = Prior(features)

    found = fit(features, rows, targets, 0.0, prior, prior.start, 60)

    assert found.length[1] < min(found.length[0], found.length[2]) - 0.5
    assert found.noise < np.log(0.05)


# -- noise ---------------------------------------------------------------------------------------------------------


def test_a_point_with_a_large_variance_is_believed_less() -> None:
    rows, targets = some_rows(6, 0), np.array([0.0, 0.0, 0.0, 0.0, 0.0, 3.0])
    variances = np.array([0, 0, 0, 0, 0, 25.0])
    at = FEATURES.of(rows[-1:])
    trusted = GaussianProcess(FEATURES, rows, 0.0, some_hyperparameters(0)).given(targets).predict(at)
    doubted = GaussianProcess(FEATURES, rows, variances, some_hyperparameters(0)).given(targets).predict(at)

    assert abs(doubted[0][0]) < 0.3 * trusted[0][0]
    assert doubted[1][0] > trusted[1][0]


# -- whatever losses there are -------------------------------------------------------------------------------------

LOSSES = {
    "equal": np.ones(20),
    "one": np.array([3.0]),
    "huge": 1e300 * np.random.default_rng(0).normal(size=20),
    "tiny": 1e-300 * np.random.default_rng(0).normal(size=20),
    "one outlier": np.array([*range(19), 1e308]),
}


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("noise", [0.0, 1e-8, 1e6])
@pytest.mark.parametrize("duplicated", [True, False])
def test_any_losses_can_be_modelled(kind: str, noise: float, duplicated: bool) -> None:
    losses = LOSSES[kind]
    rows = some_rows(1, 0).repeat(len(losses), 0) if duplicated else some_rows(len(losses), 0)
    known = of_losses(rows, losses, np.full(len(losses), noise))

    mean, variance = Surrogate(FEATURES).posterior_at_once(known).predict(FEATURES.of(some_rows(30, 1)))

    assert np.isfinite(mean).all()
    assert (variance > 0).all()


def test_a_surrogate_follows_a_schedule_and_not_its_callers() -> None:
    rows, losses = some_rows(60, 0), RNG.normal(size=60)

    def training(n: int) -> Targets:
        return of_losses(rows[:n], losses[:n], np.zeros(n))

    often, once = Surrogate(FEATURES), Surrogate(FEATURES)
    for n in range(1, 60, 3):
        often.posterior(n, training)

    at = FEATURES.of(some_rows(5, 1))
    assert (often.posterior(60, training).predict(at)[0] == once.posterior(60, training).predict(at)[0]).all()


# -- matrices ------------------------------------------------------------------------------------------------------


def test_a_factor_and_an_inverse() -> None:
    a = RNG.normal(size=(6, 6))
    covariance = a @ a.T + np.eye(6)

    factor = cholesky(covariance)

    np.testing.assert_allclose(factor @ factor.T, covariance)
    np.testing.assert_allclose(inverse_of(factor) @ covariance, np.eye(6), atol=1e-10)


def test_a_singular_covariance_is_given_a_little_more() -> None:
    factor = cholesky(np.ones((5, 5)))

    np.testing.assert_allclose(factor @ factor.T, np.ones((5, 5)), atol=1e-6)


@pytest.mark.parametrize("wrong", [np.array([[1e-3, 5.0], [5.0, 1e-3]]), np.full((2, 2), np.nan)])
def test_what_is_no_covariance_is_refused(wrong: Array) -> None:
    with pytest.raises(ArithmeticError, match="Cholesky"):
        cholesky(wrong)
