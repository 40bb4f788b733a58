from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from manyhands.parameters import Choice, Float
from manyhands.samplers.cube import Array, Cube
from manyhands.samplers.gp.acquisition import Acquisition, log_expected_improvement, log_feasibility, log_h, product
from manyhands.samplers.gp.features import Features
from manyhands.samplers.gp.hyperparameters import Hyperparameters
from manyhands.samplers.gp.model import GaussianProcess
from manyhands.space import Space

CUBE = Cube(Space({"c": Choice(["a", {"y": Float(0, 1)}]), "x": Float(0, 1)}))
FEATURES = Features(CUBE)


def some_rows(n: int, seed: int) -> Array:
    return CUBE.snap(np.random.default_rng(seed).random((n, CUBE.n_dimensions)))


def model(scale: float = 1.0, seed: int = 0, n: int = 8) -> GaussianProcess:
    values = scale * np.random.default_rng(seed).normal(size=n)
    hyperparameters = Hyperparameters(np.log([0.6, 0.5, 0.2]), 0.0, np.log(1e-3), np.array([[0.2, -0.3], [-0.1, 0.3]]))
    return GaussianProcess(FEATURES, some_rows(n, seed), 0.0, hyperparameters).given(values)


# -- log h ---------------------------------------------------------------------------------------------------------


def by_series(z: float) -> float:
    """Far below 0, by the asymptotic series of the bracket: sum of (-1)^k (2k + 1)!! / z^(2k + 2)."""
    total, term = 0.0, 1.0 / (z * z)
    for k in range(8):
        total += term
        term *= -(2 * k + 3) / (z * z)
    return float(-0.5 * z * z - 0.5 * np.log(2 * np.pi) + np.log(total))


def by_quadrature(z: float) -> float:
    """h(z) is the integral of phi over u < z, times (z - u); here of v = z - u > 0, with phi(z) taken out."""
    nodes, weights = np.polynomial.laguerre.laggauss(80)
    rate = max(1.0, -z)
    v = nodes / rate
    inner = float(np.sum(weights * np.exp(nodes - 0.5 * v * v + z * v) * v)) / rate
    return float(-0.5 * z * z - 0.5 * np.log(2 * np.pi) + np.log(inner))


@pytest.mark.parametrize("z", [-1e5, -5e4, -3e3, -1001.0, -1000.0, -999.0, -300.0, -40.0])
def test_log_h_far_out(z: float) -> None:
    assert log_h(np.array([z]))[0] == pytest.approx(by_series(z), rel=1e-12)


@pytest.mark.parametrize("z", [-40.0, -25.0, -10.0, -5.0, -3.0, -1.5, -1.0001, -1.0, -0.9999, -0.5, 0.0, 0.5])
def test_log_h_near(z: float) -> None:
    assert log_h(np.array([z]))[0] == pytest.approx(by_quadrature(z), rel=1e-9)


@pytest.mark.parametrize("z", [0.0, 1.0, 3.0, 10.0, 30.0])
def test_log_h_above(z: float) -> None:
    expected = np.log(norm.pdf(z) + z * norm.cdf(z))
    assert log_h(np.array([z]))[0] == pytest.approx(expected, rel=1e-12)


def test_log_h_rises_everywhere() -> None:
    """Also where one formula takes over from another, at -1000 and -1."""
    z = np.concatenate([-np.geomspace(1e5, 1e-3, 4000), np.linspace(0, 30, 1000)])

    assert (np.diff(log_h(z)) > 0).all()


# -- improvement ---------------------------------------------------------------------------------------------------


def slopes(function: Callable[[Array], float], x: Array) -> Array:
    h = 1e-5
    return np.array([(function(x + h * e) - function(x - h * e)) / (2 * h) for e in np.eye(len(x))])


def check_gradient(acquisition: Acquisition) -> None:
    at = np.clip(FEATURES.of(some_rows(8, 99)), 0.01, 0.99)
    values, gradients = acquisition(at, True)
    assert gradients is not None
    np.testing.assert_allclose(values, acquisition(at, False)[0], rtol=1e-9)
    for row, gradient in zip(at, gradients, strict=True):
        assert gradient == pytest.approx(
            slopes(lambda x: float(acquisition(x[None], False)[0][0]), row), rel=1e-3, abs=1e-5
        )


@pytest.mark.parametrize("best", [-1.0, 0.0, 2.0, -30.0])
def test_the_expected_improvement_and_its_gradient(best: float) -> None:
    known = model()
    acquisition = log_expected_improvement(known, best)
    mean, variance = known.predict(FEATURES.of(some_rows(30, 1)))
    sigma = np.sqrt(variance)
    z = (best - mean) / sigma

    values, gradient = acquisition(FEATURES.of(some_rows(30, 1)), False)

    assert gradient is None
    near = z > -5
    expected = np.log((sigma * (norm.pdf(z) + z * norm.cdf(z)))[near])
    np.testing.assert_allclose(values[near], expected, rtol=1e-6)
    check_gradient(acquisition)


def test_fantasies_are_averaged_as_improvements() -> None:
    rows, fantasies, best = some_rows(2, 5), np.random.default_rng(5).normal(size=(2, 4)), np.array([-1.0, 0, -0.5, 1])
    known, at = model(), FEATURES.of(some_rows(10, 6))

    values, _ = log_expected_improvement(known.imagining(rows, fantasies), best)(at, False)

    each = [
        log_expected_improvement(known.imagining(rows, fantasies[:, i : i + 1]), best[i])(at, False)[0]
        for i in range(4)
    ]
    np.testing.assert_allclose(values, np.log(np.exp(each).mean(0)))
    check_gradient(log_expected_improvement(known.imagining(rows, fantasies), best))


# -- feasibility ---------------------------------------------------------------------------------------------------


def test_the_chance_to_be_feasible_and_its_gradient() -> None:
    known, at = model(), FEATURES.of(some_rows(10, 3))
    mean, variance = known.predict(at)

    values, _ = log_feasibility(known)(at, False)

    np.testing.assert_allclose(np.exp(values), norm.cdf(-mean / np.sqrt(variance)))
    check_gradient(log_feasibility(known))


def test_factors_are_multiplied() -> None:
    factors = [log_expected_improvement(model(), 0.0), log_feasibility(model(seed=1)), log_feasibility(model(seed=2))]
    at = FEATURES.of(some_rows(10, 3))

    np.testing.assert_allclose(product(factors)(at, False)[0], sum(factor(at, False)[0] for factor in factors))
    np.testing.assert_allclose(product(factors[:1])(at, False)[0], factors[0](at, False)[0])
    check_gradient(product(factors))


@given(st.floats(-1e4, 1e4), st.sampled_from([1e-6, 1.0, 1e4]))
def test_values_and_gradients_are_always_finite(best: float, scale: float) -> None:
    """At the very points that are known, too, where next to nothing is left to learn."""
    known = model(scale)
    at = FEATURES.of(np.vstack([some_rows(8, 0), some_rows(8, 1)]))
    for acquisition in (log_expected_improvement(known, best), log_feasibility(known)):
        for with_gradient in (True, False):
            value, gradient = acquisition(at, with_gradient)
            assert np.isfinite(value).all()
            assert gradient is None or np.isfinite(gradient).all()
