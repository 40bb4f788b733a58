"""What travels to a worker and back: a task as a pickle with large buffers in files, and its outcome.

This is the one place in the library where what a worker sent is unpickled. Of the results of a search only numbers and
text are kept, and nothing that a worker says can be more than that. But joblib and Hyperopt promise that a task may
return any object, and there is no way to send any object that could not run code as well. So whoever uses them trusts
the workers as joblib's users always do: local ones are processes of the same user with no address at all, and those on
other machines are authenticated, and have the same code anyway, as they run what they are told to. No study comes here:
this package is imported by joblib's backend and Hyperopt's parallel trials alone.
"""

import pickle
import threading
import weakref
from collections import ChainMap
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, ClassVar
from zlib import crc32

import cloudpickle
import numpy as np

from manyhands.events import Cargo
from manyhands.tasks.memmaps import reduce_memmap
from manyhands.tasks.pool import Answer
from manyhands.tasks.shelf import Shelf
from manyhands.tasks.task import COPY_ON_WRITE, READ_ONLY
from manyhands.wire.buffers import set_aside

_MESSAGE_BYTES = 1 << 20  # a longer pickle goes into a file
_SAMPLES = 64
_SAMPLE_BYTES = 64


class RemoteTraceback(Exception):  # noqa: N818 - as in concurrent.futures: the cause of an exception, and itself none
    """What a worker's traceback said."""

    def __init__(self, text: str):
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


class _LocalPickler(cloudpickle.Pickler):  # type: ignore[misc]
    """For workers that see the files of this machine."""

    dispatch_table: ClassVar = ChainMap({np.memmap: reduce_memmap}, cloudpickle.Pickler.dispatch_table)


def pickled(
    obj: object,
    buffer_callback: Callable[[pickle.PickleBuffer], object] | None = None,
    pickler: Callable[..., Any] = cloudpickle.Pickler,
) -> bytes:
    """Return a pickle that a worker can read.

    Raises:
        PicklingError: There is none.
    """
    file = BytesIO()
    try:
        pickler(file, protocol=5, buffer_callback=buffer_callback).dump(obj)
    except Exception as error:
        raise pickle.PicklingError(
            f"The task cannot be sent to a worker, as it cannot be pickled: {type(error).__name__}: {error}"
        ) from error
    return file.getvalue()


