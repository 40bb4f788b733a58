"""Files that all hosts of a machine share: each is there once, under the hash of its content, while anybody uses it.

    <temporary folder>/manyhands-node-<user>/
        <digest>         a file that is complete; it is never written to again
        <digest>.part    one that somebody is writing
        <digest>.lock    held shared by all who use the file, and alone by who writes it

Locks end with the process that holds them, so a file whose lock nobody holds is left over from a crash. Whoever
comes next removes it; whoever releases a file last removes it too.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from manyhands.errors import ExecutorError

_MOST_TRIES = 100


class WrongContentError(ExecutorError):
    """What came is not what its digest says."""


class Claim(Enum):
    """What came of asking for a file."""

    READY = "it is there"
    EMPTY = "it is yours to fill"
    BUSY = "somebody else is filling it; ask again"


class NodeCache:
    """The shared files of this machine's user.

    Args:
        folder: Where to keep them; a folder of the user's own in the temporary one if not given.

    Raises:
        ExecutorError: The folder cannot be made, or belongs to somebody else.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder or Path(tempfile.gettempdir()) / f"manyhands-node-{os.getuid()}"
        _make_private(self.folder)
        with suppress(FileNotFoundError):  # whoever used the folder last has just removed it
            for name in os.listdir(self.folder):
                if name.endswith(".lock"):
                    SharedFile(self.folder, name.removesuffix(".lock"), 0).remove_if_unused()

    def file(self, digest: str, size: int) -> "SharedFile":
        """The file whose content has this SHA-256 digest and size in bytes."""
        return SharedFile(self.folder, digest, size)


class SharedFile:
    """One file of the cache, from the moment it is claimed until it is released.

    Args:
        folder: The cache's folder.
        digest: SHA-256 of the content, in hexadecimal digits.
        size: Of the content, in bytes.

    Attributes:
        path: Where it is, once it is ready.
        n_written: How many bytes of it have been written here.
    """

    def __init__(self, folder: Path, digest: str, size: int):
        self.path = folder / digest
        self.n_written = 0
        self._size = size
        self._part = folder / f"{digest}.part"
        self._lock = folder / f"{digest}.lock"
        self._fd = -1
        self._file: BinaryIO | None = None  # while it is being filled here

    @property
    def n_there(self) -> int:
        """How many bytes of an unfinished one there are, whoever writes it."""
        try:
            return self._part.stat().st_size
        except OSError:  # nobody has begun, or it is complete
            return 0

    def claim(self) -> Claim:
        """Use the file if it is there, or become the one who fills it. Never waits.

        Raises:
            ExecutorError: The folder has too little space, or cannot be used.
        """
        try:
            return self._claim()
        except OSError as error:
            raise ExecutorError(
                f"The data cannot be kept in {self.path.parent}: {error}. Set TMPDIR to another folder."
            ) from error

    def _claim(self) -> Claim:
        try:
            self._fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # whoever used the folder last has just removed it
            _make_private(self._lock.parent)
            return Claim.BUSY
        if self._is_locked(fcntl.LOCK_SH):
            if self.path.exists():
                return Claim.READY
            # From shared to alone is no single step: in between, somebody else may have filled or removed it.
            if self._is_locked(fcntl.LOCK_EX) and not self.path.exists():
                self._begin()
                return Claim.EMPTY
        self._let_go()
        return Claim.BUSY

    def write(self, data: bytes) -> bool:
        """Append to the file that is being filled; True as soon as it is complete, and ready for all.

        Raises:
            WrongContentError: What came is not what the digest says.
            ExecutorError: It cannot be written.
        """
        assert self._file is not None, "only a file that was claimed EMPTY is written to"  # noqa: S101
        try:
            self._file.write(data)
            self._hash.update(data)
            self.n_written += len(data)
            if self.n_written < self._size:
                return False
            self._file.close()
            if self._hash.hexdigest() != self.path.name or self.n_written != self._size:
                raise WrongContentError(f"The data did not arrive as it was sent ({self.path.name[:12]}).")
            self._part.replace(self.path)
            fcntl.flock(self._fd, fcntl.LOCK_SH)  # from alone to shared is a single step: nobody gets in between
        except OSError as error:
            raise ExecutorError(f"The data cannot be written to {self._part}: {error}.") from error
        self._file = None
        return True

    def release(self) -> None:
        """Use the file no more; the last who does removes it. Data that is mapped stays until it is unmapped."""
        if self._fd >= 0:
            if self._file is not None:  # unfinished: nothing may be written any more once the lock is gone
                with suppress(OSError):
                    self._file.close()
                self._file = None
            self._let_go()
            self.remove_if_unused()

    def remove_if_unused(self) -> None:
        """Remove the file, and what is left of an unfinished one, if nobody holds its lock."""
        with suppress(OSError):  # somebody else is removing it, or there are other files
            self._fd = os.open(self._lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                if self._is_locked(fcntl.LOCK_EX):
                    for path in (self.path, self._part, self._lock):
                        path.unlink(missing_ok=True)
            finally:
                self._let_go()
            self.path.parent.rmdir()  # if it is empty

    def _begin(self) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < self._size:
            raise ExecutorError(
                f"{self.path.parent} has {free / 1e6:.0f} MB left, and the data needs "
                f"{self._size / 1e6:.0f} MB. Set TMPDIR there to a folder with more space."
            )
        self.n_written = 0
        self._file = open(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")  # noqa: SIM115
        self._hash = hashlib.sha256()

    def _is_locked(self, how: int) -> bool:
        """Lock the file's lock, if that can be done at once, and if it still is the lock of this name."""
        try:
            fcntl.flock(self._fd, how | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(self._fd), os.stat(self._lock))
        except OSError:
            return False

    def _let_go(self) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)


def _make_private(folder: Path) -> None:
    try:
        found = _made(folder)
    except OSError as error:
        raise ExecutorError(
            f"The folder {folder} for shared data cannot be used: {error}. Set TMPDIR to another folder."
        ) from error
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ExecutorError(
            f"{folder} is not this user's alone, so others could change what is in it. Remove it, "
            f"or set TMPDIR to another folder."
        )


def _made(folder: Path) -> os.stat_result:
    """Make the folder if there is none; others may be removing it at the same time."""
    for _ in range(_MOST_TRIES):
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700, parents=True)
        with suppress(FileNotFoundError):
            return folder.lstat()
    raise FileNotFoundError(f"it was removed {_MOST_TRIES} times as soon as it was made")
