"""What a part prints: whole, in order, whoever writes it - Python, C code, a subprocess or a dying interpreter.

A worker's standard output and error are one file, its *spool*. It survives the worker, so the last words of one that
was killed can still be read from it. Here the spool is read piece by piece and handed on.
"""

from __future__ import annotations

import codecs
import os
import sys

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

_CHUNK_BYTES = 256 * 1024
_KEEP_BYTES = 4 * 1024 * 1024  # once all of it was handed on, a longer spool is emptied


class Spool:
    """Reads the file behind standard output.

    Args:
        send: Takes each piece of text, and how many bytes of the spool have then been handed on.
    """

    def __init__(self, send: Callable[[str, int], None]):
        self._send = send
        self._fd = os.dup(1)  # the objective may close or redirect its own
        self._upto = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def ship(self, *, last: bool = False) -> None:
        """Hand on what has been written since the last call; with ``last``, all of what the part has written."""
        if last:
            flush(sys.stdout, sys.stderr)
            self._put_back()
        size = os.fstat(self._fd).st_size
        while self._upto < size:
            data = os.pread(self._fd, min(_CHUNK_BYTES, size - self._upto), self._upto)
            if not data:
                break
            self._upto += len(data)
            text = self._decoder.decode(data)
            undecided = len(self._decoder.getstate()[0])  # the first bytes of a character that is not whole yet
            self._send(text, self._upto - undecided)
        if last and self._upto > _KEEP_BYTES:
            os.ftruncate(self._fd, 0)
            self._upto = 0
            self._send("", 0)

    def _put_back(self) -> None:
        """Undo what the objective did to standard output and error: the next part starts with its own."""
        own = os.fstat(self._fd)
        for fd in (1, 2):
            try:
                is_own = os.path.samestat(os.fstat(fd), own)
            except OSError:  # closed
                is_own = False
            if not is_own:
                os.dup2(self._fd, fd)


def flush(*streams: TextIO) -> None:
    """Write out what the streams still hold, as far as that is possible."""
    for stream in streams:
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # the objective closed or replaced it, or the disk is full
            continue
