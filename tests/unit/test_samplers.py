import math
from statistics import NormalDist
from typing import Any

import pytest
from scipy.stats import qmc

from manyhands.errors import SettingsError
from manyhands.parameters import Choice, Float, Int, Normal
from manyhands.ports import Outcome, Problem
from manyhands.samplers import GridSampler, RandomSampler, SobolSampler, make_sampler, name_of_sampler
from manyhands.space import Point, Space
from manyhands.trial import Trial, TrialState


def points(sampler: Any, space: Space, n: int, seed: int = 0) -> list[Point]:
    """What is suggested until there are ``n`` or no more."""
    sampler.start(Problem(space, seed))
    found = []
    for i in range(n):
        point = sampler.suggest(i, {})
        if point is None:
            break
        found.append(point)
    return found


def values(sampler: Any, parameter: Any, n: int = 100) -> list[float]:
    return [point["x"] for point in points(sampler, Space({"x": parameter}), n)]


# -- grid ----------------------------------------------------------------------------------------------------------


def test_a_grid_has_every_combination_once_with_the_last_parameter_fastest() -> None:
    space = Space({"a": Int(0, 1), "b": Choice(["x", "y", "z"])})

    found = [tuple(p.values()) for p in points(GridSampler(), space, 100)]

    assert found == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_a_grid_goes_through_each_option_of_a_tree() -> None:
    space = Space({"m": Choice(["a", {"n": Int(1, 2), "x": Float(0, 1)}])})

    found = points(GridSampler(n=2), space, 100)

    assert len(found) == 1 + 2 * 2
    assert found[0] == {"m": 0}
    assert found[-1] == {"m": 1, "m.1.n": 2, "m.1.x": 1.0}


def test_a_grid_without_steps_asks_for_a_number_and_names_the_parameter() -> None:
    with pytest.raises(SettingsError, match=r"'rate'.*GridSampler\(n=5\)"):
        GridSampler().start(Problem(Space({"rate": Float(0, 1)})))


def test_real_values_are_spread_from_end_to_end() -> None:
    assert values(GridSampler(n=5), Float(0, 1)) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_log_values_are_spread_over_the_exponent() -> None:
    assert values(GridSampler(n=4), Float(1e-3, 1.0, log=True)) == pytest.approx([1e-3, 1e-2, 1e-1, 1.0])


def test_normal_values_are_quantiles() -> None:
    expected = [NormalDist(3, 2).inv_cdf(q) for q in (0.125, 0.375, 0.625, 0.875)]

    assert values(GridSampler(n=4), Normal(3, 2)) == pytest.approx(expected)


def test_one_value_is_the_middle() -> None:
    assert values(GridSampler(n=1), Float(0, 1)) == [0.5]


def test_steps_count_and_not_n() -> None:
    assert values(GridSampler(n=2), Float(0, 1, step=0.25)) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_values_that_come_twice_are_tried_once() -> None:
    """A normal parameter with a step has equal quantiles."""
    assert values(GridSampler(n=5), Normal(0, 0.1, step=1.0)) == [0.0]


def test_n_may_differ_between_parameters() -> None:
    space = Space({"a": Float(0, 1), "b": Float(0, 1)})

    assert len(points(GridSampler(n={"a": 2, "b": 3}), space, 100)) == 6


def test_a_parameter_without_its_n_is_named() -> None:
    with pytest.raises(SettingsError, match="'b'"):
        GridSampler(n={"a": 2}).start(Problem(Space({"a": Float(0, 1), "b": Float(0, 1)})))


def test_an_n_for_a_parameter_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="'rat'"):
        GridSampler(n={"rate": 2, "rat": 3}).start(Problem(Space({"rate": Float(0, 1)})))


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3", {"a": 0}])
def test_an_n_that_is_no_number_of_values_is_refused(n: Any) -> None:
    with pytest.raises(SettingsError, match="whole number from 1"):
        GridSampler(n=n)


def test_a_point_between_those_of_the_grid_takes_none_of_them_away() -> None:
    sampler = GridSampler(n=2)
    sampler.start(Problem(Space({"x": Float(0, 1)})))
    sampler.observe(Trial(0, {"x": 0.3}, {"x": 0.3}, state=TrialState.FINISHED, value=1.0), Outcome((1.0,)))

    assert [sampler.suggest(1, {}), sampler.suggest(2, {}), sampler.suggest(3, {})] == [{"x": 0.0}, {"x": 1.0}, None]


def test_a_point_of_the_grid_that_somebody_tried_is_not_tried_again() -> None:
    sampler = GridSampler(n=2)
    sampler.start(Problem(Space({"x": Float(0, 1)})))

    assert sampler.suggest(1, {0: {"x": 0.0}}) == {"x": 1.0}


# -- running trials ------------------------------------------------------------------------------------------------


class CountingPoints(dict[int, Point]):
    """Counts how often a point is looked at."""

    n_looks = 0

    def __getitem__(self, trial_id: int) -> Point:
        self.n_looks += 1
        return super().__getitem__(trial_id)

    def items(self) -> Any:
        self.n_looks += len(self)
        return super().items()

    def keys(self) -> Any:
        self.n_looks += len(self)
        return super().keys()


