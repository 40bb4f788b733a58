"""Lazy expressions."""

import math
import pickle

import numpy as np
import pytest

from manyhands.hyperopt import exceptions, hp, space_eval
from manyhands.hyperopt.pyll import Literal, as_apply, clone, clone_merge, dfs, rec_eval, scope, toposort
from manyhands.hyperopt.pyll.base import Apply, GarbageCollected, Lambda, MissingArgument, SymbolTable, apply, p0
from manyhands.hyperopt.pyll.stochastic import recursive_set_rng_kwarg, sample

A, B = Literal(7), Literal(2)


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (A + B, 9),
        (1 + A, 8),
        (A - B, 5),
        (1 - A, -6),
        (A * B, 14),
        (3 * A, 21),
        (A / B, 3.5),
        (14 / A, 2.0),
        (A // B, 3),
        (15 // A, 2),
        (A**B, 49),
        (2**A, 128),
        (-A, -7),
        (A < B, False),
        (A <= B, False),
        (A > B, True),
        (A >= B, True),
        (as_apply([1, 2, 3])[B], 3),
        (as_apply({"k": A})["k"], 7),
        (Literal(max)(A, B), 7),
        (Literal(dict)(a=A), {"a": 7}),
        (scope.int(A / B), 3),
        (scope.float(A), 7.0),
        (scope.len([1, 2]), 2),
        (scope.list((1, 2)), [1, 2]),
        (scope.dict(a=1), {"a": 1}),
        (scope.list(scope.range(A, 9)), [7, 8]),
        (scope.list(scope.map(str, (1, 2))), ["1", "2"]),
        (scope.max(A, B), 7),
        (scope.min(A, B), 2),
        (scope.getattr(A, "real"), 7),
        (scope.getattr(A, "nothing", 5), 5),
        (scope.exp(0), 1.0),
        (scope.log(math.e), 1.0),
        (scope.sqrt(16), 4.0),
        (scope.sin(0), 0.0),
        (scope.cos(0), 1.0),
        (scope.tan(0), 0.0),
        (scope.pow(A, B), 49),
        (scope.sum([1, 2, 3]), 6),
        (scope.minimum(A, B), 2),
        (scope.maximum(A, B), 7),
        (scope.eq(A, 7), True),
        (scope.str_join("-", ("a", "b")), "a-b"),
        (scope.call_method("text", "upper"), "TEXT"),
        (scope.call_method_pure(Literal([2, 1]), "index", 1), 1),
        (scope.copy_call_method_pure(Literal([2, 1]), "pop"), 1),
        (scope.identity(A), 7),
        (scope.kwswitch("b", a=1, b=2), 2),
        (scope.switch(1, scope.Raise(KeyError), "taken"), "taken"),
        (scope.partial("add", 2)(3), 5),
        (scope.callpipe1([scope.partial("add", 2), scope.partial("mul", 3)], 4), 18),
        (scope.repeat(2, "a"), ["a", "a"]),
    ],
)
def test_expressions_are_computed(node, value):
    found = rec_eval(node)

    assert found == value
    assert isinstance(node, Apply)


def test_arrays_can_be_made_and_counted():
    assert rec_eval(scope.asarray((1, 2), dtype="float")).tolist() == [1.0, 2.0]
    assert rec_eval(scope.bincount([1, 1, 2], offset=1)).tolist() == [2, 1]
    assert rec_eval(scope.array_union([3, 1], [2, 3])).tolist() == [1, 2, 3]


def test_a_memo_stands_in_for_nodes_and_for_what_only_they_need():
    broken = scope.Raise(ZeroDivisionError)

    assert rec_eval((broken + 1) * 2, memo={broken: 4}) == 10


def test_a_memo_is_left_as_it_is():
    memo = {A: 1}

    assert rec_eval(A + B, memo=memo) == 3
    assert memo == {A: 1}


def test_what_has_no_value_in_a_memo_is_missing():
    x = hp.uniform("x", 0, 1)
    (node,) = (inner for inner in dfs(x) if inner.name == "hyperopt_param")

    with pytest.raises(exceptions.MissingValue, match="'x'"):
        rec_eval(x, memo={node: GarbageCollected})


def test_a_node_that_is_used_twice_is_computed_once():
    calls = []
    node = Literal(lambda: calls.append(1) or len(calls))()

    assert rec_eval([node, node]) == (1, 1)


def test_an_error_tells_its_expression():
    with pytest.raises(ZeroDivisionError) as caught:
        rec_eval(A / 0)

    assert "truediv" in caught.value.__notes__[0]


@pytest.mark.parametrize("place", [-1, 0.5, "a"])
def test_a_switch_goes_by_whole_numbers_from_0(place):
    with pytest.raises((TypeError, ValueError), match="switch"):
        rec_eval(scope.switch(Literal(place), "a", "b"))


def test_functions_can_be_defined():
    @scope.define
    def k1_area(width, height=2):
        return width * height

    try:
        node = scope.k1_area(hp.uniformint("w", 1, 5) + 1)
        assert space_eval(node, {"w": 3}) == 8
        assert k1_area(2) == 4
        assert "k1_area" in scope.added()
        scope.define_if_new(k1_area)
    finally:
        scope.undefine(k1_area)
    with pytest.raises(AttributeError, match="Define it with @scope"):
        scope.k1_area  # noqa: B018


def test_a_cell_with_a_definition_can_be_run_again():
    table = SymbolTable()

    def run_cell(factor):
        @table.define
        def scaled(x):
            return factor * x

    run_cell(2)
    run_cell(3)

    assert table.implementation("scaled")(2) == 6


