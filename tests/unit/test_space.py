import json
import math
from collections import OrderedDict, deque
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.description import Opaque
from manyhands.errors import SpaceError
from manyhands.labels import name_of, option_labels
from manyhands.parameters import Choice, Float, Int, Normal
from manyhands.space import Space

FINITE_LEAVES = [Int(0, 3), Int(1, 9, step=4), Float(0, 1, step=0.25), Float(2, 2)]
REAL_LEAVES = [Float(-1, 1), Float(1e-4, 10, log=True), Normal(0, 1)]
CONSTANTS = st.sampled_from(["word", 7, None, 2.5])


def trees(leaves: list[Any], depth: int = 3) -> st.SearchStrategy[Any]:
    """Nested containers and choices; the options of a choice differ in a constant, so that they can be told apart."""
    leaf = st.sampled_from(leaves)
    if depth == 0:
        return leaf
    inner = trees(leaves, depth - 1)
    node = st.one_of(leaf, inner, CONSTANTS)
    options = st.lists(inner, min_size=1, max_size=3).map(
        lambda found: Choice([{"kind": f"k{i}", "of": tree} for i, tree in enumerate(found)])
    )
    plain = st.lists(CONSTANTS, min_size=1, max_size=3, unique=True).map(Choice)
    containers = st.one_of(
        st.dictionaries(st.sampled_from("abc"), node, max_size=3),
        st.lists(node, max_size=3),
        st.lists(node, max_size=3).map(tuple),
    )
    return st.one_of(leaf, options, plain, containers)


def spaces(leaves: list[Any]) -> st.SearchStrategy[Space]:
    """Spaces with at least one parameter."""
    return trees(leaves).map(lambda tree: Space({"tree": tree, "end": leaves[0]}))


ANY = spaces(FINITE_LEAVES + REAL_LEAVES)
FINITE = spaces(FINITE_LEAVES)


def drawn(space: Space, seed: int) -> dict[str, float]:
    return space.sample(np.random.default_rng(seed))


# -- points and params ---------------------------------------------------------------------------------------------


@given(ANY, st.integers(0, 2**32))
def test_the_point_of_params_is_the_one_they_were_built_from(space: Space, seed: int) -> None:
    point = drawn(space, seed)

    assert space.find(space.build(point)) == point


@given(ANY, st.integers(0, 2**32))
def test_a_point_is_found_where_it_lies_in_the_unit_cube(space: Space, seed: int) -> None:
    point = drawn(space, seed)

    again = space.decode([0.5 if math.isnan(u) else u for u in space.encode(point)])

    assert again == pytest.approx(point, rel=1e-6, abs=1e-9)


@given(ANY, st.integers(0, 2**32))
def test_a_point_holds_what_is_active_and_nothing_else(space: Space, seed: int) -> None:
    point = drawn(space, seed)

    for name, parent in space.parents.items():
        is_active = parent is None or point.get(parent[0]) == parent[1]
        assert (name in point) == is_active


@given(ANY, st.integers(0, 2**32))
def test_an_inactive_parameter_has_no_place_in_the_cube(space: Space, seed: int) -> None:
    point = drawn(space, seed)

    places = dict(zip(space.parameters, space.encode(point), strict=True))

    assert {name for name, u in places.items() if math.isnan(u)} == set(space.parameters) - set(point)


@given(ANY, st.integers(0, 2**32))
def test_what_is_fixed_is_kept(space: Space, seed: int) -> None:
    fixed = drawn(space, seed)

    point = space.sample(np.random.default_rng(seed + 1), fixed)

    assert point == fixed


def test_params_have_the_shape_of_the_space() -> None:
    space = Space({"a": [Int(1, 1), ("word", Int(2, 2))], "b": {"c": Choice([None])}, 3: Float(0.5, 0.5)})

    assert space.build(space.nth(0)) == {"a": [1, ("word", 2)], "b": {"c": None}, 3: 0.5}


def test_an_objects_own_options_reach_the_objective() -> None:
    thing = object()
    space = Space({"x": Choice([thing, print])})

    assert space.build({"x": 0})["x"] is thing
    assert space.build({"x": 1})["x"] is print