@pytest.mark.parametrize("sampler", [GridSampler(), RandomSampler(), SobolSampler()], ids=name_of_sampler)
def test_running_trials_that_were_suggested_here_are_not_looked_at(sampler: Any) -> None:
    sampler.start(Problem(Space({"x": Int(0, 99)})))
    running = CountingPoints()

    for i in range(50):
        running[i] = sampler.suggest(i, running)

    assert running.n_looks == 0
    assert len({point["x"] for point in running.values()}) == 50


@pytest.mark.parametrize("sampler", [GridSampler(), RandomSampler(), SobolSampler()], ids=name_of_sampler)
def test_a_running_trial_from_elsewhere_among_ones_own_is_not_repeated(sampler: Any) -> None:
    sampler.start(Problem(Space({"x": Int(0, 9)})))
    running: dict[int, Point] = {0: sampler.suggest(0, {})}
    free = min({*range(10)} - {running[0]["x"]})
    running[1] = {"x": free}

    for i in range(2, 10):
        running[i] = sampler.suggest(i, running)

    assert {point["x"] for point in running.values()} == {*range(10)}
    assert sampler.suggest(10, running) is None


# -- random --------------------------------------------------------------------------------------------------------


def test_random_points_follow_the_scale_of_their_parameter() -> None:
    found = values(RandomSampler(), Float(1e-4, 1.0, log=True), 2000)

    assert abs(sum(x < 1e-2 for x in found) - 1000) < 100


def test_random_options_follow_their_weights() -> None:
    space = Space({"kind": Choice(["a", "b"], weights=[1, 9]), "x": Float(0, 1)})

    found = points(RandomSampler(), space, 2000)

    assert abs(sum(p["kind"] for p in found) - 1800) < 100


def test_a_trials_point_depends_on_its_number_alone() -> None:
    space = Space({"x": Float(0, 1)})
    sampler = RandomSampler()
    found = points(sampler, space, 600)

    assert [sampler.suggest(i, {}) for i in (599, 0, 300)] == [found[599], found[0], found[300]]


def test_a_large_finite_space_is_not_looked_through_to_find_something_new() -> None:
    space = Space({f"n{i}": Int(0, 10**6) for i in range(10)})

    found = points(RandomSampler(), space, 50)

    assert len({space.index(p) for p in found}) == 50


# -- sobol ---------------------------------------------------------------------------------------------------------


def test_sobol_points_are_more_even_than_random_ones() -> None:
    space = Space({f"x{i}": Float(0, 1) for i in range(4)})

    sobol, random = (
        qmc.discrepancy([list(p.values()) for p in points(sampler, space, 128, seed=1)])
        for sampler in (SobolSampler(), RandomSampler())
    )

    assert sobol < random / 4


def test_a_sobol_point_depends_on_its_number_alone() -> None:
    space = Space({"x": Float(0, 1)})
    sampler = SobolSampler()
    found = points(sampler, space, 600)

    assert [sampler.suggest(i, {}) for i in (599, 0, 300)] == [found[599], found[0], found[300]]


def test_a_sobol_search_may_begin_anywhere() -> None:
    """A study that goes on begins at the trial after its last."""
    space = Space({"x": Float(0, 1)})
    whole = points(SobolSampler(), space, 600)
    later = SobolSampler()
    later.start(Problem(space))

    assert later.suggest(599, {}) == whole[599]


def test_a_sobol_sequence_has_no_more_dimensions_than_are_known() -> None:
    space = Space([Float(0, 1)] * 21202)

    with pytest.raises(SettingsError, match=r"21201.*21202.*'random'"):
        SobolSampler().start(Problem(space))


def test_each_half_of_a_range_gets_half_of_the_sobol_points() -> None:
    found = values(SobolSampler(), Float(0, 1), 64)

    assert sum(x < 0.5 for x in found) == 32
    assert not any(math.isclose(x, 0.5) for x in found)


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), [("random", RandomSampler), ("grid", GridSampler), ("sobol", SobolSampler)])
def test_samplers_have_names(name: str, kind: type) -> None:
    sampler = make_sampler(name)

    assert type(sampler) is kind
    assert name_of_sampler(sampler) == name


def test_a_sampler_object_is_taken_as_it_is() -> None:
    sampler = GridSampler(n=3)

    assert make_sampler(sampler) is sampler


def test_a_sampler_of_ones_own_is_called_by_its_class() -> None:
    class Mine(RandomSampler):
        pass

    assert name_of_sampler(Mine()) == "Mine"


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"'rnadom'.*random, grid, sobol"):
        make_sampler("rnadom")


@pytest.mark.parametrize(("sampler", "words"), [(RandomSampler, r"RandomSampler\(\)"), (7, "7"), (None, "None")])
def test_what_is_no_sampler_is_refused(sampler: Any, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        make_sampler(sampler)
