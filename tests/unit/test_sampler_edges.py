"""Spaces and outcomes at the edge of what is allowed: a search has to go on, without a warning, and to be right."""

import math
import sys
import time
from collections.abc import Callable
from itertools import cycle
from threading import Barrier, BrokenBarrierError, Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from threadpoolctl import ThreadpoolController

import manyhands as mh
from manyhands.objectives import total_violation
from manyhands.ports import Outcome, Problem
from manyhands.samplers import make_sampler
from manyhands.samplers.tpe.split import crowding, pareto_order
from manyhands.space import Point, Space
from manyhands.splits import combine
from manyhands.trial import Result, Trial, TrialState

HUGE = 1e308
FINITE = st.floats(allow_nan=False, allow_infinity=False)

TREE = {
    "model": mh.Choice(
        [
            {"kind": "a", "inner": mh.Choice([{"deep": "u", "z": mh.Float(0, 1)}, {"deep": "v", "n": mh.Int(1, 9)}])},
            {"kind": "b", "rate": mh.Float(1e-9, 1, log=True)},
        ]
    )
}
SPACES = {
    "one number": mh.Float(0, 1),
    "one option": {"c": mh.Choice(["a"]), "x": mh.Float(0, 1)},
    "one whole number": {"i": mh.Int(3, 3), "x": mh.Float(0, 1)},
    "many options": {"c": mh.Choice(list(range(2000))), "x": mh.Float(0, 1)},
    "normal": {"n": mh.Normal(0, 300, log=True), "s": mh.Normal(0, 1, log=True, step=0.5)},
    "uneven weights": {"c": mh.Choice(["a", "b", "c"], weights=[1, 1e9, 1]), "x": mh.Float(0, 1)},
    "wide whole numbers": {"i": mh.Int(0, 10**15), "j": mh.Int(1, 10**12, log=True)},
    "finite": {"i": mh.Int(0, 3), "j": mh.Choice([1, 2, 3], ordered=True)},
    "tree": TREE,
}


def run(study: mh.Study, outcomes: Any, n: int) -> list[mh.Trial]:
    """Ask and tell ``n`` trials; None fails."""
    for _, told in zip(range(n), outcomes, strict=False):
        trial = study.ask()
        if told is None:
            study.tell(trial, failed="as told")
        else:
            study.tell(trial, told)
    return study.trials


# -- spaces and outcomes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["auto", "tpe", "random"])
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_any_space_is_searched(sampler: str, space: object) -> None:
    n = min(16, Space(space).size or 16)
    outcomes = (i * 7 % 5 / 5 for i in range(n))
    trials = run(mh.Study(space, sampler=sampler, max_trials=n), outcomes, n)
    assert [trial.state for trial in trials] == [TrialState.FINISHED] * n


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize(
    "told",
    [
        [HUGE, -HUGE, 0.0, 1e200],
        [5e-324, 0.0],
        [1.0],
        [None, 0.5],
        [{"value": 1.0, "constraints": [HUGE, HUGE]}, {"value": 0.5, "constraints": [-HUGE, 1.0]}],
    ],
    ids=["huge", "tiny", "equal", "every other fails", "far from feasible"],
)
def test_any_outcome_is_learnt_from(sampler: str, told: list[Any]) -> None:
    study = mh.Study(TREE, sampler=sampler)
    assert len(run(study, cycle(told), 24)) == 24
    assert "24" in repr(study)
    assert "finished" in study.summary()


@pytest.mark.parametrize("told", [[[HUGE, 0.0], [-HUGE, 1.0]], [[1.0, 0.0], [1.0, 2.0]]], ids=["huge", "one constant"])
def test_several_objectives_of_any_size_are_learnt_from(told: list[list[float]]) -> None:
    study = mh.Study(TREE, sampler="tpe", direction=["minimize", "minimize"])
    assert len(run(study, cycle(told), 24)) == 24


def test_an_option_of_nearly_no_weight_may_be_given_to_start_with() -> None:
    space = {"c": mh.Choice(["a", "b", "c"], weights=[1, 1, 1e-20]), "x": mh.Float(0, 1)}
    study = mh.Study(space, sampler="tpe", start_with=[{"c": "c", "x": 0.2}])
    trials = run(study, cycle([0.1, 0.5, 0.7]), 20)
    assert trials[0].params == {"c": "c", "x": 0.2}


def test_weights_have_to_have_a_sum() -> None:
    with pytest.raises(mh.SpaceError, match="add up to more than"):
        mh.Choice(["a", "b"], weights=[HUGE, HUGE])


# -- numbers whose sums and squares are no numbers ------------------------------------------------------------------


@given(st.lists(FINITE, min_size=1, max_size=5))
@example([HUGE, HUGE, HUGE])
@example([sys.float_info.max] * 7)
@example([1e200, 0.0, 0.0])
@example([-1.7e308, 1.7e308, 1.7e308])
def test_splits_have_a_mean_whatever_their_values(values: list[float]) -> None:
    result, found = combine([Result(value, metrics={"m": value}, constraints=(value,)) for value in values])
    assert found == tuple(values)
    assert result.value is not None
    assert math.nextafter(min(values), -math.inf) <= result.value <= math.nextafter(max(values), math.inf)
    assert result.constraints == (result.value,)
    assert result.metrics == {"m": result.value}
    assert result.variance is None or 0 <= result.variance < math.inf


def test_a_variance_that_is_no_number_is_unknown() -> None:
    assert combine([Result(1e200), Result(0.0)])[0].variance is None
    assert combine([Result(1.0), Result(3.0)])[0].variance == 2.0


