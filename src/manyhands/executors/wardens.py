"""The driver's side of the warden, the small process that clears up if the driver is killed."""

import pkgutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PATIENCE_S = 2.0


class Warden:
    """A process that kills process groups, and removes a folder, when this process is gone.

    Args:
        folder: The folder to remove.
        groups: The process groups there are. They are its arguments, so there is no moment in which it is there and
            does not know them.
    """

    def __init__(self, folder: Path, groups: Iterable[int]):
        self._process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-I", "-S", "-c", _source(), str(folder), *map(str, groups)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        """Let it know of one more process group."""
        self._tell(f"add {group}")

    def forget(self, group: int) -> None:
        """Let it know that a process group has ended."""
        self._tell(f"del {group}")

    def dismiss(self) -> None:
        """Send it home: everything is in order."""
        self._tell("done")
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):  # somebody killed it; workers still notice by themselves that they are alone
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()


def _source() -> str:
    """The warden's program: as text, since the package may be a zip file that is gone before the warden is."""
    source = pkgutil.get_data("manyhands.worker", "warden.py")
    assert source is not None  # noqa: S101 - None is for loaders that have no data
    return source.decode()
