import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from manyhands.errors import SettingsError
from manyhands.parameters import Choice, Float, Int, Normal
from manyhands.ports import Outcome, Problem, Sampler
from manyhands.samplers.gp.sampler import GPSampler
from manyhands.samplers.random import RandomSampler
from manyhands.space import Point, Space
from manyhands.trial import Trial, TrialState

Judge = Callable[[Mapping[str, float]], Outcome | None]

SQUARE = Space({"x": Float(0, 1), "y": Float(0, 1)})
TREE = Space(
    {
        "kind": Choice(
            [{"kind": "a", "x": Float(0, 1)}, {"kind": "b", "y": Float(0, 1), "n": Int(1, 9)}, {"kind": "c"}]
        ),
        "z": Normal(0, 1),
    }
)


def tell(
    sampler: Sampler, trial_id: int, point: Point, outcome: Outcome | None, splits: tuple[float, ...] = ()
) -> None:
    state = TrialState.FAILED if outcome is None else TrialState.FINISHED
    sampler.observe(Trial(trial_id, point, None, state=state, order=trial_id, split_values=splits), outcome)


def search(
    sampler: Sampler, space: Space, judge: Judge, *, n: int, seed: int = 0, n_objectives: int = 1, first: int = 0
) -> list[Point]:
    if first == 0:
        sampler.start(Problem(space, seed, n_objectives))
    points = []
    for trial_id in range(first, n):
        point = sampler.suggest(trial_id, {})
        if point is None:
            break
        points.append(point)
        tell(sampler, trial_id, point, judge(point))
    return points


def bowl(point: Mapping[str, float]) -> Outcome:
    return Outcome((sum((x - 0.3) ** 2 for x in point.values()),))


# -- it learns -----------------------------------------------------------------------------------------------------


def test_it_finds_the_bottom_of_a_basin_far_closer_than_chance() -> None:
    """Bent, and with its parameters on different scales."""
    space = Space({"x": Float(-2, 2), "n": Int(1, 200), "rate": Float(1e-5, 1, log=True)})

    def judge(point: Mapping[str, float]) -> Outcome:
        x, n, rate = point["x"], point["n"] / 100, math.log10(point["rate"])
        return Outcome(((x + 0.5 * rate) ** 2 + (rate + 2) ** 2 + (n - x * x) ** 2,))

    def log_best(sampler: Sampler, seed: int) -> float:
        return math.log(min(judge(point).loss for point in search(sampler, space, judge, n=40, seed=seed)))

    ratios = [log_best(GPSampler(), seed) - log_best(RandomSampler(), seed) for seed in range(6)]
    assert np.mean(ratios) < math.log(0.3)


def test_it_tries_every_branch_and_turns_to_the_best() -> None:
    def judge(point: Mapping[str, float]) -> Outcome:
        inner = (point["kind.b.y"] - 0.7) ** 2 + 0.01 * point["kind.b.n"] if point["kind"] == 1 else 1.0
        return Outcome((inner + 0.1 * point["z"] ** 2,))

    points = search(GPSampler(), TREE, judge, n=40)

    assert {point["kind"] for point in points} == {0, 1, 2}
    assert sum(point["kind"] == 1 for point in points[20:]) > 12
    assert min(judge(point).loss for point in points) < 0.05


def test_no_point_of_a_continuous_space_comes_twice() -> None:
    """Though the best one is a corner, where every climb ends."""
    points = search(GPSampler(), SQUARE, lambda point: Outcome((point["x"] + point["y"],)), n=40)

    assert len({tuple(point.values()) for point in points}) == 40


@pytest.mark.parametrize("seed", range(2))
def test_where_trials_fail_it_does_not_go(seed: int) -> None:
    """Even when there is next to nothing to be gained elsewhere any more."""

    def judge(point: Mapping[str, float]) -> Outcome | None:
        return Outcome(((point["x"] - 0.6) ** 2 + point["y"],)) if point["x"] > 0.5 else None

    points = search(GPSampler(), SQUARE, judge, n=50, seed=seed)

    assert sum(point["x"] <= 0.5 for point in points[30:]) <= 6  # of 20, and half of the space


def test_the_first_trials_may_all_fail() -> None:
    def judge(point: Mapping[str, float]) -> Outcome | None:
        return bowl(point) if point["x"] > 0.9 else None

    sampler = GPSampler()
    sampler.start(Problem(SQUARE))
    for i in range(6):
        tell(sampler, i, {"x": 0.1 * i, "y": 0.15 * i}, None)
    points = search(sampler, SQUARE, judge, n=40, first=6)

    assert sum(point["x"] > 0.85 for point in points[15:]) > 10  # of 19; where trials succeed, or all but


