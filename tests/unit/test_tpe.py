import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyhands.errors import SettingsError
from manyhands.parameters import Choice, Float, Int
from manyhands.ports import Outcome, Problem, Sampler
from manyhands.samplers.cube import Cube
from manyhands.samplers.random import RandomSampler
from manyhands.samplers.tpe.bandwidth import neighbour_widths, spread_widths, stray_shares
from manyhands.samplers.tpe.density import Features, Mixture
from manyhands.samplers.tpe.sampler import TPESampler, rank_weights
from manyhands.samplers.tpe.split import crowding, pareto_order
from manyhands.space import Point, Space
from manyhands.testing.samplers import SamplerContract
from manyhands.trial import Trial, TrialState

NAN = math.nan
UNIT = st.floats(0, 1)


class TestTPESampler(SamplerContract):
    def make(self) -> Sampler:
        return TPESampler()


class TestTPESamplerForLonger(SamplerContract):
    n = 60

    def make(self) -> Sampler:
        return TPESampler(n_startup=4)


# -- the search --------------------------------------------------------------------------------------------------------


def search(
    sampler: Sampler,
    space: Space,
    judge: Callable[[Mapping[str, float]], Outcome | None],
    *,
    n: int,
    seed: int = 0,
    n_objectives: int = 1,
) -> list[Point]:
    sampler.start(Problem(space, seed, n_objectives))
    points = []
    for trial_id in range(n):
        point = sampler.suggest(trial_id, {})
        if point is None:
            break
        points.append(point)
        tell(sampler, trial_id, point, judge(point))
    return points


def tell(sampler: Sampler, trial_id: int, point: Point, outcome: Outcome | None) -> None:
    state = TrialState.FAILED if outcome is None else TrialState.FINISHED
    sampler.observe(Trial(trial_id, point, None, state=state, order=trial_id), outcome)


def bowl(point: Mapping[str, float]) -> Outcome:
    return Outcome((sum((x - 0.3) ** 2 for x in point.values()),))


SQUARE = Space({"x": Float(0, 1), "y": Float(0, 1)})
TREE = Space({"kind": Choice([{"kind": "few", "n": Int(1, 6)}, {"kind": "many", "x": Float(0, 1), "k": Int(1, 30)}])})


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_the_bottom_of_a_bowl_closer_than_chance(seed: int) -> None:
    space = Space({f"x{i}": Float(0, 1) for i in range(4)})

    def best(sampler: Sampler) -> float:
        return min(bowl(point).loss for point in search(sampler, space, bowl, n=80, seed=seed))

    assert best(TPESampler()) < 0.25 * best(RandomSampler())


def test_it_turns_to_the_best_branch_of_a_tree() -> None:
    def judge(point: Mapping[str, float]) -> Outcome:
        return Outcome(((point["kind.many.x"] - 0.8) ** 2 if point["kind"] == 1 else 1.0,))

    points = search(TPESampler(), TREE, judge, n=60)

    assert sum(point["kind"] == 1 for point in points[30:]) > 20
    assert min(judge(point).loss for point in points) < 1e-3


def test_a_finite_branch_of_an_infinite_tree_is_not_searched_twice() -> None:
    """That branch is the best, so that there is every reason to come back to it."""
    points = search(TPESampler(), TREE, lambda point: Outcome((float(point["kind"]),)), n=50)

    few = [point["kind.few.n"] for point in points if point["kind"] == 0]
    assert sorted(few) == [1, 2, 3, 4, 5, 6]


def test_where_trials_fail_it_does_not_go() -> None:
    def judge(point: Mapping[str, float]) -> Outcome | None:
        return Outcome(((point["x"] - 0.8) ** 2 + point["y"],)) if point["x"] > 0.5 else None

    points = search(TPESampler(), SQUARE, judge, n=60)

    assert sum(point["x"] <= 0.5 for point in points[20:]) < 4


def test_where_all_trials_fail_it_keeps_looking_elsewhere() -> None:
    points = search(TPESampler(), SQUARE, lambda _: None, n=60)

    cells = {(int(point["x"] * 5), int(point["y"] * 5)) for point in points}
    assert len(cells) >= 21


def test_many_suggestions_at_once_differ() -> None:
    sampler = TPESampler()
    search(sampler, SQUARE, bowl, n=40)
    running: dict[int, Point] = {}
    for trial_id in range(40, 104):
        point = sampler.suggest(trial_id, running)
        assert point is not None
        running[trial_id] = point

    rows = np.array([[point["x"], point["y"]] for point in running.values()])
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2) + np.eye(len(rows))
    assert distances.min(axis=1).mean() > 0.02
    assert distances[:32, :32].max() < 1.5


