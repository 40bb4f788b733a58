"""Functions that were pickled by value, put together without cloudpickle: importing it takes longer than all the rest.

cloudpickle describes a function as calls of helpers in its own module: first the function is made, with its code and
nothing else, then it is filled, so that it may refer to itself. Here are the same helpers. What else a pickle asks for
- helpers for classes, for instance - is fetched from cloudpickle itself, and all of them work together.
"""

from __future__ import annotations

import builtins
import sys
import types

try:
    from _pickle import Unpickler  # what pickle offers under this name, without 3 ms of other imports
except ImportError:
    from pickle import Unpickler

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from typing import Any

__all__ = ["LightUnpickler", "Unpickler"]


class LightUnpickler(Unpickler):
    """An unpickler that does without cloudpickle as long as it can."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the object that a pickle names."""
        if module == "cloudpickle.cloudpickle" and name in _HELPERS:
            return _HELPERS[name]
        return super().find_class(module, name)


def _make_function(
    code: types.CodeType, variables: dict[str, Any], name: str | None, defaults: Any, cells: Any
) -> types.FunctionType:
    variables["__builtins__"] = builtins.__dict__  # without, a function takes those of whoever makes it
    return types.FunctionType(code, variables, name, defaults, cells)


def _fill_function(function: types.FunctionType, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    attributes, own = state
    function.__dict__.update(attributes)
    function.__globals__.update(own.pop("__globals__"))
    for cell, filled in zip(function.__closure__ or (), own.pop("__closure__") or (), strict=True):
        _copy_cell(filled, cell)
    del own["_cloudpickle_submodules"]  # they had to be imported, and that they were when they were unpickled
    for name, value in own.items():
        setattr(function, name, value)


def _copy_cell(source: types.CellType, target: types.CellType) -> None:
    try:
        target.cell_contents = source.cell_contents
    except ValueError:  # a variable that has no value (yet)
        return


def _import(name: str) -> types.ModuleType:
    __import__(name)
    return sys.modules[name]


def _type_named(name: str) -> Any:
    return getattr(types, name)


#: Name in cloudpickle's module -> what does the same here.
_HELPERS = {
    "_make_function": _make_function,
    "_function_setstate": _fill_function,
    "_make_cell": types.CellType,
    "_make_empty_cell": types.CellType,
    "_builtin_type": _type_named,
    "subimport": _import,
}
