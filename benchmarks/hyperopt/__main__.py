"""Runs the benchmarks of the Hyperopt layer: all of them, or those that are named."""

import sys

from benchmarks.running import run_subjects

_SUBJECTS = ("overhead", "sparktrials")

if __name__ == "__main__":
    sys.exit(run_subjects("benchmarks.hyperopt", _SUBJECTS, sys.argv[1:], needs=("hyperopt", "pyspark")))