def test_constraints_are_kept() -> None:
    """An eighth of the square is feasible, and its best point is its corner (0.75, 0.75), with a loss of 0.405."""

    def judge(point: Mapping[str, float]) -> Outcome:
        return Outcome(bowl(point).losses, (1.5 - point["x"] - point["y"],))

    points = search(TPESampler(), SQUARE, judge, n=80)

    outcomes = [judge(point) for point in points]
    assert sum(outcome.is_feasible for outcome in outcomes[40:]) > 12
    assert min(outcome.loss for outcome in outcomes if outcome.is_feasible) < 0.45


def test_the_front_of_two_objectives_is_found_along_its_length() -> None:
    """The Pareto set is y = 0.5, from x = 0.2 to 0.8."""

    def judge(point: Mapping[str, float]) -> Outcome:
        x, y = point["x"], (point["y"] - 0.5) ** 2
        return Outcome(((x - 0.2) ** 2 + y, (x - 0.8) ** 2 + y))

    points = search(TPESampler(), SQUARE, judge, n=100, n_objectives=2)

    near = [point["x"] for point in points if abs(point["y"] - 0.5) < 0.05]
    assert np.histogram(near, bins=3, range=(0.2, 0.8))[0].min() >= 3


@pytest.mark.parametrize("n", [30, 300])
def test_a_resumed_search_with_objectives_constraints_and_failures_goes_on_the_same(n: int) -> None:
    def judge(point: Mapping[str, float]) -> Outcome | None:
        x, y = point["x"], point["y"]
        return None if x * y > 0.7 else Outcome((x + y, 1 - x * y), (0.1 - x, y - 0.9))

    first, second = TPESampler(), TPESampler()
    points = search(first, SQUARE, judge, n=n, n_objectives=2)
    second.start(Problem(SQUARE, 0, 2))
    for trial_id, point in enumerate(points):
        tell(second, trial_id, point, judge(point))

    running = {n: SQUARE.decode([0.5, 0.5])}
    assert first.suggest(n + 1, running) == second.suggest(n + 1, running)


def test_trials_of_a_former_study_teach_but_may_be_repeated() -> None:
    space = Space({"n": Int(1, 40)})
    sampler = TPESampler()
    sampler.start(Problem(space, 0))
    for n in range(1, 41):
        tell(sampler, -n, {"n": n}, Outcome((abs(n - 7.0),)))

    suggested = [sampler.suggest(i, {}) for i in range(40)]

    assert sorted(point["n"] for point in suggested if point) == list(range(1, 41))
    assert {point["n"] for point in suggested[:3] if point} <= set(range(1, 14))


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "many"])
def test_a_number_that_makes_no_sense_is_refused(wrong: object) -> None:
    with pytest.raises(SettingsError, match="n_startup"):
        TPESampler(n_startup=wrong)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="n_candidates"):
        TPESampler(n_candidates=wrong)  # type: ignore[arg-type]


# -- densities ---------------------------------------------------------------------------------------------------------


def mixture(space: Space, centres: list[list[float]], weights: list[float] | None = None) -> tuple[Mixture, Features]:
    cube = Cube(space)
    features = Features(cube)
    rows = cube.snap(np.array(centres).reshape(-1, cube.n_dimensions))
    of_each = np.ones(len(rows)) if weights is None else np.array(weights)
    return Mixture(features, rows, of_each, spread_widths(rows, 0.4), stray_shares(rows, cube)), features


KINDS = [
    Float(0, 1),
    Int(1, 5),
    Int(1, 500),
    Choice(["a", "b", "c"], weights=[1, 2, 5]),
    Choice(["a", "b", "c"], ordered=True),
]


@pytest.mark.parametrize("parameter", KINDS, ids=repr)
@given(centres=st.lists(st.tuples(UNIT), max_size=12))
@settings(max_examples=30, deadline=None)
def test_a_density_has_mass_one(parameter: Float | Int | Choice, centres: list[tuple[float]]) -> None:
    space = Space({"x": parameter})
    density, features = mixture(space, [list(c) for c in centres])
    grid = np.linspace(0.0005, 0.9995, 1000)[:, None]

    mass = np.exp(density.log_density(features.of(features.cube.snap(grid)))).mean()

    assert mass == pytest.approx(1, abs=0.02)


def test_draws_follow_the_density() -> None:
    """Over the cells of a tree, with a component in each of its branches and one that lacks what the other has."""
    density, features = mixture(TREE, [[0.2, 0.9, NAN, NAN], [0.8, NAN, 0.1, 0.4], [0.8, NAN, 0.2, 0.9]], [1, 2, 3])
    cube = features.cube

    drawn = cube.snap(density.sample(100_000, np.random.default_rng(0)))
    uniform = cube.snap(np.random.default_rng(1).random((100_000, cube.n_dimensions)))
    weights = np.exp(density.log_density(features.of(uniform)))

    cells = [(0, 1, 6), (2, 0, 4), (3, 0, 4)]  # dimension, kind, number of cells
    for dimension, kind, n_cells in cells:
        edges = np.linspace(0, 1, n_cells + 1)
        of_drawn = np.histogram(drawn[:, dimension][~np.isnan(drawn[:, dimension])], edges)[0] / len(drawn)
        is_on = ~np.isnan(uniform[:, dimension])
        expected = np.histogram(uniform[is_on, dimension], edges, weights=weights[is_on])[0] / len(uniform)
        assert of_drawn == pytest.approx(expected, abs=0.01), (dimension, kind)


