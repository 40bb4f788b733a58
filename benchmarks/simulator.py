"""Simulated searches: how fast they are, what the search costs for each report, and how busy workers are kept."""

import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import manyhands as mh
from benchmarks.measuring import Figure, spread
from manyhands import eventlog
from manyhands.events import PartFinished, PartStopped, Reported
from manyhands.samplers import make_sampler
from manyhands.search import Search, Settings
from manyhands.simulation import utilisation

_SPACE = {"x": mh.Float(0, 1)}
_N_EPOCHS = 9


class _GoOn:
    """A scheduler that costs nothing and stops nothing."""

    def judge(self, trial_id: int, report: Any, loss: float) -> None:
        """Let it go on."""

    def observe(self, trial: Any, loss: float | None) -> None:
        """Outcomes do not matter here."""


_SCHEDULERS: dict[str, Callable[[], Any]] = {"no stopping": _GoOn, "ASHA": mh.ASHAScheduler}


def measure(*, quick: bool) -> list[Figure]:
    """Rates by the process's own time, as nothing here waits for anything else."""
    share = 20 if quick else 1
    _simulate(10, 100, _N_EPOCHS, _GoOn())  # so that nobody pays for imports
    return [
        *(_rate(name, share) for name in _SCHEDULERS),
        _large(5000 // share, 50_000 // share),
        *(_cost(name, 10_000 // share) for name in _SCHEDULERS),
        *(_utilisation(name, 1000 // share) for name in _SCHEDULERS),
    ]


class _Training:
    """An objective that counts its reports.

    Args:
        n_epochs: How many reports a trial has.
    """

    def __init__(self, n_epochs: int):
        self.n_reports = 0
        self._n_epochs = n_epochs

    def __call__(self, params: dict[str, float]) -> Iterator[tuple[float, float]]:
        """One report each minute or so."""
        for epoch in range(1, self._n_epochs + 1):
            self.n_reports += 1
            yield 50.0 + 20.0 * params["x"], params["x"] + 1 / epoch


def _simulate(workers: int, n_trials: int, n_epochs: int, scheduler: Any, **more: Any) -> tuple[mh.Study, float, int]:
    """The study, the seconds that it took, and how many reports it had."""
    training = _Training(n_epochs)
    gc.collect()  # what former runs left is not this one's
    began = time.process_time()
    study = mh.simulate(
        training,
        _SPACE,
        workers=workers,
        max_trials=n_trials,
        sampler="random",
        scheduler=scheduler,
        **more,
    )
    return study, time.process_time() - began, training.n_reports


def _rate(name: str, share: int) -> Figure:
    workers, n_trials = 1000 // share, 10_000 // share
    rates = []
    for _ in range(1 if share > 1 else 5):
        _, seconds, n_reports = _simulate(workers, n_trials, _N_EPOCHS, _SCHEDULERS[name]())
        rates.append(n_reports / seconds)
    note = f"{workers:,} workers, {n_trials:,} trials of {n_reports / n_trials:.1f} reports; {spread(rates)}"
    return Figure(f"random search, {name}", median(rates), "reports/s", at_least=50_000, note=note)


def _large(workers: int, n_trials: int) -> Figure:
    _, seconds, n_reports = _simulate(workers, n_trials, 3, _GoOn())
    note = f"{n_reports:,} reports"
    return Figure(f"{workers:,} workers, {n_trials:,} trials", seconds, "s", at_most=10, note=note)


def _cost(name: str, n_trials: int) -> Figure:
    """What the search and its scheduler take for a report once so many trials have ended, from a replay."""
    settings = Settings(max_trials=n_trials + n_trials // 10, ahead=False)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "events.jsonl"
        _simulate(100, settings.max_trials or 0, _N_EPOCHS, _SCHEDULERS[name](), event_log=log)
        events = list(eventlog.read(log))
    search = Search(mh.Space(_SPACE), make_sampler("random"), settings, scheduler=_SCHEDULERS[name]())
    costs, n_ended = [], 0
    for event in events:
        began = time.perf_counter()
        search.handle(event)
        if isinstance(event, Reported) and n_ended >= n_trials:
            costs.append(time.perf_counter() - began)
        n_ended += isinstance(event, PartFinished | PartStopped)
    name = f"search and scheduler, {name}, after {n_trials:,} trials"
    note = f"mean of {len(costs):,}; median {median(costs) * 1e6:.1f}"
    return Figure(name, sum(costs) / len(costs) * 1e6, "us/report", at_most=100, note=note)


def _utilisation(name: str, workers: int) -> Figure:
    study, _, _ = _simulate(workers, 100 * workers, 3, _SCHEDULERS[name]())
    note = "100 trials a worker, from the first start to the last end"
    return Figure(
        f"utilisation of {workers:,} workers, {name}", utilisation(study, workers), "", at_least=0.98, note=note
    )
