"""One Spark job of one task for each slot, in classic sessions and over Spark Connect.

Not one job with many tasks: Spark aborts a job at the fourth failure of one task, and so kills all healthy ones.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from manyhands.executors.spark.task import make_arrow_task

Task = Callable[[Iterable[object]], Iterator[str]]


class Job:
    """A Spark job that was handed in, waits for an executor, runs, or is over.

    Args:
        run: Runs it to its end and returns what its task said. Called in a thread of its own.
        make_thread: Makes that thread.
    """

    def __init__(self, run: Callable[[], str], make_thread: Callable[..., threading.Thread]):
        self._run = run
        self.said: str | None = None  #: what the task said at its end
        self.error: str | None = None  #: or what Spark said instead
        self._thread = make_thread(target=self._work)
        self._thread.daemon = True  # Spark may keep it waiting for ever
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end."""
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            self.said = self._run()
        except BaseException as error:  # Spark's own errors have no root in common, and this thread is not to print
            self.error = f"{type(error).__name__}: {error}"


class Jobs(Protocol):
    """Hands in jobs and cancels them."""

    def start(self, slot: int, task: Task) -> Job:
        """Hand in the job of a slot; returns at once."""

    def cancel(self, slot: int) -> None:
        """End a slot's job. One that Spark does not know of yet is missed, so this is to be repeated."""

    def has_begun(self, slot: int) -> bool:
        """Whether a slot's task runs, as far as Spark tells; else it still waits for an executor."""

    def others_wait(self, slots: Sequence[int]) -> bool:
        """Whether a job of the session that is none of these slots' waits for cores, as far as Spark tells."""


class ClassicJobs:
    """Through RDDs, which need neither pandas nor pyarrow.

    Args:
        session: A classic ``SparkSession``.
        run_id: Tells this run's jobs from others'.
        description: What to show in Spark's UI.
        profile: A ``ResourceProfile`` for the tasks, or None.
    """

    def __init__(self, session: Any, run_id: str, description: str, profile: Any = None):
        self._context = session.sparkContext
        self._run_id = run_id
        self._description = description
        self._profile = profile

    def start(self, slot: int, task: Task) -> Job:
        """Hand in the job of a slot; see ``Jobs``."""
        from pyspark import InheritableThread  # the job group belongs to the thread

        return Job(lambda: self._run(slot, task), InheritableThread)

    def cancel(self, slot: int) -> None:
        """End a slot's job; see ``Jobs``."""
        self._context.cancelJobGroup(self._group(slot))

    def has_begun(self, slot: int) -> bool:
        """Whether a slot's task runs; see ``Jobs``."""
        tracker = self._context.statusTracker()
        return any(stage.numActiveTasks for stage in _stages(tracker, tracker.getJobIdsForGroup(self._group(slot))))

    def others_wait(self, slots: Sequence[int]) -> bool:
        """Whether another job waits for cores; see ``Jobs``."""
        tracker = self._context.statusTracker()
        active = set(tracker.getActiveJobsIds())
        if len(active) <= len(slots):
            return False  # there may be hundreds of slots, and each would have to be asked for
        for slot in slots:
            active.difference_update(tracker.getJobIdsForGroup(self._group(slot)))
        return any(
            stage.numActiveTasks + stage.numCompletedTasks < stage.numTasks for stage in _stages(tracker, active)
        )

    def _run(self, slot: int, task: Task) -> str:
        context = self._context
        context.setJobGroup(self._group(slot), f"{self._description}, slot {slot}", interruptOnCancel=True)
        if hasattr(context, "addJobTag"):  # Spark 3.5
            context.addJobTag("manyhands")
        rows = context.parallelize([slot], 1)
        if self._profile is not None:
            rows = rows.withResources(self._profile)
        return str(rows.mapPartitions(task).collect()[0])

    def _group(self, slot: int) -> str:
        return f"manyhands-{self._run_id}-slot-{slot}"


def _stages(tracker: Any, jobs: Iterable[int]) -> Iterator[Any]:
    """The stages of jobs that Spark knows, and has begun or is about to."""
    for number in jobs:
        job = tracker.getJobInfo(number)
        for stage in job.stageIds if job is not None else ():
            if (found := tracker.getStageInfo(stage)) is not None:
                yield found


class ConnectJobs:
    """Through data frames, since Spark Connect has no RDDs. Needs pandas and pyarrow on both sides.

    Args:
        session: A ``SparkSession`` of Spark Connect.
        run_id: Tells this run's jobs from others'.
        profile: A ``ResourceProfile`` for the tasks, or None.
    """

    def __init__(self, session: Any, run_id: str, profile: Any = None):
        self._session = session
        self._run_id = run_id
        self._profile = profile

    def start(self, slot: int, task: Task) -> Job:
        """Hand in the job of a slot; see ``Jobs``."""
        return Job(lambda: self._run(slot, task), threading.Thread)

    def cancel(self, slot: int) -> None:
        """End a slot's job; see ``Jobs``."""
        self._session.interruptTag(self._tag(slot))

    def has_begun(self, slot: int) -> bool:
        """False: Spark Connect does not tell."""
        return False

    def others_wait(self, slots: Sequence[int]) -> bool:
        """False: Spark Connect does not tell."""
        return False

    def _run(self, slot: int, task: Task) -> str:
        self._session.addTag(self._tag(slot))
        frame = self._session.range(slot, slot + 1, 1, 1)
        how = {} if self._profile is None else {"profile": self._profile}
        return str(frame.mapInArrow(make_arrow_task(task), "said string", **how).collect()[0][0])

    def _tag(self, slot: int) -> str:
        return f"manyhands-{self._run_id}-slot-{slot}"
