"""Runs benchmarks: all of them, or those that are named."""

import sys

from benchmarks.running import run_subjects

_SUBJECTS = ("imports", "coldstart", "overhead", "reports", "simulator", "population", "ending", "history", "memory")

if __name__ == "__main__":
    sys.exit(run_subjects("benchmarks", _SUBJECTS, sys.argv[1:]))
