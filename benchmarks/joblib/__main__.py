"""Runs the benchmarks of the joblib backend: all of them, or those that are named."""

import sys

from benchmarks.running import run_subjects

_SUBJECTS = ("overhead", "fits", "argument")

if __name__ == "__main__":
    sys.exit(run_subjects("benchmarks.joblib", _SUBJECTS, sys.argv[1:], needs=("joblib", "pyspark", "sklearn")))
