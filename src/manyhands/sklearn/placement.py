"""Where the fits of a search run, and how many at a time."""

from typing import Any

import joblib
from msgspec import Struct

from manyhands.errors import SettingsError
from manyhands.executors.inline import Inline
from manyhands.executors.limits import available_cores
from manyhands.executors.processes import Processes
from manyhands.ports import Executor
from manyhands.sklearn.threads import is_parallel, wanted_threads

_IDLE_TIMEOUT_S = 300.0  # as long as joblib keeps its own


class Placement(Struct, frozen=True):
    """Where fits run.

    Attributes:
        executor: Runs them.
        note: What was chosen, and why, in words.
    """

    executor: Executor
    note: str

    @property
    def is_here(self) -> bool:
        """Whether fits run in this very process, one after another."""
        return isinstance(self.executor, Inline)


def place(executor: str | Executor | None, n_jobs: int | None, estimator: Any) -> Placement:
    """Decide where fits run.

    Args:
        executor: ``"processes"``, ``"spark"``, ``"inline"``, an executor object, or None, for processes if there is
            more than one job.
        n_jobs: How many fits at a time, as scikit-learn has it: None is 1 (or what ``joblib.parallel_config`` says), -1
            all cores. With an executor, None is as many as it has room for.
        estimator: May use threads by itself, which are then shared out.

    Raises:
        SettingsError: There is no such executor.
    """
    if executor is None:
        n_workers = joblib.effective_n_jobs(n_jobs)
        executor = "inline" if n_workers == 1 else "processes"
    if executor == "inline":
        return Placement(Inline(), "fits run one after another in this process")
    if executor == "processes":
        return _processes(n_jobs, estimator)
    if executor == "spark":
        from manyhands.executors.spark.executor import Spark

        return _elsewhere(Spark(workers=_given(n_jobs)))
    if isinstance(executor, str):
        raise SettingsError(
            f"executor={executor!r} is not known. Give 'processes', 'spark', 'inline', or an executor object such as "
            f"mh.Spark(...)."
        )
    return _elsewhere(executor)


def _processes(n_jobs: int | None, estimator: Any) -> Placement:
    cores = available_cores()
    n_workers = cores if n_jobs is None else joblib.effective_n_jobs(n_jobs)
    threads = wanted_threads(estimator)
    if n_jobs is None or n_jobs < 0:
        n_workers = max(1, n_workers // threads)
    cores_per_worker = max(1, cores // n_workers)
    note = f"{_count(n_workers, 'fit')} at a time on {_count(cores, 'core')}"
    if is_parallel(estimator):
        note += f", each with {_count(cores_per_worker, 'thread')} for the estimator's own n_jobs"
    workers = Processes(n_workers, cores_per_worker=cores_per_worker, idle_timeout_s=_IDLE_TIMEOUT_S)
    return Placement(workers, note)


def _elsewhere(executor: Executor) -> Placement:
    return Placement(executor, f"{_count(executor.n_workers, 'fit')} at a time by {type(executor).__name__}")


def _given(n_jobs: int | None) -> int | None:
    return n_jobs if n_jobs is not None and n_jobs > 0 else None


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
