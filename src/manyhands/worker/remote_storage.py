"""Where checkpoints are: behind a URL that fsspec knows, such as that of an object store."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress

import fsspec

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO


class RemoteFolder:
    """A folder behind a URL; see ``Storage``.

    What is written is complete on this machine before its first byte leaves it, so an object that cannot be pickled
    does no harm there. In an object store a file then appears as a whole; in other file systems it may be seen half
    written, if its writer was killed (``generations.py`` can tell).

    Args:
        url: The folder.
        scratch: Where files are on their way; the system's temporary folder if empty.

    Raises:
        ImportError: A library that fsspec needs for this URL is not installed.
        ValueError: fsspec does not know such a URL.
    """

    def __init__(self, url: str, scratch: str = ""):
        self._files, self._path = fsspec.core.url_to_fs(url)
        self._scratch = scratch or None

    def names(self) -> list[str]:
        """What is in it."""
        self._files.invalidate_cache()  # others write here, too
        try:
            paths = self._files.ls(self._path, detail=False)
        except FileNotFoundError:
            return []
        return [path.rstrip("/").rpartition("/")[2] for path in paths]

    def read(self, name: str) -> BinaryIO:
        """Fetch a file, and open what was fetched."""
        fd, draft = tempfile.mkstemp(dir=self._scratch)
        os.close(fd)
        try:
            self._files.get_file(self._at(name), draft)
            return open(draft, "rb")
        finally:
            os.unlink(draft)

    def write(self, name: str, fill: Callable[[BinaryIO], None]) -> None:
        """Make a file here, and send it there."""
        fd, draft = tempfile.mkstemp(dir=self._scratch)
        try:
            with os.fdopen(fd, "w+b") as file:
                fill(file)
            self._files.makedirs(self._path, exist_ok=True)
            self._files.put_file(draft, self._at(name))
        finally:
            os.unlink(draft)

    def remove(self, name: str) -> None:
        """Remove a file or a folder."""
        with suppress(FileNotFoundError):
            self._files.rm(self._at(name), recursive=True)

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"
