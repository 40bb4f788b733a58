"""A random forest on data that resemble fraud, 200 candidates in 5 folds, by five systems: F1 against time.

The data have 30 columns, and 120 of the samples are positive, or 0.17 % if that is more (``--rows 285000`` is the size
of the data set that is meant). Every system searches the same four parameters in the same ranges, on the same folds,
and has two cores, but for Hyperopt's own loop, which runs one fit after another. Each has a process of its own; Spark
is up and warm before its time starts. The winners' F1 on samples that nobody has seen shows how optimistic the other
is.
"""

import argparse
import sys
from statistics import median

from benchmarks.measuring import Figure, in_fresh_process, number, table
from benchmarks.sklearn.progress import Progress
from benchmarks.sklearn.systems import OURS, SYSTEMS, is_installed, run

_ROWS = 4_000
_SHARES = (1 / 8, 1 / 4, 1 / 2, 1)  # of the time of the slowest


def measure(*, quick: bool, rows: int = _ROWS, first_seed: int = 0, n_seeds: int = 1) -> list[Figure]:
    """Systems take turns; with several seeds each figure is the median over them."""
    rows, n_candidates = (1500, 4) if quick else (rows, 200)
    names = [name for name in SYSTEMS if is_installed(name)]
    found: dict[str, list[Progress]] = {name: [] for name in names}
    for seed in range(first_seed, first_seed + n_seeds):
        for name in names:
            found[name].append(Progress(**in_fresh_process(run, name, rows, n_candidates, seed)))
    missing = [Figure(name, note="not installed") for name in SYSTEMS if name not in names]
    return [*_figures(found), *missing]


def _figures(found: dict[str, list[Progress]]) -> list[Figure]:
    slowest = max(median(run.seconds for run in runs) for runs in found.values())
    level = [min(runs[i].best for runs in found.values()) for i in range(len(found[OURS]))]
    own = median(run.seconds for run in found[OURS])
    own_until = median(map(Progress.until, found[OURS], level))
    figures = []
    for name, runs in found.items():
        seconds = median(run.seconds for run in runs)
        until = median(map(Progress.until, runs, level))
        on_the_way = ", ".join(
            f"{number(median(run.at(share * slowest) for run in runs))} at {number(share * slowest)} s"
            for share in _SHARES
        )
        n_fits = median(run.n_fits for run in runs)
        figures += [
            Figure(f"{name}: whole search", seconds, "s", ours=own / seconds, note=f"{number(n_fits)} fits"),
            Figure(f"{name}: until the best F1 that all reach", until, "s", ours=own_until / until),
            Figure(f"{name}: best F1 over folds", median(run.best for run in runs), "", note=on_the_way),
            Figure(f"{name}: its F1 on 100,000 others", median(run.held_out for run in runs), ""),
        ]
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sklearn.fraud", description=__doc__)
    parser.add_argument("--rows", type=int, default=_ROWS, help="how many samples systems search on")
    parser.add_argument("--first-seed", type=int, default=0, help="of the first data set and search")
    parser.add_argument("--seeds", type=int, default=1, help="how many data sets")
    options = parser.parse_args()
    print(table(measure(quick=False, rows=options.rows, first_seed=options.first_seed, n_seeds=options.seeds)))
    sys.exit()
