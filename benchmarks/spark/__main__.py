"""Runs the benchmarks on Spark: all of them, or those that are named."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measuring import Figure, as_json, machine, table

_SUBJECTS = ("overhead", "utilisation", "speedup", "distribution", "stopping")


def main(arguments: Sequence[str]) -> int:
    """Measure, print the tables, and return the exit status: 0 even if a figure falls short."""
    options = _read(arguments)
    found: dict[str, list[Figure]] = {}
    print(f"On {machine()}.", flush=True)
    for subject in options.subjects or _SUBJECTS:
        module = import_module(f"benchmarks.spark.{subject}")
        found[subject] = module.measure(quick=options.quick, cluster=options.cluster)
        print(f"\n{subject}: {(module.__doc__ or '').splitlines()[0]}\n\n{table(found[subject])}", flush=True)
    if options.json is not None:
        options.json.write_text(as_json(found), encoding="utf-8")
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spark", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"any of: {', '.join(_SUBJECTS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: shows that it works, no more")
    parser.add_argument("--cluster", action="store_true", help="overhead and stopping on a standalone cluster, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    unknown = [subject for subject in options.subjects if subject not in _SUBJECTS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(_SUBJECTS)}")
    if find_spec("pyspark") is None:
        parser.error("pyspark is not installed; pip install 'manyhands[spark]' brings it")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