# -- constraints ---------------------------------------------------------------------------------------------------


def test_the_best_feasible_point_is_found() -> None:
    """An eighth of the square is feasible, and its best point is its corner (0.75, 0.75), with a loss of 0.405."""

    def judge(point: Mapping[str, float]) -> Outcome:
        return Outcome(bowl(point).losses, (1.5 - point["x"] - point["y"],))

    points = search(GPSampler(), SQUARE, judge, n=40)

    outcomes = [judge(point) for point in points]
    assert min(outcome.loss for outcome in outcomes if outcome.is_feasible) < 0.42
    assert sum(outcome.violations[0] > 0.3 for outcome in outcomes[20:]) <= 2  # more than half of the square


def test_out_of_a_region_in_which_all_is_infeasible_it_finds_the_way() -> None:
    """A hundredth of the square is feasible."""

    def judge(point: Mapping[str, float]) -> Outcome:
        return Outcome((point["x"],), (0.9 - point["x"], 0.9 - point["y"]))

    sampler = GPSampler()
    sampler.start(Problem(SQUARE))
    for i in range(10):
        corner = {"x": 0.05 + 0.04 * i, "y": 0.05 * (i % 5)}
        tell(sampler, i, corner, judge(corner))

    points = search(sampler, SQUARE, judge, n=30, first=10)

    assert any(judge(point).is_feasible for point in points)


# -- several objectives --------------------------------------------------------------------------------------------


def volume(losses: list[tuple[float, ...]]) -> float:
    """Of the square between the front and (1, 1)."""
    total, ceiling = 0.0, 1.0
    for a, b in sorted(losses):
        if a < 1 and b < ceiling:
            total += (1 - a) * (ceiling - b)
            ceiling = b
    return total


@pytest.mark.parametrize("seed", range(2))
def test_the_front_of_two_objectives_is_found_along_its_length(seed: int) -> None:
    """(t^2, (1 - t)^2) is as good as it gets, which leaves a sixth of the square to be lost."""
    space = Space({name: Float(0, 1) for name in "tuvw"})

    def judge(point: Mapping[str, float]) -> Outcome:
        t, away = point["t"], sum(abs(point[name] - 0.4) for name in "uvw")
        return Outcome((t * t + away, (1 - t) ** 2 + away))

    def missing(sampler: Sampler) -> float:
        points = search(sampler, space, judge, n=50, seed=seed, n_objectives=2)
        return 5 / 6 - volume([judge(point).losses for point in points])

    assert missing(GPSampler()) < 0.4 * missing(RandomSampler())


# -- many at once --------------------------------------------------------------------------------------------------


def test_many_suggestions_at_once_differ_and_lie_apart() -> None:
    sampler = GPSampler()
    search(sampler, SQUARE, bowl, n=12)
    running: dict[int, Point] = {}
    for trial_id in range(12, 76):
        point = sampler.suggest(trial_id, running)
        assert point is not None
        running[trial_id] = point

    rows = np.array([[point["x"], point["y"]] for point in running.values()])
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2) + np.eye(len(rows))
    assert distances.min() > 1e-6
    assert np.median(distances.min(axis=1)) > 0.005
    assert len({(int(8 * x), int(8 * y)) for x, y in rows}) >= 6


def test_many_at_once_before_anything_is_known_are_spread() -> None:
    sampler = GPSampler()
    sampler.start(Problem(SQUARE))
    running: dict[int, Point] = {}
    for trial_id in range(64):
        running[trial_id] = sampler.suggest(trial_id, running) or {}

    cells = {(int(8 * point["x"]), int(8 * point["y"])) for point in running.values()}
    assert len(cells) > 48  # random points would fill 40


# -- noise ---------------------------------------------------------------------------------------------------------


def test_a_lucky_outlier_is_not_chased() -> None:
    """One loss is much better than its neighbours', and known to be noise."""
    grid = [{"x": x, "y": y} for x in (0.1, 0.3, 0.5, 0.7, 0.9) for y in (0.1, 0.3, 0.5, 0.7, 0.9)]
    lucky = {"x": 0.9, "y": 0.9}

    def nearby(variance: float) -> int:
        sampler = GPSampler()
        sampler.start(Problem(SQUARE))
        for i, point in enumerate(grid):
            loss, noise = (-0.5, variance) if point == lucky else (bowl(point).loss, 1e-6)
            tell(sampler, i, point, Outcome((loss,), (), noise))

        def quiet(point: Mapping[str, float]) -> Outcome:
            return Outcome(bowl(point).losses, (), 1e-6)

        points = search(sampler, SQUARE, quiet, n=33, first=25)
        return sum(np.hypot(point["x"] - 0.9, point["y"] - 0.9) < 0.25 for point in points)

    assert nearby(variance=4.0) <= 1
    assert nearby(variance=1e-6) >= 3


