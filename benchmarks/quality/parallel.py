"""What parallelism costs: the same number of trials with more and more of them running at a time.

python -m benchmarks.quality.parallel --samplers gp tpe --peers optuna-tpe hyperopt optuna-gp
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before numpy is loaded

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from benchmarks.quality import tables  # noqa: E402
from benchmarks.quality.peers import PEERS, SLOW  # noqa: E402
from benchmarks.quality.problems import available  # noqa: E402
from benchmarks.quality.runs import FOLDER, Archive, Key, make_missing  # noqa: E402
from benchmarks.quality.simulate import Run  # noqa: E402

WORKERS = (1, 8, 32, 64)
N_TRIALS = 200
#: What samplers that think for long are run on.
FEW = ("lcbench/126029", "lcbench/167149", "functions/hartmann6", "functions/rosenbrock6")


def main(arguments: Sequence[str]) -> int:
    """Run what is missing, print the tables, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.parallel", description=__doc__)
    parser.add_argument("--samplers", nargs="+", default=["gp", "tpe", "random"], metavar="NAME")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=[])
    parser.add_argument("--table", action="store_true", help="run nothing, show what there is")
    options = parser.parse_args(arguments)
    samplers = [*options.samplers, *options.peers]
    problems = [problem.name for problem in available(("lcbench", "functions"))]
    archive = Archive(FOLDER)
    keys = [
        Key(problem, sampler, p, 0, N_TRIALS)
        for p in WORKERS
        for problem in problems
        for sampler in samplers
        if sampler not in SLOW or problem in FEW
    ]
    all_well = options.table or make_missing(keys, archive)
    done = archive.read()
    runs = {key: done[key] for key in keys if key in done}
    print(_table(runs, [s for s in samplers if s not in SLOW], problems) + "\n")
    if set(samplers) & set(SLOW):
        print(_table(runs, samplers, [problem for problem in problems if problem in FEW]))
    return 0 if all_well else 1


def _table(runs: Mapping[Key, Run], samplers: Sequence[str], problems: Sequence[str]) -> str:
    """Mean regret at the end for each number of workers, on the problems on which all ran with all numbers."""
    cases = [
        problem
        for problem in problems
        if all(Key(problem, sampler, p, 0, N_TRIALS) in runs for sampler in samplers for p in WORKERS)
    ]
    if not cases:
        return f"There is no problem on which all of these ran: {', '.join(samplers)}."
    rows = [["sampler", *(f"p = {p}" for p in WORKERS), f"p = {WORKERS[-1]}, less p = 1"]]
    for sampler in samplers:
        scores = [
            tables.regrets({key: run for key, run in runs.items() if key.p == p}, [sampler])[sampler] for p in WORKERS
        ]
        ends = [[score[problem, 0][-1] for problem in cases] for score in scores]
        lost = [last - first for first, last in zip(ends[0], ends[-1], strict=True)]
        rows.append([sampler, *(tables.with_error(_array(end), 3) for end in ends), tables.with_error(_array(lost), 3)])
    return f"{tables.markdown(rows)}\n\n{N_TRIALS} trials, {len(cases)} problems, 1 seed."


def _array(values: Sequence[float]) -> NDArray[np.float64]:
    return np.array(values)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
