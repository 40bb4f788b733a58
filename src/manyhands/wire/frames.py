"""Messages on a stream: four bytes of length, big-endian, then the message itself, which is called the body."""

from __future__ import annotations

#: No honest message is longer: output travels in chunks, data in the payload's file.
MAX_BYTES = 64 * 1024 * 1024


class FrameError(ValueError):
    """The stream holds what cannot be a frame."""


def frame(body: bytes) -> bytes:
    """Return a body as a frame."""
    return len(body).to_bytes(4, "big") + body


class Frames:
    """Cuts a stream into the bodies of its frames.

    Example:
        >>> frames = Frames()
        >>> frames.feed(frame(b"one")[:5]), frames.feed(frame(b"one")[5:] + frame(b"two"))
        ([], [b'one', b'two'])
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was received and return the bodies that are now complete.

        Raises:
            FrameError: A length above ``MAX_BYTES`` was announced.
        """
        rest = self._rest
        rest += data
        bodies = []
        start = 0
        while len(rest) - start >= 4:
            length = int.from_bytes(rest[start : start + 4], "big")
            if length > MAX_BYTES:
                raise FrameError(f"a frame of {length} bytes was announced, and {MAX_BYTES} is the limit")
            end = start + 4 + length
            if len(rest) < end:
                break
            bodies.append(bytes(rest[start + 4 : end]))
            start = end
        del rest[:start]
        return bodies
