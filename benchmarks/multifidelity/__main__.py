"""Compares searches with early stopping on learning curves, in simulated time, and prints a table for each pool.

A run has a budget of worker time: 100 full trainings of mean length, all workers together. What counts is the best loss
so far at any epoch of any trial. Methods: ours are ``mh:SAMPLER+SCHEDULER``.
"""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before numpy is loaded: a run takes one core, whoever decides

import argparse  # noqa: E402
import sys  # noqa: E402
from collections.abc import Collection, Mapping, Sequence  # noqa: E402

from benchmarks.multifidelity import ours, peers, tables  # noqa: E402
from benchmarks.multifidelity.runs import Archive, Key, Run, make_all  # noqa: E402
from benchmarks.multifidelity.tasks import dev_instances, task  # noqa: E402
from benchmarks.quality.problems import SuiteMissingError  # noqa: E402

_N_QUICK = 4  # instances


def main(arguments: Sequence[str]) -> int:
    """Do the runs that are wanted, print the tables, and return the exit status."""
    options = _read(arguments)
    try:
        instances = options.instances or list(dev_instances())
        for instance in instances:
            task(instance)
    except (SuiteMissingError, LookupError) as wrong:
        print(wrong, file=sys.stderr)
        return 1
    if options.quick:
        instances = instances[:: max(1, len(instances) // _N_QUICK)][:_N_QUICK]
    methods = options.only or _all_methods()
    away = _not_installed(methods)
    is_well = True
    for workers in options.workers:
        keys = [Key(m, i, workers, s) for m in methods for s in range(options.seeds) for i in instances]
        runs, failed = _have(keys, away, options)
        is_well = is_well and not failed
        _show(runs, methods, workers, options.ours)
    return 0 if is_well else 1


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.multifidelity", description=__doc__)
    parser.add_argument("--instances", type=_list, metavar="A,B", help="data sets of LCBench; those to develop on")
    parser.add_argument("--workers", type=_numbers, default=[1, 8, 32, 100], metavar="N,N")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs of each method on each data set")
    parser.add_argument("--only", type=_list, metavar="A,B", help="these methods, such as mh:auto+asha or optuna:gp")
    parser.add_argument("--ours", default="", metavar="NAME", help="whose targets are looked at; the last of ours")
    parser.add_argument("--quick", action="store_true", help="four data sets")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes")
    parser.add_argument("--fresh", type=_list, default=[], metavar="A,B", help="make kept runs of these methods again")
    parser.add_argument("--table", action="store_true", help="of peers show what is kept, and run nothing but ours")
    parser.add_argument("--list", action="store_true", help="name the methods, and end")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(_all_methods()))
        parser.exit()
    unknown = [m for m in options.only or [] if not m.startswith(ours.PREFIX) and m not in peers.PEERS | peers.CONTROLS]
    if unknown:
        known = ", ".join([*ours.names(), *peers.CONTROLS, *peers.PEERS])
        parser.error(f"there is no method {unknown[0]!r}; there are: {known}")
    return options


def _list(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _list(text)]


def _all_methods() -> list[str]:
    return [*peers.CONTROLS, *ours.names(), *peers.PEERS]


def _not_installed(methods: Sequence[str]) -> set[str]:
    """Say which of these methods can only be shown as far as they were run before."""
    found = set()
    for library, its in peers.missing().items():
        here = [method for method in its if method in methods]
        found.update(here)
        if here:
            print(f"{library} is not installed, so no runs of these are made: {', '.join(here)}")
    return found


def _have(
    keys: Sequence[Key], away: Collection[str], options: argparse.Namespace
) -> tuple[dict[Key, Run], dict[Key, str]]:
    """The runs: those of peers are kept, as other libraries do not change with this code."""
    archive = Archive.default()
    kept = archive.read()
    runs = {key: kept[key] for key in keys if key in kept and key.method not in options.fresh}
    instances = list(dict.fromkeys(key.instance for key in keys))
    missing = [
        key
        for key in keys
        if key not in runs
        and key.method not in away
        and not (options.table and key.method in peers.PEERS)
        and peers.runs_on(key.method, instances.index(key.instance), len(instances), key.seed)
    ]

    def done(key: Key, run: Run) -> None:
        runs[key] = run
        if key.method in peers.PEERS:
            archive.add(key, run)
        if sys.stderr.isatty():
            print(f"\r{len(runs)} of {len(keys)} runs: {key.method}".ljust(79), end="\r", file=sys.stderr, flush=True)

    failed = make_all(missing, options.jobs, done)
    for key, why in failed.items():
        print(f"{key.method} failed on {key.instance}, seed {key.seed}:\n{why}", file=sys.stderr)
    return runs, failed


def _show(runs: Mapping[Key, Run], methods: Sequence[str], workers: int, mine: str) -> None:
    for chosen, theirs in tables.groups(runs, methods):
        n_instances, n_seeds = len({key.instance for key in theirs}), len({key.seed for key in theirs})
        where = f"Workers: {workers}; data sets: {n_instances}; seeds: {n_seeds}"
        print(f"\n{where}. Normalised regret at shares of the budget\n\n{tables.table(theirs, chosen)}\n")
        print(f"{where}. The same by epochs\n\n{tables.epochs_table(theirs, chosen)}\n")
        _show_targets(tables.mean_regrets(theirs, chosen), mine)
    sys.stdout.flush()


def _show_targets(means: tables.Means, wanted: str) -> None:
    mine = wanted or next((method for method in reversed(means) if method.startswith(ours.PREFIX)), "")
    if mine in means:
        beside = {name: regrets for name, regrets in means.items() if name in peers.PEERS}
        print(f"Targets, for {mine}")
        for line in tables.targets(means[mine], beside, means.get(peers.CONTROL)):
            print(f"- {line}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
