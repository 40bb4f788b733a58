"""Trials a second with an objective that does nothing, at 2 slots."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import manyhands as mh
from benchmarks.measuring import Figure, interleave, number, ratio, spread
from benchmarks.search import space
from benchmarks.spark import sessions
from benchmarks.spark.runners import Runner, is_installed, joblib_spark, spark_trials, spark_trials_with_queue
from benchmarks.spark.runs import Run, Span

_SLOTS = 2
_OURS, _OURS_LOCAL = "manyhands on Spark", "manyhands, 2 local processes"
# Name -> how to run it, and with how many trials: slow ones are slow at once.
_PEERS: dict[str, tuple[Runner, int]] = {
    "Hyperopt, SparkTrials": (spark_trials, 10),
    "Hyperopt, SparkTrials, max_queue_len = 2": (spark_trials_with_queue, 20),
    "joblib-spark": (joblib_spark, 60),
}


def measure(*, quick: bool, cluster: bool) -> list[Figure]:
    """From the first trial to the last; what comes before and after is in the notes."""
    with sessions.local(_SLOTS) as spark:
        figures = _on(spark, "local[2]", quick=quick)
    if cluster:
        with sessions.cluster(workers=2, cores=1) as spark:
            figures += _on(spark, "standalone", quick=quick)
    return figures


def _on(spark: Any, place: str, *, quick: bool) -> list[Figure]:
    sizes, repeats = ((50,), 1) if quick else ((500, 5000), 5)
    search(10, executor=mh.Spark(spark, workers=_SLOTS))  # so that nobody pays for imports
    figures = [figure for n_trials in sizes for figure in _ours(spark, place, n_trials, repeats)]
    present = {name: peer for name, peer in _PEERS.items() if is_installed(peer[0])}
    peers = {name: runner(spark, _SLOTS, [0.0] * n) for name, (runner, n) in present.items()}
    own = figures[0].value
    assert own is not None  # noqa: S101 - it was measured
    return figures + [_peer(name, place, peers, own) for name in _PEERS]


def _ours(spark: Any, place: str, n_trials: int, repeats: int) -> list[Figure]:
    on_spark: list[Run] = []
    in_processes: list[Run] = []
    measures = {
        _OURS: lambda: _noted(on_spark, search(n_trials, executor=mh.Spark(spark, workers=_SLOTS))),
        _OURS_LOCAL: lambda: _noted(in_processes, search(n_trials, workers=_SLOTS)),
    }
    found = interleave(measures, repeats)
    rates, local_rates = found[_OURS], found[_OURS_LOCAL]
    name = f"{_OURS}, {place}, {n_trials:,} trials"
    return [
        Figure(name, median(rates), "trials/s", at_least=300, note=_note(rates, on_spark)),
        Figure(f"{name} / {_OURS_LOCAL}", ratio(rates, local_rates), "x", at_least=0.5),
        Figure(
            f"{_OURS_LOCAL}, {n_trials:,} trials",
            median(local_rates),
            "trials/s",
            note=_note(local_rates, in_processes),
        ),
    ]


def search(n_trials: int, **settings: Any) -> Run:
    """A random search with an objective that does nothing; its trials' times are those that the study keeps."""

    def objective(params: dict[str, Any]) -> float:
        return float(params["rate"])

    called = time.perf_counter()
    study = mh.tune(objective, space(), max_trials=n_trials, sampler="random", progress=False, **settings)
    wall_s = time.perf_counter() - called
    spans = [Span(trial.started_at, trial.ended_at) for trial in study.trials if trial.ended_at is not None]
    if len(spans) != n_trials:
        raise RuntimeError(f"{n_trials} trials were asked for, and {len(spans)} ended")
    return Run(spans, wall_s)


def _noted(runs: list[Run], run: Run) -> float:
    runs.append(run)
    return run.rate


def _note(rates: Sequence[float], runs: Sequence[Run]) -> str:
    wall_s = median(run.wall_s for run in runs)
    return f"{spread(rates)}; {number(wall_s)} s with all of the call"


def _peer(name: str, place: str, peers: dict[str, Run], own: float) -> Figure:
    if name not in peers:
        return Figure(f"{name}, {place}", note="not installed")
    run = peers[name]
    note = f"{len(run.spans)} trials in {number(run.wall_s)} s with all of the call"
    return Figure(f"{name}, {place}", run.rate, "trials/s", ours=own / run.rate, note=note)
