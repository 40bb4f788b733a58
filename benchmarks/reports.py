"""Reports a second from two trials that do nothing but report, each of them judged by a scheduler and kept."""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import manyhands as mh
from benchmarks.measuring import Figure

_TARGET = 5000


class Counter:
    """A scheduler that stops nothing, and notes when it was asked.

    Attributes:
        times: When each report arrived.
    """

    def __init__(self) -> None:
        self.times: list[float] = []

    def judge(self, trial_id: int, report: Any, loss: float) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())

    def observe(self, trial: Any, loss: float | None) -> None:
        """Outcomes do not matter here."""


def measure(*, quick: bool) -> list[Figure]:
    """The rate at which reports come in, and that of the whole search."""
    n_each = 500 if quick else 5000
    _run(10)  # the first search imports the library
    runs = [_run(n_each) for _ in range(1 if quick else 7)]
    arriving, whole, cost = (median(column) for column in zip(*runs, strict=True))
    return [
        Figure("from the first arrival to the last", arriving, "reports/s", at_least=_TARGET),
        Figure("over the whole search, workers' start included", whole, "reports/s", at_least=_TARGET),
        Figure("what one call of trial.report takes", cost * 1e6, "us"),
    ]


def _run(n_each: int) -> tuple[float, float, float]:
    def objective(params: dict[str, Any], trial: Any) -> dict[str, float]:
        started = time.perf_counter()
        for step in range(n_each):
            trial.report(params["x"], step)
        return {"value": params["x"], "per_call": (time.perf_counter() - started) / n_each}

    counter = Counter()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        study = mh.tune(
            objective,
            {"x": mh.Float(0, 1)},
            max_trials=2,
            workers=2,
            sampler="random",
            scheduler=counter,
            store=Path(folder) / "studies.db",
            progress=False,
        )
        whole = time.perf_counter() - started
    n = len(counter.times)
    if n != 2 * n_each:
        raise RuntimeError(f"{2 * n_each} reports were made, and {n} arrived")
    cost = median(trial.metrics["per_call"] for trial in study.trials)
    return n / (counter.times[-1] - counter.times[0]), n / whole, cost
