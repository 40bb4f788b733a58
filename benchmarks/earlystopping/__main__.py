"""Runs the benchmarks of early stopping with real models: on local processes, on Spark, or on both."""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before numpy is loaded: threads that wait would count as compute

import sys  # noqa: E402
from importlib.util import find_spec  # noqa: E402

from benchmarks.running import run_subjects  # noqa: E402

_NEEDED = {"sklearn": "scikit-learn", "pyspark": "pyspark"}
_SUBJECTS = {"processes": ["sklearn"], "auto": ["sklearn"], "spark": ["sklearn", "pyspark"]}


def _obstacle(wanted: list[str]) -> str:
    """What is missing of that which the named subjects need, or all of them if none is named."""
    subjects = [subject for subject in wanted if subject in _SUBJECTS] or list(_SUBJECTS)
    needed = {module for subject in subjects for module in _SUBJECTS[subject]}
    missing = [package for module, package in _NEEDED.items() if module in needed and find_spec(module) is None]
    return f"not installed: {', '.join(missing)}. `make bench-earlystopping` brings all it needs" if missing else ""


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(run_subjects("benchmarks.earlystopping", tuple(_SUBJECTS), arguments, obstacle=_obstacle(arguments)))
