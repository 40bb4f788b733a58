"""SparkTrials on ``local[2]``: 20 trials that sleep for a second on two slots, and trials that do nothing."""

import time
from importlib import import_module

import numpy as np

from benchmarks.hyperopt.overhead import OURS, THEIRS
from benchmarks.measuring import Figure
from benchmarks.spark import sessions

_N_SLEEPS = 20
_N_IDLE = {OURS: 500, THEIRS: 20}  # theirs takes seconds for each


def measure(*, quick: bool) -> list[Figure]:
    """Seconds for all that sleep, milliseconds for each that does nothing, and the ratios."""
    n_sleeps = 4 if quick else _N_SLEEPS
    figures: list[Figure] = []
    seconds, idle_ms = {}, {}
    with sessions.local(2) as spark:
        for name in (OURS, THEIRS):
            seconds[name] = _search(name, spark, n_sleeps, 1.0)
            n_idle = _N_IDLE[name] // (10 if quick else 1)
            idle_ms[name] = _search(name, spark, n_idle, 0.0) / n_idle * 1e3
            at_most = 12.0 if name == OURS and not quick else None
            figures.append(Figure(f"{name}, {n_sleeps} x sleep(1), 2 slots", seconds[name], "s", at_most=at_most))
            figures.append(Figure(f"{name}, {n_idle} trials that do nothing", idle_ms[name], "ms/trial"))
    figures.append(Figure(f"{THEIRS} / {OURS}, sleep(1)", seconds[THEIRS] / seconds[OURS], "x"))
    less = idle_ms[THEIRS] / idle_ms[OURS]
    figures.append(Figure(f"{THEIRS} / {OURS}, nothing", less, "x", at_least=None if quick else 100.0))
    return figures


def _search(package: str, spark: object, n_trials: int, pause_s: float) -> float:
    hyperopt = import_module(package)
    suggest = import_module(f"{package}.rand").suggest

    def objective(x: float) -> float:
        time.sleep(pause_s)
        return x

    trials = hyperopt.SparkTrials(parallelism=2, spark_session=spark)
    began = time.perf_counter()
    hyperopt.fmin(
        objective,
        hyperopt.hp.uniform("x", 0, 1),
        algo=suggest,
        max_evals=n_trials,
        trials=trials,
        rstate=np.random.default_rng(0),
        verbose=False,
    )
    seconds = time.perf_counter() - began
    if trials.count_successful_trials() != n_trials:
        raise RuntimeError(f"{package}: {trials.count_successful_trials()} of {n_trials} trials have a result")
    return seconds
