"""What a part prints: whole, in order, whoever writes it - Python, C code, a subprocess or a dying interpreter.

A worker's standard output and error are one file, its *spool*. It survives the worker, so the last words of one that
was killed can still be read from it. Here the spool is read piece by piece and handed on.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable

_CHUNK_BYTES = 256 * 1024
_KEEP_BYTES = 4 * 1024 * 1024  # once all of it was handed on, a longer spool is emptied


class Spool:
    """Reads the file behind standard output.

    Args:
        send: Takes each piece of text, and how many bytes of the spool have then been handed on.
    """

    def __init__(self, send: Callable[[str, int], None]):
        self._send = send
        self._upto = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def ship(self, *, last: bool = False) -> None:
        """Hand on what has been written since the last call; with ``last``, all of what the part has written."""
        if last:
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except (OSError, ValueError):  # the objective closed it, or the disk is full
                    continue
        size = os.fstat(1).st_size
        while self._upto < size:
            data = os.pread(1, min(_CHUNK_BYTES, size - self._upto), self._upto)
            if not data:
                break
            self._upto += len(data)
            text = self._decoder.decode(data)
            if text:
                self._send(text, self._upto)
        if last and self._upto > _KEEP_BYTES:
            os.ftruncate(1, 0)
            self._upto = 0
