"""Output of one thread, kept while it also goes where it always went.

``contextlib.redirect_stdout`` is for whole processes: two threads that use it at a time mix their output, and may leave
the wrong stream behind. Here one stand-in is installed for all threads, and asks each which thread it is.
"""

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_lock = threading.Lock()
_kept: dict[int, list[str]] = {}  # thread -> what it has written
_originals: list[TextIO] = []  # standard output and error, while stand-ins are installed


class _StandIn:
    """A stream that keeps what captured threads write, and passes everything on."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        pieces = _kept.get(threading.get_ident())
        if pieces is not None:
            pieces.append(text)
        return self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def captured_output() -> Iterator[list[str]]:
    """Keep what this thread writes to standard output and error; the pieces are in the list that is yielded.

    It may be used within itself, as by an objective that is a search: the outer one then has the inner one's too.
    """
    pieces: list[str] = []
    thread = threading.get_ident()
    with _lock:
        if not _kept:
            _originals[:] = [sys.stdout, sys.stderr]
            sys.stdout, sys.stderr = _StandIn(sys.stdout), _StandIn(sys.stderr)
        outer = _kept.get(thread)
        _kept[thread] = pieces
    try:
        yield pieces
    finally:
        with _lock:
            if outer is None:
                del _kept[thread]
            else:
                outer += pieces
                _kept[thread] = outer
            if not _kept:
                sys.stdout, sys.stderr = _originals
