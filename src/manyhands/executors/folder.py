"""A run's temporary folder, gone when the run is, even if nobody was left to remove it."""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "manyhands-"
_LOCK = "lock"


class RunFolder:
    """A folder for the payload and the workers' output, readable by its user only.

    Its owner holds a lock on a file in it for as long as it lives. Whoever makes such a folder removes those that
    nobody holds any more: what was left by runs that were killed.

    Attributes:
        path: The folder.
    """

    def __init__(self) -> None:
        _sweep()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        new = self.path / "new"  # under this name it is invisible to others until it is locked
        self._fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        new.rename(self.path / _LOCK)

    @classmethod
    def adopt(cls, path: Path, lock: int) -> "RunFolder":
        """Share a folder that was made elsewhere; ``lock`` is its lock's file descriptor, which holds it."""
        _sweep()
        folder = cls.__new__(cls)
        folder.path, folder._fd = path, os.dup(lock)
        return folder

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._fd)


def _sweep() -> None:
    for lock in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError):  # it is held, or somebody else's, or just being removed
            fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(fd)
