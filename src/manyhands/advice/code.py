"""What compiled functions say, without running them."""

import dis
import functools
import inspect
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from types import CodeType, FunctionType
from typing import Any

_DEEPEST = 3  # calls of functions of the same module


def functions_of(objective: Any) -> list[FunctionType]:
    """The functions that calling an objective runs, as far as they are written beside it."""
    found: list[FunctionType] = []
    _collect(objective, found, _DEEPEST)
    return found


def _collect(obj: Any, found: list[FunctionType], depth: int) -> None:
    function = plain_function(obj)
    if function is None or function in found:
        return
    found.append(function)
    if depth:
        for _, value in referred(function):
            if inspect.isfunction(value) and value.__module__ == function.__module__:
                _collect(value, found, depth - 1)


def plain_function(obj: Any) -> FunctionType | None:
    """The Python function behind a function, method, partial or callable object; None if there is none."""
    while isinstance(obj, functools.partial):
        obj = obj.func
    if inspect.ismethod(obj):
        obj = obj.__func__
    if not inspect.isfunction(obj) and not isinstance(obj, type):
        obj = inspect.getattr_static(type(obj), "__call__", None)
    return obj if inspect.isfunction(obj) else None


def referred(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """The variables of a closure, and the global ones, that a function's code names."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not bound yet
            continue
    used = {name for code in _nested(function.__code__) for name in code.co_names}
    yield from ((name, function.__globals__[name]) for name in sorted(used & function.__globals__.keys()))


def codes_of(objective: Callable[..., Any]) -> Iterator[CodeType]:
    """The code of these functions, and of those defined inside."""
    for function in functions_of(objective):
        yield from _nested(function.__code__)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def names_in(code: CodeType) -> Iterator[str]:
    """The global names and attributes that code uses, and what it imports."""
    yield from code.co_names


def constants_for(code: CodeType, names: Collection[str]) -> Iterator[tuple[str, Any]]:
    """The constants that are given under some names: ``f(n_jobs=-1)``, ``{"n_jobs": -1}``, ``d["n_jobs"] = -1``."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("EXTENDED_ARG", "CACHE", "NOP")]
    for i, step in enumerate(steps):
        constant = code.co_consts[step.arg or 0] if step.opname == "KW_NAMES" else step.argval
        if isinstance(constant, tuple) and any(name in constant for name in names):
            # The names of a call's last arguments come right after the values.
            for name, value in zip(reversed(constant), _values_before(steps, i, len(constant)), strict=False):
                if name in names and value is not None:
                    yield name, value.argval
        elif _is_constant(step) and isinstance(constant, str) and constant in names:
            following = steps[i + 1 : i + 2]
            is_stored = bool(following) and following[0].opname == "STORE_SUBSCR"
            found = [*islice(_values_before(steps, i, 2), 1, None)] if is_stored else following
            value = found[0] if found else None
            if value is not None and _is_constant(value):
                yield constant, value.argval


def _values_before(steps: list[dis.Instruction], i: int, n: int) -> Iterator[dis.Instruction | None]:
    """What put the ``n`` values on the stack before step ``i``, the last first: a constant, or None if it is none."""
    place = i - 1
    for _ in range(n):
        last, height = place, 0
        while place >= 0:
            height += _effect(steps[place])
            place -= 1
            if height == 1:
                break
        yield steps[last] if last == place + 1 and last >= 0 and _is_constant(steps[last]) else None


def _effect(step: dis.Instruction) -> int:
    try:
        return dis.stack_effect(step.opcode, step.arg, jump=False)
    except ValueError:
        return 0


def _is_constant(step: dis.Instruction) -> bool:
    return step.opname in ("LOAD_CONST", "LOAD_SMALL_INT")