def test_a_search_goes_on_when_splits_lie_far_apart() -> None:
    def diverges_in_one_split(params: Any, trial: mh.TrialHandle) -> float:
        return 1e200 if trial.split == 1 and params > 0.5 else params

    study = mh.tune(
        diverges_in_one_split,
        mh.Float(0, 1),
        splits=3,
        max_trials=12,
        sampler="random",
        executor="inline",
        progress=False,
    )
    assert len(study.trials) == 12
    assert study.best_value < 0.5


@given(st.lists(FINITE))
@example([HUGE, HUGE])
def test_a_total_violation_never_raises(constraints: list[float]) -> None:
    total = total_violation(constraints)
    assert total >= max([c for c in constraints if c > 0], default=0.0)
    assert (total == 0) == all(c <= 0 for c in constraints)


@pytest.mark.parametrize("factor", [2.0**1023, 2.0**-1000], ids=["huge", "tiny"])
def test_importance_does_not_depend_on_the_unit(factor: float) -> None:
    space = Space({"x": mh.Float(0, 1), "y": mh.Float(0, 1)})
    rng = np.random.default_rng(0)
    points = rng.random((30, 2)).round(6).tolist()
    assert shares_of(space, points, factor) == shares_of(space, points, 1.0)


def shares_of(space: Space, points: list[list[float]], factor: float) -> dict[str, float]:
    study = mh.Study(space, sampler="random", start_with=[{"x": x, "y": y} for x, y in points])
    run(study, ((x - 0.5) * factor for x, _ in points), len(points))
    return study.importance()


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=8))
@example([(-1.7e308, 1.0), (0.0, 0.0), (1.7e308, -1.0)])
def test_crowding_of_any_losses_is_no_nan(losses: list[tuple[float, float]]) -> None:
    room = crowding(np.array(losses))
    assert (room >= 0).all()
    order = pareto_order(np.array(losses), np.zeros(len(losses)), len(losses))
    assert sorted(order) == list(range(len(losses)))


# -- the same again ---------------------------------------------------------------------------------------------------


def plain(i: int) -> Outcome | None:
    return Outcome((i * 7 % 11 / 11,))


def with_failures(i: int) -> Outcome | None:
    return None if i % 5 == 4 else plain(i)


def with_constraints(i: int) -> Outcome | None:
    return Outcome((i * 7 % 11 / 11,), () if i % 6 == 5 else (i * 3 % 7 / 7 - 0.5,))


@pytest.mark.parametrize("sampler", ["auto", "gp", "tpe"])
@pytest.mark.parametrize("space", [SPACES["tree"], SPACES["finite"], SPACES["wide whole numbers"]])
@pytest.mark.parametrize("told", [plain, with_failures, with_constraints])
def test_a_sampler_told_everything_at_once_suggests_the_same(
    sampler: str, space: object, told: Callable[[int], Outcome | None]
) -> None:
    """At any point of a search with four workers; the order of the dict of running trials does not matter."""
    problem = Problem(Space(space), seed=3)
    first = make_sampler(sampler)
    first.start(problem)
    known: list[tuple[Trial, Outcome | None]] = []
    running: dict[int, Point] = {}
    for trial_id in range(24):
        point = first.suggest(trial_id, running)
        if trial_id % 5 == 3:
            again = make_sampler(sampler)
            again.start(problem)
            for trial, outcome in known:
                again.observe(trial, outcome)
            assert again.suggest(trial_id, dict(reversed(running.items()))) == point
        if point is None:
            break
        running[trial_id] = point
        if len(running) == 4:
            done = sorted(running)[trial_id % 4]
            outcome = told(done)
            state = TrialState.FAILED if outcome is None else TrialState.FINISHED
            known.append((Trial(done, running.pop(done), None, state, started_at=0.0, ended_at=1.0), outcome))
            first.observe(*known[-1])


def test_two_studies_in_two_threads_leave_the_threads_of_blas_as_they_were() -> None:
    """They take turns at it: whoever sets a limit beside another would later restore the other's for good."""
    both = Barrier(2)
    met = []

    class Watched(mh.GPSampler):
        def _promising(self, running: Any, pending: Any, rng: np.random.Generator) -> Any:
            try:
                both.wait(1.0)
                met.append(True)
            except BrokenBarrierError:
                pass
            return super()._promising(running, pending, rng)

    def search(seed: int) -> None:
        study = mh.Study({"x": mh.Float(0, 1), "y": mh.Float(0, 1)}, sampler=Watched(), seed=seed)
        for _ in range(25):
            trial = study.ask()
            study.tell(trial, trial.params["x"])

    controller = ThreadpoolController()
    with controller.limit(limits=2, user_api="blas"):
        before = [pool["num_threads"] for pool in controller.info()]
        threads = [Thread(target=search, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert not met
        assert [pool["num_threads"] for pool in controller.info()] == before


def test_a_choice_of_very_many_options_is_searched_quickly() -> None:
    study = mh.Study({"word": mh.Choice(list(range(3000))), "x": mh.Float(0, 1)}, sampler="gp", seed=1)
    began = time.perf_counter()
    for _ in range(20):
        trial = study.ask()
        study.tell(trial, trial.params["x"])

    assert time.perf_counter() - began < 20
    assert study.best_value < 0.1


def test_a_search_may_begin_with_failures_only() -> None:
    for name in ("gp", "tpe", "auto"):
        study = mh.Study({"x": mh.Float(0, 1), "n": mh.Int(1, 9)}, sampler=name)
        for i in range(16):
            trial = study.ask()
            if i < 6:
                study.tell(trial, failed="it is not warm yet")
            else:
                study.tell(trial, trial.params["x"])
        assert len(study.trials) == 16
