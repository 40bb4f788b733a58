"""Spark settings that would break a search: found before it begins, and told with what to change."""

import re
from collections.abc import Callable

from manyhands.errors import SettingsError

#: Looks a setting up; None if nobody has set it.
Lookup = Callable[[str], str | None]

_OWN_MEMORY = 256 << 20  # of a worker's interpreter and libraries, at the very least
_MOST_SHOWN = 500  # characters of one of Spark's errors
_SIGNS_OF_THE_END = (
    "SparkContext was shut down",
    "stopped SparkContext",
    "Py4JNetworkError",
    "INVALID_HANDLE.SESSION",
    "SESSION_CLOSED",
)
_SIZE = re.compile("([0-9]+)(b|[kmgtp]b?|)")
_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50, "": 1 << 20}


def check_settings(lookup: Lookup, payload_bytes: int, *, is_connect: bool) -> None:
    """Refuse what cannot go well.

    Args:
        lookup: Looks a setting up.
        payload_bytes: How large the objective and its data are.
        is_connect: Whether the session is one of Spark Connect.

    Raises:
        SettingsError: A setting would break the search; the message says which, and what would be right.
    """
    _check_idle(lookup, "spark.python.worker")
    if is_connect:
        _check_idle(lookup, "spark.sql.execution.pyspark.udf")
    threshold = lookup("spark.speculation.task.duration.threshold")
    if _is_on(lookup, "spark.speculation") and threshold:
        raise SettingsError(
            f"spark.speculation is on, and spark.speculation.task.duration.threshold={threshold}: Spark would start a "
            f"second copy of every worker after that time. Start the session without one of the two."
        )
    _check_memory(lookup, payload_bytes)


def _check_memory(lookup: Lookup, payload_bytes: int) -> None:
    limit = lookup("spark.executor.pyspark.memory")
    if limit is None:
        return
    n_processes = max(1, int(lookup("spark.executor.cores") or 1) // int(lookup("spark.task.cpus") or 1))
    if 0 < _to_bytes(limit) // n_processes < payload_bytes + _OWN_MEMORY:
        raise SettingsError(
            f"spark.executor.pyspark.memory={limit} limits the address space of an executor's {n_processes} Python "
            f"processes together, and into each the objective's data ({payload_bytes / 1e6:.0f} MB) are mapped. Start "
            f"the session without it, or with more; memory_limit_mb= limits what trials use themselves."
        )


def _check_idle(lookup: Lookup, family: str) -> None:
    seconds = lookup(f"{family}.idleTimeoutSeconds")
    if _is_on(lookup, f"{family}.killOnIdleTimeout") and seconds not in (None, "0", "0s"):
        raise SettingsError(
            f"{family}.killOnIdleTimeout is on with {family}.idleTimeoutSeconds={seconds}: Spark would kill workers, "
            f"which return nothing until the search is over. Start the session with {family}.killOnIdleTimeout=false."
        )


def _is_on(lookup: Lookup, name: str) -> bool:
    return (lookup(name) or "").strip().lower() == "true"


def _to_bytes(text: str) -> int:
    """What Spark understands by a size; mebibytes if it has no unit, 0 if it is no size."""
    found = _SIZE.fullmatch(text.strip().lower())
    return int(found[1]) * _UNITS[found[2][:1]] if found else 0


def is_gone(error: str) -> bool:
    """Whether one of Spark's errors says that there is no session any more."""
    return any(sign in error for sign in _SIGNS_OF_THE_END)


def explain(error: str) -> str | None:
    """What one of Spark's errors means to a search that cannot begin for it; None if the next try may go better."""
    if told := _line_with(error, "PYTHON_VERSION_MISMATCH", "different version"):
        return (
            "The executors run another Python than the driver, and the two must have the same minor version. Set "
            "PYSPARK_PYTHON to the right one before the session starts (spark.pyspark.python). Spark says: " + told
        )
    if told := _line_with(error, "Cannot run program"):
        return (
            "The executors have no such Python. Set PYSPARK_PYTHON to one that they have before the session starts "
            "(spark.pyspark.python). Spark says: " + told
        )
    if told := _line_with(error, "PACKAGE_NOT_INSTALLED"):
        return "Spark Connect needs pandas and pyarrow on both sides. Spark says: " + told
    if told := _line_with(error, "No executor resource configs were specified", "has to be >= the number of cpus"):
        return (
            "No executor has what each worker is to have. Ask for less (cores_per_worker=, gpus_per_worker=), or start "
            "the session with more (spark.executor.cores, spark.executor.resource.gpu.amount). Spark says: " + told
        )
    if _line_with(error, "TaskResourceProfiles are only supported"):
        return (
            "This session cannot give tasks resources of their own, which needs a standalone, YARN or Kubernetes "
            "cluster. Leave out cores_per_worker=, gpus_per_worker= and resource_profile=."
        )
    return None


def _line_with(error: str, *signs: str) -> str:
    """The first line of an error that has one of these signs; nothing if none has."""
    found = (line.strip(" :") for line in error.splitlines() if any(sign in line for sign in signs))
    return next(found, "")[:_MOST_SHOWN]
