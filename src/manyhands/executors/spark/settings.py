"""Spark settings that would break a search: found before it begins, and told with what to change."""

from collections.abc import Callable

from manyhands.errors import SettingsError

#: Looks a setting up; None if nobody has set it.
Lookup = Callable[[str], str | None]

_OWN_MEMORY = 256 << 20  # of a worker's interpreter and libraries, at the very least
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


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
    if lookup("spark.speculation") == "true" and threshold:
        raise SettingsError(
            f"spark.speculation is on, and spark.speculation.task.duration.threshold={threshold}: Spark would start a "
            f"second copy of every worker after that time. Start the session without one of the two."
        )
    limit = lookup("spark.executor.pyspark.memory")
    if limit is not None and 0 < _to_bytes(limit) < payload_bytes + _OWN_MEMORY:
        raise SettingsError(
            f"spark.executor.pyspark.memory={limit} limits the address space of an executor's Python processes, into "
            f"which the objective's data ({payload_bytes / 1e6:.0f} MB) are mapped. Start the session without it, or "
            f"with more; memory_limit_mb= limits what trials use themselves."
        )


def _check_idle(lookup: Lookup, family: str) -> None:
    seconds = lookup(f"{family}.idleTimeoutSeconds")
    if lookup(f"{family}.killOnIdleTimeout") == "true" and seconds not in (None, "0", "0s"):
        raise SettingsError(
            f"{family}.killOnIdleTimeout is on with {family}.idleTimeoutSeconds={seconds}: Spark would kill workers, "
            f"which return nothing until the search is over. Start the session with {family}.killOnIdleTimeout=false."
        )


def _to_bytes(text: str) -> int:
    """What Spark understands by a size; mebibytes if it has no unit."""
    digits = text.strip().lower().removesuffix("b").removesuffix("i")
    factor = _UNITS.get(digits[-1:], 0)
    number = digits[:-1] if factor else digits
    return int(number) * (factor or 1 << 20) if number.isdigit() else 0


def explain(error: str) -> str | None:
    """What one of Spark's errors means to a search that it ends; None if the next try may go better."""
    if "PYTHON_VERSION_MISMATCH" in error or "different version" in error:
        return (
            "The executors run another Python than the driver, and the two must have the same minor version. Set "
            "PYSPARK_PYTHON to the right one before the session starts (spark.pyspark.python). Spark says: "
            + _first_lines(error)
        )
    if any(sign in error for sign in ("SparkContext was shut down", "stopped SparkContext", "Py4JNetworkError")):
        return "The Spark session was stopped while the search ran."
    if "INVALID_HANDLE.SESSION" in error or "SESSION_CLOSED" in error:
        return "The Spark Connect session was closed while the search ran."
    if "Cannot run program" in error:
        return (
            "The executors have no such Python. Set PYSPARK_PYTHON to one that they have before the session starts "
            "(spark.pyspark.python). Spark says: " + _first_lines(error)
        )
    if "PACKAGE_NOT_INSTALLED" in error:
        return "Spark Connect needs pandas and pyarrow on both sides. Spark says: " + _first_lines(error)
    if "TaskResourceProfiles are only supported" in error:
        return (
            "This session cannot give tasks resources of their own, which needs a standalone, YARN or Kubernetes "
            "cluster. Leave out cores_per_worker=, gpus_per_worker= and resource_profile=."
        )
    return None


def _first_lines(error: str) -> str:
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    told = next((line for line in lines if "PYTHON_VERSION" in line or "Error:" in line or "[" in line), lines[0])
    return told[:500]
