"""What an objective takes along to the workers, and how large that is."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any

from manyhands.advice.code import functions_of, plain_function, referred

_SAMPLE = 100  # items of a container whose sizes speak for all
_DEEPEST = 4


def what_travels(objective: Callable[..., Any], *, everything: bool = False) -> Iterator[tuple[str, Any]]:
    """What is pickled with an objective, and what it is called.

    Args:
        objective: What is called.
        everything: Also the variables of functions that are imported on the other side, and so stay at home.
    """
    if isinstance(objective, functools.partial):
        yield from ((f"argument {i} of the partial", value) for i, value in enumerate(objective.args))
        yield from ((f"the argument {name!r} of the partial", value) for name, value in objective.keywords.items())
        yield from what_travels(objective.func, everything=everything)
        return
    if inspect.ismethod(objective):
        yield from _attributes(objective.__self__)
    elif not inspect.isroutine(objective) and not isinstance(objective, type):
        yield from _attributes(objective)
    seen: set[int] = set()
    for function in functions_of(objective):
        if everything or not _is_importable(function):
            for where, value in _held_by(function):
                if id(value) not in seen and not isinstance(value, ModuleType | FunctionType | type):
                    seen.add(id(value))
                    yield where, value


def _attributes(obj: Any) -> Iterator[tuple[str, Any]]:
    for name, value in getattr(obj, "__dict__", {}).items():
        yield f"the attribute {name!r} of its {type(obj).__name__}", value


def _held_by(function: FunctionType) -> Iterator[tuple[str, Any]]:
    yield from ((f"the variable {name!r}", value) for name, value in referred(function))
    names = [p.name for p in inspect.signature(function).parameters.values() if p.default is not p.empty]
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    yield from ((f"the default of {name!r}", value) for name, value in zip(names, defaults, strict=False))


def _is_importable(function: FunctionType) -> bool:
    """Whether pickles only name it: it is then imported on the other side."""
    if function.__module__ == "__main__" or "<" in function.__qualname__:
        return False
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return plain_function(found) is function


def size_of(obj: Any, depth: int = _DEEPEST) -> int:
    """About how many bytes an object takes, arrays and tables included; of long containers a sample is measured."""
    try:
        size = _size_of_data(obj)
    except Exception:  # other libraries' attributes may raise anything
        size = None
    if size is not None:
        return size
    if depth and isinstance(obj, Mapping | list | tuple | set | frozenset):
        items = (pair for item in obj.items() for pair in item) if isinstance(obj, Mapping) else iter(obj)
        n = len(obj) * (2 if isinstance(obj, Mapping) else 1)
        sample = [size_of(item, depth - 1) for item in islice(items, _SAMPLE)]
        return sys.getsizeof(obj) + (n * sum(sample) // len(sample) if sample else 0)
    own = sys.getsizeof(obj, 0)
    inner = getattr(obj, "__dict__", None)
    if depth and isinstance(inner, dict) and not isinstance(obj, type | ModuleType | FunctionType):
        return own + sum(size_of(value, depth - 1) for value in list(inner.values()))
    return own


def _size_of_data(obj: Any) -> int | None:
    """The size that arrays, tensors, and tables tell themselves; None if it is none of these."""
    if isinstance(obj, type | ModuleType | FunctionType):
        return 0
    nbytes = getattr(obj, "nbytes", None)
    if isinstance(nbytes, int):
        return nbytes
    usage = getattr(obj, "memory_usage", None)
    if callable(usage) and type(obj).__module__.startswith("pandas"):
        return int(sum(usage()))
    if type(obj).__module__.startswith("scipy.sparse"):
        return sum(getattr(getattr(obj, name, None), "nbytes", 0) for name in ("data", "indices", "indptr"))
    return None
