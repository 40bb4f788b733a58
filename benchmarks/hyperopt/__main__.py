"""Runs the benchmarks of the Hyperopt layer: all of them, or those that are named."""

import sys
from importlib.util import find_spec

from benchmarks.running import run_subjects

_SUBJECTS = ("overhead", "sparktrials")
_NEEDED = ("hyperopt", "pyspark")

if __name__ == "__main__":
    missing = [name for name in _NEEDED if find_spec(name) is None]
    sys.exit(
        run_subjects(
            "benchmarks.hyperopt",
            _SUBJECTS,
            sys.argv[1:],
            obstacle=f"{' and '.join(missing)} cannot be imported" if missing else "",
        )
    )
