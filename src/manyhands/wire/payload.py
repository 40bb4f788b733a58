"""The payload: a job's objective and all it refers to, pickled once into files that every worker of a node maps.

The first file holds a pickle (protocol 5). The large buffers that the pickle refers to are in further files, each
buffer aligned to 64 bytes: those of ``_OWN_FILE_BYTES`` and more have a file of their own, so that the same data is
the same file whatever objective uses it, and the others share one. A worker maps these read-only, so the arrays of
eight workers are one copy in the page cache; that is why they cannot be written to. Buffers below ``_IN_BAND_BYTES``
stay inside the pickle and are private to each worker.

    8 bytes   magic
    8 bytes   number of buffers
    24 bytes  for each buffer: number of its file (from 1), offset, length
    ...       the pickle

Numbers are little-endian. Only a driver writes payloads and only its workers read them; nothing that a worker sends in
a search is ever unpickled.
"""

from __future__ import annotations

import os

from manyhands.wire.functions import LightUnpickler, Unpickler

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    Place = tuple[int, int, int]  # file, offset, length

_MAGIC = b"manyhnd3"
_ALIGN = 64
_IN_BAND_BYTES = 1 << 20
_OWN_FILE_BYTES = 32 << 20


def dump(obj: object, path: str) -> list[str]:
    """Write ``obj`` to new files, ``path`` and ``path.1``, ``path.2`` ..., and return their paths.

    Raises:
        Exception: Whatever pickling ``obj`` raises; ``manyhands.wire.culprit`` finds out what caused it.
    """
    import cloudpickle  # a worker that only loads must not pay for these

    from manyhands.wire.buffers import set_aside

    buffers: list[memoryview] = []
    pickled = cloudpickle.dumps(obj, protocol=5, buffer_callback=set_aside(buffers, _IN_BAND_BYTES))
    places = _lay_out([buffer.nbytes for buffer in buffers])
    n_files = max((file for file, _, _ in places), default=0)
    paths = [path, *(f"{path}.{i}" for i in range(1, n_files + 1))]
    head = [len(buffers), *(number for place in places for number in place)]
    with _new(paths[0]) as file:
        file.write(_MAGIC + b"".join(number.to_bytes(8, "little") for number in head))
        file.write(pickled)
    for i in range(1, n_files + 1):
        with _new(paths[i]) as file:
            for (number, offset, _), buffer in zip(places, buffers, strict=True):
                if number == i:
                    file.seek(offset)
                    file.write(buffer)
    return paths


def load(paths: Sequence[str]) -> object:
    """Return the object in a payload's files, its large buffers mapped read-only.

    Raises:
        Exception: Whatever unpickling raises, such as an ``ImportError``.
    """
    with open(paths[0], "rb") as file:
        if file.read(8) != _MAGIC:
            raise ValueError(f"{paths[0]} is no payload")
        places = [(_number(file), _number(file), _number(file)) for _ in range(_number(file))]
        start = file.tell()
        buffers = _map(paths, places)
        try:
            return _unpickle(LightUnpickler, file, start, buffers)
        except Exception:  # noqa: S110 - perhaps a cloudpickle that calls its helpers in another way, so let it do so
            pass
        return _unpickle(Unpickler, file, start, buffers)


def _new(path: str) -> BinaryIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _unpickle(unpickler: type[Unpickler], file: BinaryIO, start: int, buffers: list[memoryview]) -> object:
    file.seek(start)
    return unpickler(file, buffers=buffers).load()


def _number(file: BinaryIO) -> int:
    return int.from_bytes(file.read(8), "little")


def _map(paths: Sequence[str], places: list[Place]) -> list[memoryview]:
    if not places:
        return []
    import mmap  # most payloads have no large buffers

    mapped = {}
    for number in {file for file, _, _ in places}:
        with open(paths[number], "rb") as file:
            mapped[number] = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return [mapped[number][offset : offset + size] for number, offset, size in places]


def _lay_out(sizes: list[int]) -> list[Place]:
    """Where each buffer goes: the large ones into a file of their own, the others together into one."""
    places: list[Place] = []
    n_files = shared = end = 0
    for size in sizes:
        if size >= _OWN_FILE_BYTES:
            n_files += 1
            places.append((n_files, 0, size))
            continue
        if not shared:
            n_files += 1
            shared = n_files
        places.append((shared, end, size))
        end += size + -size % _ALIGN
    return places
