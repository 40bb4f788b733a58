"""A search space: any nesting of dicts, lists and tuples with parameters as leaves.

Two views of one set of params, and this file turns one into the other:

- the *params* an objective receives: the user's own nesting with values in it;
- a *point*: a flat dict from parameter name to value, holding only the parameters that are active, in which a choice
  is the index of its option. Samplers, stores and the wire deal in points.

A parameter's name is its path, its keys joined by dots (``"optimizer.rate"``). Below an option of a choice the option's
label takes part (``"model.svm.C"``), where the label is the constant that tells the options apart, else its number.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from manyhands.errors import SpaceError
from manyhands.parameters import Choice, Float, Int, Normal, Parameter
from manyhands.template import Branch, Leaf, fill

Point = dict[str, float]  #: flat name -> value; a choice's value is the index of its option


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
        SpaceError: Two parameters have the same name, or there is none at all.

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
        return _spec(self.tree)

    @classmethod
    def from_spec(cls, spec: Any) -> "Space":
        """The space described; objects that JSON cannot hold are stood in for by their ``repr``."""
        return cls(_from_spec(spec))

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
        return node

    def _plant_choice(
        self, choice: Choice, path: tuple[str, ...], parent: tuple[str, int] | None, group: list[_Node]
    ) -> Branch:
        name = choice.name or ".".join(path) or _telling_key(choice) or "choice"
        planted = self._register(name, choice, parent, group)
        options = []
        for i, (option, label) in enumerate(zip(choice.options, option_labels(choice), strict=True)):
            below: list[_Node] = []
            segment = str(label) if _telling_key(choice) else str(i)
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
                point[node.name] = self.parameters[node.name].read(_plain(value))
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


# -- labels ------------------------------------------------------------------------------------------------------


def option_labels(choice: Choice) -> list[Any]:
    """What to call each option: itself if JSON can hold it, else the constant that tells it apart, else a name.

    Example:
        >>> option_labels(Choice([1, "b", {"model": "svm", "C": Float(0, 1)}, print]))
        [1, 'b', '2', 'print']
    """
    key = _telling_key(choice)
    labels: list[Any] = []
    for i, option in enumerate(choice.options):
        if key is not None:
            labels.append(name_of(option[key]))  # type: ignore[index]
        elif _has_parameters(option):
            labels.append(str(i))
        else:
            labels.append(option if _is_literal(option) else name_of(option))
    return labels


def _telling_key(choice: Choice) -> str | None:
    """The key under which every option, being a dict, has a constant of its own."""
    options = choice.options
    if not all(isinstance(option, dict) for option in options):
        return None
    for key in options[0]:  # type: ignore[attr-defined]
        values = [option.get(key, _MISSING) for option in options]  # type: ignore[attr-defined]
        plain = all(
            v is not _MISSING and not isinstance(v, dict | list | tuple) and not _has_parameters(v) for v in values
        )
        if plain and len({name_of(v) for v in values}) == len(values):
            return str(key)
    return None


_MISSING = object()


def _has_parameters(node: object) -> bool:
    if isinstance(node, Float | Int | Normal | Choice):
        return True
    if isinstance(node, dict):
        return any(map(_has_parameters, node.values()))
    return isinstance(node, list | tuple) and any(map(_has_parameters, node))


def _is_literal(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def name_of(value: object) -> str:
    """A short name that stays the same from run to run: no memory addresses.

    Example:
        >>> name_of(print), name_of("svm"), name_of(0.5)
        ('print', 'svm', '0.5')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, type) or callable(value):
        name = getattr(value, "__name__", None)
        if name:
            return str(name)
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _plain(value: object) -> object:
    """A NumPy scalar as the Python number it stands for."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def _same(a: object, b: object) -> bool:
    if a is b:
        return True
    if isinstance(a, bool) != isinstance(b, bool):  # True == 1, but they are not the same option
        return False
    try:
        return bool(a == b)
    except Exception:  # arrays have no single truth, and other people's __eq__ may raise anything
        return False


# -- descriptions --------------------------------------------------------------------------------------------------


class Opaque:
    """Stands in a loaded space for an object that the store could not hold.

    Attributes:
        text: The object's name or ``repr``.
    """

    def __init__(self, text: str):
        self.text = text
        self.__name__ = text

    def __repr__(self) -> str:
        return self.text

    def __call__(self, *_: object, **__: object) -> object:
        """Refuse: it only looks like what it stands for."""
        raise SpaceError(
            f"{self.text} was only stored by name. Pass space= when loading the study to get the object itself."
        )


def _spec(node: object) -> Any:
    if isinstance(node, Choice):
        options = [_spec(option) for option in node.options]
        weights = list(node.weights) if node.weights else None
        return {"choice": options, "ordered": node.ordered, "weights": weights, "name": node.name}
    if isinstance(node, Float | Int | Normal):
        fields = {f: getattr(node, f) for f in type(node).__dataclass_fields__}
        return {type(node).__name__.lower(): fields}
    if isinstance(node, dict):
        return {"dict": [[k if isinstance(k, str | int) else name_of(k), _spec(v)] for k, v in node.items()]}
    if type(node) in (list, tuple):
        return {type(node).__name__: [_spec(v) for v in _items(node)]}
    if isinstance(node, float) and not math.isfinite(node):
        return {"number": str(node)}  # JSON has no word for it
    return {"value": node} if _is_literal(node) else {"object": _lasting_name(node)}


def _items(node: object) -> Iterator[object]:
    return iter(node)  # type: ignore[call-overload,no-any-return]


def _lasting_name(value: object) -> str:
    if isinstance(value, type) or callable(value):
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if module and name:
            return f"{module}.{name}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _from_spec(spec: Any) -> Any:
    kinds: dict[str, Callable[..., Parameter]] = {"float": Float, "int": Int, "normal": Normal}
    kind, body = next(iter(spec.items()))
    if kind in kinds:
        return kinds[kind](**body)
    if kind == "choice":
        options = [_from_spec(option) for option in body]
        return Choice(options, ordered=spec["ordered"], weights=spec["weights"], name=spec["name"])
    if kind == "dict":
        return {k: _from_spec(v) for k, v in body}
    if kind == "list":
        return [_from_spec(v) for v in body]
    if kind == "tuple":
        return tuple(_from_spec(v) for v in body)
    if kind == "number":
        return float(body)
    return body if kind == "value" else Opaque(body)
