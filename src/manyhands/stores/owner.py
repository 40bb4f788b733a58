"""Who drives a study, and whether that process still lives."""

import json
import os
import socket
import time
from pathlib import Path

from msgspec import Struct

#: An owner on another machine that has not been seen for so long is taken to be dead. If it is not, its next write is
#: refused, since the study's epoch has moved on.
_STALE_S = 120.0

_ours: set[str] = set()  # the tokens of this process's own searches


class Owner(Struct, frozen=True):
    """A process that drives, or drove, a study.

    Attributes:
        host: Its machine.
        pid: Its process id.
        born_at: When the process started, in the kernel's own count, since ids are used again; 0 if unknown.
        since: When it took the study, in seconds since 1970.
        token: Tells apart the searches of one process.
    """

    host: str
    pid: int
    born_at: int
    since: float
    token: str = ""

    @classmethod
    def this_process(cls) -> "Owner":
        """The owner that a search of this process is, from now on until ``retire``."""
        token = os.urandom(8).hex()
        _ours.add(token)
        return cls(socket.gethostname(), os.getpid(), _stat(os.getpid())[1], time.time(), token)

    def retire(self) -> None:
        """Note that the search is over, even if that could not be written down."""
        _ours.discard(self.token)

    def is_alive(self, seen_at: float) -> bool:
        """Whether it still drives, as far as can be told from here.

        Args:
            seen_at: When it last showed that it lives, in seconds since 1970.
        """
        was_seen = time.time() - seen_at < _STALE_S
        if self.host != socket.gethostname():
            return was_seen
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it is there, and somebody else's
        state, born_at = _stat(self.pid)
        if self.born_at and born_at and self.born_at != born_at:
            return False
        if self.pid == os.getpid():
            return self.token in _ours
        return was_seen if state in ("T", "Z", "X") else True  # stopped, or dead but for its parent's glance

    def describe(self) -> str:
        """The owner in words, for error messages."""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host}, since {since}"

    def to_json(self) -> str:
        """As text for the store."""
        return json.dumps({field: getattr(self, field) for field in self.__struct_fields__})


def _stat(pid: int) -> tuple[str, int]:
    """State and start time of a process; empty and 0 where the system has no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[19])
