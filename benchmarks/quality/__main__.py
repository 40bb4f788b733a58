"""Compares samplers: runs what has not been run yet, and prints a table for each suite."""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before numpy is loaded: a run takes one core, whoever proposes

import argparse  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

from benchmarks.quality import tables  # noqa: E402
from benchmarks.quality.peers import PEERS, SLOW, USUAL, runs_on  # noqa: E402
from benchmarks.quality.problems import SUITES, Problem, available  # noqa: E402
from benchmarks.quality.runs import FOLDER, Archive, Key, keys_of, make_missing  # noqa: E402
from benchmarks.quality.simulate import Run  # noqa: E402


def main(arguments: Sequence[str]) -> int:
    """Run what is missing, print the tables, and return the exit status."""
    options = _read(arguments)
    problems = [p for p in available(options.suites) if _is_wanted(p, options.problems)]
    samplers = options.samplers = list(dict.fromkeys([*options.samplers, *options.peers, *options.versus]))
    keys = keys_of([p.name for p in problems], samplers, options.p, options.seeds, options.trials)
    keys = [key for key in keys if runs_on(key.sampler, key.problem, key.seed)]
    archive = Archive(options.folder)
    all_well = options.table or make_missing(keys, archive, options.fresh, options.jobs)
    runs = archive.read()
    wanted = {key: runs[key] for key in keys if key in runs}
    names = list(dict.fromkeys(problem.suite for problem in problems))
    for name in names:
        _show(name, {key: run for key, run in wanted.items() if key.problem.startswith(f"{name}/")}, options)
    if len(names) > 1:
        print(f"\nRegret at the end of the budget, {_workers(options.p)}\n")
        for group in _groups(options.samplers):
            print(tables.overview(wanted, group) + "\n")
    return 0 if all_well else 1


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument(
        "--samplers", nargs="+", default=["random", "sobol"], metavar="NAME", help="ours, or module:Class"
    )
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, help="other libraries, too; all but smac-gp, if none is named"
    )
    parser.add_argument("--suites", nargs="+", default=SUITES, choices=SUITES)
    parser.add_argument("--problems", nargs="+", default=[], help="only those whose names contain one of these")
    parser.add_argument("--p", type=int, default=1, help="simulated workers")
    parser.add_argument("--seeds", type=int, default=3, help="how many: 0, 1, ...")
    parser.add_argument("--trials", type=int, help="a run; 100 (p=1) or 200, and 80 in the suite models, if not given")
    parser.add_argument("--jobs", type=int, default=1, help="processes that do runs")
    parser.add_argument("--fresh", nargs="+", default=[], metavar="SAMPLER", help="run these again")
    parser.add_argument("--table", action="store_true", help="run nothing, show what there is")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where runs are kept")
    parser.add_argument("--by-problem", action="store_true", help="show each problem's regret, too")
    parser.add_argument(
        "--versus", nargs=1, default=[], metavar="SAMPLER", help="show this one against each of the others, too"
    )
    options = parser.parse_args(arguments)
    options.peers = list(USUAL) if options.peers == [] else options.peers or []
    return options


def _is_wanted(problem: Problem, parts: Sequence[str]) -> bool:
    return not parts or any(part in problem.name for part in parts)


def _show(name: str, runs: dict[Key, Run], options: argparse.Namespace) -> None:
    print(f"\n{name}, {_workers(options.p)}\n")
    print("\n\n".join(tables.table(runs, samplers) for samplers in _groups(options.samplers)))
    if options.by_problem:
        print("\n" + tables.by_problem(runs, options.samplers))
    for ours in options.versus:
        print("\n" + tables.versus(runs, ours, [sampler for sampler in options.samplers if sampler != ours]))


def _groups(samplers: Sequence[str]) -> list[Sequence[str]]:
    """Those that run on everything, and then all of them on what all ran on."""
    quick = [sampler for sampler in samplers if sampler not in SLOW]
    return [quick, samplers] if 0 < len(quick) < len(samplers) else [samplers]


def _workers(p: int) -> str:
    return "1 worker" if p == 1 else f"{p} workers"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
