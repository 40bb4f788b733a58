"""Runs the benchmarks on Spark: all of them, or those that are named."""

import sys

from benchmarks.running import run_subjects

_SUBJECTS = ("overhead", "utilisation", "speedup", "distribution", "stopping")
_FLAGS = {"cluster": "overhead and stopping on a standalone cluster, too"}

if __name__ == "__main__":
    sys.exit(run_subjects("benchmarks.spark", _SUBJECTS, sys.argv[1:], flags=_FLAGS, needs=("pyspark",)))
