"""Which task is where: commands out, and no thread, clock or executor.

Each worker holds a task or a few: the first is the one that it is at, the others are there so that it need not wait for
the driver. If a worker has nothing to do while another is at a long task and holds more, these are called back.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from manyhands.events import Cargo, KillWorker, RecallParts, StartPart
from manyhands.trial import Part

_MOST_HELD = 3  # by a worker: the task that it is at, and two ahead
_LONG_S = 0.005  # a task that takes longer does not keep those behind it
_GRACE_S = 0.5  # for a cancelled task to come back, before its worker is killed


class Task:
    """A task on its way.

    Args:
        number: Its own.
        cargo: What the worker is given.
        call: Whose it is: tasks of one call are cancelled together.

    Attributes:
        n_lost: How many workers were lost at it.
        n_given: How often it was given to a worker.
        worker: Who has it; None while it waits.
        is_cancelled: Whether nobody wants it any more.
        chunks: What has come of a long answer.
    """

    def __init__(self, number: int, cargo: Cargo, call: object):
        self.number = number
        self.cargo = cargo
        self.call = call
        self.n_lost = 0
        self.n_given = 0
        self.worker: str | None = None
        self.is_cancelled = False
        self.chunks: deque[bytes] = deque()

    @property
    def part(self) -> Part:
        """What the executor calls it; another name for each time that it is given."""
        return Part(self.number, 0, self.n_given)


class _Seat:
    """A worker."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []  # the first is the one that it is at
        self.since = 0.0  # when it began that one
        self.is_recalled = False
        self.is_doomed = False  # it was told to end, by us


class Desk:
    """Gives tasks to workers.

    Args:
        max_attempts: After how many lost workers a task is given up.
    """

    def __init__(self, max_attempts: int):
        self._max_attempts = max_attempts
        self._waiting: deque[Task] = deque()
        self._seats: dict[str, _Seat] = {}
        self._given: dict[Part, Task] = {}
        self._late: dict[Task, float] = {}  # cancelled tasks that workers hold -> when they were cancelled

    @property
    def is_empty(self) -> bool:
        """Whether there is no task at all."""
        return not self._waiting and not self._given

    def tasks(self) -> list[Task]:
        """All tasks that somebody still wants."""
        return [task for task in (*self._given.values(), *self._waiting) if not task.is_cancelled]

    # -- what happens ------------------------------------------------------------------------------------------

    def add(self, task: Task) -> None:
        """There is a new task."""
        self._waiting.append(task)

    def joined(self, worker: str) -> None:
        """There is a new worker."""
        self._seats[worker] = _Seat()

    def find(self, part: Part) -> Task | None:
        """The task that a worker speaks of; None if it is not its any more."""
        return self._given.get(part)

    def ended(self, part: Part, now: float) -> Task | None:
        """A task has its outcome; returns it, or None if nobody waits for that."""
        task = self._leave(part, now)
        return None if task is None or task.is_cancelled else task

    def returned(self, part: Part, now: float) -> None:
        """A worker gave back a task that it had not begun."""
        task = self._leave(part, now)
        if task is not None:
            self._wait_again([task])

    def lost(self, worker: str) -> Task | None:
        """A worker is gone; returns the task that has to be given up for that, if there is one."""
        seat = self._seats.pop(worker, None)
        if seat is None:
            return None
        tasks = seat.tasks
        for task in tasks:
            del self._given[task.part]
            self._late.pop(task, None)
            task.worker = None
            task.chunks.clear()
        at_work = None if seat.is_doomed or not tasks or tasks[0].is_cancelled else tasks[0]
        if at_work is not None:
            at_work.n_lost += 1
            if at_work.n_lost < self._max_attempts:
                at_work = None
        self._wait_again(tasks if at_work is None else tasks[1:])
        return at_work

    def cancel(self, call: object, now: float) -> Iterator[KillWorker | RecallParts]:
        """Nobody wants the tasks of a call any more: workers that are at one are to be killed."""
        self._waiting = deque(task for task in self._waiting if task.call is not call)
        for worker, seat in self._seats.items():
            mine = [task for task in seat.tasks if task.call is call and not task.is_cancelled]
            for task in mine:
                task.is_cancelled = True
                self._late[task] = now
            if mine and seat.tasks[0].is_cancelled:
                yield self._doom(worker)
            elif mine:
                yield RecallParts(worker)

    # -- what is to be done --------------------------------------------------------------------------------------

    def assign(self, now: float) -> Iterator[StartPart]:
        """Give tasks that wait to the workers that have least to do."""
        while self._waiting:
            worker = min(self._seats, key=self._load_of, default=None)
            if worker is None:
                return
            seat = self._seats[worker]
            if self._load_of(worker) >= _MOST_HELD:
                return
            task = self._waiting.popleft()
            if not seat.tasks:
                seat.since = now
            task.n_given += 1
            task.worker = worker
            seat.tasks.append(task)
            seat.is_recalled = False
            self._given[task.part] = task
            yield StartPart(worker, task.part, {}, None, task.cargo)

    def look(self, now: float) -> Iterator[KillWorker | RecallParts]:
        """Call back what could be done elsewhere, and end what should have come back."""
        if not self._waiting and self._has_idle():
            for worker, seat in self._seats.items():
                if len(seat.tasks) > 1 and not seat.is_recalled and now - seat.since >= _LONG_S:
                    seat.is_recalled = True
                    yield RecallParts(worker)
        for task, since in list(self._late.items()):
            if now - since >= _GRACE_S and task.worker is not None and self._seats[task.worker].tasks[0] is task:
                self._late[task] = now
                yield self._doom(task.worker)

    def next_look_s(self) -> float | None:
        """In how many seconds to look again at the latest; None if there is nothing to look for."""
        if self._has_idle() and any(len(seat.tasks) > 1 and not seat.is_recalled for seat in self._seats.values()):
            return _LONG_S
        return _GRACE_S if self._late else None

    # -- inside --------------------------------------------------------------------------------------------------

    def _doom(self, worker: str) -> KillWorker:
        """End a worker at a cancelled task. By then it may be at the next, which is no more to blame than others."""
        self._seats[worker].is_doomed = True
        return KillWorker(worker, "its task was cancelled")

    def _load_of(self, worker: str) -> int:
        seat = self._seats[worker]
        return _MOST_HELD if seat.is_doomed else len(seat.tasks)

    def _has_idle(self) -> bool:
        return any(not seat.tasks and not seat.is_doomed for seat in self._seats.values())

    def _leave(self, part: Part, now: float) -> Task | None:
        task = self._given.pop(part, None)
        if task is None or task.worker is None:
            return None
        seat = self._seats[task.worker]
        if seat.tasks[0] is task:
            seat.since = now
        seat.tasks.remove(task)
        seat.is_recalled = False
        self._late.pop(task, None)
        task.worker = None
        return task

    def _wait_again(self, tasks: Iterable[Task]) -> None:
        self._waiting.extendleft(reversed([task for task in tasks if not task.is_cancelled]))
