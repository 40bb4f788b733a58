"""Writing a job down for workers, with errors that name what is in the way."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from manyhands.errors import ExecutorError, PayloadError
from manyhands.executors.folder import RunFolder
from manyhands.job import Job
from manyhands.wire.culprit import explain_unpicklable
from manyhands.wire.payload import dump
from manyhands.wire.relay import Piece


def write_payload(job: Job, path: Path) -> list[str]:
    """Write the payload to new files, ``path`` and others beside it, and return their paths.

    Raises:
        PayloadError: The objective cannot be pickled.
        ExecutorError: The files cannot be written.
    """
    try:
        return dump(job, str(path))
    except OSError as error:
        raise ExecutorError(
            f"The objective and its data could not be written to {path}: {error}. "
            f"Set TMPDIR to a folder with more space."
        ) from error
    except Exception as error:
        raise PayloadError(explain_unpicklable(job.objective, error)) from error


class Shipment:
    """A payload that goes to other machines.

    Its files have no names any more, and so are gone with this process however it ends.

    Args:
        job: What the workers have to do.

    Attributes:
        pieces: The payload's files, each by the hash of its content.

    Raises:
        PayloadError: The objective cannot be pickled.
        ExecutorError: The files cannot be written.
    """

    def __init__(self, job: Job):
        folder = RunFolder()
        try:
            paths = write_payload(job, folder.path / "payload")
            self._fds = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in paths]
        finally:
            folder.remove()
        self.pieces: Sequence[Piece] = [Piece(_digest(fd), os.fstat(fd).st_size) for fd in self._fds]

    def read(self, piece: int, offset: int, n_bytes: int) -> bytes:
        """Return a part of a piece; fewer bytes at its end."""
        return os.pread(self._fds[piece], n_bytes, max(0, offset))

    def close(self) -> None:
        """Let the files go; may be called twice."""
        fds, self._fds = self._fds, []
        for fd in fds:
            os.close(fd)


def read_part(path: str, offset: int, n_bytes: int) -> bytes:
    """Return a part of a file; nothing if it is not there (any more), or ends before ``offset``."""
    try:
        with open(path, "rb") as file:
            return os.pread(file.fileno(), n_bytes, max(0, offset))
    except OSError:
        return b""


def _digest(fd: int) -> str:
    with os.fdopen(os.dup(fd), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
