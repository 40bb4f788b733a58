"""Advice on an objective, from its code and from what it takes along; it is not called for that."""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from manyhands.advice.base import Advice
from manyhands.advice.code import codes_of, constants_for, names_in
from manyhands.advice.sizes import size_of, what_travels
from manyhands.results import show

_LARGE_BYTES = 10 * 2**20  # what Databricks calls small enough to be sent along with a function
_THREAD_NAMES = ("n_jobs", "nthread", "num_threads", "thread_count")
_CROSS_VALIDATORS = {"cross_val_score", "cross_validate", "cross_val_predict", "GridSearchCV", "RandomizedSearchCV"}
_SPLITTERS = {
    "KFold",
    "StratifiedKFold",
    "GroupKFold",
    "StratifiedGroupKFold",
    "RepeatedKFold",
    "RepeatedStratifiedKFold",
    "ShuffleSplit",
    "StratifiedShuffleSplit",
    "GroupShuffleSplit",
    "TimeSeriesSplit",
    "LeaveOneOut",
    "LeaveOneGroupOut",
}


def about_objective(
    objective: Callable[..., Any],
    *,
    n_workers: int | None = None,
    cores: int | None = None,
    n_splits: int | None = None,
    travels: bool = True,
) -> Iterator[Advice]:
    """What the code of an objective says.

    Args:
        objective: The function, or whatever is called.
        n_workers: How many trials run at a time.
        cores: How many cores these share; None if they are on other machines.
        n_splits: Of each trial; None if trials come in one piece.
        travels: Whether workers are other processes, to which it has to be sent.
    """
    function = _function_of(objective)
    if getattr(function, "__module__", "").partition(".")[0] == "manyhands":  # made by another of its layers
        return
    if travels:
        yield from _large_closure(objective)
    if n_splits is None:
        yield from _cross_validation(objective)
    if n_workers is not None and n_workers > 1:
        yield from _threads(objective, n_workers, cores)


def _function_of(objective: Any) -> Any:
    while isinstance(objective, functools.partial):
        objective = objective.func
    return objective if inspect.isroutine(objective) else type(objective)


def _large_closure(objective: Callable[..., Any]) -> Iterator[Advice]:
    sizes = sorted(((size_of(value), where) for where, value in what_travels(objective)), reverse=True)
    for size, where in sizes:
        if size < _LARGE_BYTES:
            return
        yield Advice(
            "large-closure",
            f"The objective takes along {where}, of {size / 2**20:.0f} MiB, to every machine.",
            {"bytes": size},
            "Load it inside the objective from where workers can read it, or keep it as a NumPy array of numbers, "
            "which the workers of a machine share.",
        )


def _cross_validation(objective: Callable[..., Any]) -> Iterator[Advice]:
    names = {name for code in codes_of(objective) for name in names_in(code)}
    kinds = {type(value).__name__ for _, value in what_travels(objective, everything=True)}
    found = sorted((names & _CROSS_VALIDATORS) | ((names | kinds) & _SPLITTERS))
    if found:
        yield Advice(
            "cross-validation-inside",
            f"The objective cross-validates by itself ({', '.join(found)}), so the folds of a trial run one after "
            f"another on one worker.",
            {"names": len(found)},
            "Let objective(params, trial) do the fold trial.split only, and give splits=: folds then run on all "
            "workers, their noise is known, and racing=True leaves out those of poor trials.",
        )


def _threads(objective: Callable[..., Any], n_workers: int, cores: int | None) -> Iterator[Advice]:
    asked = list(_threads_asked(objective))
    wanted = [value for _, value in asked if value < 0 or value > 1]
    if not wanted:
        return
    most = -1 if min(wanted) < 0 else max(wanted)
    if most > 1 and (cores is None or most * n_workers <= cores):
        return
    name = next(name for name, value in asked if value == (min(wanted) if most < 0 else most))
    each = most if most > 0 else cores
    total = {} if each is None or cores is None else {"threads": n_workers * each, "cores": cores}
    together = "" if cores is None or each is None else f": {n_workers * each} threads for {show(cores)} cores"
    yield Advice(
        "threads-over-cores",
        f"The objective asks for {'all cores' if most < 0 else f'{most} threads'} ({name}), and {n_workers} workers do "
        f"so at a time{together}.",
        {"workers": n_workers, "asked": most, **total},
        f"Set {name.partition('=')[0]}=1, or take fewer workers and give each of them more cores.",
    )


def _threads_asked(objective: Callable[..., Any]) -> Iterator[tuple[str, int]]:
    """Where numbers of threads are given, as it would be written, and the numbers."""
    for code in codes_of(objective):
        for name, value in constants_for(code, _THREAD_NAMES):
            if isinstance(value, int) and not isinstance(value, bool):
                yield f"{name}={value}", value
    for where, found in what_travels(objective, everything=True):
        for name in _THREAD_NAMES:
            value = _own_settings(found).get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                yield f"{name}={value} of {where}", value


def _own_settings(obj: Any) -> dict[str, Any]:
    """What an object, such as an estimator of scikit-learn, keeps under names; the object's own code is not run."""
    if isinstance(obj, dict):
        return {key: value for key, value in obj.items() if isinstance(key, str)} if len(obj) < 1000 else {}
    found = getattr(obj, "__dict__", {})
    return found if isinstance(found, dict) and not isinstance(obj, type) else {}
