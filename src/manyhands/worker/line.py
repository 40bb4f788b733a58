"""A worker's line to its parent: a socket that it was born with, used through the plain calls of the system.

The socket is one end of a pair made by the parent, so there is no address that anybody else could connect to. When the
other end closes, the parent is gone: the worker then ends itself and all it started, at once.
"""

from __future__ import annotations

import os
from marshal import loads
from select import POLLIN, POLLOUT, poll

from manyhands.wire.frames import MAX_BYTES, Frames, frame
from manyhands.wire.msgpack_writer import encode

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from typing import Any

_READ_BYTES = 1 << 16
_SIGKILL = 9  # everywhere; the signal module costs more than all else in here


class Line:
    """Speaks and listens; one thread at a time may do either.

    Args:
        fd: The socket's file descriptor.
    """

    def __init__(self, fd: int):
        self._fd = fd
        self._frames = Frames()
        self._readable = poll()
        self._readable.register(fd, POLLIN)
        self._writable = poll()
        self._writable.register(fd, POLLOUT)

    @property
    def is_clear(self) -> bool:
        """Whether a message of common size would be gone at once, without a wait for the other end to read."""
        return bool(self._writable.poll(0))

    def say(self, *message: object) -> None:
        """Send one message, whole.

        Raises:
            ValueError: It is longer than any message may be.
        """
        body = encode(message)
        if len(body) > MAX_BYTES:
            raise ValueError(f"{len(body) / 1e6:.0f} MB, and {MAX_BYTES / 1e6:.0f} MB is the most that can be sent")
        rest = memoryview(frame(body))
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except OSError:
                die()

    def hear(self, timeout_s: float | None = None) -> list[list[Any]] | None:
        """Return the orders that have arrived, or None if nothing came in time.

        Args:
            timeout_s: How long to wait; for ever, if not given.
        """
        if timeout_s is not None and not self._readable.poll(timeout_s * 1000):
            return None
        try:
            data = os.read(self._fd, _READ_BYTES)
        except OSError:
            data = b""
        if not data:
            die()
        return [loads(body) for body in self._frames.feed(data)]  # noqa: S302 - see manyhands.wire.messages


def die() -> None:
    """End this process and whatever it started: nobody listens any more."""
    os.killpg(0, _SIGKILL)
