"""Messages on a stream: four bytes of length, big-endian, then JSON.

JSON, because a worker should need nothing but the standard library: starting one costs what it imports.
"""

from __future__ import annotations

import json

#: No honest message is longer: output travels in chunks, data in the payload's file.
MAX_BYTES = 64 * 1024 * 1024

_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode


class FrameError(ValueError):
    """The stream holds what cannot be a frame."""


def pack(message: object) -> bytes:
    """Return a message as a frame."""
    return frame(_encode(message).encode("utf-8", "replace"))  # half characters, as in odd file names, become "?"


def frame(body: bytes) -> bytes:
    """Return a message that is JSON already as a frame."""
    return len(body).to_bytes(4, "big") + body


class Frames:
    """Cuts a stream into the bodies of its frames.

    Example:
        >>> frames = Frames()
        >>> frames.feed(pack([1])[:3]), frames.feed(pack([1])[3:] + pack("b"))
        ([], [b'[1]', b'"b"'])
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was received and return the bodies that are now complete.

        Raises:
            FrameError: A length above ``MAX_BYTES`` was announced.
        """
        data = self._rest + data if self._rest else data
        bodies = []
        start, end = 0, len(data)
        while end - start >= 4:
            length = int.from_bytes(data[start : start + 4], "big")
            if length > MAX_BYTES:
                raise FrameError(f"a frame of {length} bytes was announced, and {MAX_BYTES} is the limit")
            if end - start - 4 < length:
                break
            bodies.append(data[start + 4 : start + 4 + length])
            start += 4 + length
        self._rest = data[start:]
        return bodies
