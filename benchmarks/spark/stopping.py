"""How soon a slot runs its next trial once it was decided to stop the one it runs."""

import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import manyhands as mh
from benchmarks.measuring import Figure, number
from benchmarks.spark import sessions

_SLOTS = 2
_REPORT_EVERY_S = 0.002
_N_STEPS = 20  # a trial is stopped by its first report past so many


class Stop(NamedTuple):
    """A trial that was stopped, in seconds since the decision.

    Attributes:
        left_s: Until its objective ended.
        next_s: Until the objective of its worker's next trial began.
    """

    left_s: float
    next_s: float


class StopsAll:
    """A scheduler that stops every trial by its first report past so many steps.

    Attributes:
        decided_at: When, by trial; seconds since 1970.
    """

    def __init__(self) -> None:
        self.decided_at: dict[int, float] = {}

    def judge(self, trial_id: int, report: Any, loss: float) -> str | None:
        """Stop it, once, if it is time."""
        if report.step < _N_STEPS or trial_id in self.decided_at:
            return None
        self.decided_at[trial_id] = time.time()
        return f"step {report.step} is past {_N_STEPS}"

    def observe(self, trial: Any, loss: float | None) -> None:
        """Outcomes do not matter here."""


def measure(*, quick: bool, cluster: bool) -> list[Figure]:
    """Ours on Spark and with local processes, and a Spark job that is cancelled."""
    n_trials = 20 if quick else 200
    with sessions.local(_SLOTS) as spark:
        figures = [
            *_figures("manyhands on Spark, local[2]", stops(n_trials, executor=mh.Spark(spark, workers=_SLOTS)), 0.05),
            *_figures("manyhands, 2 local processes", stops(n_trials, workers=_SLOTS)),
            _cancelled("local[2]", [cancel(spark) for _ in range(1 if quick else 7)]),
        ]
    if cluster:
        with sessions.cluster(workers=_SLOTS, cores=1) as spark:
            found = stops(n_trials, executor=mh.Spark(spark, workers=_SLOTS))
            figures += _figures("manyhands on Spark, standalone", found, 0.05)
            figures.append(_cancelled("standalone", [cancel(spark) for _ in range(1 if quick else 7)]))
    return figures


def stops(n_trials: int, **settings: Any) -> list[Stop]:
    """Run trials that report until they are stopped, and return what came of each that had a successor."""
    scheduler = StopsAll()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "times")
        study = mh.tune(
            _make_objective(path),
            {"x": mh.Float(0, 1)},
            max_trials=n_trials,
            sampler="random",
            scheduler=scheduler,
            progress=False,
            **settings,
        )
        began, left = _times(path)
    by_worker: dict[str, list[int]] = defaultdict(list)
    for trial in sorted(study.trials, key=lambda trial: began[trial.id]):
        by_worker[trial.worker].append(trial.id)
    pairs = [pair for ids in by_worker.values() for pair in pairwise(ids)]
    return [after(scheduler.decided_at[a], left[a], began[b]) for a, b in pairs]


def after(decided_at: float, left_at: float, next_at: float) -> Stop:
    """What came of a decision, in seconds from it on."""
    return Stop(left_at - decided_at, next_at - decided_at)


def cancel(spark: Any, deadline_s: float = 60.0) -> float:
    """Seconds from the cancelling of a job that fills all slots to the begin of the next job's task.

    Raises:
        TimeoutError: The first job does not begin.
    """
    from pyspark import InheritableThread

    context = spark.sparkContext
    with tempfile.TemporaryDirectory() as folder:
        fill = _make_filler(folder)

        def run() -> None:
            context.setJobGroup("cancelled", "a trial that is stopped", interruptOnCancel=True)
            try:
                context.parallelize(range(_SLOTS), _SLOTS).map(fill).collect()
            except Exception:
                return  # it was cancelled

        thread = InheritableThread(target=run, daemon=True)
        thread.start()
        _wait_for(lambda: len(os.listdir(folder)) == _SLOTS, deadline_s)
        decided_at = time.time()
        context.cancelJobGroup("cancelled")
        next_at = context.parallelize([0], 1).map(lambda _: time.time()).collect()[0]
        thread.join(deadline_s)
    return float(next_at - decided_at)


def _make_objective(path: str) -> Callable[[dict[str, Any], Any], float]:
    every_s = _REPORT_EVERY_S

    # A stopped trial returns nothing, so it leaves its times in a file, a line at a time.
    def note(word: str, trial: Any) -> None:
        with open(path, "a", encoding="ascii") as file:
            file.write(f"{word} {trial.id} {time.time()!r}\n")

    def objective(params: dict[str, Any], trial: Any) -> float:
        note("began", trial)
        try:
            for step in range(10_000):
                time.sleep(every_s)
                trial.report(params["x"], step)
        finally:
            note("left", trial)
        raise RuntimeError("the trial was not stopped")

    return objective


def _times(path: str) -> tuple[Mapping[int, float], Mapping[int, float]]:
    found: dict[str, dict[int, float]] = {"began": {}, "left": {}}
    for line in Path(path).read_text(encoding="ascii").splitlines():
        word, trial_id, at = line.split()
        found[word][int(trial_id)] = float(at)
    return found["began"], found["left"]


def _make_filler(folder: str) -> Callable[[int], None]:
    def fill(index: int) -> None:
        Path(folder, str(index)).touch()
        time.sleep(60)

    return fill


def _wait_for(is_so: Callable[[], bool], deadline_s: float) -> None:
    ends = time.monotonic() + deadline_s
    while not is_so():
        if time.monotonic() > ends:
            raise TimeoutError(f"a job of {_SLOTS} tasks did not begin within {deadline_s:g} s")
        threading.Event().wait(0.01)


def _figures(name: str, found: Sequence[Stop], at_most: float | None = None) -> list[Figure]:
    nexts = [stop.next_s for stop in found]
    lefts = [stop.left_s for stop in found]
    idle = [stop.next_s - stop.left_s for stop in found]
    reaction = f"{len(found)} stops; a trial reports every {number(_REPORT_EVERY_S * 1e3)} ms"
    return [
        Figure(f"{name}: decision to next trial, median", median(nexts), "s", at_most=at_most, note=reaction),
        Figure(f"{name}: decision to next trial, 95 %", _percentile(nexts), "s"),
        Figure(f"{name}: of that, decision to the trial's end, median", median(lefts), "s"),
        Figure(f"{name}: of that, the trial's end to the next, median", median(idle), "s"),
    ]


def _percentile(values: Sequence[float], part: float = 0.95) -> float:
    return sorted(values)[int(part * (len(values) - 1))]


def _cancelled(place: str, seconds: Sequence[float]) -> Figure:
    note = f"{len(seconds)} jobs, {number(min(seconds))} to {number(max(seconds))}"
    return Figure(f"Spark, cancelled job to next job's task, {place}: median", median(seconds), "s", note=note)
