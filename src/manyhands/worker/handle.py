"""The ``trial`` that an objective is given: who it is, and how it speaks to the search."""

from __future__ import annotations

import math
import os
import time

from manyhands.errors import TrialStopped
from manyhands.worker.result import keepable, number

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Callable


class TrialHandle:
    """A running trial, as its objective sees it.

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
    ):
        self.id, self.split, self.attempt = part
        self.params = params
        self._checkpoints = checkpoints
        self._send = send
        self._n_reports = 0
        self._stop_reason: str | None = None

    def report(self, value: float, step: int | None = None, **metrics: object) -> None:
        """Tell the search how the trial is doing.

        Never waits for the network: reports are sent in the background, and in order.

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
        if self._stop_reason is not None:
            raise TrialStopped(self._stop_reason)

    def should_stop(self) -> bool:
        """Whether the search decided that the trial need not go on; the next ``report`` will then end it."""
        return self._stop_reason is not None

    @property
    def checkpoint_dir(self) -> str:
        """A folder of this trial's own (of this split's, if it has splits); the same one in every attempt."""
        path = os.path.join(self._checkpoints, f"trial-{self.id:05d}", f"split-{self.split}")
        os.makedirs(path, exist_ok=True)
        return path

    def stop(self, reason: str) -> None:
        """Let the next ``report`` end the objective. For executors."""
        self._stop_reason = reason


def _is_whole(step: object) -> bool:
    found = number(step)
    return found is not None and abs(found) < 1 << 63 and found == int(found)  # no store has room for more digits