def test_other_functions_are_not_replaced():
    def add(a, b):
        return 0

    with pytest.raises(ValueError, match="Cannot override existing symbol"):
        scope.define(add)


def test_a_function_that_this_process_does_not_know_is_named():
    with pytest.raises(NameError, match=r"scope\.k1_unknown"):
        rec_eval(apply("k1_unknown", 1))


def test_symbols_can_be_imported():
    symbols = {}
    scope.import_(symbols, "exp", logarithm="log")

    assert rec_eval(symbols["exp"](0)) == 1.0
    assert rec_eval(symbols["logarithm"](1)) == 0.0
    with pytest.raises(ImportError, match="k1_unknown"):
        scope.inject("k1_unknown")


def test_a_lambda_may_call_itself():
    scope.define(Lambda("k1_fact", [("x", p0)], scope.switch(p0 > 1, 1, p0 * apply("k1_fact", p0 - 1))))
    try:
        assert rec_eval(scope.k1_fact(5)) == 120
        with pytest.raises(NotImplementedError):
            rec_eval(scope.k1_fact())
    finally:
        scope.undefine("k1_fact")


def test_nodes_of_known_length_can_be_unpacked():
    first, second = as_apply((A, B))

    assert rec_eval(first - second) == 5
    assert len(as_apply((A, B))) == 2


def test_nodes_of_unknown_length_cannot_be_iterated_without_end():
    with pytest.raises(TypeError, match="is not known"):
        list(hp.choice("c", [(1, 2)]))
    with pytest.raises(TypeError, match="undefined or unknown"):
        len(hp.uniform("x", 0, 1))


def test_dicts_are_sorted_and_their_keys_have_to_be_sortable():
    assert list(rec_eval({"b": 1, "a": 2})) == ["a", "b"]
    assert rec_eval({2: A, 1: B}) == {1: 2, 2: 7}
    with pytest.raises(TypeError):
        as_apply({1: A, "b": B})


def test_arguments_are_found_by_name():
    node = scope.hyperopt_param("x", scope.uniform(0, high=1))

    assert node.arg["label"].obj == "x"
    assert node.arg["obj"].arg["high"].obj == 1
    assert node.arg["obj"].arg["rng"] is MissingArgument


def test_arguments_can_be_replaced():
    node = scope.uniform(0, high=1)
    node.set_kwarg("high", 5)
    node.set_kwarg("size", 2)

    assert [(name, value.obj) for name, value in node.named_args] == [("high", 5), ("size", 2)]
    with pytest.raises(NotImplementedError):
        node.set_kwarg("low", 1)
    assert node.replace_input(node.pos_args[0], B) == [0]
    assert node.pos_args == [B]


def test_nodes_come_before_those_that_use_them():
    shared = A + B
    top = as_apply({"x": shared, "y": shared * 2})

    order = toposort(top)

    assert order == dfs(top)
    assert order[-1] is top
    assert order.count(shared) == 1


def test_a_cycle_is_found():
    inner = A + B
    outer = inner + 1
    inner.pos_args[1] = outer

    with pytest.raises(ValueError, match="cycle"):
        toposort(outer)


def test_a_clone_has_nodes_of_its_own():
    node = (A + B) * A
    copied = clone(node, {B: Literal(3)})

    assert copied.eval() == 70
    assert node.eval() == 63


def test_nodes_that_do_the_same_are_merged():
    node = (Literal(2) + Literal(3)) * (Literal(2) + Literal(3))

    merged = clone_merge(node, merge_literals=True)

    assert (len(dfs(node)), len(dfs(merged))) == (7, 4)
    assert len(dfs(clone_merge(node))) == 7
    assert merged.eval() == node.eval() == 25


def test_nodes_print_as_numbered_lines():
    assert str(Literal(5)) == "0 Literal{5}"
    assert str(scope.int(x := hp.choice("c", [1]))).count("\n") == 6
    assert "[line:" in str(as_apply([x, x]))


def test_an_expression_survives_pickling():
    x = hp.uniform("x", 0, 1)

    first, second = pickle.loads(pickle.dumps(as_apply([x, x * 2]))).pos_args  # noqa: S301

    assert second.pos_args[0] is first


def test_a_literal_that_is_no_node_is_refused_as_an_argument():
    with pytest.raises(TypeError, match="use as_apply on 1"):
        Apply("add", [1], [])


def test_a_random_generator_is_given_to_all_that_draw():
    node = recursive_set_rng_kwarg(as_apply([scope.uniform(0, 1), scope.normal(0, 1)]), np.random.default_rng(1))
    rng = np.random.default_rng(1)
    second, first = rng.normal(0, 1), rng.uniform(0, 1)

    assert rec_eval(node) == (first, second)


def test_a_draw_without_a_generator_says_so():
    with pytest.raises(exceptions.MissingValue, match="without a random generator"):
        rec_eval(scope.uniform(0, 1))


@pytest.mark.parametrize("rng", [3, np.random.default_rng(3), Literal(3)])
def test_sample_takes_generators_and_seeds(rng):
    assert sample(scope.uniform(0, 1), rng) == np.random.default_rng(3).uniform()


def test_sample_takes_the_old_random_state_too():
    assert 0 <= sample(scope.one_of(*range(5)), np.random.RandomState(0)) < 5


def test_sample_leaves_the_space_as_it_is():
    space = as_apply([hp.uniform("x", 0, 1)])
    before = str(space)
    sample(space)

    assert str(space) == before