def test_the_users_own_tree_is_not_changed() -> None:
    tree = {"a": [Int(0, 3)], "b": Choice([{"c": Int(0, 1)}])}
    space = Space(tree)

    space.build(space.nth(0))["a"].append("more")

    assert list(tree) == ["a", "b"]
    assert len(space.build(space.nth(0))["a"]) == 1


# -- finding -------------------------------------------------------------------------------------------------------


def test_partial_params_leave_the_rest_open() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1), "deep": {"z": Int(0, 9)}})

    assert space.find({"y": 0.5}) == {"y": 0.5}
    assert space.find({"deep": {}}) == {}


def test_a_constant_tells_which_option_is_meant() -> None:
    space = Space({"m": Choice([{"kind": "svm", "c": Float(0, 1)}, {"kind": "tree", "c": Float(0, 1)}])})

    assert space.find({"m": {"kind": "tree", "c": 0.5}}) == {"m": 1, "m.tree.c": 0.5}


def test_an_option_that_fits_whole_goes_before_one_that_fits_in_part() -> None:
    space = Space({"m": Choice([{"a": Float(0, 1), "b": Int(0, 9)}, {"a": Float(0, 1)}])})
    point = {"m": 1, "m.1.a": 0.5}

    assert space.find(space.build(point)) == point


@pytest.mark.parametrize("options", [[1, True], [0, False]])
def test_options_of_equal_value_are_told_apart_by_their_type(options: list[object]) -> None:
    space = Space({"x": Choice(options)})

    assert [space.find({"x": option})["x"] for option in options] == [0, 1]


def test_an_array_among_the_options_is_found() -> None:
    arrays = [np.zeros(3), np.ones(3)]
    space = Space({"x": Choice(arrays)})

    assert space.find({"x": arrays[1]}) == {"x": 1}


def test_numpy_scalars_are_read_as_numbers() -> None:
    point = Space({"x": Float(0, 1), "n": Int(0, 9)}).find({"x": np.float64(0.5), "n": np.int64(3)})

    assert point == {"x": 0.5, "n": 3}
    assert [type(v) for v in point.values()] == [float, int]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"z": 1}, ["'z'", "x, n, pair, m"]),
        ({"x": 2.0}, ["params['x']", "2.0", "Float(low=0, high=1"]),
        ({"x": "a"}, ["params['x']", "'a'"]),
        ({"n": 2.5}, ["params['n']", "2.5", "whole"]),
        ({"pair": [1]}, ["params['pair']", "2 values", "[1]"]),
        ({"m": "c"}, ["params['m']", "'c'", "option 0", "option 1"]),
        (3, ["params", "dict", "3"]),
    ],
)
def test_params_that_do_not_fit_are_refused_with_the_place_and_the_value(params: object, words: list[str]) -> None:
    space = Space({"x": Float(0, 1), "n": Int(0, 9), "pair": (Int(0, 1), "fixed"), "m": Choice(["a", "b"])})

    with pytest.raises(SpaceError) as caught:
        space.find(params)

    assert [word for word in words if word not in str(caught.value)] == []


# -- counting ------------------------------------------------------------------------------------------------------


@given(FINITE, st.data())
def test_points_are_numbered_both_ways(space: Space, data: Any) -> None:
    i = data.draw(st.integers(0, space.size - 1))

    assert space.index(space.nth(i)) == i


@given(FINITE)
def test_the_size_is_the_number_of_different_points(space: Space) -> None:
    n = min(space.size, 300)

    points = {json.dumps(space.nth(i)) for i in range(n)}

    assert len(points) == n


@given(FINITE, st.integers(0, 2**32))
def test_every_point_has_a_number_below_the_size(space: Space, seed: int) -> None:
    assert 0 <= space.index(drawn(space, seed)) < space.size


@given(ANY)
def test_a_space_has_no_end_if_a_parameter_has_none(space: Space) -> None:
    endless = any(p.n_values is None for p in space.parameters.values())

    assert (space.size is None) == endless


