"""What a task costs that does nothing: 1,000 of them, one by one and in batches, with workers that are up."""

from collections.abc import Callable, Sequence
from statistics import median

from joblib import Parallel, delayed

from benchmarks.joblib.backends import JOBLIB_SPARK, LOKY, OURS, OURS_ON_SPARK, Backends
from benchmarks.measuring import Figure, interleave, ratio, spread
from benchmarks.spark import sessions

_N_SLOW = 60  # tasks for whoever takes 50 ms and more for each


def measure(*, quick: bool) -> list[Figure]:
    """Milliseconds for each task, and their ratios."""
    n_tasks, repeats = (200, 1) if quick else (1000, 5)
    with sessions.local(2) as spark:
        backends = Backends(spark)
        return [
            figure for batch_size in (1, "auto") for figure in _with_batches(backends, batch_size, n_tasks, repeats)
        ]


def _with_batches(backends: Backends, batch_size: int | str, n_tasks: int, repeats: int) -> list[Figure]:
    def measured(name: str) -> Callable[[], float]:
        n = min(n_tasks, _N_SLOW) if name == JOBLIB_SPARK else n_tasks
        return lambda: 1e3 / n * backends.seconds(name, lambda: _run(n, batch_size))

    found = interleave({name: measured(name) for name in backends.names}, repeats)
    label = f"batch_size={batch_size!r}"
    figures = [Figure(f"{name}, {label}", median(ms), "ms/task", note=spread(ms)) for name, ms in found.items()]
    figures += _beside(found, LOKY, label, at_most=3)
    if JOBLIB_SPARK in found:
        less = ratio(found[JOBLIB_SPARK], found[OURS_ON_SPARK])
        figures.append(Figure(f"{JOBLIB_SPARK} / {OURS_ON_SPARK}, {label}", less, "x", at_least=20))
    return figures


def _beside(found: dict[str, list[float]], other: str, label: str, at_most: float) -> Sequence[Figure]:
    return [
        Figure(f"{name} / {other}, {label}", ratio(found[name], found[other]), "x", at_most=at_most)
        for name in (OURS, OURS_ON_SPARK)
    ]


def _run(n: int, batch_size: int | str) -> None:
    found = Parallel(batch_size=batch_size)(delayed(abs)(-i) for i in range(n))
    if found != [*range(n)]:
        raise RuntimeError("a task returned something else than it should")
