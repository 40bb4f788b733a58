"""Hyperparameters: what they check, and what an objective gets."""

import math

import numpy as np
import pytest

import manyhands.hyperopt as hyperopt
from manyhands.hyperopt import exceptions, hp, space_eval
from manyhands.hyperopt.graph import SpaceGraph
from manyhands.hyperopt.pyll import Literal, scope
from manyhands.hyperopt.pyll.stochastic import sample

KINDS = {
    "uniform": (-1, 2),
    "quniform": (0, 8, 3),
    "uniformint": (1, 5),
    "loguniform": (-7, 1),
    "qloguniform": (0, 3, 2),
    "normal": (1, 2),
    "qnormal": (0, 3, 0.5),
    "lognormal": (0, 1),
    "qlognormal": (0, 2, 1),
    "randint": (3, 9),
}


def draws(space, n=2000):
    rng = np.random.default_rng(0)
    return [sample(space, rng) for _ in range(n)]


@pytest.mark.parametrize("kind", [*KINDS, "choice", "pchoice"])
def test_a_label_has_to_be_text(kind):
    arguments = KINDS.get(kind, ([(1.0, "a")],))

    with pytest.raises(TypeError, match="require string label"):
        getattr(hp, kind)(3, *arguments)


@pytest.mark.parametrize("label", ["x", b"x", Literal("x")])
def test_a_label_may_be_bytes_or_a_literal(label):
    assert list(SpaceGraph(hp.uniform(label, 0, 1)).nodes) == [label.obj if isinstance(label, Literal) else label]


@pytest.mark.parametrize("kind", ["uniform", "quniform", "loguniform", "qloguniform"])
def test_an_empty_range_is_refused(kind):
    more = KINDS[kind][2:]

    with pytest.raises(ValueError, match="low should be less than high: 2 is not smaller than 2"):
        getattr(hp, kind)("x", 2, 2, *more)
    with pytest.raises(ValueError, match="low should be less than high: 2 is not smaller than 1"):
        getattr(hp, kind)("x", low=2, high=1, **dict(zip("q", more, strict=False)))


def test_a_range_with_a_bound_of_0_is_not_looked_at():
    assert hp.uniform("x", 0, -5).name == "float"


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (lambda: hp.uniform("x", 1), "missing a required argument: 'high'"),
        (lambda: hp.randint("x", upper=3), "missing a required argument: 'low'"),
        (lambda: hp.uniformint("x", 0, 3, 1), "multiple values for argument 'q'"),
        (lambda: hp.quniform("x", 0, 3), "missing a required argument: 'q'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_at_once(make, wrong):
    with pytest.raises(TypeError, match=wrong):
        make()


def test_the_same_label_twice_is_refused():
    with pytest.raises(exceptions.DuplicateLabel, match="x"):
        SpaceGraph([hp.uniform("x", 0, 1), hp.choice("c", [1, hp.uniform("x", 0, 1)])])


def test_one_hyperparameter_may_stand_in_several_places():
    x = hp.uniform("x", 0, 1)

    first, second = sample([x, {"again": x}])

    assert second == {"again": first}


@pytest.mark.parametrize("kind", KINDS)
def test_objectives_get_python_numbers(kind):
    whole = kind in ("randint", "uniformint")

    assert {type(value) for value in draws(getattr(hp, kind)("x", *KINDS[kind]), 20)} == {int if whole else float}


def test_the_ends_of_each_range_are_hyperopts():
    assert set(draws(hp.randint("x", 3))) == {0, 1, 2}
    assert set(draws(hp.randint("x", 3, 5))) == {3, 4}
    assert set(draws(hp.uniformint("x", 1, 4))) == {1, 2, 3, 4}
    assert set(draws(hp.quniform("x", 0, 8, 3))) == {0.0, 3.0, 6.0, 9.0}
    assert all(math.exp(-2) <= value <= 1 for value in draws(hp.loguniform("x", -2, 0)))
    assert min(draws(hp.qloguniform("x", 0, 3, 4))) == 0.0


def test_options_of_a_choice_are_drawn_as_often_as_they_should():
    values = draws(hp.pchoice("x", [(0.1, "a"), (0.6, "b"), (0.3, "c")]))

    assert [values.count(option) / 2000 for option in "abc"] == pytest.approx([0.1, 0.6, 0.3], abs=0.04)


def test_what_probabilities_leave_goes_to_the_last_option():
    values = draws(hp.pchoice("x", [(0.5, "a"), (0.2, "b")]))

    assert values.count("b") / 2000 == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (range(2), {0, 1}),
        ("ab", {"a", "b"}),
        ({"a": 1, "b": 2}, {"a", "b"}),
        (np.array([3, 4]), {3, 4}),
        ((None, False), {None, False}),
    ],
)
def test_options_may_be_any_sequence(options, expected):
    assert set(draws(hp.choice("x", options), 50)) == expected


def test_containers_become_tuples_and_dicts():
    space = {"b": [1, hp.uniform("x", 0, 1)], "a": ({2: "two"}, hp.choice("c", [[3]]))}

    assert space_eval(space, {"x": 0.5, "c": 0}) == {"a": ({2: "two"}, (3,)), "b": (1, 0.5)}


def test_space_eval_takes_only_the_branch_that_was_chosen():
    space = hp.choice("c", [hp.uniform("x", 0, 1), scope.Raise(ZeroDivisionError)])

    assert space_eval(space, {"c": 0, "x": 0.25}) == 0.25
    with pytest.raises(ZeroDivisionError):
        space_eval(space, {"c": 1})


def test_space_eval_understands_the_lists_of_a_document():
    space = hp.choice("c", [hp.uniform("x", 0, 1), hp.uniform("y", 0, 1)])

    assert space_eval(space, {"c": [1], "x": [], "y": [0.5]}) == 0.5


def test_space_eval_names_the_label_that_has_no_value():
    with pytest.raises(exceptions.MissingValue, match="needs a value for 'x'"):
        space_eval({"x": hp.uniform("x", 0, 1), "y": hp.uniform("y", 0, 1)}, {"y": 0.5})


def test_space_eval_says_how_many_options_there_are():
    with pytest.raises(IndexError, match="has 2 options, and option 2 was asked for"):
        space_eval(hp.choice("c", ["a", "b"]), {"c": 2})


def test_the_value_of_an_option_is_not_its_index():
    with pytest.raises(TypeError, match="switch argument was"):
        space_eval(hp.choice("c", ["a", "b"]), {"c": "b"})


def test_fmin_stays_a_function_when_its_module_is_imported():
    from importlib import import_module

    module = import_module("manyhands.hyperopt.fmin")

    assert hyperopt.fmin is module.fmin


def test_an_unknown_name_is_said_to_be_unknown():
    with pytest.raises(AttributeError, match="'manyhands\\.hyperopt' has no attribute 'fmax'"):
        hyperopt.fmax  # noqa: B018
