"""Which pools there are: kept from call to call, one for each kind of workers.

A pool whose workers have nothing to do makes room for one of another size, as loky's does: both would use the same
cores, or the same slots of a cluster.
"""

import atexit
import os
import threading
import time
from collections.abc import Callable
from multiprocessing import current_process
from typing import Any

from msgspec import Struct

from manyhands.checks import check_role
from manyhands.errors import ExecutorError, SettingsError
from manyhands.executors.inline import Inline
from manyhands.executors.processes import Processes
from manyhands.ports import Executor
from manyhands.tasks.pool import TaskPool
from manyhands.tasks.shelf import Shelf
from manyhands.tasks.task import Runner

_ATTEMPTS_ELSEWHERE = 3  # where a worker may be lost for no fault of its task

_BACKEND = "manyhands.joblib.backend"  # which imports this module
_SLOTS_LAST_S = 10.0  # the number of a cluster's slots, which takes a moment to find out

_shelf = Shelf()
_lock = threading.RLock()
_slots: dict[int | None, tuple[float, int]] = {}  # of Spark, by cores for each: when they were counted, and how many
_pools: dict[tuple["Kind", int], TaskPool] = {}
_made: dict[int, tuple[Any, Executor]] = {}  # id of a function -> the function, and the executor that it made
_left_behind: list[object] = []  # by a fork: what is the parent's, and must not be ended here
_inherited: set[int] = set()  # ids of executors among that


class Kind(Struct, frozen=True):
    """What workers are wanted.

    Attributes:
        executor: ``"processes"``, ``"spark"``, an executor, or a function that makes one.
        cores: How many threads a worker's numeric libraries may use; None for its share.
        env: What the environment of local workers has beside this process's own.
        idle_timeout_s: After how many seconds without a task they are given back.
        setup: See ``manyhands.tasks.task.Runner``.
    """

    executor: Any = "processes"
    cores: int | None = None
    env: tuple[tuple[str, str], ...] = ()
    idle_timeout_s: float = 300.0
    setup: bytes | None = None

    @property
    def is_named(self) -> bool:
        """Whether the executor is made here, with as many workers as are asked for."""
        return isinstance(self.executor, str)

    @property
    def is_local(self) -> bool:
        """Whether the workers are processes of this machine."""
        return self.executor == "processes" or (not self.is_named and isinstance(self._made(), Processes))

    def n_slots(self) -> int:
        """How many workers there is room for; not for processes, of which there may be any number."""
        if self.executor == "spark":
            return _spark_slots(self.cores)
        return self._made().n_workers

    def make(self, n_workers: int) -> Executor:
        """The executor, with as many workers if it is made here.

        Raises:
            SettingsError: There is no such executor, or it cannot run tasks.
        """
        if self.executor == "processes":
            return Processes(n_workers, cores_per_worker=self.cores, env=dict(self.env))
        if self.executor == "spark":
            return _spark(n_workers, self.cores)
        return self._made()

    def _made(self) -> Executor:
        if self.is_named:
            raise SettingsError(
                f"executor={self.executor!r} is not known here. Say 'processes', 'spark', or give an executor such as "
                f"mh.Remote(...), or a function that makes one."
            )
        if id(self.executor) in _inherited:
            raise ExecutorError(
                f"{type(self.executor).__name__}(...) has its workers in the process that this one was forked from. "
                f"Make another one here, or give a function that makes one as executor=."
            )
        executor: Executor = self.executor if hasattr(self.executor, "poll") else _made_by(self.executor)
        check_role("executor", executor, "start", "poll", "perform", "close", "n_workers")
        if isinstance(executor, Inline):
            raise SettingsError("Inline() has no workers. For tasks in this process use joblib's backend 'sequential'.")
        return executor


def pool_for(kind: Kind, n_workers: int) -> TaskPool:
    """The pool of such workers; it is started if there is none.

    Raises:
        SettingsError: There are no such workers.
        ExecutorError: They cannot be started.
    """
    key = (kind, n_workers if kind.is_named else 0)
    with _lock:
        pool = _pools.get(key)
        if pool is not None and pool.is_open:
            return pool
        _make_room(kind)
        pool = _pools[key] = TaskPool(
            kind.make(n_workers),
            Runner(_BACKEND, kind.setup, bytes(current_process().authkey) if kind.is_local else None),
            max_attempts=1 if kind.is_local else _ATTEMPTS_ELSEWHERE,
            idle_timeout_s=kind.idle_timeout_s,
        )
        return pool


def _make_room(kind: Kind) -> None:
    for key, pool in list(_pools.items()):
        is_in_the_way = key[0].executor == kind.executor and pool.is_open
        if is_in_the_way and not pool.is_idle and not kind.is_named:
            raise ExecutorError(
                "The executor is at work for another call, which has other settings (initializer, idle_timeout_s or "
                "inner_max_num_threads). Wait for its end, or give each of them an executor of its own."
            )
        if not pool.is_open or (is_in_the_way and pool.is_idle):
            pool.close()
            del _pools[key]


def the_shelf() -> Shelf:
    """Where large arguments of all calls are."""
    return _shelf


def shutdown() -> None:
    """End all workers that were started for tasks, at once. Calls that still run fail; the next starts new ones."""
    with _lock:
        pools = list(_pools.values())
        _pools.clear()
    for pool in pools:
        pool.close(wait=False)
    for pool in pools:
        pool.close()
    _shelf.clear()


def _spark_slots(cores: int | None) -> int:
    at, n_slots = _slots.get(cores, (-_SLOTS_LAST_S, 0))
    if time.monotonic() - at >= _SLOTS_LAST_S:
        n_slots = _spark(None, cores).n_workers
        _slots[cores] = time.monotonic(), n_slots
    return n_slots


def _made_by(factory: Callable[[], Executor]) -> Executor:
    """What a function makes; it is called once, since an executor can be started again."""
    if id(factory) not in _made:
        if not callable(factory):
            raise SettingsError(f"executor={factory!r} is no executor, and no function that makes one.")
        _made[id(factory)] = factory, factory()
    return _made[id(factory)][1]


def _spark(n_workers: int | None, cores: int | None) -> Executor:
    from manyhands.executors.spark.executor import Spark

    return Spark(workers=n_workers, cores_per_worker=cores)


def _forget() -> None:
    """After a fork, in the child: the workers and files are the parent's."""
    global _lock, _shelf
    _inherited.update(id(kind.executor) for kind, _ in _pools if hasattr(kind.executor, "poll"))
    _left_behind.append((dict(_pools), dict(_made), _shelf))
    _lock = threading.RLock()  # the parent's other threads may have held the old one
    _pools.clear()
    _made.clear()
    _shelf = Shelf()


atexit.register(shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
