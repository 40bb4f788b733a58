"""Finds the references of problems: the best and the median loss of random points, kept in ``references.json``.

``python -m benchmarks.quality.references models trees/svm`` does so for some suites and problems, and without any names
for all, which takes some minutes.
"""

import json
import sys
from collections.abc import Sequence

from benchmarks.quality.problems import REFERENCES, SUITES, Problem, SuiteMissingError, references, suite


def main(names: Sequence[str]) -> None:
    """Measure, and write down what was found after each problem."""
    found = dict(references())
    for problem in _chosen(names):
        found[problem.name] = list(problem.measure_reference())
        print(problem.name, *found[problem.name], flush=True)
        lines = (f"  {json.dumps(name)}: {json.dumps(pair)}" for name, pair in sorted(found.items()))
        REFERENCES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _chosen(names: Sequence[str]) -> list[Problem]:
    chosen = []
    for name in SUITES:
        try:
            chosen += [p for p in suite(name) if not names or name in names or p.name in names]
        except SuiteMissingError as missing:
            print(missing)
    return chosen


if __name__ == "__main__":
    main(sys.argv[1:])