def test_the_options_of_a_choice_add_and_all_else_multiplies() -> None:
    space = Space({"m": Choice(["a", {"n": Int(1, 5)}, {"p": Int(1, 2), "q": Int(1, 3)}]), "f": Choice([0, 1])})

    assert space.size == (1 + 5 + 6) * 2


def test_the_last_parameter_changes_fastest() -> None:
    space = Space({"a": Int(0, 1), "b": Int(0, 2)})

    points = [tuple(space.nth(i).values()) for i in range(6)]

    assert points == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


# -- names ---------------------------------------------------------------------------------------------------------


@given(ANY)
def test_names_stay_the_same_and_parents_come_first(space: Space) -> None:
    names = list(space.parameters)

    assert list(Space(space.tree).parameters) == names
    for name, parent in space.parents.items():
        assert parent is None or names.index(parent[0]) < names.index(name)


@given(ANY)
def test_as_many_names_as_places(space: Space) -> None:
    def count(node: object) -> int:
        if isinstance(node, Choice):
            return 1 + sum(map(count, node.options))
        if isinstance(node, dict):
            return sum(map(count, node.values()))
        if isinstance(node, list | tuple):
            return sum(map(count, node))
        return isinstance(node, Float | Int | Normal)

    assert len(space.parameters) == count(space.tree)


def test_a_name_is_the_path() -> None:
    space = Space({"opt": {"rate": Float(0, 1)}, "layers": [Int(1, 2), (Int(1, 2),)]})

    assert list(space.parameters) == ["opt.rate", "layers.0", "layers.1.0"]


def test_below_an_option_the_constant_that_tells_it_apart_is_in_the_name() -> None:
    space = Space({"m": Choice([{"kind": "svm", "c": Float(0, 1)}, {"kind": "tree", "d": Int(1, 2)}])})

    assert list(space.parameters) == ["m", "m.svm.c", "m.tree.d"]


def test_a_name_of_ones_own_takes_the_place_of_the_path() -> None:
    space = Space({"deep": {"er": Float(0, 1, name="rate")}})

    assert list(space.parameters) == ["rate"]


def test_a_space_that_is_one_parameter_has_a_name_too() -> None:
    assert list(Space(Float(0, 1)).parameters) == ["x"]
    assert list(Space(Choice([{"model": "a"}, {"model": "b"}])).parameters) == ["model"]
    assert list(Space(Choice([1, 2])).parameters) == ["choice"]


def test_the_same_name_twice_is_refused_with_the_remedy() -> None:
    with pytest.raises(SpaceError, match=r"'a\.b'.*name="):
        Space({"a.b": Float(0, 1), "a": {"b": Float(0, 1)}})


@pytest.mark.parametrize("tree", [{}, [], 3, {"x": 1}, "word", None])
def test_a_space_without_parameters_is_refused_with_the_remedy(tree: object) -> None:
    with pytest.raises(SpaceError, match=r"no parameters.*mh\.Float"):
        Space(tree)


class Pair(NamedTuple):
    first: Any
    second: Any


class Listing(list[Any]):
    pass


