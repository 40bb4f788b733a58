"""Runs the benchmarks on Spark: all of them, or those that are named."""

import sys
from importlib.util import find_spec

from benchmarks.running import run_subjects

_SUBJECTS = ("overhead", "utilisation", "speedup", "distribution", "stopping")

if __name__ == "__main__":
    is_missing = find_spec("pyspark") is None
    sys.exit(
        run_subjects(
            "benchmarks.spark",
            _SUBJECTS,
            sys.argv[1:],
            flags={"cluster": "overhead and stopping on a standalone cluster, too"},
            obstacle="pyspark is not installed; pip install 'manyhands[spark]' brings it" if is_missing else "",
        )
    )
