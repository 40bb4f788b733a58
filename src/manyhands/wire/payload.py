"""The payload: a job's objective and all it refers to, pickled once into a file that every worker of a node maps.

The file holds a pickle (protocol 5) and, after it, the large buffers that the pickle refers to, each aligned to 64
bytes. A worker maps the file read-only, so the arrays of eight workers are one copy in the page cache; that is why they
cannot be written to. Buffers below ``_IN_BAND_BYTES`` stay inside the pickle and are private to each worker.

    8 bytes   magic
    8 bytes   length of the head, little-endian
    head      JSON: [offset and length of the pickle, of buffer 0, of buffer 1 ...]
    ...

Only a driver writes payloads and only its workers read them; nothing that a worker sends is ever unpickled.
"""

from __future__ import annotations

import json
import mmap
import os
import pickle

_MAGIC = b"manyhnd1"
_ALIGN = 64
_IN_BAND_BYTES = 1 << 20


def dump(obj: object, path: str) -> int:
    """Write ``obj`` to a new file and return its size in bytes.

    Raises:
        Exception: Whatever pickling ``obj`` raises; ``manyhands.wire.culprit`` finds out what caused it.
    """
    import cloudpickle  # a worker that only loads must not pay for it

    buffers: list[memoryview] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
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
    head = json.dumps(extents).encode()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:
        file.write(_MAGIC + len(head).to_bytes(8, "little") + head)
        for (offset, _), piece in zip(extents, pieces, strict=True):
            file.seek(offset)
            file.write(piece)
        return file.tell()


def load(path: str) -> object:
    """Return the object in a payload's file, its large buffers mapped read-only."""
    with open(path, "rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if mapped[:8] != _MAGIC:
        raise ValueError(f"{path} is no payload")
    length = int.from_bytes(mapped[8:16], "little")
    extents = json.loads(bytes(mapped[16 : 16 + length]))
    pickled, *buffers = (mapped[offset : offset + size] for offset, size in extents)
    return pickle.loads(pickled, buffers=buffers)  # noqa: S301 - the driver's own file, which only its user can write


def _lay_out(sizes: list[int]) -> list[tuple[int, int]]:
    # The head's length depends on the offsets it lists; twenty digits a number is more than any will take.
    offset = 16 + 2 + len(sizes) * 46
    extents = []
    for size in sizes:
        offset += -offset % _ALIGN
        extents.append((offset, size))
        offset += size
    return extents
