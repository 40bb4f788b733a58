"""Runs the benchmarks of early stopping with real models: on local processes, on Spark, or on both."""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before numpy is loaded: threads that wait would count as compute

import sys  # noqa: E402

from benchmarks.running import run_subjects  # noqa: E402

_SUBJECTS = ("processes", "auto", "spark")

if __name__ == "__main__":
    sys.exit(run_subjects("benchmarks.earlystopping", _SUBJECTS, sys.argv[1:], needs=("sklearn", "pyspark")))
