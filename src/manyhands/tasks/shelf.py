"""Large arguments as files that workers map, each named by the hash of its content: what is the same is there once.

A file is held by the tasks and calls that need it. What nobody holds stays for a while, as the next call often comes
with the same data; the oldest goes first.
"""

import hashlib
import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from manyhands.errors import ExecutorError
from manyhands.executors.folder import RunFolder

_KEEP_BYTES = 1 << 30  # of what nobody holds


class Shelf:
    """A folder of such files, for all pools of this process. Any thread may use it.

    Args:
        keep_bytes: How much of what nobody holds may stay.
    """

    def __init__(self, keep_bytes: int = _KEEP_BYTES):
        self._keep_bytes = keep_bytes
        self._lock = threading.Lock()
        self._folder: RunFolder | None = None
        self._sizes: dict[str, int] = {}
        self._holds: dict[str, int] = {}
        self._free: OrderedDict[str, int] = OrderedDict()  # digest -> size of what nobody holds, the oldest first
        self.n_written = 0  #: how many files were ever written

    def put(self, data: memoryview) -> str:
        """Make sure that there is a file with this content, hold it once, and return its digest.

        Raises:
            ExecutorError: It cannot be written.
        """
        digest = hashlib.sha256(data).hexdigest()
        with self._lock:
            if digest in self._sizes:
                self._hold(digest)
                return digest
            if self._folder is None:
                self._folder = RunFolder()
            draft = self._folder.path / f"{digest}-{threading.get_ident()}"
        _write(draft, data)  # without the lock, as it may take long
        with self._lock:
            draft.rename(draft.with_name(digest))
            self.n_written += digest not in self._sizes
            self._sizes[digest] = data.nbytes
            self._hold(digest)
        return digest

    def hold(self, digest: str) -> bool:
        """Hold a file once more, if it is (still) there; says whether it is."""
        with self._lock:
            if digest not in self._sizes:
                return False
            self._hold(digest)
            return True

    def release(self, digest: str) -> None:
        """Hold a file once less; when nobody does, it may go at any time."""
        with self._lock:
            if digest not in self._holds:
                return  # the shelf was cleared meanwhile
            self._holds[digest] -= 1
            if self._holds[digest] == 0:
                del self._holds[digest]
                self._free[digest] = self._sizes[digest]
                self._tidy()

    def path(self, digest: str) -> str:
        """Where a file is."""
        assert self._folder is not None, "a file is put first"  # noqa: S101
        return str(self._folder.path / digest)

    def clear(self) -> None:
        """Remove all files. Those that workers have mapped they can still read."""
        with self._lock:
            self._sizes.clear()
            self._holds.clear()
            self._free.clear()
            folder, self._folder = self._folder, None
        if folder is not None:
            folder.remove()

    # -- with the lock -------------------------------------------------------------------------------------------

    def _hold(self, digest: str) -> None:
        self._free.pop(digest, None)
        self._holds[digest] = self._holds.get(digest, 0) + 1

    def _tidy(self) -> None:
        while self._free and sum(self._free.values()) > self._keep_bytes:
            digest, _ = self._free.popitem(last=False)
            del self._sizes[digest]
            assert self._folder is not None  # noqa: S101
            with suppress(OSError):
                (self._folder.path / digest).unlink()


def _write(path: Path, data: memoryview) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=0) as file:
            rest = data.cast("B")
            while rest:
                rest = rest[file.write(rest) :]
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise ExecutorError(
            f"An argument of {data.nbytes / 1e6:.0f} MB could not be written to {path.parent}: {error}. "
            f"Set TMPDIR to a folder with more space."
        ) from error
