"""Text that outgrows memory: what trials printed, in a file that nobody sees and nobody has to remove."""

import os
import tempfile
import weakref
from collections.abc import Iterable
from typing import BinaryIO

from manyhands.errors import StoreError
from manyhands.trial import Part


class LogFile:
    """Keeps the output of trials in one file without a name, which is gone when this object is.

    The file is made when the first text comes. It is read and written by position only, so that a process forked by
    an objective cannot move the driver's place in it.
    """

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._size = 0
        self._pieces: dict[int, list[tuple[Part, int, int]]] = {}  # trial -> part, offset and length of each text

    def add(self, logs: Iterable[tuple[Part, str]]) -> None:
        """Keep these texts, or none of them.

        Raises:
            StoreError: The disk is full, or there is no place for temporary files.
        """
        texts = [(part, text.encode("utf-8", "surrogatepass")) for part, text in logs]
        if not texts:
            return
        try:
            _write(self._fd(), b"".join(data for _, data in texts), self._size)
        except OSError as error:
            raise StoreError(
                f"What trials print cannot be kept in {tempfile.gettempdir()}: {error}. "
                f"Set TMPDIR to a folder with more space."
            ) from error
        for part, data in texts:
            self._pieces.setdefault(part.trial_id, []).append((part, self._size, len(data)))
            self._size += len(data)

    def read(self, trial_id: int) -> str:
        """Everything the trial printed, by split, then attempt, then arrival."""
        pieces = sorted(self._pieces.get(trial_id, []), key=lambda piece: (piece[0].split, piece[0].attempt))
        data = b"".join(os.pread(self._fd(), length, offset) for _, offset, length in pieces)
        return data.decode("utf-8", "surrogatepass")

    def clear(self) -> None:
        """Forget everything."""
        self._pieces.clear()
        self._size = 0
        if self._file is not None:
            self._file.truncate(0)

    def _fd(self) -> int:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as this object is
            weakref.finalize(self, self._file.close)
        return self._file.fileno()


def _write(fd: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        n = os.pwrite(fd, rest, offset)
        rest, offset = rest[n:], offset + n
