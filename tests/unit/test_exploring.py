"""Where copies of good trials look: beside their parents, within bounds, and at points of the space."""

from typing import Any

import numpy as np
import pytest

import manyhands as mh
from manyhands.schedulers.bandit import Bandit
from manyhands.schedulers.exploring import Exploring
from manyhands.schedulers.population import Member
from manyhands.space import Space

MOVE = Exploring(resample=0.0)


def explored(parameter: Any, value: float, how: Exploring = MOVE, n: int = 40) -> set[float]:
    space = Space({"x": parameter})
    return {how.explore(space, {"x": value}, np.random.default_rng(i))["x"] for i in range(n)}


@pytest.mark.parametrize(
    ("parameter", "before", "after"),
    [
        (mh.Float(0, 1), 0.5, {0.4, 0.6}),
        (mh.Float(1e-4, 1, log=True), 0.01, {0.008, 0.012}),
        (mh.Float(0, 1), 0.9, {0.72, 1.0}),  # within the range
        (mh.Float(0.09, 1), 0.1, {0.09, 0.12}),
        (mh.Float(-1, 3), 0.0, {-0.4, 0.4}),  # 0 is no end: by a fifth of half the width
        (mh.Float(0, 1, step=0.1), 0.5, {0.4, 0.6}),
        (mh.Float(0, 1, step=0.5), 0.5, {0.0, 1.0}),
        (mh.Int(1, 100), 50, {40, 60}),
        (mh.Int(1, 100), 2, {1, 3}),  # at least by one
        (mh.Int(1, 100), 1, {1, 2}),
        (mh.Int(16, 256, step=16), 128, {96, 160}),
        (mh.Int(1, 1), 1, {1}),
        (mh.Normal(10, 2), 10.0, {9.2, 10.8}),
        (mh.Normal(0, 1, log=True), 2.0, {1.6, 2.4}),
        (mh.Normal(0, 1, step=0.5), 0.0, {-0.5, 0.5}),
        (mh.Normal(0, 1, log=True, step=1), 1.0, {0.0, 2.0}),
        (mh.Choice(["a", "b", "c"], ordered=True), 1, {0, 2}),
        (mh.Choice(["a", "b", "c"], ordered=True), 0, {1}),
        (mh.Choice(["a", "b", "c"], ordered=True), 2, {1}),
        (mh.Choice(["a", "b", "c"]), 0, {1, 2}),
        (mh.Choice(["a"]), 0, {0}),
    ],
)
def test_a_parameter_moves_on_its_own_scale_and_within_its_range(
    parameter: Any, before: float, after: set[float]
) -> None:
    found = explored(parameter, before)

    assert sorted(found) == pytest.approx(sorted(after))
    for value in found:
        assert parameter.read(value) == value


def test_a_parameter_is_drawn_anew_as_often_as_was_said() -> None:
    parameter = mh.Float(0, 1)

    n_anew = sum(
        Exploring(resample=0.3).explore(Space({"x": parameter}), {"x": 0.5}, np.random.default_rng(i))["x"]
        not in (0.4, 0.6)
        for i in range(1000)
    )

    assert 250 < n_anew < 350


def test_only_mutable_parameters_change() -> None:
    space = Space({"rate": mh.Float(0, 1), "layers": mh.Int(1, 9), "kind": mh.Choice(["a", "b"])})
    how = Exploring(resample=0.5, mutable={"rate"})
    for i in range(30):
        found = how.explore(space, {"rate": 0.5, "layers": 3, "kind": 1}, np.random.default_rng(i))

        assert (found["layers"], found["kind"]) == (3, 1)
        assert found["rate"] != 0.5


def tree() -> Space:
    return Space(
        {
            "rate": mh.Float(0, 1),
            "kind": mh.Choice(
                [{"momentum": mh.Float(0.5, 0.99)}, {"beta": mh.Float(0.5, 0.99), "n": mh.Int(1, 9)}, "no"]
            ),
        }
    )


def check_point(space: Space, point: Any) -> None:
    assert space.find(space.build(point)).keys() == point.keys()
    for name, value in point.items():
        assert space.parameters[name].read(value) == value


