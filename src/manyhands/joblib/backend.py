"""The backend "manyhands" of joblib."""

import os
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import joblib.parallel
from joblib.parallel import AutoBatchingMixin, FallbackToBackend, ParallelBackendBase, SequentialBackend, cpu_count

from manyhands.checks import check_seconds
from manyhands.errors import SettingsError
from manyhands.events import Cargo
from manyhands.executors.limits import thread_limits
from manyhands.joblib.callbacks import Callbacks
from manyhands.joblib.private import terminated_worker_error
from manyhands.tasks.packing import Packer, pickled, unpack
from manyhands.tasks.pool import Answer, PoolClosedError, TaskPool, WorkerDiedError
from manyhands.tasks.pools import Kind, pool_for, the_shelf

NAME = "manyhands"
_MMAP_MODES = (None, "r", "c")


class _Call:
    """One call of ``Parallel``, from its start to its end.

    Args:
        packer: Packs its tasks.
    """

    def __init__(self, packer: Packer):
        self.packer = packer
        self.callbacks = Callbacks()
        self._futures: set[Future[Answer]] = set()
        self._pools: set[TaskPool] = set()
        self._is_cancelled = False

    def add(self, pool: TaskPool, future: Future[Answer]) -> None:
        """It has one more task."""
        self._pools.add(pool)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        if self._is_cancelled:  # meanwhile, by another thread
            self.cancel()

    def cancel(self) -> None:
        """Give up all tasks."""
        self._is_cancelled = True
        futures = list(self._futures)
        for pool in list(self._pools):
            pool.cancel(self, futures)

    def close(self) -> None:
        """It is over."""
        self.callbacks.close()
        self.packer.close()


class ManyhandsBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """Runs the tasks of ``joblib.Parallel`` on workers that stay up between calls.

    Everything that takes ``n_jobs`` works as with joblib's default backend: batches, generators, ``timeout``, nested
    calls, exceptions. What differs: workers may be on other machines; and a task whose worker died there is run
    elsewhere, up to three times in all. A worker of this machine that dies ends the call with joblib's
    ``TerminatedWorkerError``, which has the signal and the worker's last lines; only the tasks of that call are given
    up.

    Args:
        nesting_level: joblib's.
        inner_max_num_threads: How many threads a worker's numeric libraries may use (on Spark, how many cores it has);
            its share of the cores if not given.
        executor: ``"processes"`` on this machine; ``"spark"``, in the active session; an executor such as
            ``mh.Spark(...)`` or ``mh.Remote(...)``, or a function without arguments that makes one.
        idle_timeout_s: After so many seconds without a task, workers are given back.
        initializer: Is called once in each worker, before its first task; ``initargs`` are its arguments.
        initargs: See ``initializer``.

    Raises:
        SettingsError: An argument makes no sense.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    default_n_jobs = -1

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        executor: Any = "processes",
        idle_timeout_s: float = 300.0,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple[Any, ...] = (),
    ):
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        check_seconds(idle_timeout_s=idle_timeout_s)
        self._executor = executor
        self._idle_timeout_s = idle_timeout_s
        self._initializer = initializer, initargs
        self._call: _Call | None = None
        self._packing: tuple[int | None, str | None] = (1 << 20, "r")
        self._workers: TaskPool | None = None
        self._has_warned = False

    def __reduce__(self) -> Any:
        """A task may lead here by way of what it refers to. In a worker there is nothing to take along."""
        return SequentialBackend, (self.nesting_level,)

    # -- how many ----------------------------------------------------------------------------------------------

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many tasks can run at the same time; see joblib."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        kind = self._kind()
        if n_jobs > 0 and kind.executor == "processes":
            return n_jobs
        n_slots = cpu_count() if kind.executor == "processes" else kind.n_slots()
        if n_jobs < 0:
            return max(1, n_slots + 1 + n_jobs)
        if n_jobs > n_slots:
            self._warn(n_jobs, n_slots, kind)
        return n_jobs if kind.is_named else min(n_jobs, n_slots)

    def _warn(self, n_jobs: int, n_slots: int, kind: Kind) -> None:
        if self._has_warned:
            return
        self._has_warned = True
        rest = "the others wait until there is more room" if kind.is_named else "more cannot run at the same time"
        warnings.warn(f"n_jobs={n_jobs}, and there is room for {n_slots} workers; {rest}.", stacklevel=3)

    # -- a call's life, as joblib tells it -----------------------------------------------------------------------

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        executor: Any = None,
        idle_timeout_s: float | None = None,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple[Any, ...] = (),
        max_nbytes: int | None = 1 << 20,
        mmap_mode: str | None = "r",
        **others: Any,
    ) -> int:
        """Get the workers going, and return how many there are; see joblib."""
        if self._workers is not None:
            # A generator is not at its end, and joblib gives all calls in a context the same backend.
            raise FallbackToBackend(self._another())
        if mmap_mode not in _MMAP_MODES:
            raise SettingsError(
                f"mmap_mode={mmap_mode!r} would let workers change each other's data, and that cannot be done on "
                f"several machines. Use 'r', or 'c' for copies that can be written to."
            )
        self._executor = self._executor if executor is None else executor
        self._idle_timeout_s = self._idle_timeout_s if idle_timeout_s is None else idle_timeout_s
        self._initializer = self._initializer if initializer is None else (initializer, initargs)
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._packing = max_nbytes, mmap_mode
        self._n_workers = n_jobs
        self._workers = pool_for(self._kind(), n_jobs)
        return n_jobs

    def start_call(self) -> None:
        """A call begins."""
        self._call = _Call(Packer(the_shelf(), *self._packing, is_local=self._kind().is_local))

    def stop_call(self) -> None:
        """A call is over."""
        if self._call is not None:
            self._call.close()
            self._call = None

    def terminate(self) -> None:
        """No more calls of this ``Parallel`` will come; the workers stay for those of others."""
        self.reset_batch_stats()
        self._workers = None

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Give up the tasks of this call: those that wait are dropped, workers that are at one are replaced."""
        if self._call is not None:
            self._call.cancel()

    # -- tasks -------------------------------------------------------------------------------------------------

    def submit(self, func: Callable[[], Any], callback: Callable[[Future[Answer]], None] | None = None) -> Any:
        """Let a worker call a function, and return its future."""
        call = self._call
        future: Future[Answer] = Future()
        if call is None:  # the call has just been given up, by another thread
            future.cancel()
            return future
        try:
            future = self._submit(func, call)
        except Exception as error:
            future.set_exception(error)
        if callback is not None:
            future.add_done_callback(lambda future: call.callbacks.put(lambda: callback(future)))
        return future

    def apply_async(self, func: Callable[[], Any], callback: Callable[[Future[Answer]], None] | None = None) -> Any:
        """What ``submit`` was called before joblib 1.5."""
        return self.submit(func, callback)

    def retrieve_result_callback(self, future: Future[Answer]) -> Any:
        """Return what a task returned, or raise what it raised."""
        try:
            answer = future.result()
        except WorkerDiedError as error:
            raise terminated_worker_error()(str(error)) from None
        except PoolClosedError as error:
            raise RuntimeError(f"The workers that ran this call have ended: {error}") from error
        return unpack(answer)

    def _submit(self, func: Callable[[], Any], call: _Call) -> Future[Answer]:
        cargo = call.packer.pack(func)
        try:
            pool, future = self._give(cargo, call)
        except BaseException:
            call.packer.release(cargo)
            raise
        future.add_done_callback(lambda _: call.packer.release(cargo))
        call.add(pool, future)
        return future

    def _give(self, cargo: Cargo, call: _Call) -> tuple[TaskPool, Future[Answer]]:
        while True:
            pool = self._workers
            if pool is None or not pool.is_open:  # it was idle for long, or made room for another, or this is a fork
                pool = self._workers = pool_for(self._kind(), self._n_workers)
            try:
                return pool, pool.submit(cargo, call)
            except PoolClosedError:  # just now
                continue

    # -- inside ------------------------------------------------------------------------------------------------

    def _another(self) -> "ManyhandsBackend":
        return ManyhandsBackend(
            self.nesting_level, self.inner_max_num_threads, self._executor, self._idle_timeout_s, *self._initializer
        )

    def _kind(self) -> Kind:
        env = _environment(self.inner_max_num_threads) if self._executor == "processes" else {}
        setup = None if self._initializer[0] is None else pickled(self._initializer)
        return Kind(self._executor, self.inner_max_num_threads, tuple(sorted(env.items())), self._idle_timeout_s, setup)


def _environment(n_threads: int | None) -> dict[str, str]:
    """What local workers have beside their share of the cores: as with loky, what the user has set counts more."""
    env = {"ENABLE_IPC": os.environ.get("ENABLE_IPC", "1")}  # so that TBB shares the cores among processes
    names = thread_limits(1).keys() - {"LOKY_MAX_CPU_COUNT"} if n_threads is None else ()
    return env | {name: os.environ[name] for name in names if name in os.environ}


def register() -> None:
    """Make the backend known to joblib."""
    joblib.parallel.register_parallel_backend(NAME, ManyhandsBackend)
