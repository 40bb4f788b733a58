"""Lazy expressions: a node names a function and holds the nodes of its arguments; nothing is computed yet.

``scope`` knows the functions by name. Calling ``scope.add(a, b)`` makes a node; ``evaluate.rec_eval`` computes it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


class PyllImportError(ImportError):
    """A symbol was asked for that is not defined in the scope."""


class MissingArgument:
    """Stands in ``Apply.arg`` for a parameter that was not given."""


class SymbolTable:
    """Functions by name, and for each one a way to make nodes: ``scope.name(...)``.

    Example:
        >>> table = SymbolTable()
        >>> @table.define
        ... def twice(x):
        ...     return 2 * x
        >>> table.twice(3).name
        'twice'
    """

    def __init__(self) -> None:
        self._impls: dict[str, Any] = {}
        self._builtin: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        # Reached only for names that are not defined. Dunder names are asked for by copy, pickle and the like.
        raise AttributeError(f"{name!r} is not defined in this scope. Define it with @scope.define.")

    def define(self, f: Any, o_len: int | None = None, pure: bool = False) -> Any:
        """Add a function under its own name; usable as a decorator. Returns the function.

        Raises:
            ValueError: The name is taken by another function. The same function defined anew, as when a notebook's
                cell runs a second time, replaces the older one.
        """
        name = f.__name__
        if hasattr(self, name) and not self._is_same_anew(name, f):
            raise ValueError("Cannot override existing symbol", name)
        return self.register(name, f, o_len, pure)

    def define_if_new(self, f: Any, o_len: int | None = None, pure: bool = False) -> Any:
        """Like ``define``, and quiet if just this function is defined already."""
        name = f.__name__
        if hasattr(self, name) and self._impls.get(name) is not f:
            raise ValueError("Cannot redefine existing symbol", name)
        return self.register(name, f, o_len, pure)

    def define_pure(self, f: Any) -> Any:
        """Like ``define``, for a function without side effects."""
        return self.define(f, pure=True)

    def define_info(self, o_len: int | None = None, pure: bool = False) -> Callable[[Any], Any]:
        """A decorator like ``define``, for a function that returns ``o_len`` values."""
        return lambda f: self.define(f, o_len=o_len, pure=pure)

    def undefine(self, f: Any) -> None:
        """Remove a function, given itself or by name."""
        name = f if isinstance(f, str) else f.__name__
        del self._impls[name]
        delattr(self, name)

    def register(self, name: str, f: Any, o_len: int | None = None, pure: bool = False) -> Any:
        """Add a function under any name, whether that is taken or not. Returns the function."""
        setattr(self, name, SymbolTableEntry(self, name, o_len, pure))
        self._impls[name] = f
        return f

    def seal(self) -> None:
        """Take what is defined so far as given: it need not travel to other processes."""
        self._builtin = set(self._impls)

    def added(self) -> dict[str, Any]:
        """The functions that users have defined, by name: what another process lacks."""
        return {name: f for name, f in self._impls.items() if name not in self._builtin}

    def inject(self, *args: str, **kwargs: str) -> dict[str, Any]:
        """The named symbols in a dict; a keyword argument gives its symbol another name.

        Raises:
            PyllImportError: One of them is not defined.
        """
        wanted = {**{name: name for name in args}, **kwargs}
        for original in wanted.values():
            if not hasattr(self, original):
                raise PyllImportError(original)
        return {name: getattr(self, original) for name, original in wanted.items()}

    def import_(self, _globals: dict[str, Any], *args: str, **kwargs: str) -> None:
        """Put the named symbols into ``_globals``."""
        _globals.update(self.inject(*args, **kwargs))

    def implementation(self, name: str) -> Any:
        """The function of this name.

        Raises:
            NameError: There is none.
        """
        try:
            return self._impls[name]
        except KeyError:
            raise NameError(
                f"An expression uses scope.{name}, which is not defined in this process. Define it with @scope.define "
                "in a module that this process imports too."
            ) from None

    def _new_apply(
        self, name: str, args: Iterable[Any], kwargs: Mapping[str, Any], o_len: int | None, pure: bool
    ) -> Apply:
        named = [(key, as_apply(kwargs[key])) for key in sorted(kwargs)]
        return Apply(name, [as_apply(value) for value in args], named, o_len, pure)

    def _is_same_anew(self, name: str, f: Any) -> bool:
        old = self._impls.get(name)
        places = [(getattr(g, "__module__", None), getattr(g, "__qualname__", None)) for g in (old, f)]
        return name in self._impls and places[0] == places[1]


class SymbolTableEntry:
    """Makes nodes of one function: what ``scope.name`` is."""

    def __init__(self, symbol_table: SymbolTable, apply_name: str, o_len: int | None, pure: bool) -> None:
        self.symbol_table = symbol_table
        self.apply_name = apply_name
        self.o_len = o_len
        self.pure = pure

    def __call__(self, *args: Any, **kwargs: Any) -> Apply:  # noqa: D102
        return self.symbol_table._new_apply(self.apply_name, args, kwargs, self.o_len, self.pure)


scope = SymbolTable()


class Apply:
    """A function applied to arguments, not computed yet.

    Args:
        name: The function's name in ``scope``.
        pos_args: Nodes of the positional arguments.
        named_args: (keyword, node) pairs.
        o_len: How many values the function returns, if that is known: then the node can be unpacked.
        pure: The function has no side effects.
        define_params: Keyword arguments for ``scope.define_if_new`` when the node is unpickled elsewhere.
    """

    def __init__(
        self,
        name: str,
        pos_args: Iterable[Apply],
        named_args: Any,
        o_len: int | None = None,
        pure: bool = False,
        define_params: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.pos_args = list(pos_args)
        pairs = named_args.items() if isinstance(named_args, dict) else named_args
        self.named_args = [[keyword, node] for keyword, node in pairs]
        self.o_len = o_len
        self.pure = pure
        self.define_params = define_params
        strangers = [node for node in self.inputs() if not isinstance(node, Apply)]
        if strangers:
            raise TypeError(f"Arguments of the node {name!r} must be nodes; use as_apply on {strangers[0]!r}.")

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.define_params:
            scope.define_if_new(**self.define_params)

    def eval(self, memo: dict[int, Any] | None = None) -> Any:
        """Compute the node, all branches included; ``rec_eval`` takes only those that are needed.

        Args:
            memo: Values of nodes, by ``id`` of the node; is added to.
        """
        memo = {} if memo is None else memo
        if id(self) not in memo:
            args = [node.eval(memo) for node in self.pos_args]
            kwargs = {keyword: node.eval(memo) for keyword, node in self.named_args}
            memo[id(self)] = scope.implementation(self.name)(*args, **kwargs)
        return memo[id(self)]

    def inputs(self) -> list[Apply]:
        """The nodes of all arguments, positional ones first."""
        return [*self.pos_args, *(node for _, node in self.named_args)]

    @property
    def arg(self) -> dict[str, Any]:
        """The function's parameters and the nodes bound to them; ``MissingArgument`` where none is.

        Raises:
            TypeError: The arguments do not fit the function.
        """
        signature = inspect.signature(scope.implementation(self.name))
        bound = signature.bind_partial(*self.pos_args, **dict(self.named_args)).arguments
        return {name: bound.get(name, MissingArgument) for name in signature.parameters}

    def set_kwarg(self, name: str, value: Any) -> None:
        """Set a keyword argument, replacing one of that name.

        Raises:
            NotImplementedError: The argument was given by position.
        """
        for pair in self.named_args:
            if pair[0] == name:
                pair[1] = as_apply(value)
                return
        if self.arg.get(name, MissingArgument) is not MissingArgument:
            raise NotImplementedError("change pos arg to kw arg")
        self.named_args.append([name, as_apply(value)])
        self.named_args.sort(key=lambda pair: pair[0])

    def clone_from_inputs(self, inputs: Iterable[Apply], o_len: Any = "same") -> Apply:
        """A node like this one with other arguments, in the order of ``inputs()``.

        Raises:
            TypeError: There are more or fewer of them than this node has.
        """
        nodes = list(inputs)
        if len(nodes) != len(self.pos_args) + len(self.named_args):
            raise TypeError(f"{self.name} has {len(self.inputs())} arguments, and {len(nodes)} are given.")
        n = len(self.pos_args)
        named = [(keyword, node) for (keyword, _), node in zip(self.named_args, nodes[n:], strict=True)]
        return self.__class__(self.name, nodes[:n], named, self.o_len if o_len == "same" else o_len)

    def replace_input(self, old_node: Apply, new_node: Apply) -> list[int]:
        """Put one node in the place of another among the arguments; returns at which places of ``inputs()``."""
        places = [i for i, node in enumerate(self.inputs()) if node is old_node]
        for i in places:
            if i < len(self.pos_args):
                self.pos_args[i] = new_node
            else:
                self.named_args[i - len(self.pos_args)][1] = new_node
        return places

    def pprint(self, ofile: Any, lineno: list[int] | None = None, indent: int = 0, memo: Any = None) -> None:
        """Print the node and what it needs, a numbered line each; a node that was printed before only by its line."""
        memo = {} if memo is None else memo
        lineno = [0] if lineno is None else lineno
        if self in memo:
            _print_line(ofile, lineno, indent, memo[self])
            return
        memo[self] = f"{self._title()}  [line:{lineno[0]}]"
        _print_line(ofile, lineno, indent, self._title())
        for node in self.pos_args:
            node.pprint(ofile, lineno, indent + 2, memo)
        for keyword, node in self.named_args:
            _print_line(ofile, lineno, indent, f" {keyword} =")
            node.pprint(ofile, lineno, indent + 2, memo)

    def _title(self) -> str:
        return self.name

    def __str__(self) -> str:
        lines = _Lines()
        self.pprint(lines)
        return "".join(lines.parts)[:-1]

    def __add__(self, other: Any) -> Apply:
        return scope.add(self, other)  # type: ignore[no-any-return]

    def __radd__(self, other: Any) -> Apply:
        return scope.add(other, self)  # type: ignore[no-any-return]

    def __sub__(self, other: Any) -> Apply:
        return scope.sub(self, other)  # type: ignore[no-any-return]

    def __rsub__(self, other: Any) -> Apply:
        return scope.sub(other, self)  # type: ignore[no-any-return]

    def __neg__(self) -> Apply:
        return scope.neg(self)  # type: ignore[no-any-return]

    def __mul__(self, other: Any) -> Apply:
        return scope.mul(self, other)  # type: ignore[no-any-return]

    def __rmul__(self, other: Any) -> Apply:
        return scope.mul(other, self)  # type: ignore[no-any-return]

    def __truediv__(self, other: Any) -> Apply:
        return scope.truediv(self, other)  # type: ignore[no-any-return]

    def __rtruediv__(self, other: Any) -> Apply:
        return scope.truediv(other, self)  # type: ignore[no-any-return]

    def __floordiv__(self, other: Any) -> Apply:
        return scope.floordiv(self, other)  # type: ignore[no-any-return]

    def __rfloordiv__(self, other: Any) -> Apply:
        return scope.floordiv(other, self)  # type: ignore[no-any-return]

    def __pow__(self, other: Any) -> Apply:
        return scope.pow(self, other)  # type: ignore[no-any-return]

    def __rpow__(self, other: Any) -> Apply:
        return scope.pow(other, self)  # type: ignore[no-any-return]

    def __gt__(self, other: Any) -> Apply:
        return scope.gt(self, other)  # type: ignore[no-any-return]

    def __ge__(self, other: Any) -> Apply:
        return scope.ge(self, other)  # type: ignore[no-any-return]

    def __lt__(self, other: Any) -> Apply:
        return scope.lt(self, other)  # type: ignore[no-any-return]

    def __le__(self, other: Any) -> Apply:
        return scope.le(self, other)  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Apply:
        if self.o_len is not None and isinstance(index, int) and index >= self.o_len:
            raise IndexError(index)  # this is what ends unpacking
        return scope.getitem(self, index)  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Apply]:
        # Without this, iteration would ask for items 0, 1, 2 ... and get a node for each, without end.
        if self.o_len is None:
            raise TypeError(f"How many values {self.name!r} has is not known before it is computed; index it instead.")
        return (self[i] for i in range(self.o_len))

    def __len__(self) -> int:
        if self.o_len is None:
            raise TypeError("len of pyll.Apply either undefined or unknown")
        return self.o_len

    def __call__(self, *args: Any, **kwargs: Any) -> Apply:  # noqa: D102
        return scope.call(self, args, kwargs)  # type: ignore[no-any-return]


class Literal(Apply):
    """A node that is a constant: any Python object."""

    def __init__(self, obj: Any = None) -> None:
        try:
            o_len = len(obj)
        except (AttributeError, TypeError):  # some estimators answer the former until they are fitted
            o_len = None
        super().__init__("literal", [], [], o_len, pure=True)
        self._obj = obj

    @property
    def obj(self) -> Any:
        """The constant."""
        return self._obj

    @property
    def arg(self) -> dict[str, Any]:
        """Nothing: a constant has no arguments."""
        return {}

    def eval(self, memo: dict[int, Any] | None = None) -> Any:
        """The constant, or what ``memo`` has in its place."""
        return self._obj if memo is None else memo.setdefault(id(self), self._obj)

    def clone_from_inputs(self, inputs: Iterable[Apply], o_len: Any = "same") -> Literal:
        """Another node with the same constant."""
        return self.__class__(self._obj)

    def _title(self) -> str:
        shape = getattr(self._obj, "shape", None)
        if shape:  # an array is too long to be printed
            return f"Literal{{{type(self._obj).__name__},shape={shape}}}"
        return f"Literal{{{self._obj!s}}}"


def as_apply(obj: Any) -> Apply:
    """Any object as a node: a node as it is, containers as nodes of their contents, all else as a literal.

    Lists and tuples both become tuples when they are computed, dicts have sorted keys.

    Raises:
        TypeError: A dict has keys that cannot be sorted, or there is a node of the package hyperopt.
    """
    if isinstance(obj, Apply):
        return obj
    if type(obj).__module__ == "hyperopt.pyll.base" and hasattr(obj, "pos_args"):
        raise TypeError(
            f"An expression of the package hyperopt is in the space: {obj.name!r}. Import hp and scope from "
            "manyhands.hyperopt and manyhands.hyperopt.pyll as well."
        )
    if isinstance(obj, tuple):
        return Apply("pos_args", [as_apply(value) for value in obj], [], len(obj))
    if isinstance(obj, list):
        return Apply("pos_args", [as_apply(value) for value in obj], [])
    if isinstance(obj, dict):
        items = [(key, as_apply(obj[key])) for key in sorted(obj)]
        if all(isinstance(key, str) for key in obj):
            return Apply("dict", [], items, len(items))
        return Apply("dict", [as_apply(items)], [])
    return Literal(obj)


def apply(name: str, *args: Any, **kwargs: Any) -> Apply:
    """A node of the function called ``name``, which need not be defined yet."""
    return scope._new_apply(name, args, kwargs, o_len=None, pure=False)


class _Lines:
    """The least of a file that printing needs."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, text: str) -> None:
        self.parts.append(text)


def _print_line(ofile: Any, lineno: list[int], indent: int, text: str) -> None:
    ofile.write(f"{lineno[0]} {' ' * indent}{text}\n")
    lineno[0] += 1