def test_a_density_of_nothing_is_the_prior() -> None:
    density, features = mixture(TREE, [])
    rows = density.sample(50, np.random.default_rng(0))

    assert ((rows >= 0) & (rows < 1)).all()
    assert density.log_density(features.of(features.cube.snap(rows))) == pytest.approx(0)


def test_a_component_says_nothing_of_parameters_it_lacks() -> None:
    density, features = mixture(TREE, [[0.2, 0.9, NAN, NAN]])
    rows = np.array([[0.75, NAN, x, k] for x in (0.1, 0.9) for k in (0.2, 0.8)])

    logs = density.log_density(features.of(features.cube.snap(rows)))

    assert logs == pytest.approx(logs[0])


def test_many_options_and_narrow_kernels_keep_their_numbers() -> None:
    space = Space({"c": Choice(list(range(500))), "x": Float(0, 1), "n": Int(1, 10**6, log=True)})
    rng = np.random.default_rng(0)
    centres = np.column_stack([rng.random(200), rng.normal(0.5, 1e-4, 200), rng.normal(0.5, 1e-4, 200)])
    density, features = mixture(space, centres.tolist())

    logs = density.log_density(features.of(features.cube.snap(np.array([[0.0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5]]))))

    assert np.isfinite(logs).all()
    assert logs[2] > logs[0]


# -- widths and weights ------------------------------------------------------------------------------------------------


def test_a_kernel_reaches_to_its_farther_neighbour() -> None:
    widths = neighbour_widths(np.array([[0.1, NAN], [0.9, 0.5], [0.4, NAN], [0.5, NAN]]))

    assert widths[:, 0] == pytest.approx([0.3, 0.4, 0.3, 0.4])
    assert widths[1, 1] == 1  # no neighbour at all


@given(st.lists(st.tuples(UNIT, st.one_of(UNIT, st.just(NAN))), max_size=150))
@settings(deadline=None)
def test_widths_lie_between_what_the_count_allows_and_the_range(rows: list[tuple[float, float]]) -> None:
    centres = np.array(rows).reshape(-1, 2)
    for widths in (neighbour_widths(centres), spread_widths(centres, 0.4)):
        assert widths.shape == centres.shape
        assert ((widths >= 1 / min(100, len(rows) + 2)) & (widths <= 1)).all()


def test_kernels_are_narrower_where_configurations_agree() -> None:
    rng = np.random.default_rng(0)
    widths = spread_widths(np.column_stack([rng.normal(0.5, 0.02, 30), rng.random(30)]), 0.4)

    assert (widths[:, 0] < 0.5 * widths[:, 1]).all()


@pytest.mark.parametrize("n", [0, 1, 2, 25])
def test_weights_fall_with_the_rank_and_have_mean_one(n: int) -> None:
    weights = rank_weights(n)

    assert len(weights) == n
    assert (np.diff(weights) < 0).all()
    assert n == 0 or weights.mean() == pytest.approx(1)


# -- good and others ---------------------------------------------------------------------------------------------------

LOSSES = st.tuples(*[st.integers(0, 5).map(float)] * 2, st.sampled_from([0.0, 0.0, 1.0, 2.0]))


def dominates(a: tuple[float, float, float], b: tuple[float, float, float]) -> bool:
    if a[2] != b[2]:
        return a[2] < b[2]
    return a[0] <= b[0] and a[1] <= b[1] and a[:2] != b[:2]


@given(st.lists(LOSSES, max_size=20), st.integers(0, 25))
def test_none_comes_before_one_that_dominates_it(rows: list[tuple[float, float, float]], n: int) -> None:
    table = np.array(rows).reshape(-1, 3)

    order = pareto_order(table[:, :2], table[:, 2], n)

    assert sorted(order) == list(range(len(rows)))
    for place, i in enumerate(order[:n]):
        assert not any(dominates(rows[j], rows[i]) for j in order[place + 1 :])


def test_ends_and_empty_stretches_of_a_front_have_the_most_room() -> None:
    room = crowding(np.array([[0.0, 4.0], [1.0, 3.5], [1.5, 3.0], [4.0, 0.0]]))

    assert room == pytest.approx([np.inf, 1.5 / 4 + 1 / 4, 3 / 4 + 3.5 / 4, np.inf])
