"""Why an objective cannot be pickled, in terms of the user's own names."""

import inspect
from collections.abc import Iterator
from functools import partial
from types import FunctionType

_DEEPEST = 4


def explain_unpicklable(objective: object, error: Exception) -> str:
    """Return a sentence that names what cannot be sent to the workers.

    Args:
        objective: What was to be sent.
        error: What pickling it raised.
    """
    name = getattr(objective, "__name__", type(objective).__name__)
    path, culprit = _find(objective, name, _DEEPEST)
    kind = f"{type(culprit).__module__}.{type(culprit).__qualname__}"
    advice = (
        "Only the driver can use it: if the objective itself drives Spark, run it there, with executor='inline'."
        if _is_spark(culprit)
        else "Create it inside the objective, or keep it in a module that the workers can import."
    )
    return (
        f"The objective {name!r} cannot be sent to the workers, because {path} cannot be pickled: it is a {kind}. "
        f"{advice} (Pickling says: {type(error).__name__}: {error})"
    )


def _is_spark(obj: object) -> bool:
    return type(obj).__module__.partition(".")[0] == "pyspark"


def _find(obj: object, path: str, depth: int) -> tuple[str, object]:
    """Follow what cannot be pickled down to where it comes from."""
    if depth > 0 and not _is_spark(obj):
        for name, value in _parts(obj):
            if not _can_pickle(value):
                return _find(value, name.replace("{}", path, 1), depth - 1)
    return path, obj


def _parts(obj: object) -> Iterator[tuple[str, object]]:
    """What an object refers to, and what to call it; ``{}`` stands for the object itself."""
    if inspect.ismethod(obj):
        yield "the object of the method {}", obj.__self__
    elif inspect.isfunction(obj):
        yield from _parts_of_function(obj)
    elif isinstance(obj, partial):
        yield "the function of {}", obj.func
        yield "the arguments of {}", [*obj.args, *obj.keywords.values()]
    elif isinstance(obj, dict):
        for key, value in obj.items():
            yield "{}" + f"[{key!r}]", value
    elif isinstance(obj, list | tuple):
        for i, value in enumerate(obj):
            yield "{}" + f"[{i}]", value
    else:
        for key, value in getattr(obj, "__dict__", {}).items():
            yield f"{{}}.{key}", value


def _parts_of_function(function: FunctionType) -> Iterator[tuple[str, object]]:
    known = inspect.getclosurevars(function)
    for name, value in known.nonlocals.items():
        yield f"the variable {name!r}, which {{}} uses from the function around it,", value
    for name, value in known.globals.items():
        yield f"the global variable {name!r}, which {{}} uses,", value
    for name, value in (function.__kwdefaults__ or {}).items():
        yield f"the default of {name!r} of {{}}", value
    for value in function.__defaults__ or ():
        yield "a default argument of {}", value


def _can_pickle(obj: object) -> bool:
    import cloudpickle  # hosts import this file too, and never come to this

    try:
        cloudpickle.dumps(obj, protocol=5, buffer_callback=lambda _: False)
    except Exception:
        return False
    return True
