"""How much of the machine a worker may use."""

import math
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


def available_cores(root: Path = Path("/")) -> int:
    """How many cores this process may use: those it may run on, or fewer if a container's quota says so.

    Args:
        root: Where the file system begins; tests have one of their own.
    """
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([n, *map(_quota, _own_groups(root))])))


def _own_groups(root: Path) -> list[Path]:
    """The control group (cgroup v2) that this process is in, and all above it: each of them has its say."""
    try:
        text = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        text = ""
    found = re.search(r"^0::/(.*)$", text, re.MULTILINE)
    top = root / "sys/fs/cgroup"
    own = top / (found[1] if found else "")
    return [own, *(above for above in own.parents if above.is_relative_to(top))]


def _quota(group: Path) -> float:
    """How many cores' time a control group may use, rounded up."""
    try:
        used, period = (group / "cpu.max").read_text(encoding="ascii").split()
        return math.inf if used == "max" else math.ceil(int(used) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # there is none, as at the top of a machine
        return math.inf


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
