"""The ``trial`` that an objective is given: who it is, and how it speaks to the search."""

from __future__ import annotations

import math
import time
from _thread import allocate_lock

from manyhands.errors import TrialStopped
from manyhands.worker.result import keepable, number

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from manyhands.worker.checkpoints import Checkpoints
    from manyhands.worker.result import Parcel

_FOLDER = object()

# How a report gets its answer before the trial goes on, if that costs next to nothing: a trial that is to stop would
# else leave at its next report, one epoch late.
_ASKS_FROM_S = 0.02  # since the last report; faster ones are sent a hundred at a time
_SHARE = 0.01  # of the time since the last report is the longest that it waits
_LEAST_S = 0.0005  # nobody answers sooner, so it does not wait for less
_MOST_S = 0.05


class TrialHandle:
    """A running trial, as its objective sees it.

    A trial that can be interrupted, paused or forked begins with what was saved last, and saves before it reports,
    since a stop or a pause leaves the objective at a report:

        state = trial.restore() or {"epoch": 0, "weights": ...}
        for epoch in range(state["epoch"], 27):
            ...  # train
            trial.save({"epoch": epoch + 1, "weights": ...})
            trial.report(loss, step=epoch)

    Attributes:
        id: The trial's number, from 0.
        params: What the objective received as its first argument.
        split: Which split of the trial this is, from 0.
        attempt: From 1; more if workers were lost at it.
    """

    def __init__(
        self,
        part: tuple[int, int, int],
        params: object,
        checkpoints: str,
        send: Callable[[list[object]], None],
        parent: int | None = None,
        scratch: str = "",
        hurry: Callable[[], None] | None = None,
        cargo: tuple[bytes, list[str]] | None = None,
        hand_over: Callable[[int, Parcel], None] | None = None,
    ):
        self.id, self.split, self.attempt = part
        self.params = params
        self.cargo = cargo  # see ``manyhands.events.Cargo``; not for objectives
        self._hand_over = hand_over
        self._n_handed_over = 0
        self._root = checkpoints
        self._send = send
        self._parent = parent
        self._scratch = scratch
        self._checkpoints: Checkpoints | None = None
        self._n_reports = 0
        self._stop_reason: str | None = None
        self._hurry = hurry  # sends at once what was reported; None if nobody judges it
        self._went_on_at = time.perf_counter()  # at first, or after the last report
        self._told = allocate_lock()  # released when it is to stop
        self._told.acquire()

    def report(self, value: float, step: int | None = None, **metrics: object) -> None:
        """Tell the search how the trial is doing.

        Reports are sent in the background, and in order. Where a scheduler judges them, one that comes 50 ms or more
        after the last may wait for its answer: for a hundredth of that time at most, and never more than 50 ms.

        Args:
            value: What is optimised, as it stands now; with several objectives any number that tells how it goes. NaN
                and infinities are kept as "no value".
            step: How far the trial is, such as the epoch; counted from 0 if not given.
            **metrics: Anything else worth keeping.

        Raises:
            TrialStopped: The search decided that the trial need not go on. Let it pass: it ends the objective.
            TypeError: ``value`` is no number, or ``step`` no whole one.
        """
        found = number(value)
        if found is None:
            raise TypeError(f"trial.report takes a number, and {value!r} is a {type(value).__name__}.")
        if step is None:
            step = self._n_reports
        elif not _is_whole(step):
            raise TypeError(f"trial.report takes a whole number as step, and {step!r} is none.")
        self._n_reports += 1
        kept = {key: keepable(metric) for key, metric in metrics.items()}
        self._send([int(step), found if math.isfinite(found) else None, kept, time.time()])
        if self._hurry is not None and self._stop_reason is None:
            self._ask(self._hurry)
        if self._stop_reason is not None:
            raise TrialStopped(self._stop_reason)

    def should_stop(self) -> bool:
        """Whether the search decided that the trial need not go on; the next ``report`` will then end it."""
        return self._stop_reason is not None

    def save(self, obj: object = _FOLDER) -> None:
        """Save a checkpoint: an object, or without an argument all files in ``checkpoint_dir``.

        Whatever happens meanwhile, there is always a whole checkpoint: the new one, or the last. Objects and files are
        saved apart from one another, so what belongs together should be in one of the two.

        Args:
            obj: Anything that can be pickled.

        Raises:
            TypeError: It cannot be pickled, or whatever else pickling it raises. The last checkpoint is untouched.
            OSError: It cannot be written, for want of space for instance. The last checkpoint is untouched.
        """
        if obj is _FOLDER:
            self._kept().save_folder()
        else:
            self._kept().save(obj)

    def restore(self, default: Any = None) -> Any:
        """Return the object that this trial (this split of it) saved last, in whatever attempt.

        A trial that was forked from another, and has saved nothing yet, is given what that one saved last. A checkpoint
        that is damaged, or cannot be unpickled any more, is passed over with a warning, for the one before it. With
        checkpoints on local disks there is none if the last attempt was on another machine.

        Args:
            default: What to return if there is none.

        Raises:
            OSError: The place where checkpoints are cannot be reached: better a failed trial than one that begins anew
                without a word. File systems of fsspec may raise errors of their own.
        """
        return self._kept().restore(default)

    @property
    def checkpoint_dir(self) -> str:
        """A folder of this trial's own (of this split's, if it has splits), for files that the objective writes itself.

        In every attempt it begins as it was at the last ``save()``. If that was never called, it is as the last attempt
        left it, or for a trial that was forked as its parent's is at that time. Where checkpoints are behind a URL, it
        is a working folder on this machine, and only what was saved by ``save()`` is kept.
        """
        return self._kept().folder()

    def _kept(self) -> Checkpoints:
        if self._checkpoints is None:
            from manyhands.worker.checkpoints import Checkpoints  # with some modules that most objectives do without

            self._checkpoints = Checkpoints(self._root, self.id, self.split, self._parent, self._scratch)
        return self._checkpoints

    def close(self) -> None:
        """Remove what was only of use while the objective ran. For executors."""
        if self._checkpoints is not None:
            self._checkpoints.close()

    def hand_over(self, data: Parcel) -> None:
        """Send a part of a result that is too long for one message. Not for objectives.

        Raises:
            TypeError: Whoever runs this part has no way for that.
        """
        if self._hand_over is None:
            raise TypeError("this executor takes no results that are longer than a message")
        self._hand_over(self._n_handed_over, data)
        self._n_handed_over += 1

    def stop(self, reason: str) -> None:
        """Let the next ``report`` end the objective, or the one that waits. For executors."""
        self._stop_reason = reason
        if self._told.locked():
            self._told.release()

    def _ask(self, hurry: Callable[[], None]) -> None:
        """Wait a moment for the answer to what was just reported."""
        since_s = time.perf_counter() - self._went_on_at
        if since_s >= _ASKS_FROM_S:
            hurry()
            patience_s = min(_SHARE * since_s, _MOST_S)
            if patience_s >= _LEAST_S:
                self._told.acquire(timeout=patience_s)
        self._went_on_at = time.perf_counter()


def _is_whole(step: object) -> bool:
    found = number(step)
    return found is not None and abs(found) < 1 << 63 and found == int(found)  # no store has room for more digits