# -- any outcomes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("losses", [(1e300, -1e300, 0.0), (1e-300, 2e-300, 3e-300), (5.0,), (1e308, 1.0, 2.0)])
def test_losses_of_any_size_are_accepted(losses: tuple[float, ...]) -> None:
    for n_objectives in (1, 2):
        sampler = GPSampler()
        sampler.start(Problem(SQUARE, 0, n_objectives))
        for i in range(12):
            loss = losses[i % len(losses)]
            point = sampler.suggest(i, {})
            assert point is not None
            splits = (loss, -loss / 2, loss / 3) if i % 2 else ()
            tell(sampler, i, point, Outcome((loss,) * n_objectives, (loss,), 0.0 if i % 3 else abs(loss)), splits)


def test_a_parameter_with_a_single_value_is_no_trouble() -> None:
    space = Space({"x": Float(0, 1), "one": Int(3, 3), "same": Choice(["only"])})

    points = search(GPSampler(), space, lambda point: Outcome(((point["x"] - 0.4) ** 2,)), n=15)

    assert all(point["one"] == 3 for point in points)
    assert min(abs(point["x"] - 0.4) for point in points) < 0.01


def test_a_number_that_makes_no_sense_is_refused() -> None:
    for wrong in (0, -1, 1.5, True, "many"):
        with pytest.raises(SettingsError, match="n_startup"):
            GPSampler(n_startup=wrong)  # type: ignore[arg-type]


# -- going on ------------------------------------------------------------------------------------------------------


def eventful(trial_id: int, point: Point) -> tuple[Outcome | None, tuple[float, ...]]:
    """Failures, violations, variances and splits, each now and then."""
    if trial_id % 7 == 3:
        return None, ()
    rng = np.random.default_rng(trial_id)
    loss = sum(x * x for x in point.values()) + 0.1 * rng.normal()
    splits = tuple((loss + 0.1 * rng.normal(size=3)).tolist()) if trial_id % 3 == 0 else ()
    violations = (point["z"] - 1, 0.5 - loss) if trial_id > 8 else ()
    return Outcome((loss,), violations, 0.01 if trial_id % 2 else None), splits


def test_a_resumed_search_goes_on_the_same() -> None:
    first = GPSampler()
    first.start(Problem(TREE, 5))
    history = []
    for trial_id in range(60):
        point = first.suggest(trial_id, {}) if trial_id % 4 else TREE.sample(np.random.default_rng(trial_id))
        assert point is not None
        history.append((trial_id, point, *eventful(trial_id, point)))
        tell(first, *history[-1])

    second = GPSampler()
    second.start(Problem(TREE, 5))
    for event in history:
        tell(second, *event)

    running = {60: TREE.decode([0.1, 0.2, 0.3, 0.4, 0.5])}
    for trial_id in range(61, 64):
        points = [sampler.suggest(trial_id, running) for sampler in (first, second)]
        assert points[0] == points[1]
        running[trial_id] = points[0] or {}


SCRIPT = """
from manyhands.parameters import Choice, Float
from manyhands.ports import Outcome, Problem
from manyhands.samplers import make_sampler
from manyhands.space import Space
from manyhands.trial import Trial

space = Space({"kind": Choice(["a", {"tag": "b", "x": Float(0, 1)}]), "y": Float(0, 1), "z": Float(0, 1)})
sampler = make_sampler("gp")
sampler.start(Problem(space, 3))
running = {}
for i in range(24):
    running[i] = sampler.suggest(i, running)
    if i > 4:
        point = running.pop(i - 4)
        outcome = Outcome((sum(point.values()),), (point["y"] - 0.9,)) if i % 5 else None
        sampler.observe(Trial(i - 4, point, None), outcome)
print(list(running.values()))
"""


def test_another_process_suggests_the_same() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]

    assert said[0] == said[1] != ""


def test_past_the_most_it_learns_from_it_goes_on_and_stays_quick() -> None:
    sampler = GPSampler()
    sampler.start(Problem(SQUARE))
    rng = np.random.default_rng(0)
    for i in range(320):
        tell(sampler, i, point := SQUARE.sample(rng), bowl(point))
    sampler.suggest(320, {})
    begin = time.perf_counter()

    points = [sampler.suggest(i, {}) for i in range(321, 324)]

    assert time.perf_counter() - begin < 3.0
    assert all(bowl(point).loss < 0.02 for point in points if point)
