"""Random Hyperopt spaces, to be built twice: with Hyperopt and with ours."""

import random
from types import SimpleNamespace

from hypothesis import strategies as st

#: (function of ``hp``, arguments after the label)
PLAIN = [
    ("uniform", (-1, 2)),
    ("uniform", (0.0, 0.0)),
    ("quniform", (0, 8, 3)),
    ("quniform", (-0.35, 0.35, 0.1)),
    ("uniformint", (1, 5)),
    ("loguniform", (-7, 1)),
    ("qloguniform", (0, 3, 2)),
    ("qloguniform", (1, 4, 1)),
    ("normal", (1, 2)),
    ("qnormal", (0, 3, 0.5)),
    ("lognormal", (0, 1)),
    ("qlognormal", (0, 2, 1)),
    ("randint", (7,)),
    ("randint", (-3, 9)),
]
CONSTANTS = [1, "text", None, 2.5, True]

_SEVERAL = ["list", "tuple", "dict", "choice", "choice", "pchoice", "switch", "switch", "switch again"]
_SEVERAL += ["switch by two", "switch by one of two"]

_leaves = st.one_of(
    st.tuples(st.just("plain"), st.integers(0, len(PLAIN) - 1)),
    st.tuples(st.just("plain"), st.integers(0, len(PLAIN) - 1)),
    st.tuples(st.just("constant"), st.integers(0, len(CONSTANTS) - 1)),
    st.tuples(st.just("same again"), st.integers(0, 20)),
)


def _nested(inner):
    several = st.lists(inner, min_size=1, max_size=4)
    return st.one_of(
        st.tuples(st.sampled_from(_SEVERAL), several),
        st.tuples(st.sampled_from(["int", "twice"]), st.tuples(st.just("plain"), st.integers(0, len(PLAIN) - 1))),
    )


#: A recipe of a space. ``same again`` takes a node that stands elsewhere in the space too.
recipes = st.tuples(st.recursive(_leaves, _nested, max_leaves=12), st.integers(0, 2**32))


def build(recipe, package):
    """The space of a recipe, made with ``package``: Hyperopt, or ours."""
    tree, seed = recipe
    labels = [f"p{i:03d}" for i in range(200)]
    random.Random(seed).shuffle(labels)  # noqa: S311 - the order of labels decides the order of draws
    tools = SimpleNamespace(hp=package.hp, scope=package.pyll.scope, labels=labels, made=[], indices=[])
    return [_build(tree, tools), package.hp.normal("always", 0, 1)]


def _build(recipe, tools):
    kind, what = recipe
    if kind == "constant":
        return CONSTANTS[what]
    if kind == "same again":
        return tools.made[what % len(tools.made)] if tools.made else what
    node = _KINDS[kind](what, tools)
    if kind not in ("list", "tuple", "dict"):
        tools.made.append(node)
    return node


def _plain(what, tools):
    name, arguments = PLAIN[what]
    return getattr(tools.hp, name)(tools.labels.pop(), *arguments)


def _all(what, tools):
    return [_build(inner, tools) for inner in what]


def _choice(what, tools):
    return tools.hp.choice(tools.labels.pop(), _all(what, tools))


def _pchoice(what, tools):
    label = tools.labels.pop()
    return tools.hp.pchoice(label, [(1 / len(what), option) for option in _all(what, tools)])


def _index(n, tools):
    return tools.hp.randint(tools.labels.pop(), n)


def _switch(what, tools):
    index = _index(len(what), tools)
    tools.indices.append((index, len(what)))
    return tools.scope.switch(index, *_all(what, tools))


def _switch_again(what, tools):
    """A switch that goes by the same hyperparameter as an earlier one."""
    if not tools.indices:
        return _switch(what, tools)
    index, n = tools.indices[-1]
    return tools.scope.switch(index, *(_all(what, tools) * n)[:n])


def _switch_by_two(what, tools):
    index = tools.scope.min(_index(len(what), tools), _index(len(what), tools))
    return tools.scope.switch(index, *_all(what, tools))


def _switch_by_one_of_two(what, tools):
    index = tools.hp.choice(tools.labels.pop(), [_index(len(what), tools), _index(len(what), tools)])
    return tools.scope.switch(index, *_all(what, tools))


_KINDS = {
    "plain": _plain,
    "list": _all,
    "tuple": lambda what, tools: tuple(_all(what, tools)),
    "dict": lambda what, tools: {f"k{i}": node for i, node in enumerate(_all(what, tools))},
    "choice": _choice,
    "pchoice": _pchoice,
    "switch": _switch,
    "switch again": _switch_again,
    "switch by two": _switch_by_two,
    "switch by one of two": _switch_by_one_of_two,
    "int": lambda what, tools: tools.scope.int(_build(what, tools)),
    "twice": lambda what, tools: 2 * _build(what, tools) + 1,
}
