"""A search space: any nesting of dicts, lists and tuples with parameters as leaves.

Two views of one set of params, and this file turns one into the other:

- the *params* an objective receives: the user's own nesting with values in it;
- a *point*: a flat dict from parameter name to value, holding only the parameters that are active, in which a choice
  is the index of its option. Samplers, stores and the wire deal in points.

A parameter's name is its path, its keys joined by dots (``"optimizer.rate"``). Below an option of a choice the option's
label takes part (``"model.svm.C"``), where the label is the constant that tells the options apart, else its number.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from manyhands.description import describe, restore
from manyhands.errors import SpaceError
from manyhands.labels import has_parameters, option_labels, telling_key
from manyhands.parameters import Choice, Float, Int, Normal, Parameter, plain
from manyhands.template import Branch, Leaf, fill

Point = dict[str, int | float]  #: flat name -> value; a choice's value is the index of its option


class Rng(Protocol):
    """The one thing a space needs of ``numpy.random.Generator``."""

    def random(self, size: int) -> Any:  # noqa: D102
        ...


class _Node:
    """A parameter in the tree, with what lies below each of its options."""

    __slots__ = ("below", "name", "parameter")

    def __init__(self, name: str, parameter: Parameter):
        self.name = name
        self.parameter = parameter
        self.below: list[list[_Node]] = []

    def size(self) -> int | None:
        if not any(self.below):
            return self.parameter.n_values
        sizes = [_product(group) for group in self.below]
        return None if None in sizes else sum(s for s in sizes if s is not None)


def _product(group: Sequence[_Node]) -> int | None:
    total = 1
    for node in group:
        size = node.size()
        if size is None:
            return None
        total *= size
    return total


class Space:
    """A nesting of parameters, with its names, its tree and its unit cube.

    Args:
        tree: Any nesting of dicts, lists and tuples with ``Float``, ``Int``, ``Normal`` and ``Choice`` as leaves.
            Whatever else it contains is passed to the objective as it is.

    Attributes:
        tree: What was given.
        parameters: Flat name to parameter, parents before children.
        parents: Flat name to the (choice, option index) below which the parameter lies; None at the top.
        size: How many different points there are; None if there is no end to them.

    Raises:
        SpaceError: Two parameters have the same name, one is in a container of another kind, or there is none at all.

    Example:
        >>> space = Space({"kind": Choice(["a", {"y": Int(1, 3)}]), "x": Float(0, 1)})
        >>> list(space.parameters)
        ['kind', 'kind.1.y', 'x']
        >>> space.build({"kind": 1, "kind.1.y": 2, "x": 0.5})
        {'kind': {'y': 2}, 'x': 0.5}
    """

    def __init__(self, tree: object):
        self._build(tree, {})

    def replacing(self, parameters: Mapping[str, Parameter]) -> "Space":
        """The same space with other parameters in place of the named ones, for counting through it another way."""
        other = Space.__new__(Space)
        other._build(self.tree, parameters)
        return other

    def _build(self, tree: object, replacements: Mapping[str, Parameter]) -> None:
        self.tree = tree
        self._replacements = replacements
        self.parameters: dict[str, Parameter] = {}
        self.parents: dict[str, tuple[str, int] | None] = {}
        self._roots: list[_Node] = []
        self.template = self._plant(tree, (), None, self._roots)
        if not self.parameters:
            raise SpaceError(f"The space {tree!r} has no parameters. Put mh.Float, mh.Int or mh.Choice into it.")
        self._order = [(n, p, self.parents[n]) for n, p in self.parameters.items()]
        self._labels = {n: option_labels(p) for n, p in self.parameters.items() if isinstance(p, Choice)}
        self.size = _product(self._roots)

    # -- points and params -------------------------------------------------------------------------------------

    def build(self, point: Mapping[str, float]) -> Any:
        """The params of a point: the user's nesting with values in it."""
        return fill(self.template, point)

    def find(self, params: object) -> Point:
        """The point of params, which may be partial.

        Keys that are missing from dicts stay open: they are absent from the point.

        Raises:
            SpaceError: The params have another shape than the space, or a value outside its range.
        """
        point: Point = {}
        self._match(self.template, params, "params", point)
        return point

    def sample(self, rng: Rng, fixed: Mapping[str, float] | None = None) -> Point:
        """Draw a point at random, keeping what ``fixed`` says."""
        return self.decode(rng.random(len(self._order)).tolist(), fixed)

    def decode(self, u: Sequence[float], fixed: Mapping[str, float] | None = None) -> Point:
        """The point at ``u`` in the unit cube, one coordinate for each of ``parameters``, inactive ones ignored."""
        point: Point = {}
        for (name, parameter, parent), x in zip(self._order, u, strict=True):
            if parent is not None and point.get(parent[0]) != parent[1]:
                continue
            point[name] = fixed[name] if fixed is not None and name in fixed else parameter.decode(x)
        return point

    def encode(self, point: Mapping[str, float]) -> list[float]:
        """Where the point lies in the unit cube; NaN for inactive parameters. Inverse to ``decode``."""
        return [p.encode(point[n]) if n in point else float("nan") for n, p, _ in self._order]  # type: ignore[arg-type]

    def label(self, point: Mapping[str, float]) -> dict[str, Any]:
        """The point as people read it: flat names, and for a choice its option (or its label, if it holds more)."""
        shown: dict[str, Any] = {}
        for name, value in point.items():
            labels = self._labels.get(name)
            shown[name] = value if labels is None else labels[int(value)]
        return shown

    # -- counting ----------------------------------------------------------------------------------------------

    def nth(self, i: int) -> Point:
        """The ``i``-th of ``size`` points; the last parameter changes fastest."""
        point: Point = {}
        _write_nth(self._roots, i, point)
        return {name: point[name] for name in self.parameters if name in point}

    def index(self, point: Mapping[str, float]) -> int:
        """Which of ``size`` points this is. Inverse to ``nth``."""
        return _index(self._roots, point)

    # -- a description that outlives the process ---------------------------------------------------------------

    def spec(self) -> Any:
        """A JSON-able description: enough to compare spaces and to show points without the original objects."""
        return describe(self.tree)

    @classmethod
    def from_spec(cls, spec: Any) -> "Space":
        """The space described; objects that JSON cannot hold are stood in for by their ``repr``."""
        return cls(restore(spec))

    # -- building ----------------------------------------------------------------------------------------------

    def _plant(self, node: object, path: tuple[str, ...], parent: tuple[str, int] | None, group: list[_Node]) -> object:
        """Register every parameter below ``node`` and return the template of ``node``."""
        if isinstance(node, Choice):
            return self._plant_choice(node, path, parent, group)
        if isinstance(node, Float | Int | Normal):
            name = node.name or ".".join(path) or "x"
            self._register(name, self._replacements.get(name, node), parent, group)
            return Leaf(name)
        if isinstance(node, dict):
            return {k: self._plant(v, (*path, str(k)), parent, group) for k, v in node.items()}
        if isinstance(node, list | tuple) and type(node) in (list, tuple):
            return type(node)(self._plant(v, (*path, str(i)), parent, group) for i, v in enumerate(node))
        if has_parameters(node):
            raise SpaceError(
                f"{'.'.join(path) or 'The space'} is a {type(node).__name__}, and parameters in one are not searched. "
                f"Put them into a plain dict, list or tuple: {node!r}."
            )
        return node

    def _plant_choice(
        self, choice: Choice, path: tuple[str, ...], parent: tuple[str, int] | None, group: list[_Node]
    ) -> Branch:
        name = choice.name or ".".join(path) or telling_key(choice) or "choice"
        planted = self._register(name, choice, parent, group)
        options = []
        for i, (option, label) in enumerate(zip(choice.options, option_labels(choice), strict=True)):
            below: list[_Node] = []
            segment = str(label) if telling_key(choice) else str(i)
            options.append(self._plant(option, (*path, segment), (name, i), below))
            planted.below.append(below)
        return Branch(name, options)

    def _register(self, name: str, parameter: Parameter, parent: tuple[str, int] | None, group: list[_Node]) -> _Node:
        if name in self.parameters:
            raise SpaceError(f"Two parameters are called {name!r}. Give one of them another name with name=.")
        node = _Node(name, parameter)
        self.parameters[name] = parameter
        self.parents[name] = parent
        group.append(node)
        return node

    def _match(self, node: object, value: object, where: str, point: Point) -> int:
        """Write into ``point`` what ``value`` says of ``node``; returns how many keys it leaves open."""
        if isinstance(node, Leaf):
            try:
                point[node.name] = self.parameters[node.name].read(plain(value))
            except SpaceError as error:
                raise SpaceError(f"{where}: {error}") from None
            return 0
        if isinstance(node, Branch):
            return self._match_branch(node, value, where, point)
        if isinstance(node, dict):
            return self._match_dict(node, value, where, point)
        if isinstance(node, list | tuple):
            if not isinstance(value, list | tuple) or len(value) != len(node):
                raise SpaceError(f"{where} should be a sequence of {len(node)} values, and is {value!r}.")
            pairs = enumerate(zip(node, value, strict=True))
            return sum(self._match(inner, given, f"{where}[{i}]", point) for i, (inner, given) in pairs)
        if not _same(node, value):
            raise SpaceError(f"{where} is always {node!r} in this space, and cannot be {value!r}.")
        return 0

    def _match_dict(self, node: dict[Any, Any], value: object, where: str, point: Point) -> int:
        if not isinstance(value, Mapping):
            raise SpaceError(f"{where} should be a dict with keys {list(node)}, and is {value!r}.")
        n_open = len(node.keys() - value.keys())
        for key, given in value.items():
            if key not in node:
                raise SpaceError(f"{where} has no parameter {key!r}. It has: {', '.join(map(str, node))}.")
            n_open += self._match(node[key], given, f"{where}[{key!r}]", point)
        return n_open

    def _match_branch(self, node: Branch, value: object, where: str, point: Point) -> int:
        """Take the option that fits and leaves the least open; the first of several such."""
        if isinstance(value, Mapping) and not value:
            return 1  # an empty dict says nothing about which option is meant
        fits: list[tuple[int, int, Point]] = []
        misfits = []
        for i, option in enumerate(node.options):
            inner: Point = {}
            try:
                fits.append((self._match(option, value, where, inner), i, inner))
            except SpaceError as error:
                misfits.append(f"  option {i}: {error}")
        if not fits:
            raise SpaceError(f"{where} = {value!r} fits none of the options of {node.name!r}:\n" + "\n".join(misfits))
        n_open, i, inner = min(fits, key=lambda fit: fit[:2])
        point[node.name] = i
        point.update(inner)
        return n_open


def _write_nth(group: Sequence[_Node], i: int, point: Point) -> None:
    for node in reversed(group):
        size = node.size()
        assert size is not None, "only finite spaces are numbered"  # noqa: S101
        i, rest = divmod(i, size)
        if not any(node.below):
            point[node.name] = node.parameter.nth(rest)  # type: ignore[union-attr]
            continue
        for option, below in enumerate(node.below):
            inner = _product(below) or 0
            if rest < inner:
                point[node.name] = option
                _write_nth(below, rest, point)
                break
            rest -= inner


def _index(group: Sequence[_Node], point: Mapping[str, float]) -> int:
    total = 0
    for node in group:
        value = point[node.name]
        if any(node.below):
            option = int(value)
            here = sum(_product(below) or 0 for below in node.below[:option]) + _index(node.below[option], point)
        else:
            here = node.parameter.index(value)  # type: ignore[union-attr,arg-type]
        total = total * (node.size() or 1) + here
    return total


def _same(a: object, b: object) -> bool:
    if a is b:
        return True
    if isinstance(a, bool) != isinstance(b, bool):  # True == 1, but they are not the same option
        return False
    try:
        return bool(a == b)
    except Exception:  # arrays have no single truth, and other people's __eq__ may raise anything
        return False
