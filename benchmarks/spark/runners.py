"""The same list of trials run by Manyhands and by others: trial n sleeps for the n-th of the durations, in seconds.

Every trial tells when it began and ended, so that all are measured by the same clock.
"""

import logging
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from typing import Any

import manyhands as mh
from benchmarks.spark.runs import Run, Span

#: Runs the trials on a session's cluster, so many at a time.
Runner = Callable[[Any, int, Sequence[float]], Run]

_N_SLOW, _N_SLOW_WITH_QUEUE = 24, 64  # so many trials of whoever takes seconds for each


def ours(spark: Any, slots: int, durations: Sequence[float]) -> Run:
    """Manyhands on Spark."""
    return _tune(durations, executor=mh.Spark(spark, workers=slots))


def ours_local(spark: Any, slots: int, durations: Sequence[float]) -> Run:
    """Manyhands with processes of this machine; no Spark."""
    return _tune(durations, workers=slots)


def spark_trials(spark: Any, slots: int, durations: Sequence[float]) -> Run:
    """Hyperopt with the settings it comes with: a Spark job of one task for each trial, and one new trial at a look."""
    return _spark_trials(spark, slots, durations[:_N_SLOW], queue=1)


def spark_trials_with_queue(spark: Any, slots: int, durations: Sequence[float]) -> Run:
    """The same with as many new trials at each look as there are slots."""
    return _spark_trials(spark, slots, durations[:_N_SLOW_WITH_QUEUE], queue=slots)


def _spark_trials(spark: Any, slots: int, durations: Sequence[float], queue: int) -> Run:
    import hyperopt

    logging.getLogger("hyperopt-spark").setLevel(logging.ERROR)
    _quieten()
    run = _make_trial(durations)

    def objective(index: int) -> dict[str, Any]:
        span = run(int(index))
        return {"loss": 0.0, "status": "ok", "span": list(span)}

    trials = hyperopt.SparkTrials(parallelism=slots, spark_session=spark)
    called = time.perf_counter()
    hyperopt.fmin(
        objective,
        hyperopt.hp.randint("index", len(durations)),
        _suggest_in_turn,
        len(durations),
        max_queue_len=queue,
        trials=trials,
        show_progressbar=False,
        verbose=False,
    )
    wall_s = time.perf_counter() - called
    return _checked(durations, [result["span"] for result in trials.results], wall_s)


def joblib_spark(spark: Any, slots: int, durations: Sequence[float]) -> Run:
    """joblib, with a Spark job of one task for each call."""
    from joblib import Parallel, delayed, parallel_config
    from joblibspark import register_spark

    _quieten()
    register_spark()
    run = _make_trial(durations)
    called = time.perf_counter()
    with parallel_config("spark", n_jobs=slots):
        found = Parallel(batch_size=1)(delayed(run)(i) for i in range(len(durations)))
    return _checked(durations, found, time.perf_counter() - called)


def waves(spark: Any, slots: int, durations: Sequence[float]) -> Run:
    """A Spark job for every ``slots`` trials, each job waiting for the slowest of its trials."""
    run = _make_trial(durations)
    found: list[tuple[float, float]] = []
    called = time.perf_counter()
    for first in range(0, len(durations), slots):
        wave = range(first, min(first + slots, len(durations)))
        found += spark.sparkContext.parallelize(wave, len(wave)).map(run).collect()
    return _checked(durations, found, time.perf_counter() - called)


def is_installed(runner: Runner) -> bool:
    """Whether what a runner needs can be imported."""
    needed: dict[Runner, list[str]] = {
        spark_trials: ["hyperopt"],
        spark_trials_with_queue: ["hyperopt"],
        joblib_spark: ["joblib", "joblibspark"],
    }
    packages = needed.get(runner, [])
    return all(find_spec(package) is not None for package in packages)


def _quieten() -> None:
    warnings.filterwarnings("ignore", message=".*stage-level scheduling")
    warnings.filterwarnings("ignore", message="Spark session is not provided")


def _make_trial(durations: Sequence[float]) -> Callable[[int], tuple[float, float]]:
    # A function within a function travels by value: executors cannot import this module.
    def run(index: int) -> tuple[float, float]:
        began = time.time()
        if durations[index] > 0:
            time.sleep(durations[index])
        return began, time.time()

    return run


def _tune(durations: Sequence[float], **settings: Any) -> Run:
    run = _make_trial(durations)

    def objective(params: dict[str, Any]) -> dict[str, float]:
        began, ended = run(params["index"])
        return {"value": 0.0, "began": began, "ended": ended}

    space = {"index": mh.Choice(list(range(len(durations))))}
    called = time.perf_counter()
    study = mh.tune(objective, space, sampler="grid", progress=False, **settings)
    wall_s = time.perf_counter() - called
    found = [(trial.metrics["began"], trial.metrics["ended"]) for trial in study.trials]
    return _checked(durations, found, wall_s)


def _suggest_in_turn(new_ids: Sequence[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
    """What ``hyperopt.rand.suggest`` does, but trial n has index n, so that all runners have the same durations."""
    documents = []
    for number in new_ids:
        where = {"tid": number, "cmd": domain.cmd, "workdir": domain.workdir}
        misc = {**where, "idxs": {"index": [number]}, "vals": {"index": [number]}}
        documents += trials.new_trial_docs([number], [None], [domain.new_result()], [misc])
    return documents


def _checked(durations: Sequence[float], found: Iterable[Sequence[float]], wall_s: float) -> Run:
    spans = [Span(*times) for times in found]
    if len(spans) != len(durations):
        raise RuntimeError(f"{len(durations)} trials were asked for, and {len(spans)} ran")
    return Run(spans, wall_s)
