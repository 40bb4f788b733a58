"""Who works on what: parts that wait, workers and the parts they hold, and when each must be done.

Nothing in here looks through all trials or all workers; every operation costs the same however long the search is.

A worker may hold more than one part, and then does them one after another. That hides the way to the driver and back
when parts take less than a few milliseconds. Since nobody can tell which of a lost worker's parts it died of, the first
is blamed, and is tried again alone: so an innocent part is blamed once at most. When a worker has nothing to do while
another holds parts that it has not come to, those are called back.
"""

from collections import deque
from collections.abc import Iterable

from manyhands.trial import Part

#: A worker is given as much work as it does in this time, within limits.
_AHEAD_S = 0.005
_MOST_AHEAD = 16


class _Held:
    __slots__ = ("parts", "since")

    def __init__(self) -> None:
        self.parts: deque[Part] = deque()
        self.since = 0.0  # when the first of them became the first


class WorkQueue:
    """The parts of running trials and where they are.

    Args:
        timeout_s: How long a part may run; None for ever.
        ahead: Whether a worker may hold parts that it cannot start yet.
    """

    def __init__(self, timeout_s: float | None = None, *, ahead: bool = False):
        self._timeout_s = timeout_s
        self._ahead = ahead
        self._mean_s: float | None = None
        self._depth = 1
        self._waiting: deque[Part] = deque()
        self._held: dict[str, _Held] = {}
        self._holder: dict[tuple[int, int], tuple[str, int]] = {}  # (trial, split) -> (worker, attempt)
        self._idle: dict[str, None] = {}  # workers without any part, the one free for longest first
        self._roomy: dict[str, None] = {}  # workers with parts, and room for more
        self._loaded: dict[str, None] = {}  # workers that hold parts they have not come to
        self._called: set[str] = set()  # those of them that were told to give such parts back
        self._deadlines: dict[str, float] = {}  # of each worker's part; in order, since all parts have the same time

    @property
    def n_workers(self) -> int:
        """How many workers there are."""
        return len(self._held)

    @property
    def next_deadline(self) -> float | None:
        """When ``overdue`` next has something to say, at the earliest."""
        return next(iter(self._deadlines.values()), None)

    # -- workers -----------------------------------------------------------------------------------------------

    def join(self, worker: str) -> None:
        """A worker is there and free."""
        self._held[worker] = _Held()
        self._idle[worker] = None

    def leave(self, worker: str) -> list[Part]:
        """A worker is gone; returns the parts it held, the one it was at first."""
        held = self._held.pop(worker, None)
        for workers in (self._idle, self._roomy, self._loaded, self._deadlines):
            workers.pop(worker, None)
        self._called.discard(worker)
        if held is None:
            return []
        for part in held.parts:
            del self._holder[part.trial_id, part.split]
        return list(held.parts)

    # -- parts -------------------------------------------------------------------------------------------------

    def add(self, parts: Iterable[Part]) -> None:
        """Let parts wait behind those that wait already."""
        self._waiting.extend(parts)

    def put_back(self, part: Part) -> None:
        """Let a part wait before all others."""
        self._waiting.appendleft(part)

    def lend(self, part: Part) -> None:
        """Note that somebody outside works on a part."""
        self._holder[part.trial_id, part.split] = ("", part.attempt)

    def take(self, at: float) -> tuple[str, Part] | None:
        """Give the next waiting part to a worker with room; None if there is no such pair."""
        if not self._waiting:
            return None
        part = self._waiting[0]
        worker = self._worker_with_room(alone=part.attempt > 1)
        if worker is None:
            return None
        self._waiting.popleft()
        held = self._held[worker]
        held.parts.append(part)
        self._holder[part.trial_id, part.split] = (worker, part.attempt)
        if len(held.parts) == 1:
            self._begin(worker, held, at)
        self._sort_in(worker, held)
        return worker, part

    @property
    def has_room(self) -> bool:
        """Whether some worker would take a new part, were there one."""
        return not self._waiting and self._worker_with_room(alone=False) is not None

    def holder(self, part: Part) -> str | None:
        """The worker that holds this very attempt, or None."""
        worker, attempt = self._holder.get((part.trial_id, part.split), ("", 0))
        return worker if attempt == part.attempt else None

    def finish(self, part: Part, at: float, seconds: float | None = None) -> bool:
        """A part is done.

        Args:
            part: The part.
            at: When that was heard of.
            seconds: How long the objective took; taken from ``at`` if not given.

        Returns:
            False if nobody holds this very attempt, so that it must not count.
        """
        worker = self.holder(part)
        if worker is None:
            return False
        del self._holder[part.trial_id, part.split]
        held = self._held.get(worker)
        if held is None:
            return True
        was_first = held.parts[0] == part
        held.parts.remove(part)
        if was_first:
            # What a trial takes by itself: the way to here is long when the machine is busy, and then it pays most
            # to give work ahead.
            self._learn(at - held.since if seconds is None else seconds)
            if held.parts:
                self._begin(worker, held, at)
        self._sort_in(worker, held)
        return True

    def drop(self, trial_id: int, n_splits: int) -> list[tuple[str, Part]]:
        """Forget a trial's waiting parts; returns those that are held, with their workers."""
        if n_splits > 1:
            self._waiting = deque(part for part in self._waiting if part.trial_id != trial_id)
        held = []
        for split in range(n_splits):
            worker, attempt = self._holder.get((trial_id, split), ("", 0))
            if worker:
                held.append((worker, Part(trial_id, split, attempt)))
        return held

    def overdue(self, at: float) -> list[tuple[str, Part]]:
        """The parts whose time is over, with their workers."""
        late = []
        for worker, deadline in self._deadlines.items():
            if deadline > at:
                break
            late.append((worker, self._held[worker].parts[0]))
        for worker, _ in late:
            del self._deadlines[worker]
        return late

    # -- parts given ahead -------------------------------------------------------------------------------------

    def call_back(self) -> str | None:
        """A worker that should give back what it has not come to, since another has nothing to do; or None."""
        if not self._idle or self._waiting or not self._loaded:
            return None
        worker = next(iter(self._loaded))
        del self._loaded[worker]
        self._called.add(worker)
        return worker

    def give_back(self, part: Part, *, waits: bool) -> None:
        """A worker gave a part back; it waits again, if it is still to be done."""
        worker = self.holder(part)
        if worker is None or worker not in self._held:
            return
        held = self._held[worker]
        held.parts.remove(part)
        del self._holder[part.trial_id, part.split]
        self._called.discard(worker)
        self._sort_in(worker, held)
        if waits:
            self._waiting.append(part)

    # -- inside ------------------------------------------------------------------------------------------------

    def _begin(self, worker: str, held: _Held, at: float) -> None:
        held.since = at
        if self._timeout_s is not None:
            self._deadlines.pop(worker, None)
            self._deadlines[worker] = at + self._timeout_s

    def _worker_with_room(self, *, alone: bool) -> str | None:
        if self._idle:
            return next(iter(self._idle))
        if alone:
            return None
        while self._roomy:
            worker = next(iter(self._roomy))
            if self._fits_more(self._held[worker]):
                return worker
            del self._roomy[worker]
        return None

    def _sort_in(self, worker: str, held: _Held) -> None:
        for workers in (self._idle, self._roomy, self._loaded):
            workers.pop(worker, None)
        if not held.parts:
            self._idle[worker] = None
            self._called.discard(worker)
            self._deadlines.pop(worker, None)
        elif worker not in self._called:
            if self._fits_more(held):
                self._roomy[worker] = None
            if len(held.parts) > 1:
                self._loaded[worker] = None

    def _fits_more(self, held: _Held) -> bool:
        return len(held.parts) < self._depth and held.parts[-1].attempt == 1

    def _learn(self, seconds: float) -> None:
        if not self._ahead:
            return
        self._mean_s = seconds if self._mean_s is None else 0.9 * self._mean_s + 0.1 * seconds
        self._depth = max(1, min(_MOST_AHEAD, int(_AHEAD_S / max(self._mean_s, 1e-9))))
