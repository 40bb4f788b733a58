"""Where checkpoints are: a folder on a disk of this machine. For one behind a URL see ``remote_storage.py``.

Both have the same four methods. Nothing here is imported before an objective asks for it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO, Protocol

    class Storage(Protocol):
        """A folder: files, and folders of them, by name."""

        def names(self) -> list[str]:
            """What is in it; nothing if there is no such folder."""

        def read(self, name: str) -> BinaryIO:
            """Open a file, which can be read from any place in it.

            Raises:
                FileNotFoundError: There is none of that name (any more).
            """

        def write(self, name: str, fill: Callable[[BinaryIO], None]) -> None:
            """Make a file. It has its name only once all of it is there, where the file system can do that."""

        def remove(self, name: str) -> None:
            """Remove a file, or a folder with all that is in it; there need not be any."""


_DRAFT = "draft-"


def is_url(path: str) -> bool:
    """Whether this is meant for fsspec, and no path on a disk."""
    return "://" in path


def joined(root: str, *names: str) -> str:
    """The path or URL of something below a path or URL."""
    if not is_url(root):
        return os.path.join(root, *names)
    return root + ("" if root.endswith("/") else "/") + "/".join(names)


def storage_at(path: str, scratch: str = "") -> Storage:
    """The storage at a path or URL.

    Args:
        path: Where it is; there need not be anything yet.
        scratch: A folder on this machine for files on their way; the system's temporary one if empty.

    Raises:
        ImportError: For this URL, fsspec or a library that it needs is not installed.
        ValueError: fsspec does not know such a URL.
    """
    if not is_url(path):
        return LocalFolder(path)
    from manyhands.worker.remote_storage import RemoteFolder

    return RemoteFolder(path, scratch)


class LocalFolder:
    """A folder of this machine, or one that it has mounted; see ``Storage``.

    Args:
        path: The folder; made when first written to.
    """

    def __init__(self, path: str):
        self._path = path
        self._is_tidy = False

    def names(self) -> list[str]:
        """What is in it."""
        try:
            return [name for name in os.listdir(self._path) if not name.startswith(_DRAFT)]
        except FileNotFoundError:
            return []

    def read(self, name: str) -> BinaryIO:
        """Open a file."""
        return open(os.path.join(self._path, name), "rb")

    def write(self, name: str, fill: Callable[[BinaryIO], None]) -> None:
        """Make a file: whatever happens, power cuts included, there is all of it under its name, or the former one."""
        self._prepare()
        fd, draft = tempfile.mkstemp(prefix=_DRAFT, dir=self._path)
        try:
            with os.fdopen(fd, "w+b") as file:
                fill(file)
                file.flush()
                os.fsync(fd)
            os.replace(draft, os.path.join(self._path, name))
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise
        self._sync()

    def remove(self, name: str) -> None:
        """Remove a file or a folder."""
        path = os.path.join(self._path, name)
        with suppress(FileNotFoundError):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def _prepare(self) -> None:
        os.makedirs(self._path, exist_ok=True)
        if self._is_tidy:
            return
        self._is_tidy = True
        for name in os.listdir(self._path):
            if name.startswith(_DRAFT):  # of a worker that was killed
                with suppress(OSError):
                    os.unlink(os.path.join(self._path, name))

    def _sync(self) -> None:
        with suppress(OSError):  # some network file systems refuse that for folders
            fd = os.open(self._path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
