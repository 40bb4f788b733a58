"""What samples of a gigabyte cost each of four workers, between its tasks and in them; ours beside scikit-learn's.

Both map the samples from one file, and both copy a fold's slices for each fit, four fifths and one fifth of them, which
are to be given back to the system at its end. Linux only.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import Figure, in_fresh_process, number, table

_JOBS, _FOLDS, _COLUMNS = 4, 5, 250
_MB = 1e6


def measure(*, quick: bool, megabytes: int = 1000) -> list[Figure]:
    """Each side has a process of its own, once with small samples and once with large ones."""
    if not Path("/proc/self/smaps_rollup").exists():
        return [Figure("unique memory of workers", note="this system does not tell it")]
    size, n_candidates = (100, 4) if quick else (megabytes, 8)
    sides = ("manyhands", "RandomizedSearchCV, loky")
    found = {side: in_fresh_process(search, side, size, n_candidates) for side in sides}
    bare = {side: in_fresh_process(search, side, 0, n_candidates) for side in sides}
    return [figure for side in sides for figure in _figures(side, size, found, bare)]


def search(side: str, megabytes: int, n_candidates: int) -> dict[str, float]:
    """What the workers of one search noted, in bytes: the median worker's least and most; and how long it took."""
    import numpy as np
    from scipy.stats import uniform
    from sklearn.model_selection import RandomizedSearchCV

    from benchmarks.sklearn.sums import ColumnSums, memory, notes
    from manyhands.sklearn import SearchCV

    rows = max(100, int(megabytes * _MB) // (8 * _COLUMNS))
    X = np.random.default_rng(0).random((rows, _COLUMNS))  # noqa: N806
    make: Callable[..., Any] = SearchCV if side == "manyhands" else RandomizedSearchCV
    how = {"sampler": "random"} if side == "manyhands" else {}
    with tempfile.TemporaryDirectory() as folder:
        wanted = make(
            ColumnSums(folder),
            param_distributions={"shift": uniform(0, 1)},
            n_iter=n_candidates,
            cv=_FOLDS,
            n_jobs=_JOBS,
            refit=False,
            random_state=0,
            **how,
        )
        before, began = memory()["anonymous"], time.perf_counter()
        wanted.fit(X, X[:, 0])
        seconds = time.perf_counter() - began
        grown = memory()["anonymous"] - before
        return {**_summary(notes(folder)), "seconds": seconds, "driver": grown}


def _summary(found: list[dict[str, Any]]) -> dict[str, float]:
    by_worker: dict[int, dict[str, list[dict[str, int]]]] = {}
    for one in found:
        by_worker.setdefault(one["pid"], {"between": [], "within": []})[one["moment"]].append(one)
    workers = [moments for moments in by_worker.values() if len(moments["between"]) > 1]
    if not workers:
        raise RuntimeError(f"none of {len(by_worker)} workers had a second task; give it more candidates")
    later = {"between": 1, "within": 0}  # before its first task a worker has had no slices yet
    figures = {
        f"{moment}_{kind}": median(max(n[kind] for n in moments[moment][first:]) for moments in workers)
        for moment, first in later.items()
        for kind in ("unique", "anonymous")
    }
    return {**figures, "n_workers": len(by_worker)}


def _figures(
    side: str, size: int, found: dict[str, dict[str, float]], bare: dict[str, dict[str, float]]
) -> list[Figure]:
    own, none = found[side], bare[side]
    name = f"{number(size)} MB, {side}"
    at_most = 30 if side == "manyhands" else None
    return [
        Figure(
            f"{name}: unique memory it adds to a worker between tasks",
            (own["between_unique"] - none["between_unique"]) / _MB,
            "MB",
            at_most=at_most,
            note=f"in no file: {number((own['between_anonymous'] - none['between_anonymous']) / _MB)} MB; "
            f"{own['n_workers']:g} workers",
        ),
        Figure(
            f"{name}: unique memory it adds to a worker in a fit",
            (own["within_unique"] - none["within_unique"]) / _MB,
            "MB",
            note=f"in no file: {number((own['within_anonymous'] - none['within_anonymous']) / _MB)} MB",
        ),
        Figure(f"{name}: unique memory of a worker without it, between tasks", none["between_unique"] / _MB, "MB"),
        Figure(f"{name}: what the search adds to the main process", own["driver"] / _MB, "MB"),
        Figure(f"{name}: whole search", own["seconds"], "s", ours=found["manyhands"]["seconds"] / own["seconds"]),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sklearn.memory", description=__doc__)
    parser.add_argument("--gb", type=float, default=1.0, help="how large the samples are, in gigabytes")
    print(table(measure(quick=False, megabytes=int(1000 * parser.parse_args().gb))))
    sys.exit()
