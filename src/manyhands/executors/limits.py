"""How much of the machine a worker may use."""

import os
import re
from pathlib import Path

from manyhands.errors import SettingsError

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",  # what n_jobs=-1 means to joblib
)


def available_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_limits(n: int) -> dict[str, str]:
    """The environment in which numeric libraries use ``n`` threads."""
    return dict.fromkeys(_THREAD_VARIABLES, str(n))


def check_memory_limit(memory_limit_mb: float | None) -> None:
    """Refuse a limit that means nothing, or that cannot be watched on this system.

    Raises:
        SettingsError: As said.
    """
    if memory_limit_mb is None:
        return
    if not memory_limit_mb > 0:
        raise SettingsError(f"memory_limit_mb={memory_limit_mb!r} must be above 0.")
    if not Path("/proc/self/status").exists():
        raise SettingsError("memory_limit_mb needs /proc, which only Linux has. Leave it out on this system.")


def memory_used(pid: int) -> float:
    """Bytes of memory that are a process's own: data mapped from files, such as the payload, is not counted."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:  # it has just ended
        return 0.0
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
    return float(found[1]) * 1024 if found else 0.0