@pytest.mark.parametrize(
    "container",
    [
        Pair(Float(0, 1), 2),
        Listing([1, Float(0, 1)]),
        {Float(0, 1)},
        frozenset({Int(0, 1)}),
        deque([{"a": Float(0, 1)}]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_parameters_in_a_container_that_is_not_searched_are_refused_with_its_place(container: Any) -> None:
    with pytest.raises(SpaceError, match=rf"^outer\.0 is a {type(container).__name__}.*plain dict, list or tuple"):
        Space({"outer": [container], "x": Float(0, 1)})


def test_parameters_in_an_option_that_is_not_searched_are_refused() -> None:
    with pytest.raises(SpaceError, match="is a Pair"):
        Space({"pick": Choice(["a", Pair(Float(0, 1), 2)])})


def test_a_space_that_is_itself_a_container_that_is_not_searched_is_refused() -> None:
    with pytest.raises(SpaceError, match="The space is a Pair"):
        Space(Pair(Float(0, 1), 2))


def test_containers_of_other_kinds_without_parameters_reach_the_objective_as_they_are() -> None:
    pair, options = Pair(1, [2]), {"a", "b"}

    params = Space({"pair": pair, "set": options, "x": Float(0, 1)}).build({"x": 0.5})

    assert params["pair"] is pair
    assert params["set"] is options


def test_parameters_in_a_kind_of_dict_are_searched() -> None:
    assert list(Space(OrderedDict(x=Float(0, 1))).parameters) == ["x"]


# -- labels --------------------------------------------------------------------------------------------------------


def test_a_point_is_labelled_with_options_and_names() -> None:
    space = Space({"act": Choice(["relu", print]), "m": Choice([{"k": "svm", "c": Float(0, 1)}, {"k": "tree"}])})

    labels = space.label({"act": 1, "m": 0, "m.svm.c": 0.5})

    assert labels == {"act": "print", "m": "svm", "m.svm.c": 0.5}


def test_labels_hold_no_memory_addresses() -> None:
    assert option_labels(Choice([object()])) == ["<object object>"]
    assert name_of(object()) == "<object object>"


def test_long_names_are_cut() -> None:
    assert len(name_of(list(range(1000)))) == 60


# -- descriptions --------------------------------------------------------------------------------------------------


@given(ANY)
def test_a_description_survives_json(space: Space) -> None:
    spec = space.spec()

    assert Space.from_spec(json.loads(json.dumps(spec))).spec() == spec


@given(ANY, st.integers(0, 2**32))
def test_a_described_space_builds_the_same_params(space: Space, seed: int) -> None:
    point = drawn(space, seed)

    other = Space.from_spec(json.loads(json.dumps(space.spec())))

    assert other.build(point) == space.build(point)
    assert list(other.parameters) == list(space.parameters)


def test_numpy_scalars_are_described_and_labelled_as_numbers() -> None:
    numpys, numbers = Choice(list(np.arange(3))), Choice([0, 1, 2])

    assert Space({"n": numpys}).spec() == Space({"n": numbers}).spec()
    assert [type(label) for label in option_labels(numpys)] == [int] * 3


def test_an_object_is_described_by_its_name() -> None:
    space = Space.from_spec(Space({"x": Choice([Float, math.sin])}).spec())

    shown = [space.build({"x": i})["x"] for i in (0, 1)]

    assert [repr(option) for option in shown] == ["manyhands.parameters.Float", "math.sin"]
    assert all(isinstance(option, Opaque) for option in shown)


def test_a_stand_in_cannot_be_called_and_says_why() -> None:
    with pytest.raises(SpaceError, match=r"math\.sin.*space="):
        Opaque("math.sin")(0.0)


def test_keys_that_are_numbers_stay_numbers() -> None:
    space = Space.from_spec(json.loads(json.dumps(Space({1: Int(5, 5)}).spec())))

    assert space.build(space.nth(0)) == {1: 5}


def test_an_infinite_option_survives_json() -> None:
    """The norms 1, 2 and infinity are a common choice, and JSON has no infinity."""
    spec = Space({"norm": Choice([1, 2, math.inf])}).spec()

    space = Space.from_spec(json.loads(json.dumps(spec, allow_nan=False)))

    assert space.build({"norm": 2}) == {"norm": math.inf}


def test_descriptions_differ_if_anything_in_the_space_does() -> None:
    spaces_ = [
        Space({"x": Float(0, 1)}),
        Space({"x": Float(0, 2)}),
        Space({"x": Float(0, 1, step=0.5)}),
        Space({"x": Int(0, 1)}),
        Space({"y": Float(0, 1)}),
        Space([Float(0, 1)]),
        Space((Float(0, 1),)),
        Space({"x": Choice([0, 1])}),
        Space({"x": Choice([0, 1], ordered=True)}),
        Space({"x": Choice([0, 1], weights=[1, 2])}),
    ]

    assert len({json.dumps(space.spec()) for space in spaces_}) == len(spaces_)


# -- replacing -----------------------------------------------------------------------------------------------------


def test_parameters_can_be_replaced_without_changing_the_space() -> None:
    space = Space({"x": Float(0, 1), "n": Int(0, 1)})

    other = space.replacing({"x": Choice([0.1, 0.2, 0.3])})

    assert (space.size, other.size) == (None, 6)