class Packer:
    """Packs the tasks of one call of ``Parallel``.

    An array that several tasks of a call have is looked at once, and after that known by its address. Only a sample is
    compared then, so one that was changed in a few places between two tasks may be sent as it was before; loky does not
    look at all.

    Args:
        shelf: Where large buffers go.
        max_nbytes: Buffers of more than so many bytes go there, and workers map them; None to let workers have
            everything as copies of their own.
        mmap_mode: How workers map them: ``"r"``, or ``"c"`` for arrays that can be written to without effect on others.
        is_local: Whether workers see the files of this machine, so that a ``numpy.memmap`` need not be copied.
    """

    def __init__(
        self, shelf: Shelf, max_nbytes: int | None = 1 << 20, mmap_mode: str | None = "r", *, is_local: bool = False
    ):
        self._pickler = _LocalPickler if is_local else cloudpickle.Pickler
        self._shelf = shelf
        self._most = None if mmap_mode is None else max_nbytes
        self._mode = COPY_ON_WRITE if mmap_mode == "c" else READ_ONLY
        self._known: dict[tuple[int, int], tuple[Callable[[], object], int, str]] = {}  # owner, sample, digest
        self._gone: list[tuple[int, int]] = []  # of owners that are no more
        self._lock = threading.Lock()

    def pack(self, task: object) -> Cargo:
        """Return a task as a cargo, whose files are held until ``release``.

        Raises:
            PicklingError: The task cannot be pickled.
            ExecutorError: A file cannot be written.
        """
        buffers: list[memoryview] = []
        message = self._pickle(task, buffers)
        if len(message) >= _MESSAGE_BYTES:
            buffers.insert(0, memoryview(message))
            message = b""
        return Cargo(self._mode + message, [self._shelf.path(digest) for digest in self._put_all(buffers)])

    def release(self, cargo: Cargo) -> None:
        """The task is over."""
        for path in cargo.files:
            self._shelf.release(path.rpartition("/")[2])

    def close(self) -> None:
        """The call is over: nothing has to be known any more."""
        with self._lock:
            for _, _, digest in self._known.values():
                self._shelf.release(digest)
            self._known.clear()

    def _pickle(self, task: object, buffers: list[memoryview]) -> bytes:
        if self._most is None:
            return pickled(task, None, self._pickler)
        return pickled(task, set_aside(buffers, self._most + 1), self._pickler)

    def _put_all(self, buffers: list[memoryview]) -> list[str]:
        digests: list[str] = []
        with self._lock:
            self._forget_gone()
            try:
                for buffer in buffers:
                    digests.append(self._put(buffer))
            except BaseException:
                for digest in digests:
                    self._shelf.release(digest)
                raise
        return digests

    def _put(self, buffer: memoryview) -> str:
        """The digest of a buffer, held once for the task."""
        flat = np.frombuffer(buffer, np.uint8)
        key = (flat.__array_interface__["data"][0], buffer.nbytes)
        sample = _sample(flat)
        owner, known_sample, digest = self._known.get(key, (lambda: None, 0, ""))
        if owner() is not None and known_sample == sample and self._shelf.hold(digest):
            return digest
        self._forget(key)
        digest = self._shelf.put(buffer)
        reference = _reference(buffer.obj, lambda _: self._gone.append(key))
        if reference is not None:
            self._known[key] = (reference, sample, digest)
            self._shelf.hold(digest)
        return digest

    def _forget_gone(self) -> None:
        while self._gone:
            key = self._gone.pop()
            if key in self._known and self._known[key][0]() is None:
                self._forget(key)

    def _forget(self, key: tuple[int, int]) -> None:
        if key in self._known:
            self._shelf.release(self._known.pop(key)[2])


def _sample(flat: Any) -> int:
    """A checksum of some of an array's bytes, from all over it."""
    step = len(flat) // _SAMPLES
    if step <= _SAMPLE_BYTES:
        return crc32(flat)
    spread = flat[: step * _SAMPLES].reshape(_SAMPLES, step)[:, :_SAMPLE_BYTES]
    return crc32(flat[-_SAMPLE_BYTES:], crc32(spread.tobytes()))


def _reference(obj: object, when_gone: Callable[[object], None]) -> Callable[[], object] | None:
    """A weak reference to whoever owns a buffer's memory; None if there can be none."""
    while isinstance(base := getattr(obj, "base", None), np.ndarray):  # views come and go, their memory stays
        obj = base
    try:
        return weakref.ref(obj, when_gone)
    except TypeError:
        return None


# -- outcomes --------------------------------------------------------------------------------------------------------


def unpack(answer: Answer) -> object:
    """Return what a task returned, or raise what it raised, with the worker's traceback as its cause.

    Raises:
        UnpicklingError: It cannot be unpickled here.
    """
    traceback = answer.metrics.get("traceback")
    try:
        has_returned, value = _load(answer)
    except Exception as error:
        what = "The task raised an exception that" if traceback else "What the task returned"
        failure = pickle.UnpicklingError(f"{what} cannot be unpickled here: {type(error).__name__}: {error}")
        raise failure from (RemoteTraceback(traceback) if traceback else error)
    if has_returned:
        return value
    raise value from RemoteTraceback(traceback or "")


def _load(answer: Answer) -> Any:
    found: Mapping[str, Any] = answer.metrics
    if "answer" in found:
        return pickle.loads(found["answer"])  # noqa: S301 - see above
    pickled, *buffers = [answer.take(size) for size in found["sizes"]]
    return pickle.loads(pickled, buffers=buffers)  # noqa: S301 - see above