@pytest.mark.parametrize("mutable", [None, {"kind"}, {"rate", "kind.1.n"}])
def test_what_is_explored_is_a_point_of_a_conditional_space(mutable: Any) -> None:
    space = tree()
    for i in range(200):
        point = space.sample(np.random.default_rng([1, i]))
        found = Exploring(mutable=mutable).explore(space, point, np.random.default_rng([2, i]))

        check_point(space, found)
        assert found["rate"] != point["rate"] or mutable == {"kind"}


# -- the bandit ----------------------------------------------------------------------------------------------------


def taught(space: Space, fall: Any, n: int = 60, how: Exploring = MOVE, **named: Any) -> Bandit:
    """A bandit that has seen members whose loss fell by so much."""
    bandit = Bandit(space, how)
    for i in range(n):
        point = space.sample(np.random.default_rng([5, i]), named)
        bandit.learn(Member(i, point, scores=[(i // 10, 1.0)]), i // 10 + 1, 1.0 - fall(point, i // 10))
    return bandit


def parent(point: Any, interval: int = 6) -> Member:
    return Member(100, point, scores=[(interval, 1.0)])


def test_the_bandit_finds_what_lets_the_loss_fall_most() -> None:
    bandit = taught(Space({"x": mh.Float(0, 1)}), lambda point, _: 1 - (point["x"] - 0.7) ** 2)

    found = [bandit.explore(parent({"x": 0.1}), [], np.random.default_rng(i))["x"] for i in range(5)]

    assert all(0.6 < x < 0.8 for x in found)


def test_the_bandit_follows_what_changes_with_time() -> None:
    bandit = taught(Space({"x": mh.Float(0, 1)}), lambda point, t: 1 - (point["x"] - 0.9 + 0.15 * t) ** 2)

    assert bandit.explore(parent({"x": 0.9}), [], np.random.default_rng(0))["x"] < 0.4


def test_the_bandit_looks_elsewhere_than_who_has_not_shown_anything_yet() -> None:
    bandit = taught(Space({"x": mh.Float(0, 1)}), lambda point, _: 0.0, n=12)
    first = bandit.explore(parent({"x": 0.1}), [], np.random.default_rng(0))

    others = [Member(101, first, scores=[(6, 1.0)])]
    second = bandit.explore(parent({"x": 0.1}), others, np.random.default_rng(0))

    assert abs(second["x"] - first["x"]) > 0.02


def test_the_bandit_explores_at_random_until_it_has_seen_something() -> None:
    space = Space({"x": mh.Float(0, 1)})

    assert Bandit(space, MOVE).explore(parent({"x": 0.5}), [], np.random.default_rng(0))["x"] in (0.4, 0.6)


def test_a_member_in_ruins_does_not_blind_the_bandit() -> None:
    def fall(point: Any, _: int) -> float:
        return -1e300 if point["x"] < 0.1 else 1 - float(point["x"] - 0.7) ** 2

    bandit = taught(Space({"x": mh.Float(0, 1)}), fall)

    assert 0.55 < bandit.explore(parent({"x": 0.1}), [], np.random.default_rng(0))["x"] < 0.85


@pytest.mark.parametrize("mutable", [None, {"kind"}, {"rate", "kind.1.n"}])
def test_the_bandit_proposes_points_of_a_conditional_space(mutable: Any) -> None:
    space, how = tree(), Exploring(mutable=mutable)
    bandit = taught(space, lambda point, _: point["rate"], how=how)
    for i in range(10):
        point = space.sample(np.random.default_rng([3, i]))
        found = bandit.explore(parent(point), [], np.random.default_rng([4, i]))

        check_point(space, found)
        if mutable is not None and "rate" not in mutable:
            assert found["rate"] == point["rate"]
        else:
            assert found["rate"] > 0.8


def test_equal_losses_everywhere_are_no_error() -> None:
    bandit = taught(Space({"x": mh.Float(0, 1)}), lambda point, _: 0.0)

    assert 0 <= bandit.explore(parent({"x": 0.1}), [], np.random.default_rng(0))["x"] <= 1
