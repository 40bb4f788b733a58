"""The payload: a job's objective and all it refers to, pickled once into a file that every worker of a node maps.

The file holds a pickle (protocol 5) and, after it, the large buffers that the pickle refers to, each aligned to 64
bytes. A worker maps the file read-only, so the arrays of eight workers are one copy in the page cache; that is why they
cannot be written to. Buffers below ``_IN_BAND_BYTES`` stay inside the pickle and are private to each worker.

    8 bytes   magic
    8 bytes   number of pieces: the pickle, buffer 0, buffer 1 ...
    16 bytes  for each piece: its offset, its length
    ...       the pieces

Numbers are little-endian. Only a driver writes payloads and only its workers read them; nothing that a worker sends is
ever unpickled.
"""

from __future__ import annotations

import os

from manyhands.wire.functions import LightUnpickler, Unpickler

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from pickle import PickleBuffer
    from typing import BinaryIO

_MAGIC = b"manyhnd2"
_ALIGN = 64
_IN_BAND_BYTES = 1 << 20


def dump(obj: object, path: str) -> int:
    """Write ``obj`` to a new file and return its size in bytes.

    Raises:
        Exception: Whatever pickling ``obj`` raises; ``manyhands.wire.culprit`` finds out what caused it.
    """
    import cloudpickle  # a worker that only loads must not pay for it

    buffers: list[memoryview] = []

    def keep(buffer: PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # not contiguous
            return True
        if raw.nbytes < _IN_BAND_BYTES:
            return True
        buffers.append(raw)
        return False

    pickled = cloudpickle.dumps(obj, protocol=5, buffer_callback=keep)
    pieces = [memoryview(pickled), *buffers]
    extents = _lay_out([piece.nbytes for piece in pieces])
    head = [len(pieces), *(number for extent in extents for number in extent)]
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:
        file.write(_MAGIC + b"".join(number.to_bytes(8, "little") for number in head))
        for (offset, _), piece in zip(extents, pieces, strict=True):
            file.seek(offset)
            file.write(piece)
        return file.tell()


def load(path: str) -> object:
    """Return the object in a payload's file, its large buffers mapped read-only.

    Raises:
        Exception: Whatever unpickling raises, such as an ``ImportError``.
    """
    with open(path, "rb") as file:
        if file.read(8) != _MAGIC:
            raise ValueError(f"{path} is no payload")
        (start, _), *extents = [(_number(file), _number(file)) for _ in range(_number(file))]
        buffers = _map(file, extents)
        try:
            return _unpickle(LightUnpickler, file, start, buffers)
        except Exception:  # noqa: S110 - perhaps a cloudpickle that calls its helpers in another way, so let it do so
            pass
        return _unpickle(Unpickler, file, start, buffers)


def _unpickle(unpickler: type[Unpickler], file: BinaryIO, start: int, buffers: list[memoryview]) -> object:
    file.seek(start)
    return unpickler(file, buffers=buffers).load()


def _number(file: BinaryIO) -> int:
    return int.from_bytes(file.read(8), "little")


def _map(file: BinaryIO, extents: list[tuple[int, int]]) -> list[memoryview]:
    if not extents:
        return []
    import mmap  # most payloads have no large buffers

    mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return [mapped[offset : offset + size] for offset, size in extents]


def _lay_out(sizes: list[int]) -> list[tuple[int, int]]:
    offset = 16 + 16 * len(sizes)
    extents = []
    for size in sizes:
        offset += -offset % _ALIGN
        extents.append((offset, size))
        offset += size
    return extents
