"""The part of their time in which 8 slots run trials, if trials take very different times."""

import math
import random
from collections.abc import Sequence

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

_SLOTS = 8
_MEDIAN_S, _SIGMA, _LONGEST_S = 0.5, 1.0, 8.0
_OURS = "manyhands on Spark"
_PEERS: dict[str, Runner] = {
    "manyhands, local processes": ours_local,
    "Hyperopt, SparkTrials": spark_trials,
    "Hyperopt, SparkTrials, max_queue_len = 8": spark_trials_with_queue,
    "joblib-spark": joblib_spark,
    "Spark, a job for each 8 trials": waves,
}


def measure(*, quick: bool, cluster: bool) -> list[Figure]:
    """All have the same trials in the same order, which sleep. Ours runs several times, and the median counts."""
    durations = log_normal(16 if quick else 128)
    with sessions.local(_SLOTS) as spark:
        repeats = [ours(spark, _SLOTS, durations) for _ in range(1 if quick else 5)]
        runs = {name: peer(spark, _SLOTS, durations) for name, peer in _PEERS.items() if is_installed(peer)}
    own, best = middle(repeats), ideal(durations, _SLOTS)
    steady = own.utilisation_without_tail(_SLOTS)
    several = spread([run.utilisation_without_tail(_SLOTS) for run in repeats])
    note = f"{several}; {len(durations)} trials, {number(sum(durations))} s of work"
    return [
        Figure(f"{_OURS}: until the last trial begins", steady, "of 1", at_least=0.95, note=note),
        Figure(f"{_OURS}: to the end", own.utilisation(_SLOTS), "of 1", note=_note(own)),
        _figure("the best that this order of trials allows: to the end", best, own),
        *(figure for name in _PEERS for figure in _peer(name, runs, own)),
    ]


def log_normal(n: int) -> list[float]:
    """So many durations in seconds, the same ones every time; a few are much longer than most."""
    rng = random.Random(0)
    return [min(rng.lognormvariate(math.log(_MEDIAN_S), _SIGMA), _LONGEST_S) for _ in range(n)]


def _peer(name: str, runs: dict[str, Run], own: Run) -> Sequence[Figure]:
    if name not in runs:
        return [Figure(name, note="not installed")]
    steady = runs[name].utilisation_without_tail(_SLOTS)
    compared = own.utilisation_without_tail(_SLOTS) / steady
    return [
        Figure(f"{name}: until the last trial begins", steady, "of 1", ours=compared),
        _figure(f"{name}: to the end", runs[name], own),
    ]


def _figure(name: str, run: Run, own: Run) -> Figure:
    share = run.utilisation(_SLOTS)
    return Figure(name, share, "of 1", ours=own.utilisation(_SLOTS) / share, note=_note(run))


def _note(run: Run) -> str:
    return (
        f"{len(run.spans)} trials, {number(run.ended - run.began)} s from first to last, {number(run.wall_s)} s in all"
    )
