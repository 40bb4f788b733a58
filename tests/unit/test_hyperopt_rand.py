"""Random search against Hyperopt itself: the same seed, the same points."""

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.hyperopt_spaces import build, recipes

import manyhands.hyperopt as ours
from manyhands.hyperopt.graph import SpaceGraph

theirs = pytest.importorskip("hyperopt")

seeds = st.integers(0, 2**31 - 2)
checked = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def hyperopts_docs(space, ids, seed):
    """What Hyperopt proposes; skips spaces at which it fails by itself (a node shared by a choice and its index)."""
    try:
        domain = theirs.Domain(lambda params: 0, space)
        return theirs.rand.suggest(ids, domain, theirs.Trials(), seed)
    except Exception as error:
        assume("cycle" not in str(error) and "out of range" not in str(error))
        raise


def flat(doc):
    return {label: value[0] for label, value in doc["misc"]["vals"].items() if len(value)}


def as_python(value):
    """A document without NumPy's scalars, which only ours does without."""
    if isinstance(value, dict):
        return {key: as_python(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return type(value)(map(as_python, value)) if not isinstance(value, np.ndarray) else value.tolist()
    return value.item() if isinstance(value, np.generic) else value


@given(recipe=recipes, seed=seeds)
@checked
def test_the_same_seed_draws_the_same_points_as_hyperopt(recipe, seed):
    docs = hyperopts_docs(build(recipe, theirs), [0, 1, 2], seed)

    domain = ours.Domain(lambda params: 0, build(recipe, ours))
    proposed = ours.rand.suggest([0, 1, 2], domain, ours.Trials(), seed)

    assert [flat(doc) for doc in proposed] == [flat(doc) for doc in docs]


@given(recipe=recipes, seed=seeds)
@checked
def test_documents_have_the_shape_of_hyperopts(recipe, seed):
    docs = hyperopts_docs(build(recipe, theirs), [7], seed)

    domain = ours.Domain(lambda params: 0, build(recipe, ours))
    proposed = ours.rand.suggest([7], domain, ours.Trials(), seed)

    assert repr(list(map(dict, proposed))) == repr(as_python(list(map(dict, docs))))


@given(recipe=recipes, seed=seeds)
@checked
def test_space_eval_gives_what_hyperopts_gives(recipe, seed):
    space = build(recipe, ours)
    vals = SpaceGraph(space).draw(np.random.default_rng(seed))

    assert repr(ours.space_eval(space, vals)) == repr(theirs.space_eval(build(recipe, theirs), vals))


@given(recipe=recipes, seed=seeds)
@checked
def test_sample_draws_what_hyperopts_draws(recipe, seed):
    sampled = ours.pyll.stochastic.sample(build(recipe, ours), np.random.default_rng(seed))

    assert repr(sampled) == repr(theirs.pyll.stochastic.sample(build(recipe, theirs), np.random.default_rng(seed)))


@given(recipe=recipes, seed=seeds)
@checked
def test_a_graph_that_was_pickled_draws_the_same(recipe, seed):
    graph = SpaceGraph(build(recipe, ours))
    other = pickle.loads(pickle.dumps(graph))  # noqa: S301

    vals = graph.draw(np.random.default_rng(seed))

    assert other.draw(np.random.default_rng(seed)) == vals
    assert other.build(vals) == graph.build(vals)


@given(recipe=recipes, seed=seeds)
@checked
def test_values_of_labels_that_are_not_active_are_told_apart(recipe, seed):
    graph = SpaceGraph(build(recipe, ours))
    vals = graph.draw(np.random.default_rng(seed))

    assert graph.active({**dict.fromkeys(graph.nodes, 0), **vals}) == vals


def switch_by_two(package, first, second):
    hp, scope = package.hp, package.pyll.scope
    index = scope.min(hp.randint(first, 2), hp.randint(second, 2))
    return scope.switch(index, hp.uniform("z", 0, 1), 3)


def switch_by_one_of_two(package, first, second):
    hp, scope = package.hp, package.pyll.scope
    index = hp.choice("c", [hp.randint(first, 2), hp.randint(second, 2)])
    return scope.switch(index, hp.uniform("z", 0, 1), 3)


def option_of_two(package, first, second):
    z = package.hp.uniform("z", 0, 1)
    return [package.hp.choice(first, [z, 1]), package.hp.choice(second, [z, 2])]


def option_that_is_come_to_again(package, first, second):
    hp, z = package.hp, package.hp.uniform("z", 0, 1)
    again = hp.choice(first, [z, 2])
    return [again, hp.choice(second, [1, z]), hp.choice("c", [again, 1])]


@pytest.mark.parametrize(
    "space",
    [switch_by_two, switch_by_one_of_two, option_of_two, option_that_is_come_to_again],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("labels", ["ab", "ba"])
def test_what_decides_about_a_label_is_drawn_in_hyperopts_order(space, labels):
    docs = [flat(doc) for doc in hyperopts_docs(space(theirs, *labels), list(range(50)), 1)]
    graph, rng = SpaceGraph(space(ours, *labels)), np.random.default_rng(1)

    assert [graph.draw(rng) for _ in docs] == docs


def test_a_bound_may_be_another_hyperparameter():
    def space(package):
        return package.hp.uniform("b", 0, package.hp.uniform("a", 1, 2))

    docs = [flat(doc) for doc in hyperopts_docs(space(theirs), list(range(20)), 3)]
    graph, rng = SpaceGraph(space(ours)), np.random.default_rng(3)

    drawn = [graph.draw(rng) for _ in docs]

    assert drawn == docs
    assert all(vals["b"] < vals["a"] for vals in drawn)


def test_a_switch_may_go_by_an_expression():
    def space(package):
        n = package.hp.quniform("n", 0, 2, 1)
        index = package.pyll.scope.int(2 - n)
        return package.pyll.scope.switch(index, package.hp.uniform("a", 0, 1), package.hp.uniform("z", 1, 2), 3)

    docs = [flat(doc) for doc in hyperopts_docs(space(theirs), list(range(30)), 5)]
    graph, rng = SpaceGraph(space(ours)), np.random.default_rng(5)

    assert [graph.draw(rng) for _ in docs] == docs


def test_a_switch_that_is_not_reached_needs_nothing_although_its_index_is_known():
    def space(package):
        n = package.hp.randint("n", 2)
        return package.hp.choice("a", [package.pyll.scope.switch(n, package.hp.uniform("x", 0, 1), 1), n])

    docs = [flat(doc) for doc in hyperopts_docs(space(theirs), list(range(30)), 5)]
    graph, rng = SpaceGraph(space(ours)), np.random.default_rng(5)

    drawn = [graph.draw(rng) for _ in docs]

    assert drawn == docs
    assert any(vals["n"] == 0 and "x" not in vals for vals in drawn)


def test_an_option_may_use_the_index_of_its_own_switch():
    n = ours.hp.randint("n", 2)
    graph = SpaceGraph(ours.hp.choice("a", [ours.pyll.scope.switch(n, n + 1, ours.hp.uniform("x", 0, 1) * n), 5]))

    for seed in range(20):
        vals = graph.draw(np.random.default_rng(seed))
        graph.build(vals)
        assert ("n" in vals, "x" in vals) == (vals["a"] == 0, vals["a"] == 0 and vals["n"] == 1)


def test_labels_that_decide_about_each_other_are_refused():
    hp, scope = ours.hp, ours.pyll.scope
    m, n = hp.randint("m", 2), hp.randint("n", 2)
    space = hp.choice("a", [scope.switch(m, n, 1), scope.switch(n, m, 1)])

    with pytest.raises(ours.exceptions.BadSearchSpace, match="each decide whether the other one is active"):
        SpaceGraph(space)


def test_only_distributions_can_have_a_label():
    with pytest.raises(ours.exceptions.BadSearchSpace, match="'x' labels add, and only uniform"):
        SpaceGraph(ours.pyll.scope.hyperopt_param("x", ours.pyll.scope.uniform(0, 1) + 1))


def test_drawn_values_are_python_numbers():
    domain = ours.Domain(lambda params: 0, [ours.hp.choice("kind", [0, 1]), ours.hp.quniform("x", 0, 1, 0.5)])

    (doc,) = ours.rand.suggest([0], domain, ours.Trials(), 1)

    assert [type(value[0]) for value in doc["misc"]["vals"].values()] == [int, float]
