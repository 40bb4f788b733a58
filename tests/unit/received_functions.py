"""``received_functions.py FOLDER light|real NAME...`` loads files, calls what is in them, and prints what that does."""

import json
import sys
from types import FunctionType
from typing import Any

from manyhands.wire import payload
from manyhands.wire.functions import Unpickler

_ATTRIBUTES = [
    *("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__annotations__"),
    *("__dict__", "__code__", "__wrapped__"),
]


def outcome(function: Any, argument: Any) -> str:
    """What a call returns, generators and coroutines to their end."""
    found = function(argument)
    if hasattr(found, "send"):
        steps = []
        try:
            while True:
                steps.append(found.send(None))
        except StopIteration as end:
            steps.append(end.value)
        found = steps
    return str(vars(found) if hasattr(found, "__dict__") else found)


def look(function: Any) -> dict[str, str]:
    """All that there is to see of a function, without what differs from process to process."""
    seen = {name: str(getattr(function, name, None)).partition(" at 0x")[0] for name in _ATTRIBUTES}
    if isinstance(function, FunctionType):
        variables = function.__globals__
        seen["globals"] = str(sorted(variables))
        seen["builtins"] = str(variables["__builtins__"] is sys.modules["builtins"].__dict__)
        seen["cells"] = str(len(function.__closure__ or ()))
    return seen


def main(folder: str, how: str, names: list[str]) -> None:
    """Print what was found, as JSON."""
    if how == "real":
        payload.LightUnpickler = Unpickler  # type: ignore[misc, assignment]
    found = {}
    for name in names:
        functions, argument = payload.load([f"{folder}/{name}"])  # type: ignore[misc]
        found[name] = {
            "outcomes": [outcome(function, argument) for function in functions],
            "looks": [look(function) for function in functions],
            "needs cloudpickle": "cloudpickle" in sys.modules,
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
