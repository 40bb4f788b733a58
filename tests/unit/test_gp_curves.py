"""Gaussian processes over whole curves, what they learn from, and what they forecast."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyhands.parameters import Choice, Float
from manyhands.samplers.cube import Array, Cube
from manyhands.samplers.gp.course import N_PARAMETERS, START, Course, Structure
from manyhands.samplers.gp.curves import Curves, Scale
from manyhands.samplers.gp.features import Features
from manyhands.samplers.gp.fitting import negative_log_likelihood
from manyhands.samplers.gp.forecasting import CurveBelief
from manyhands.samplers.gp.hyperparameters import Hyperparameters
from manyhands.samplers.gp.model import JITTER, GaussianProcess
from manyhands.space import Space

CUBE = Cube(Space({"x": Float(0, 1), "y": Float(0, 1), "kind": Choice(["a", "b"])}))
FEATURES = Features(CUBE)
SEEDS = st.integers(0, 10_000)
N_EPOCHS = 30


def some_course(n: int, seed: int) -> Course:
    rng = np.random.default_rng(seed)
    return Course(rng.integers(1, N_EPOCHS + 1, n).astype(float), rng.integers(0, n // 2, n), float(N_EPOCHS))


def some_rows(n: int, course: Course, seed: int) -> Array:
    """A row for each value; the same for values of one trial."""
    rows = CUBE.snap(np.random.default_rng(seed).random((n, CUBE.n_dimensions)))
    return rows[course.owners]


def some_hyperparameters(seed: int) -> Hyperparameters:
    rng = np.random.default_rng(seed)
    warp = rng.normal(0, 0.3, (2, len(FEATURES.ordered)))
    course = START + rng.normal(0, 0.3, N_PARAMETERS)
    return Hyperparameters(rng.normal(0, 0.5, CUBE.n_dimensions), rng.normal(), np.log(0.05), warp, course)


# -- the kernel ----------------------------------------------------------------------------------------------------


@given(st.floats(0.2, 4.0))
def test_what_is_missing_falls_from_one_to_nothing(power: float) -> None:
    decay = Course(np.arange(1.0, 53.0), np.zeros(52, int), 52.0).decay(power)
    assert decay[0] == 1.0
    assert decay[-1] == pytest.approx(0.0, abs=1e-12)
    assert (np.diff(decay) < 0).all()


def test_nothing_is_missing_in_trainings_of_one_step() -> None:
    assert Course(np.array([1.0, 1.0]), np.array([0, 1]), 1.0).decay(0.7).tolist() == [0.0, 0.0]


@given(SEEDS)
@settings(max_examples=10)
def test_the_covariance_of_values_is_that_of_the_formula(seed: int) -> None:
    course = some_course(8, seed)
    parameters = some_hyperparameters(seed).course
    of_ends = np.random.default_rng(seed).random((8, 8))
    rise, drift, own, power, walk = np.exp(parameters)
    decay, ahead = course.decay(power), 1 - np.log(course.steps) / np.log(N_EPOCHS)
    found = Structure(course, parameters).covariance(of_ends)
    for i in range(8):
        for j in range(8):
            both = decay[i] * decay[j]
            own_too = own * (course.owners[i] == course.owners[j])
            factor = 1 + rise * both + walk * min(ahead[i], ahead[j])
            assert found[i, j] == pytest.approx((of_ends[i, j] + own_too) * factor + drift * both)


@given(SEEDS)
@settings(max_examples=10)
def test_the_gradient_of_the_likelihood_of_curves_is_right(seed: int) -> None:
    course = some_course(12, seed)
    z = FEATURES.of(some_rows(12, course, seed))
    targets = np.random.default_rng(seed).standard_normal(12)
    hyperparameters = some_hyperparameters(seed)
    vector = hyperparameters.vector()

    def value(v: Array) -> float:
        return negative_log_likelihood(z, FEATURES, targets, 0.0, hyperparameters.with_vector(v), course)[0]

    _, gradient = negative_log_likelihood(z, FEATURES, targets, 0.0, hyperparameters, course)
    for i in range(len(vector)):
        step = np.zeros(len(vector))
        step[i] = 1e-5
        slope = (value(vector + step) - value(vector - step)) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-3, abs=1e-4)


@given(SEEDS)
@settings(max_examples=10)
def test_ends_are_predicted_as_in_the_textbook(seed: int) -> None:
    course = some_course(10, seed)
    rows = some_rows(10, course, seed)
    hyperparameters = some_hyperparameters(seed)
    targets = np.random.default_rng(seed).standard_normal(10)
    process = GaussianProcess(FEATURES, rows, 0.0, hyperparameters, course).given(targets)
    plain = GaussianProcess(FEATURES, rows[:1], 0.0, hyperparameters)  # knows the kernel of ends

    of_ends = plain._covariance(plain._scaled(FEATURES.of(rows)), 0.0) - np.eye(10) * (
        np.exp(hyperparameters.noise) + JITTER
    )
    own = np.exp(hyperparameters.course[2])
    covariance = Structure(course, hyperparameters.course).covariance(of_ends)
    covariance += np.eye(10) * (np.exp(hyperparameters.noise) + JITTER)
    across = of_ends + own * (course.owners[:, None] == course.owners)
    mean, variance = process.predict_trials(FEATURES.of(rows), course.owners)
    assert mean == pytest.approx(across @ np.linalg.solve(covariance, targets), abs=1e-6)
    scale = np.exp(hyperparameters.scale)
    expected = scale + own - np.einsum("ij,ji->i", across, np.linalg.solve(covariance, across.T))
    assert variance == pytest.approx(expected, abs=1e-6)


# -- what is learned from ------------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20, unique=True),
    st.floats(-1e6, 1e6),
)
def test_a_scale_can_be_undone(losses: list[float], loss: float) -> None:
    scale = Scale.of(np.array(losses))
    standardised = float(scale.standardised(np.array([loss]))[0])
    if standardised < 10.0:
        assert scale.loss(standardised) == pytest.approx(loss, rel=1e-6, abs=1e-6 * max(scale.unit, 1.0))


def test_diverged_trials_do_not_set_the_scale() -> None:
    scale = Scale.of(np.array([1.0, 2.0, 3.0, 1e300, 1e300, 1e300]))
    assert scale.middle == 2.0
    assert float(scale.standardised(np.array([1e300]))[0]) == 10.0


def some_curves(n_trials: int, n_steps: int, seed: int = 0) -> Curves:
    rng = np.random.default_rng(seed)
    curves = Curves(CUBE.n_dimensions)
    rows = CUBE.snap(rng.random((n_trials, CUBE.n_dimensions)))
    for step in range(n_steps):
        for trial_id in range(n_trials):
            curves.report(trial_id, rows[trial_id], step, float(rng.random()) + 1 / (step + 1))
    return curves


def test_notes_are_few_and_what_is_known_after_some_does_not_change() -> None:
    short, long = some_curves(6, 10), some_curves(6, 200)
    assert long.n < 6 * 25
    before, after = short.known(short.n), long.known(short.n)
    assert (before.losses == after.losses).all()
    assert (before.course.steps == after.course.steps).all()
    assert before.course.end == after.course.end


def test_no_more_than_some_hundred_values_are_learned_from_and_the_latest_of_each_trial_is_among_them() -> None:
    curves = some_curves(100, 60)
    known = curves.known(curves.n)
    assert len(known.losses) == 300
    assert set(known.course.owners[known.latest]) == set(range(100))
    assert known.course.steps[known.latest].min() > 40
    many = some_curves(700, 3)
    assert len(many.known(many.n).losses) == 300


def test_steps_that_were_reported_before_do_not_count_again() -> None:
    curves = some_curves(2, 5)
    n = curves.n
    curves.report(0, np.zeros(CUBE.n_dimensions), 3, 0.0)
    assert curves.n == n


def test_steps_may_be_iterations_by_the_thousand() -> None:
    curves = Curves(1)
    for step in range(1000, 20_001, 1000):
        curves.report(0, np.array([0.5]), step, 1.0)
    assert curves.known(curves.n).course.end > 10
    assert curves.known(curves.n).course.steps[0] == 1.0


def test_a_finished_trial_is_at_the_end_however_many_steps_it_had() -> None:
    curves = some_curves(3, 10)
    curves.end(0, np.zeros(CUBE.n_dimensions), 0.5)
    curves.report(1, np.zeros(CUBE.n_dimensions), 30, 0.4)
    known = curves.known(curves.n)
    assert known.course.end == 10.0
    assert known.course.steps.max() == 10.0


def test_trials_that_did_not_report_do_not_say_how_long_a_training_is() -> None:
    curves = some_curves(3, 10)
    curves.end(-1, np.zeros(CUBE.n_dimensions), 0.5)  # of a former study
    known = curves.known(curves.n)
    assert known.course.end == 20.0
    assert known.course.steps.max() == known.course.end


def test_a_trial_that_left_is_not_further_on_than_what_is_known_of_its_loss() -> None:
    curves = Curves(1)
    for step in range(1, 12):
        curves.report(0, np.array([0.5]), step, 1.0 / step)
    curves.leave(0)
    known = curves.known(curves.n)
    assert known.losses[known.latest].tolist() == [1.0 / known.course.steps[known.latest[0]]]


def test_as_long_as_no_training_has_ended_it_is_taken_to_be_twice_as_long() -> None:
    curves = some_curves(3, 10)
    assert curves.known(curves.n).course.end == 20.0


# -- what is forecast ----------------------------------------------------------------------------------------------


def end_of(row: Array) -> float:
    return float((row[0] - 0.3) ** 2)


def slow_and_fast(row: Array, step: int) -> float:
    """Trials with a large y start slowly; where they end depends on x alone."""
    return end_of(row) + (0.1 + 2.0 * row[1]) * (step**-0.7 - N_EPOCHS**-0.7)


def belief_after(n_finished: int, n_steps: int, seed: int = 0) -> tuple[CurveBelief, Array]:
    """Of some finished trials, and as many that have come to some step."""
    rows = CUBE.snap(np.random.default_rng(seed).random((2 * n_finished, CUBE.n_dimensions)))
    curves = Curves(CUBE.n_dimensions)
    for trial_id, row in enumerate(rows):
        n = N_EPOCHS if trial_id < n_finished else n_steps
        for step in range(1, n + 1):
            curves.report(trial_id, row, step, slow_and_fast(row, step))
        if trial_id < n_finished:
            curves.end(trial_id, row, slow_and_fast(row, N_EPOCHS))
    return CurveBelief(FEATURES, curves), rows


def test_the_end_of_a_slow_starter_is_forecast_from_its_params() -> None:
    belief, rows = belief_after(9, n_steps=3)
    forecasts = belief.forecast()
    for trial_id in range(9, 18):
        row = rows[trial_id]
        missing = slow_and_fast(row, 3) - end_of(row)
        assert abs(forecasts[trial_id].loss - end_of(row)) < max(0.4 * missing, 0.05)


def test_forecasts_become_sure_as_training_goes_on() -> None:
    early, _ = belief_after(8, n_steps=2)
    late, _ = belief_after(8, n_steps=27)
    before = [early.forecast()[i].deviation for i in range(8, 16)]
    after = [late.forecast()[i].deviation for i in range(8, 16)]
    assert np.mean(after) < np.mean(before)


def test_a_trial_that_left_is_known_by_how_far_it_came() -> None:
    curves = some_curves(4, 5)
    n = curves.n
    curves.leave(2)
    curves.leave(99)  # nobody has heard of it
    assert curves.n == n + 1


def test_all_running_trials_are_learned_from_though_most_others_are_left_out() -> None:
    curves = some_curves(600, 2)
    for trial_id in range(500):
        curves.leave(trial_id)
    known = curves.known(curves.n)
    assert len(known.losses) == 300
    assert set(range(500, 600)) <= set(known.course.owners.tolist())


def test_how_long_a_training_is_may_be_known_from_the_start() -> None:
    curves = Curves(1, max_steps=80)
    curves.report(0, np.array([0.5]), 20, 1.0)
    assert curves.known(1).course.end == 4.0  # times the 20 steps of the first report


def test_what_was_asked_in_between_changes_no_forecast() -> None:
    curves = some_curves(8, 4)
    asked = CurveBelief(FEATURES, curves)
    for step in range(4, 30):
        for trial_id in range(8):
            curves.report(trial_id, np.zeros(CUBE.n_dimensions), step, math.sin(trial_id) + 1 / step)
        asked.forecast()
    fresh = CurveBelief(FEATURES, curves)
    assert fresh.forecast() == asked.forecast()
