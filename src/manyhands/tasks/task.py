"""What a worker does with a task: unpack what it was given, call it, and hand back what it returned.

A worker imports this, so it needs nothing but the standard library. The other end is ``manyhands.tasks.packing``.
"""

from __future__ import annotations

import mmap
import pickle
import sys
from collections import OrderedDict

from manyhands.wire.buffers import set_aside
from manyhands.worker.result import Parcel, clean

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from manyhands.worker.handle import TrialHandle

#: A result up to so many bytes goes with the message that the task is done, and a longer one before it, in chunks.
SHORT_BYTES = 1 << 20
_CHUNK_BYTES = 4 << 20
_OUT_OF_BAND_BYTES = 1 << 20
_LONGEST_TEXT = 20_000
_MOST_MAPPED = 8  # files; a search has its X and y, and perhaps weights

#: The first byte of a cargo's data: how arrays in files are mapped.
READ_ONLY, COPY_ON_WRITE = b"r", b"c"

_mapped: OrderedDict[str, memoryview] = OrderedDict()


class Runner:
    """Runs tasks; the objective of a ``TaskPool``.

    Args:
        backend: The module of joblib's backend, if tasks may ask for it by its name. It is imported only then.
        setup: A pickle of (function, arguments): what is to be called once in each worker, before its first task.
        authkey: What processes of the driver's machine identify themselves with to a ``multiprocessing.Manager``.
    """

    def __init__(self, backend: str = "", setup: bytes | None = None, authkey: bytes | None = None):
        self._backend = backend
        self._setup = setup
        self._authkey = authkey
        self._is_set_up = False

    def __call__(self, _: object, trial: TrialHandle) -> dict[str, object]:
        """Run a task.

        Returns:
            A value that means nothing, and under ``"answer"`` a pickle of (whether it returned, what it returned or
            raised). If that is long, it has been handed over before, and ``"sizes"`` has the length of the pickle and
            of each buffer that it refers to. If the task raised, ``"traceback"`` has the traceback as text.
        """
        if trial.cargo is None:
            raise RuntimeError("the executor gave the worker no cargo, so it cannot run tasks")
        text = None
        try:
            self._prepare()
            task = _unpack(*trial.cargo)
            self._register_backend()
            parts = _pickled((True, task()))
        except BaseException as error:  # also KeyboardInterrupt and SystemExit: what a task raises is its outcome
            text = _traceback(error)
            parts = _pickled_error(error)
        return {"value": 0.0, "traceback": text, **_sent(parts, trial)}

    def _prepare(self) -> None:
        if self._is_set_up:
            return
        if self._authkey is not None:
            from multiprocessing import current_process

            current_process().authkey = self._authkey
        if self._setup is not None:
            function, arguments = pickle.loads(self._setup)  # noqa: S301 - from our driver
            function(*arguments)
        self._is_set_up = True

    def _register_backend(self) -> None:
        """Whatever knows joblib has imported it when it was unpickled."""
        known = sys.modules.get("joblib.parallel")
        if self._backend and known is not None and "manyhands" not in known.BACKENDS:
            known.register_parallel_backend("manyhands", self._make_backend)

    def _make_backend(self, **options: Any) -> Any:
        from importlib import import_module

        return import_module(self._backend).ManyhandsBackend(**options)


# -- what comes in -------------------------------------------------------------------------------------------------


def _unpack(data: bytes, files: Sequence[str]) -> Callable[[], Any]:
    mode, message = data[:1], memoryview(data)[1:]
    buffers = [_map(path, mode) for path in files]
    task: Callable[[], Any] = pickle.loads(message or buffers.pop(0), buffers=buffers)  # noqa: S301 - from our driver
    return task


def _map(path: str, mode: bytes) -> memoryview:
    if mode == COPY_ON_WRITE:  # a mapping of its own, as it will differ
        return _mapping(path, mmap.ACCESS_COPY)
    if path in _mapped:
        _mapped.move_to_end(path)
    else:
        _mapped[path] = _mapping(path, mmap.ACCESS_READ)
        if len(_mapped) > _MOST_MAPPED:
            _mapped.popitem(last=False)  # what refers to it still can
    return _mapped[path]


def _mapping(path: str, access: int) -> memoryview:
    with open(path, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=access))


# -- what goes out -------------------------------------------------------------------------------------------------


def _pickled(answer: tuple[bool, object]) -> list[memoryview]:
    """The pickle, and the buffers that it refers to.

    Raises:
        PicklingError: What the task returned cannot be pickled.
    """
    try:
        return _dump(pickle.dumps, answer)
    except Exception:  # noqa: S110 - cloudpickle can do more: a class of a notebook, or a function in a function
        pass
    import cloudpickle

    try:
        return _dump(cloudpickle.dumps, answer)
    except Exception as error:
        kind = type(answer[1]).__name__
        raise pickle.PicklingError(
            f"What the task returned (a {kind}) cannot be sent back, as it cannot be pickled: {error}"
        ) from error


def _dump(dumps: Callable[..., bytes], answer: tuple[bool, object]) -> list[memoryview]:
    buffers: list[memoryview] = []
    pickled = dumps(answer, protocol=5, buffer_callback=set_aside(buffers, _OUT_OF_BAND_BYTES))
    return [memoryview(pickled), *buffers]


def _pickled_error(error: BaseException) -> list[memoryview]:
    traceback, error.__traceback__ = error.__traceback__, None
    try:
        return _pickled((False, error))
    except pickle.PicklingError:
        stand_in = RuntimeError(f"{type(error).__name__}: {_text_of(error)} (the exception itself cannot be pickled)")
        return _pickled((False, stand_in))
    finally:
        error.__traceback__ = traceback


def _sent(parts: list[memoryview], trial: TrialHandle) -> dict[str, object]:
    sizes = [part.nbytes for part in parts]
    if sum(sizes) <= SHORT_BYTES:
        return {"answer": Parcel(parts[0])}
    for part in parts:
        for start in range(0, part.nbytes, _CHUNK_BYTES):
            trial.hand_over(Parcel(part[start : start + _CHUNK_BYTES]))
    return {"sizes": sizes}


def _traceback(error: BaseException) -> str:
    import traceback

    below = error.__traceback__.tb_next if error.__traceback__ is not None else None
    try:
        text = "".join(traceback.format_exception(type(error), error, below))
    except Exception:  # somebody's __str__
        text = type(error).__name__
    return clean(text[-_LONGEST_TEXT:])


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"
