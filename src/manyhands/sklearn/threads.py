"""Threads: a worker's fits use the cores that it has, and no more."""

import os
from collections.abc import Mapping
from typing import Any

from sklearn.base import BaseEstimator, clone

_NAMES = ("n_jobs", "nthread", "num_threads", "thread_count")
#: Libraries to which None means all cores of the machine; to scikit-learn it means one.
_GREEDY = ("xgboost", "lightgbm", "catboost")


def wanted_threads(estimator: Any) -> int:
    """The most threads that an estimator, or one within it, asks for by a number of its own; 1 if none does."""
    found = [value for name, value in _settings(estimator).items() if isinstance(value, int) and value > 1]
    return max(found, default=1)


def is_parallel(estimator: Any) -> bool:
    """Whether an estimator, or one within it, would use more than one thread by itself."""
    return any(value not in (None, 1) for value in _settings(estimator).values())


def is_thread_setting(name: str) -> bool:
    """Whether a parameter of this name, of an estimator or of one within it, says how many threads to use."""
    return name.rpartition("__")[2] in _NAMES


def worker_cores() -> int:
    """How many threads this worker may use: its executor has said so in the environment."""
    return max(1, int(os.environ.get("LOKY_MAX_CPU_COUNT") or 1))


def within_cores(estimator: Any, parameters: Mapping[str, Any], cores: int) -> tuple[Any, dict[str, Any]]:
    """The same with no more threads than there are cores.

    Args:
        estimator: Is changed.
        parameters: That will be set on it. Those that say how many threads to use are left as they are, as they are
            searched.
        cores: How many the worker has.
    """
    limits = {name: n for name, n in _limits(estimator, cores).items() if name not in parameters}
    if limits:
        estimator.set_params(**limits)
    return estimator, {name: _limited(value, cores) for name, value in parameters.items()}


def _limited(value: Any, cores: int) -> Any:
    if not isinstance(value, BaseEstimator) or isinstance(value, type):
        return value
    limits = _limits(value, cores)
    return clone(value).set_params(**limits) if limits else value


def _limits(estimator: Any, cores: int) -> dict[str, int]:
    return {
        name: cores
        for name, value in _settings(estimator).items()
        if (isinstance(value, int) and (value < 0 or value > cores)) or (value is None and _is_greedy(estimator, name))
    }


def _settings(estimator: Any) -> dict[str, Any]:
    """What an estimator and those within it say of threads, by parameter name."""
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return {}
    found = estimator.get_params(deep=True)
    return {name: value for name, value in found.items() if is_thread_setting(name)}


def _is_greedy(estimator: Any, name: str) -> bool:
    path = name.rpartition("__")[0]
    owner = estimator.get_params(deep=True).get(path) if path else estimator
    return type(owner).__module__.partition(".")[0] in _GREEDY
