"""How much faster 200 trials of half a second are at 32 slots than one after another."""

import random

from benchmarks.measuring import Figure, number, spread
from benchmarks.spark import sessions
from benchmarks.spark.runners import (
    Runner,
    is_installed,
    joblib_spark,
    ours,
    ours_local,
    spark_trials,
    spark_trials_with_queue,
    waves,
)
from benchmarks.spark.runs import Run, ideal, middle

_OURS = "manyhands on Spark"
_PEERS: dict[str, Runner] = {
    "manyhands, local processes": ours_local,
    "Hyperopt, SparkTrials": spark_trials,
    "Hyperopt, SparkTrials, max_queue_len = slots": spark_trials_with_queue,
    "joblib-spark": joblib_spark,
    "Spark, a job for each 32 trials": waves,
}


def measure(*, quick: bool, cluster: bool) -> list[Figure]:
    """Trials sleep, so that 32 slots do with few cores. Ours runs several times, and the median counts."""
    slots, n_trials = (4, 16) if quick else (32, 200)
    durations = even(n_trials)
    with sessions.local(slots) as spark:
        repeats = [ours(spark, slots, durations) for _ in range(1 if quick else 5)]
        runs = {name: peer(spark, slots, durations) for name, peer in _PEERS.items() if is_installed(peer)}
    own, best = middle(repeats), ideal(durations, slots)
    several = spread([run.speedup for run in repeats])
    target = None if quick else 28
    figures = [
        Figure(f"{_OURS}, {slots} slots", own.speedup, "x", at_least=target, note=f"{several}; {_note(own, slots)}"),
        Figure(f"{_OURS}, {slots} slots: once {slots} trials have begun", own.speedup_at_full_size(slots), "x"),
        Figure("the best that this order of trials allows", best.speedup, "x", ours=own.speedup / best.speedup),
    ]
    return figures + [_peer(name, runs, own, slots) for name in _PEERS]


def even(n: int) -> list[float]:
    """So many durations of 0.4 to 0.6 s, the same ones every time."""
    rng = random.Random(0)
    return [rng.uniform(0.4, 0.6) for _ in range(n)]


def _peer(name: str, runs: dict[str, Run], own: Run, slots: int) -> Figure:
    if name not in runs:
        return Figure(name, note="not installed")
    run = runs[name]
    return Figure(name, run.speedup, "x", ours=own.speedup / run.speedup, note=_note(run, slots))


def _note(run: Run, slots: int) -> str:
    whole = f"{len(run.spans)} trials; {number(run.work_s / run.wall_s)} x with all of the call, {number(run.wall_s)} s"
    return f"{whole}; {min(slots, len(run.spans))} trials have begun {number(run.ramp_s(slots))} s after the first"
