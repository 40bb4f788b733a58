"""The workers of a search: evaluations go in, futures come out in the order in which they end."""

import pickle
import queue
import uuid
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import numpy as np

from manyhands.hyperopt.documents import Document
from manyhands.hyperopt.domain import Domain
from manyhands.hyperopt.evaluation import Evaluation, PackedDomain
from manyhands.tasks.packing import Packer, pickled
from manyhands.tasks.pool import Answer, PoolClosedError, TaskPool
from manyhands.tasks.pools import Kind, pool_for, the_shelf
from manyhands.wire.buffers import set_aside
from manyhands.wire.culprit import explain_unpicklable

_LARGE_BYTES = 1 << 20

Ended = tuple[Document, Future[Answer]]


class Crew:
    """Evaluates trials on a pool of workers.

    Args:
        kind: Which workers.
        n_workers: How many.
        domain: What they evaluate.
        stays: Whether the workers stay for the next search.

    Attributes:
        running: The documents of trials that they have.

    Raises:
        PicklingError: The objective cannot be sent to workers.
        ExecutorError: No worker can be started.
    """

    def __init__(self, kind: Kind, n_workers: int, domain: Domain, *, stays: bool) -> None:
        self._packed = packed(domain)
        self._kind = kind
        self._stays = stays
        self._n_workers = n_workers
        self._packer = Packer(the_shelf(), mmap_mode="c", is_local=kind.is_local)
        self._pool = pool_for(kind, n_workers)
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._futures: dict[int, Ended] = {}

    @property
    def running(self) -> list[Document]:
        """The documents of the trials that the workers have."""
        return [doc for doc, _ in self._futures.values()]

    @property
    def n_running(self) -> int:
        """How many trials the workers have."""
        return len(self._futures)

    @property
    def has_news(self) -> bool:
        """Whether ``wait`` would return at once."""
        return not self._ended.empty()

    @property
    def is_alive(self) -> bool:
        """Whether there still are workers, or will be some."""
        return self._pool.is_open

    def start(self, doc: Document) -> None:
        """Let a worker evaluate a trial.

        Raises:
            ExecutorError: The workers are gone.
        """
        cargo = self._packer.pack(Evaluation(self._packed, doc))
        try:
            pool, future = self._submit(cargo)
        except BaseException:
            self._packer.release(cargo)
            raise
        self._pool = pool
        self._futures[id(doc)] = doc, future

        def end(done: Future[Answer]) -> None:
            self._packer.release(cargo)
            self._ended.put((doc, done))

        future.add_done_callback(end)

    def wait(self, timeout_s: float) -> list[Ended]:
        """The trials that have ended, at least one unless the time is over before."""
        found: list[Ended] = []
        with suppress(queue.Empty):
            found.append(self._ended.get(timeout=max(0.0, timeout_s)))
            while True:
                found.append(self._ended.get_nowait())
        for doc, _ in found:
            self._futures.pop(id(doc), None)
        return found

    def cancel(self) -> list[Document]:
        """Give up what runs: workers that are at it are killed, and replaced.

        Returns:
            The documents of the trials that ran.
        """
        given_up = self.running
        self._pool.cancel(self, [future for _, future in self._futures.values()])
        self._futures.clear()
        return given_up

    def close(self) -> None:
        """The search is over."""
        if self._futures:
            self.cancel()
        if not self._stays:
            self._pool.close()
        self._packer.close()

    def _submit(self, cargo: Any) -> tuple[TaskPool, Future[Answer]]:
        while True:
            pool = self._pool
            if not pool.is_open:  # it was idle for long, or made room for another
                pool = pool_for(self._kind, self._n_workers)
            try:
                return pool, pool.submit(cargo, self)
            except PoolClosedError:  # just now
                continue


def packed(domain: Domain) -> PackedDomain:
    """A domain for workers. What is large in it travels once, in files.

    Raises:
        PicklingError: It cannot be sent; says which of the user's variables is to blame.
    """
    large: list[memoryview] = []
    try:
        message = pickled(domain, set_aside(large, _LARGE_BYTES))
    except pickle.PicklingError as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise pickle.PicklingError(explain_unpicklable(domain.fn, cause)) from error
    parts: list[bytes | memoryview] = [message, *large]
    return PackedDomain(uuid.uuid4().hex, [np.frombuffer(part, np.uint8) for part in parts])
