"""Keeps a job in every slot: what is lost is handed in again, after a while that grows with each failure in a row."""

import logging
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from manyhands.executors.spark.jobs import Job

log = logging.getLogger("manyhands")

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 30.0
_LEAVE_S = 3.0  # how long tasks have to end by themselves before their jobs are cancelled
_GIVE_UP_S = 20.0
_PULSE_S = 0.02
_CANCEL_EVERY_S = 0.5


class Ended(NamedTuple):
    """The end of a slot's job.

    Attributes:
        slot: Its number.
        said: What its task said; None if it could say nothing.
        error: What Spark said then.
        has_worked: Whether the slot had a worker.
    """

    slot: int
    said: str | None
    error: str | None
    has_worked: bool


class _Slot:
    def __init__(self, number: int):
        self.number = number
        self.job: Job | None = None
        self.has_worked = False
        self.n_failures = 0  # in a row
        self.due_at = 0.0


class Slots:
    """The slots of a search.

    Args:
        n: How many.
        start: Hands in the job of a slot.
        cancel: Cancels the job of a slot.
        has_begun: Whether the task of a slot's job runs.
        clock: Tells the time in seconds; a test may have its own.
    """

    def __init__(
        self,
        n: int,
        start: Callable[[int], Job],
        cancel: Callable[[int], None],
        has_begun: Callable[[int], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._slots = [_Slot(i) for i in range(n)]
        self._start, self._cancel, self._has_begun = start, cancel, has_begun
        self._clock = clock

    @property
    def taken(self) -> Sequence[int]:
        """The slots that have a job, whether it runs or waits."""
        return [slot.number for slot in self._slots if slot.job is not None]

    def look(self, at_work: AbstractSet[int]) -> Sequence[Ended]:
        """Note which jobs have ended, and hand in those that are due.

        Args:
            at_work: The slots that have a worker now.
        """
        now = self._clock()
        ended = []
        for slot in self._slots:
            if slot.number in at_work:
                slot.has_worked = True
            if slot.job is not None and slot.job.is_over:
                ended.append(Ended(slot.number, slot.job.said, slot.job.error, slot.has_worked))
                slot.n_failures = 0 if slot.has_worked else slot.n_failures + 1
                slot.due_at = now + _wait_s(slot.n_failures)
                slot.job = None
            if slot.job is None and now >= slot.due_at:
                slot.has_worked = False
                slot.job = self._start(slot.number)
        return ended

    def close(self, told: AbstractSet[int]) -> None:
        """See to it that no job is left.

        Args:
            told: The slots whose tasks were told to end, and so will end by themselves.
        """
        began = self._clock()
        cancelled_at = -_CANCEL_EVERY_S
        while left := [slot for slot in self._slots if slot.job is not None and not slot.job.is_over]:
            waited = self._clock() - began
            if waited > _GIVE_UP_S:
                log.warning("Spark has not ended %d of the search's jobs; see its UI", len(left))
                return
            if waited - cancelled_at >= _CANCEL_EVERY_S:  # again and again: one may come before its job is known
                cancelled_at = waited
                for slot in left:
                    if waited >= _LEAVE_S or not (slot.number in told or self._is_leaving(slot)):
                        self._try_to_cancel(slot)
            time.sleep(_PULSE_S)

    def _is_leaving(self, slot: _Slot) -> bool:
        """Whether a task that was told nothing will soon see that nobody listens, and clear up after itself."""
        try:
            return self._has_begun(slot.number)
        except Exception:  # the session is gone, most likely
            return False

    def _try_to_cancel(self, slot: _Slot) -> None:
        try:
            self._cancel(slot.number)
        except Exception as error:  # the session is gone, most likely, and the job with it
            log.debug("the job of slot %d could not be cancelled: %s", slot.number, error)


def _wait_s(n_failures: int) -> float:
    """How long to wait after so many failures in a row."""
    doublings = min(n_failures, 30)  # more would overflow, sooner or later
    return min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0**doublings)
