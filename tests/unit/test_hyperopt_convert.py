"""Hyperopt spaces as ours, and values of one in the other."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.hyperopt_spaces import build, recipes

import manyhands as mh
import manyhands.hyperopt as hyperopt
from manyhands.errors import SpaceError
from manyhands.hyperopt import hp, to_space
from manyhands.hyperopt.convert import LabelledSpace
from manyhands.hyperopt.exceptions import BadSearchSpace
from manyhands.hyperopt.graph import SpaceGraph
from manyhands.hyperopt.pyll import scope
from manyhands.hyperopt.pyll.stochastic import sample

E2, E7 = math.exp(2), math.exp(-7)

PARAMETERS = [
    (hp.uniform("x", -1, 2), mh.Float(-1, 2, name="x")),
    (hp.uniform("x", 0, 0), mh.Float(0, 0, name="x")),
    (hp.loguniform("x", -7, 2), mh.Float(E7, E2, log=True, name="x")),
    (hp.quniform("x", 0, 8, 3), mh.Float(0.0, 9.0, step=3, name="x")),
    (hp.quniform("x", -0.5, 0.5, 0.25), mh.Float(-0.5, 0.5, step=0.25, name="x")),
    (hp.qloguniform("x", 1, 2, 1), mh.Float(3.0, 7.0, log=True, step=1, name="x")),
    (hp.qloguniform("x", -7, 2, 2), mh.Float(0.0, 8.0, step=2, name="x")),
    (hp.uniformint("x", 1, 5), mh.Int(1, 5, name="x")),
    (hp.randint("x", 5), mh.Int(0, 4, name="x")),
    (hp.randint("x", 3, 9), mh.Int(3, 8, name="x")),
    (hp.normal("x", 1, 2), mh.Normal(1, 2, name="x")),
    (hp.normal("x", 1, 0), mh.Float(1, 1, name="x")),
    (hp.qnormal("x", 1, 2, 0.5), mh.Normal(1, 2, step=0.5, name="x")),
    (hp.lognormal("x", 1, 2), mh.Normal(1, 2, log=True, name="x")),
    (hp.qlognormal("x", 1, 2, 3), mh.Normal(1, 2, log=True, step=3, name="x")),
    (scope.int(hp.quniform("x", 2, 8, 2)), mh.Int(2, 8, step=2, name="x")),
    (scope.int(hp.quniform("x", 0, 2, 0.5)), mh.Int(0, 2, name="x")),
    (scope.int(hp.qloguniform("x", 1, 5, 1)), mh.Int(3, 148, log=True, name="x")),
    (scope.int(hp.uniform("x", 0, 10)), mh.Int(0, 9, name="x")),
    (scope.int(hp.uniform("x", -2.5, 3.5)), mh.Int(-2, 3, name="x")),
    (scope.int(hp.loguniform("x", 1, 2)), mh.Int(2, 7, log=True, name="x")),
    (scope.float(hp.randint("x", 5)), mh.Float(0, 4, step=1, name="x")),
    (scope.int(scope.int(hp.randint("x", 5))), mh.Int(0, 4, name="x")),
    (scope.hyperopt_param("x", scope.uniform(0, 1)), mh.Float(0, 1, name="x")),
    (scope.hyperopt_param("x", scope.randint(3)), mh.Int(0, 2, name="x")),
    (hp.uniform(b"x", 0, 1), mh.Float(0, 1, name="x")),
]


@pytest.mark.parametrize(("node", "parameter"), PARAMETERS)
def test_each_distribution_has_a_parameter(node, parameter):
    assert to_space({"key": node}).parameters == {"x": parameter}


@pytest.mark.parametrize("node", [node for node, _ in PARAMETERS if node.name != "hyperopt_param"])
def test_a_parameter_can_have_all_that_hyperopt_draws(node):
    space, rng = to_space({"key": node}), np.random.default_rng(0)

    for _ in range(200):
        params = sample({"key": node}, rng)
        assert space.build(space.find(params)) == pytest.approx(params)
        assert type(space.build(space.find(params))["key"]) is type(params["key"])


def test_choices_keep_their_nesting_conditions_and_labels():
    svm = {"kind": "svm", "C": hp.loguniform("C", -7, 2)}
    forest = {"kind": "forest", "shape": [hp.randint("depth", 3, 9), None]}
    space = to_space({"model": hp.choice("model", [svm, forest]), "seed": 5})

    assert list(space.parameters) == ["model", "C", "depth"]
    assert space.parents == {"model": None, "C": ("model", 0), "depth": ("model", 1)}
    assert space.build({"model": 1, "depth": 4}) == {"model": {"kind": "forest", "shape": (4, None)}, "seed": 5}
    assert space.label({"model": 1}) == {"model": "forest"}


def test_params_are_what_an_objective_got_before():
    expr = [hp.choice("a", [{"x": [hp.uniform("x", 0, 1)]}, (1, {2: "two"})]), hp.pchoice("b", [(0.5, 1), (0.5, "y")])]
    space, graph = to_space(expr), SpaceGraph(expr)

    for i in range(20):
        vals = graph.draw(np.random.default_rng(i))
        assert space.build(vals) == hyperopt.space_eval(expr, vals)


def test_probabilities_become_weights():
    space = to_space(hp.pchoice("c", [(0.5, "a"), (0.2, "b"), (0, "c"), (0, "d")]))

    assert space.parameters["c"].weights == pytest.approx((0.5, 0.2, 1e-12, 0.3))


@pytest.mark.parametrize(
    ("options", "is_ordered"),
    [
        ([16, 32, 64], True),
        ([3, 2, 1.5], True),
        ([1, 3, 2], False),
        ([0, 1], False),
        (["a", "b", "c"], False),
        ([False, True, 2], False),
    ],
)
def test_numbers_in_order_are_an_ordered_choice(options, is_ordered):
    assert to_space(hp.choice("c", options)).parameters["c"].ordered is is_ordered
    assert LabelledSpace(hp.choice("c", options)).space.parameters["c"].ordered is is_ordered


x = hp.uniform("x", 0, 1)


@pytest.mark.parametrize(
    ("space", "wrong"),
    [
        (2 * x, "Labels 'x' stand in the expression 'mul'"),
        ([x, x], "'x' stands in several places"),
        (hp.uniform("y", 0, x), "range of 'y' depends on 'x'"),
        (scope.int(hp.normal("y", 0, 1)), "'y': a normally distributed whole number"),
        (scope.switch(scope.int(x * 2), 1, 2), "goes by an expression of 'x'"),
        (hp.uniform("y", 0, -5), "'y': .* is empty"),
        (hp.quniform("y", 0, 5, 0), "'y': quniform: q must be above 0, and 0 is not"),
        (hp.choice("c", []), "Choice"),
        ({"a": 1}, "has no parameters"),
    ],
)
def test_what_cannot_be_converted_says_why(space, wrong):
    with pytest.raises(SpaceError, match=wrong):
        to_space(space)


def labelled_space(recipe):
    """The labels of a random space, if each is decided on before those that depend on it."""
    try:
        return LabelledSpace(build(recipe, hyperopt))
    except BadSearchSpace as error:
        assume("each decide whether the other one is active" not in str(error))
        raise


checked = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@given(recipe=recipes, seed=st.integers(0, 2**31))
@checked
def test_values_become_a_point_and_the_same_values_again(recipe, seed):
    labelled = labelled_space(recipe)
    vals = labelled.graph.draw(np.random.default_rng(seed))

    point = labelled.to_point(vals)

    assert labelled.to_vals(point) == pytest.approx(vals, rel=1e-12)
    assert labelled.space.build(point) is not None


@given(recipe=recipes, seed=st.integers(0, 2**31))
@checked
def test_every_point_has_values_of_just_the_labels_that_are_needed(recipe, seed):
    labelled = labelled_space(recipe)
    point = labelled.space.sample(np.random.default_rng(seed))

    vals = labelled.to_vals(point)

    labelled.graph.build(vals)  # would raise if one were missing
    assert labelled.graph.active(vals) == vals
    assert {type(value) for value in vals.values()} <= {int, float}
    assert labelled.to_vals(labelled.to_point(vals)) == vals


@given(recipe=recipes)
@checked
def test_each_label_is_a_parameter(recipe):
    labelled = labelled_space(recipe)

    assert sorted(labelled.space.parameters) == list(labelled.graph.nodes)


@given(recipe=recipes, seed=st.integers(0, 2**31))
@checked
def test_a_converted_space_gives_what_objectives_got(recipe, seed):
    expr = build(recipe, hyperopt)
    try:
        space = to_space(expr)
    except BadSearchSpace as error:
        assume("each decide whether the other one is active" not in str(error))
        raise
    except SpaceError as error:
        reasons = ("Labels", "several places", "whole number", "goes by an expression")
        assume(not any(reason in str(error) for reason in reasons))
        raise
    vals = SpaceGraph(expr).draw(np.random.default_rng(seed))
    params = hyperopt.space_eval(expr, vals)

    assert repr(space.build(space.find(params))) == repr(params) or space.build(space.find(params)) == pytest.approx(
        params
    )


def test_labels_lie_below_the_option_that_needs_them():
    labelled = LabelledSpace(
        {"c": hp.choice("c", [1, {"x": 2 * hp.uniform("x", 0, 1), "d": hp.choice("d", ["a", hp.randint("n", 5)])}])}
    )

    assert labelled.space.parents == {"c": None, "x": ("c", 1), "d": ("c", 1), "n": ("d", 1)}
    assert labelled.to_vals({"c": 1, "x": 0.5, "d": 1, "n": 3}) == {"c": 1, "x": 0.5, "d": 1, "n": 3}
    assert labelled.to_vals({"c": 0}) == {"c": 0}


def test_a_label_that_several_options_need_lies_above_them():
    shared = hp.uniform("x", 0, 1)
    labelled = LabelledSpace(hp.choice("c", [shared, shared + 1, 3]))

    assert labelled.space.parents == {"c": None, "x": None}
    assert labelled.to_vals({"c": 2, "x": 0.25}) == {"c": 2}
    assert labelled.to_point({"c": 2}) == {"c": 2, "x": 0.5}


def test_a_label_below_a_switch_by_an_expression_lies_above_it():
    index = scope.int(2 * hp.uniform("u", 0, 1))
    labelled = LabelledSpace(scope.switch(index, hp.uniform("x", 0, 1), 3))

    assert labelled.space.parents == {"u": None, "x": None}
    assert labelled.to_vals({"u": 0.75, "x": 0.25}) == {"u": 0.75}
    assert labelled.to_vals({"u": 0.25, "x": 0.25}) == {"u": 0.25, "x": 0.25}


def test_quantised_values_are_hyperopts_to_the_last_digit():
    labelled = LabelledSpace(hp.quniform("x", 0, 1, 0.1))

    assert labelled.space.parameters["x"] == mh.Int(0, 10, name="x")
    assert labelled.to_vals({"x": 3}) == {"x": 3 * 0.1}
    assert labelled.to_point({"x": 0.3}) == {"x": 3}


def test_values_that_round_to_0_keep_their_logarithmic_scale():
    labelled = LabelledSpace(hp.qloguniform("x", 0, 7, 10))

    assert labelled.space.parameters["x"].log
    assert labelled.to_vals({"x": 2.0}) == {"x": 0.0}
    assert labelled.to_vals(labelled.to_point({"x": 0.0})) == {"x": 0.0}


def test_values_outside_a_range_become_its_end():
    labelled = LabelledSpace({"x": hp.uniform("x", 0, 1), "n": hp.randint("n", 3, 9), "l": hp.lognormal("l", 0, 1)})

    assert labelled.to_point({"x": 7, "n": -1, "l": 1.0}) == {"x": 1, "n": 3, "l": 1.0}


def test_an_option_that_does_not_exist_is_refused():
    labelled = LabelledSpace(hp.choice("c", ["a", "b"]))

    with pytest.raises(SpaceError, match="'c': 2 is not the index of one of 2 options"):
        labelled.to_point({"c": 2})


def test_a_range_that_depends_on_another_parameter_has_no_space():
    with pytest.raises(SpaceError, match="range of 'y' depends on another hyperparameter"):
        LabelledSpace(hp.uniform("y", 0, hp.uniform("z", 1, 2)))


def test_bounds_that_were_meant_without_a_logarithm_do_not_overflow():
    parameter = LabelledSpace(hp.loguniform("x", 0, 1e3)).space.parameters["x"]

    assert math.isfinite(parameter.high)


def test_a_sampler_can_search_labels():
    labelled = LabelledSpace({"loss": (hp.uniform("x", -5, 5) - 3) ** 2, "c": hp.choice("c", [1, hp.randint("n", 5)])})

    def loss(params):
        return labelled.graph.build(labelled.to_vals(labelled.space.find(params)))["loss"]

    study = mh.tune(loss, labelled.space, max_trials=20, sampler="tpe", executor="inline", seed=1, progress=False)

    assert study.best_value < 4
