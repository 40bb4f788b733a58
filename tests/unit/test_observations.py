import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.parameters import Choice, Float, Int
from manyhands.ports import Outcome
from manyhands.samplers.cube import Cube
from manyhands.samplers.noise import variance_of_means
from manyhands.samplers.observations import Observations
from manyhands.space import Point, Space
from manyhands.trial import Trial

TREE = Space({"kind": Choice(["bare", {"kind": "more", "x": Float(0, 1), "n": Int(1, 9)}]), "y": Float(-1, 1)})
CUBE = Cube(TREE)
POINTS = st.integers(0, 10**6).map(lambda seed: TREE.sample(np.random.default_rng(seed)))
NUMBERS = st.floats(-1e6, 1e6)
OUTCOMES = st.one_of(
    st.none(),
    st.builds(
        Outcome,
        st.tuples(NUMBERS, NUMBERS),
        st.one_of(st.just(()), st.tuples(NUMBERS, NUMBERS, NUMBERS)),
        st.one_of(st.none(), st.floats(0, 1e6)),
    ),
)


def trial(trial_id: int, point: Point, splits: Sequence[float | tuple[float, ...]] = ()) -> Trial:
    return Trial(trial_id, point, None, split_values=tuple(splits))


def told(outcomes: Sequence[Outcome | None], splits: Sequence[Sequence[float]] | None = None) -> Observations:
    """Of one objective, all at the same place."""
    known = Observations(CUBE)
    for i, outcome in enumerate(outcomes):
        known.add(trial(i, {"kind": 0, "y": 0.5}, splits[i] if splits else ()), outcome)
    return known


@given(st.lists(st.tuples(POINTS, OUTCOMES), max_size=40))
def test_everything_told_is_there_in_order(history: list[tuple[Point, Outcome | None]]) -> None:
    known = Observations(CUBE, 2)
    for i, (point, outcome) in enumerate(history):
        known.add(trial(i, point), outcome)

        assert known.n == i + 1
        assert known.failed[-1] == (outcome is None)

    nothing = (math.nan, math.nan)
    np.testing.assert_array_equal(known.rows, np.array([CUBE.encode(p) for p, _ in history]).reshape(-1, 4))
    np.testing.assert_array_equal(
        known.losses, np.array([nothing if o is None else o.losses for _, o in history]).reshape(-1, 2)
    )
    width = known.violations.shape[1]
    assert width == max((len(o.violations) for _, o in history if o), default=0)
    expected = [o.violations if o and o.violations else (math.nan,) * width for _, o in history]
    np.testing.assert_array_equal(known.violations, np.array(expected).reshape(len(history), width))
    variances = [o.variance if o and o.variance else 0.0 for _, o in history]
    np.testing.assert_array_equal(known.variances(known.n), variances)


def test_what_is_known_cannot_be_changed_and_earlier_views_stay() -> None:
    known = told([Outcome((1.0,))])
    before = known.losses
    for i in range(100):
        known.add(trial(i, {"kind": 0, "y": 0.0}), Outcome((2.0,)))

    assert before.tolist() == [[1.0]]
    with pytest.raises(ValueError, match="read-only"):
        known.losses[0] = 5.0


def test_constraints_that_come_later_were_not_known_before() -> None:
    known = told([Outcome((1.0,)), None, Outcome((2.0,), (0.5, -1.0)), Outcome((3.0,))])

    np.testing.assert_array_equal(known.violations, [[math.nan] * 2, [math.nan] * 2, [0.5, -1], [math.nan] * 2])


def test_of_constraints_that_were_fewer_the_others_are_not_known() -> None:
    """As trials of a former study may have it."""
    known = told([Outcome((1.0,), (0.5, -1.0, 2.0)), Outcome((1.0,), (0.25,))])

    np.testing.assert_array_equal(known.violations, [[0.5, -1, 2], [0.25, math.nan, math.nan]])


