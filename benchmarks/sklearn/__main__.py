"""Runs the benchmarks of the search estimator: all of them, or those that are named."""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before numpy is loaded: all systems have one thread for each worker

import sys  # noqa: E402

from benchmarks.running import run_subjects  # noqa: E402

_SUBJECTS = ("overhead", "memory", "racing", "fraud")

if __name__ == "__main__":
    sys.exit(run_subjects("benchmarks.sklearn", _SUBJECTS, sys.argv[1:], needs=("sklearn",)))
