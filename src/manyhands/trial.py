"""A trial and what is known of it: frozen values, replaced and never changed.

They lead back to nobody, so the garbage collector need not look at them (``gc=False``).
"""

import math
from enum import StrEnum
from typing import Any

from msgspec import Struct

from manyhands.space import Point


class TrialState(StrEnum):
    """Where a trial stands.

    ``RUNNING`` turns into one of the others. Two of them are no end. ``INTERRUPTED``: the search stopped before the
    trial did, and runs it again, with the same params, when it goes on. ``PAUSED``: the scheduler gave its worker to
    others, and may let it go on later.
    """

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"

    is_end: bool  #: whether the trial has its outcome, for good

    def __init__(self, word: str):
        self.is_end = word in ("finished", "failed", "stopped")  # asked several times for every trial


class Part(Struct, frozen=True, array_like=True, gc=False):
    """One unit of work: one split of one trial, at its n-th attempt.

    Attributes:
        trial_id: The trial.
        split: Which of the trial's splits, from 0; 0 for a trial in one piece.
        attempt: From 1; one more for each worker lost at it, and for each time that it goes on after a pause. What an
            earlier attempt still says is ignored.
    """

    trial_id: int
    split: int = 0
    attempt: int = 1


class Report(Struct, frozen=True, array_like=True, gc=False):
    """An intermediate value.

    Attributes:
        step: How far the trial was: an epoch, a number of trees.
        value: What is optimised, there; None if it was not finite.
        metrics: Whatever else was reported.
        at: Seconds since 1970.
    """

    step: int
    value: float | None
    metrics: dict[str, Any] = {}
    at: float = 0.0


class Result(Struct, frozen=True, array_like=True, gc=False):
    """What an objective returned.

    Attributes:
        value: What is optimised; None with several objectives.
        variance: Of the noise in ``value``, or in the first of ``values``; None if unknown.
        metrics: Whatever else was returned.
        values: What is optimised if there are several objectives, one for each; else empty.
        constraints: Each is kept if it is not above 0.
        failed: Why there is no value, in words, if the objective said so itself; else empty.
    """

    value: float | None
    variance: float | None = None
    metrics: dict[str, Any] = {}
    values: tuple[float, ...] = ()
    constraints: tuple[float, ...] = ()
    failed: str = ""

    def __post_init__(self) -> None:
        """Refuse what an honest worker never sends; runs for every message that is decoded, too."""
        has_value = self.value is not None
        if self.failed:
            if has_value or self.values:
                raise ValueError(f"a result that has failed has no value, not {self.value!r} and {self.values!r}")
        elif has_value == bool(self.values) or len(self.values) == 1:
            raise ValueError(f"a result has one value or several, not {self.value!r} and {self.values!r}")
        for number in (self.value, *self.values, *self.constraints):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"what is in a result must be finite, and {number!r} is not")


class Failure(Struct, frozen=True, array_like=True):
    """Why a trial has no value.

    Attributes:
        reason: In one line.
        traceback: The objective's own, if it raised.
        fatal: The objective cannot work whatever the params, so the search should end.
    """

    reason: str
    traceback: str = ""
    fatal: bool = False


class Trial(Struct, frozen=True, gc=False):
    """One set of params and what became of it.

    Attributes:
        id: From 0, in the order in which trials were proposed.
        point: The active parameters by flat name; a choice is the index of its option.
        params: What the objective receives.
        state: Where it stands.
        value: What is optimised. Over splits their mean; for a stopped trial the last value reported; None for a
            failed one, and with several objectives.
        variance: Of the noise in ``value`` (or in the first of ``values``), if known. Over splits their
            Bessel-corrected variance.
        metrics: What else the objective returned; over splits the mean of what is a number. Of a trial in one piece
            also what it reported last under other names, and of one that returned nothing, that alone.
        split_values: The value of each split (with several objectives, its values), in order; empty for a trial in one
            piece.
        reason: Why it failed, was stopped or is paused, in one line.
        traceback: The objective's own, if it raised.
        lost: For each attempt that was lost, why: the signal or exit code and the last lines of its log.
        started_at: Seconds since 1970.
        ended_at: The same; None while it runs. Of a paused trial, since when.
        worker: The worker of its last part.
        order: Its place in the order in which outcomes became known, from 0; -1 while it runs.
        values: What is optimised if there are several objectives, one for each, over splits their means; empty if there
            is one objective, or no outcome.
        constraints: What the objective returned for each constraint, over splits the means; each is kept if it is not
            above 0.
        parent: The trial with whose checkpoint it began; None if it began from nothing.
        paused_s: How many seconds it was paused before it went on or ended.
    """

    id: int
    point: Point
    params: Any
    state: TrialState = TrialState.RUNNING
    value: float | None = None
    variance: float | None = None
    metrics: dict[str, Any] = {}
    split_values: tuple[float | tuple[float, ...], ...] = ()
    reason: str = ""
    traceback: str = ""
    lost: tuple[str, ...] = ()
    started_at: float = 0.0
    ended_at: float | None = None
    worker: str = ""
    order: int = -1
    values: tuple[float, ...] = ()
    constraints: tuple[float, ...] = ()
    parent: int | None = None
    paused_s: float = 0.0

    @property
    def is_feasible(self) -> bool:
        """Whether it keeps every constraint, as a trial without any does."""
        return all(constraint <= 0 for constraint in self.constraints)

    @property
    def duration_s(self) -> float | None:
        """Seconds from its first start to its end, or to its pause, ``paused_s`` included; None while it runs."""
        return None if self.ended_at is None else self.ended_at - self.started_at

    @property
    def attempts(self) -> int:
        """How often it was begun, its splits counted as one: each attempt that was lost, and the one that was not."""
        gave_up = self.state is TrialState.FAILED and self.lost and self.traceback == self.lost[-1]
        return len(self.lost) + (0 if gave_up else 1)
