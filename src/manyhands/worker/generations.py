"""What is saved again and again, each time as a file of its own: the newest one that is whole counts.

A file's name has its number, and its content begins with a checksum, so nothing else has to be kept in step: no
pointer, and no lock. The last two are kept, as the newest one may turn out to be damaged, or half written where a file
system shows such files.

    8 bytes   magic
    4 bytes   CRC-32 of the content
    8 bytes   its length
    ...       the content

Numbers are little-endian.
"""

from __future__ import annotations

import errno
import logging
import os
from zlib import crc32

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO, TypeVar

    from manyhands.worker.storage import Storage

    T = TypeVar("T")

log = logging.getLogger("manyhands")

_MAGIC = b"manyckp1"
_HEAD_BYTES = len(_MAGIC) + 4 + 8
_CHUNK_BYTES = 1 << 20
_LOOKS = 20  # how often a writer may have gone on and removed what was just going to be read


class DamagedError(Exception):
    """A file is not what was once saved, or cannot be understood."""


class Draft:
    """The content of a generation while it is written.

    Args:
        file: Where to.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self.restart()

    def restart(self) -> None:
        """Forget what was written."""
        self._crc = self._size = 0
        self._file.seek(_HEAD_BYTES)
        self._file.truncate()

    def write(self, data: bytes | memoryview) -> int:
        """Add to the content."""
        n_bytes = memoryview(data).nbytes
        self._crc = crc32(data, self._crc)
        self._size += n_bytes
        self._file.write(data)
        return n_bytes

    def finish(self) -> None:
        """Write what tells later that all of it is there."""
        self._file.seek(0)
        self._file.write(_MAGIC + self._crc.to_bytes(4, "little") + self._size.to_bytes(8, "little"))


class Generations:
    """The generations of one thing, in a storage.

    Args:
        storage: Where they are.
        kind: What the thing is called there.
        owner: Whose it is, for people.
    """

    def __init__(self, storage: Storage, kind: str, owner: str):
        self._storage = storage
        self._kind = kind
        self._owner = owner
        self._numbers: set[int] | None = None  # those that are there, as far as this process knows
        self._good: int | None = None  # the newest of which it is known, or has to be hoped, that it is whole

    def save(self, write: Callable[[Draft], None]) -> None:
        """Add a generation, and remove those before the last one.

        Args:
            write: Writes it.
        """

        def fill(file: BinaryIO) -> None:
            draft = Draft(file)
            write(draft)
            draft.finish()

        if self._numbers is None:
            self._numbers = self._look()
        newest = max(self._numbers, default=-1)
        previous = newest if self._good is None else self._good
        self._storage.write(self._name(newest + 1), fill)
        self._good = newest + 1
        self._numbers.add(newest + 1)
        self._remove(self._numbers - {previous, newest + 1})

    def newest(self, read: Callable[[BinaryIO], T], default: T) -> T:
        """Return what the newest generation holds that is whole, or the default if there is none.

        Args:
            read: Makes of the content what is returned.
            default: Is returned if there is none.
        """
        for _ in range(_LOOKS):
            self._numbers = self._look()
            try:
                return self._newest_of(sorted(self._numbers, reverse=True), read, default)
            except FileNotFoundError:
                continue  # whoever writes them has added another and removed this one
        return default

    def _newest_of(self, numbers: list[int], read: Callable[[BinaryIO], T], default: T) -> T:
        for number in numbers:
            with self._storage.read(self._name(number)) as file:
                try:
                    _check(file)
                    found = _understand(file, read)
                except DamagedError as error:
                    self._complain(number, error, is_last=number == numbers[-1])
                    continue
                self._good = number
                return found
        return default

    def _remove(self, numbers: set[int]) -> None:
        assert self._numbers is not None  # noqa: S101
        for number in numbers:
            try:
                self._storage.remove(self._name(number))
                self._numbers.discard(number)
            except Exception as error:  # the next one is saved, which is what counts; this will be tried again
                log.warning("The old checkpoint %s of %s stays: %s", self._name(number), self._owner, error)

    def _look(self) -> set[int]:
        prefix = f"{self._kind}-"
        ends = [name.removeprefix(prefix) for name in self._storage.names() if name.startswith(prefix)]
        return {int(end) for end in ends if end.isdigit()}

    def _name(self, number: int) -> str:
        return f"{self._kind}-{number:08d}"

    def _complain(self, number: int, error: DamagedError, *, is_last: bool) -> None:
        instead = "there is no other, so it counts as none" if is_last else "the one before it is used instead"
        log.warning("The checkpoint %s of %s is damaged: %s; %s.", self._name(number), self._owner, error, instead)


def _check(file: BinaryIO) -> None:
    try:
        head = file.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES or not head.startswith(_MAGIC):
            raise DamagedError("it does not begin as a checkpoint does")
        size = int.from_bytes(head[-8:], "little")
        there = os.fstat(file.fileno()).st_size - _HEAD_BYTES
        if there != size:
            raise DamagedError(f"it has {there} bytes and should have {size}")
        crc = 0
        while chunk := file.read(_CHUNK_BYTES):
            crc = crc32(chunk, crc)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise DamagedError(f"the disk cannot read it ({error})") from error
    if crc != int.from_bytes(head[-12:-8], "little"):
        raise DamagedError("its checksum is wrong")
    file.seek(_HEAD_BYTES)


def _understand(file: BinaryIO, read: Callable[[BinaryIO], T]) -> T:
    try:
        return read(file)
    except FileNotFoundError as error:  # of what is read, and not of the generation itself
        raise DamagedError(f"it cannot be read: {error}") from error
    except (OSError, MemoryError):  # a full disk says nothing about the checkpoint
        raise
    except Exception as error:
        raise DamagedError(f"it cannot be read: {type(error).__name__}: {error}") from error