# -- noise -------------------------------------------------------------------------------------------------------------

SPLITS = [[1.0, 2.0, 3.5], [0.5, 0.75, 1.0], [4.0, 4.0, 7.0]]


def test_noise_is_told_from_splits_and_not_from_their_spread() -> None:
    known = told([Outcome((1.0,), (), 99.0)] * 3, SPLITS)

    np.testing.assert_array_equal(known.variances(3), variance_of_means(np.array(SPLITS)))
    np.testing.assert_array_equal(known.variances(2), variance_of_means(np.array(SPLITS[:2])))


def test_trials_without_splits_beside_those_with_them_keep_their_own_variance() -> None:
    known = told([Outcome((1.0,), (), 9.0), *[Outcome((1.0,))] * 3, None], [[], *SPLITS, []])

    assert known.variances(5) == pytest.approx([9.0, *variance_of_means(np.array(SPLITS)), 0.0])
    assert known.variances(1).tolist() == [9.0]


def test_splits_of_several_objectives_tell_the_noise_of_the_first() -> None:
    known = Observations(CUBE, 2)
    for i, splits in enumerate(SPLITS):
        known.add(trial(i, {"kind": 0, "y": 0.0}, [(value, 100.0 * i) for value in splits]), Outcome((1.0, 2.0)))

    np.testing.assert_array_equal(known.variances(3), variance_of_means(np.array(SPLITS)))


@pytest.mark.parametrize("other", [[1.0, 2.0], [1.0, 2.0, 3.0, 4.0], [1.0]])
def test_trials_of_a_former_study_may_have_another_number_of_splits(other: list[float]) -> None:
    for splits in ([*SPLITS, other], [other, *SPLITS]):
        known = told([Outcome((1.0,), (), 0.25)] * 4, splits)

        assert np.isfinite(known.variances(4)).all()


# -- what runs ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), POINTS), max_size=30), st.randoms(use_true_random=False))
def test_pending_rows_are_those_of_the_trials_that_run(steps: list[tuple[bool, Point]], random: object) -> None:
    known = Observations(CUBE)
    running: dict[int, Point] = {}
    for i, (ends, point) in enumerate(steps):
        running[1000 - i] = point  # not in the order of their ids
        if ends:
            done = random.choice(sorted(running))  # type: ignore[attr-defined]
            known.add(trial(done, running.pop(done)), Outcome((0.0,)))
        found = known.pending(running)

        expected = np.array([CUBE.encode(running[j]) for j in sorted(running)]).reshape(-1, 4)
        np.testing.assert_array_equal(found, expected)


def test_new_rows_come_before_those_tried_or_being_tried() -> None:
    known = Observations(CUBE)
    known.add(trial(0, {"kind": 0, "y": 0.5}), None)
    pending = known.pending({1: {"kind": 1, "x": 0.5, "n": 3, "y": 0.0}})
    tried, new = CUBE.encode({"kind": 0, "y": 0.5}), CUBE.encode({"kind": 0, "y": 0.25})

    found = list(known.new_first(np.array([tried, pending[0], new]), pending))

    np.testing.assert_array_equal(found[0], new)
    assert len(found) == 4  # if nothing else will do, an old one will
    np.testing.assert_array_equal(found[1], tried)


@given(POINTS)
def test_a_row_is_known_again_although_rounding_moved_it(point: Point) -> None:
    known = Observations(CUBE)
    known.add(trial(0, point), None)
    row = CUBE.encode(point)
    nudged = np.nextafter(row, 0.5)

    found = list(known.new_first(np.array([nudged]), known.pending({})))

    assert len(found) == 1


def test_trials_of_a_former_study_may_be_tried_again() -> None:
    known = Observations(CUBE)
    known.add(trial(-1, {"kind": 0, "y": 0.5}), None)
    row = CUBE.encode({"kind": 0, "y": 0.5})

    assert len(list(known.new_first(np.array([row]), known.pending({})))) == 2
