"""The search that is timed again and again: a no-op objective over three parameters, drawn at random."""

import tempfile
import time
from pathlib import Path
from typing import Any

import manyhands as mh


def objective(params: dict[str, Any]) -> float:
    """Do nothing, as far as possible."""
    return float(params["rate"])


def space() -> dict[str, Any]:
    """A parameter of each common kind."""
    return {"rate": mh.Float(1e-5, 1e-1, log=True), "depth": mh.Int(1, 100), "kind": mh.Choice(["a", "b", "c"])}


def run(n_trials: int, **settings: Any) -> mh.Study:
    """Search with so many trials; ``settings`` are further arguments of ``tune``."""
    return mh.tune(objective, space(), max_trials=n_trials, sampler="random", progress=False, **settings)


def run_inline(n_trials: int) -> mh.Study:
    """Search in this process, with everything in memory."""
    return run(n_trials, executor="inline", store=None)


def run_with_workers(n_trials: int, store: bool = True) -> mh.Study:
    """Search with two worker processes, every outcome durable in a new SQLite file (or not)."""
    with tempfile.TemporaryDirectory() as folder:
        return run(n_trials, workers=2, store=Path(folder) / "studies.db" if store else None)


def rate(search: Any, n_trials: int, *args: Any) -> float:
    """How many trials a second ``search(n_trials, ...)`` gets done, its start and end included."""
    started = time.perf_counter()
    search(n_trials, *args)
    return n_trials / (time.perf_counter() - started)


def steady_rate(study: mh.Study, first: int, last: int) -> float:
    """Trials a second between the ``first`` and the ``last`` outcome, in the order in which outcomes came."""
    ended = sorted(trial.ended_at for trial in study.trials if trial.ended_at is not None)
    return (last - first) / (ended[last] - ended[first])
