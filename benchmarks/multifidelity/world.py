"""Workers in simulated time, for schedulers of other libraries: what each trial does next is read from its curve.

Ours do not come here: they run in ``mh.Simulated``, with the driver and all. Both worlds keep the same times: a worker
that is free asks at once, a trial that is told to stop or to pause leaves at that very report, and to think takes no
time.
"""

import heapq
import time
from collections.abc import Callable, Hashable
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Curve(NamedTuple):
    """How a training goes if nobody stops it.

    Attributes:
        losses: After each epoch.
        seconds: From the start of the training to the end of each epoch.
    """

    losses: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def epoch_s(self, epoch: int) -> float:
        """Seconds that an epoch takes, counted from 1."""
        return float(self.seconds[epoch - 1] - (self.seconds[epoch - 2] if epoch > 1 else 0.0))


class Decision(Enum):
    """What becomes of a trial that has reported."""

    GO_ON = "go on"
    STOP = "stop"
    PAUSE = "pause"


class Suggestion(NamedTuple):
    """What a free worker should do.

    Attributes:
        trial: Whatever the peer knows the trial by.
        params: Of a new trial; None for a paused one, which goes on after its last epoch.
    """

    trial: Hashable
    params: Any = None


class Peer(Protocol):
    """A search with a scheduler: another library's, or a simple rule to compare with."""

    def suggest(self) -> Suggestion | None:
        """Say what a free worker should do; None if it should wait until another worker has reported."""

    def report(self, trial: Hashable, epoch: int, loss: float) -> Decision:
        """Hear the loss after an epoch, which is counted from 1, and say whether the trial goes on."""

    def finish(self, trial: Hashable, loss: float) -> None:
        """Hear that a trial has come to the end of its curve; its last report was ``report``'s."""


class Told(NamedTuple):
    """One report.

    Attributes:
        at: Simulated seconds since the start of the search.
        loss: After the epoch that it ends.
    """

    at: float
    loss: float


@dataclass
class Trace:
    """What happened in a search.

    Attributes:
        reports: In the order of their times; each is one epoch of some trial.
        n_trials: How many trials were begun.
        n_finished: How many of them came to the end of their curves.
        busy_s: Simulated seconds that workers spent on the epochs that were reported, all workers together.
        thinks_s: Seconds of this machine that suggestions and decisions took.
    """

    reports: list[Told] = field(default_factory=list)
    n_trials: int = 0
    n_finished: int = 0
    busy_s: float = 0.0
    thinks_s: float = 0.0


class World:
    """A number of workers, and the time.

    Args:
        peer: Who says what they do.
        curve: The curve of params.
        workers: How many there are.
        until_s: When the search ends; what is reported later does not count.
    """

    def __init__(self, peer: Peer, curve: Callable[[Any], Curve], *, workers: int, until_s: float):
        self._peer = peer
        self._curve = curve
        self._n_free = workers
        self._until_s = until_s
        self._now = 0.0
        self._agenda: list[tuple[float, int, Hashable]] = []  # when, the order of planning, and whose next epoch ends
        self._n_planned = 0
        self._curves: dict[Hashable, Curve] = {}
        self._epochs: dict[Hashable, int] = {}  # how many each trial has behind it
        self._trace = Trace()

    def run(self) -> Trace:
        """Let the search take place.

        Raises:
            ValueError: A trial that is not paused should go on.
        """
        self._employ()
        while self._agenda and self._agenda[0][0] <= self._until_s:
            self._now, _, trial = heapq.heappop(self._agenda)
            self._end_epoch(trial)
            self._employ()
        return self._trace

    def _employ(self) -> None:
        """Let free workers ask until there is nothing to do."""
        while self._n_free:
            with self._watch():
                suggestion = self._peer.suggest()
            if suggestion is None:
                return
            self._begin(suggestion)

    def _begin(self, suggestion: Suggestion) -> None:
        trial, params = suggestion
        if params is not None:
            self._trace.n_trials += 1
            self._curves[trial] = self._curve(params)
            self._epochs[trial] = 0
        elif trial not in self._curves or any(trial == other for _, _, other in self._agenda):
            raise ValueError(f"trial {trial!r} should go on, and is not paused")
        self._n_free -= 1
        self._plan(trial)

    def _plan(self, trial: Hashable) -> None:
        """Plan the end of the trial's next epoch."""
        self._n_planned += 1
        end_s = self._now + self._curves[trial].epoch_s(self._epochs[trial] + 1)
        heapq.heappush(self._agenda, (end_s, self._n_planned, trial))

    def _end_epoch(self, trial: Hashable) -> None:
        self._epochs[trial] += 1
        epoch, curve = self._epochs[trial], self._curves[trial]
        loss = float(curve.losses[epoch - 1])
        self._trace.busy_s += curve.epoch_s(epoch)
        self._trace.reports.append(Told(self._now, loss))
        with self._watch():
            decision = self._peer.report(trial, epoch, loss)
        is_end = epoch == len(curve.losses)
        if is_end:
            self._trace.n_finished += 1
            with self._watch():
                self._peer.finish(trial, loss)
        if is_end or decision is not Decision.GO_ON:
            self._n_free += 1
            if is_end or decision is Decision.STOP:
                del self._curves[trial]
        else:
            self._plan(trial)

    @contextmanager
    def _watch(self) -> Any:
        """Add what the peer takes to its time."""
        began = time.process_time()
        yield
        self._trace.thinks_s += time.process_time() - began
