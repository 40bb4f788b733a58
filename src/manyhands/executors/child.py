"""One worker process, seen from its parent: born, spoken to, listened to, buried."""

import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import manyhands
from manyhands.trial import Part
from manyhands.wire.frames import Frames
from manyhands.wire.messages import Order, Setup, pack_order

_PACKAGE_ROOT = str(Path(manyhands.__file__).parent.parent)
_TAIL_BYTES = 4096
_READ_BYTES = 1 << 18


class Child:
    """A worker process and the parent's end of its socket.

    Args:
        name: The worker's name.
        folder: Where its spool goes.
        env: Its environment.
        setup: Its first message.

    Attributes:
        parts: What it was given and has not answered yet, the one it is at first.
        has_joined: Whether it has said hello.
        is_kept: Whether it has had another job before.
        verdict: Why its parent killed it; empty if it did not.
        pidfd: Readable when the process has ended; -1 where the system has no such thing.
    """

    def __init__(self, name: str, folder: Path, env: Mapping[str, str], setup: Setup):
        self.name = name
        self.parts: deque[Part] = deque()
        self.has_joined = False
        self.is_kept = False
        self.verdict = ""
        self._spool = folder / f"{name}.out"
        self._shipped = 0
        self._frames = Frames()
        self._outbox = b""
        self.socket, theirs = socket.socketpair()
        with theirs, self._spool.open("a+b") as spool:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with our own code
                [sys.executable, "-c", _boot(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=spool,
                stderr=spool,
                pass_fds=[theirs.fileno()],
                env=dict(env),
                start_new_session=True,  # a group of its own, so that all it starts can be killed with it
            )
        self.socket.setblocking(False)
        self.pidfd = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else -1
        self.send(setup)

    @property
    def pid(self) -> int:
        """The id of the process, and of its group."""
        return self._process.pid

    @property
    def is_idle(self) -> bool:
        """Whether it is ready, and has nothing to do."""
        return self.has_joined and not self.parts

    # -- speaking ----------------------------------------------------------------------------------------------

    def send(self, order: Order) -> None:
        """Send a message; what the socket does not take now is kept for ``flush``."""
        self._outbox += pack_order(order)
        self.flush()

    def begin(self, setup: Setup) -> None:
        """Let it take up another job; it has none now."""
        self.has_joined = False
        self.is_kept = True
        self.send(setup)

    def flush(self) -> None:
        """Send what is left over. Never waits: a worker may itself be waiting to be heard."""
        while self._outbox:
            try:
                sent = self.socket.send(self._outbox)
            except BlockingIOError:
                return
            except OSError:  # it is dead; that is noticed elsewhere
                self._outbox = b""
                return
            self._outbox = self._outbox[sent:]

    @property
    def has_backlog(self) -> bool:
        """Whether ``flush`` has more to do."""
        return bool(self._outbox)

    # -- listening ---------------------------------------------------------------------------------------------

    def receive(self) -> list[bytes] | None:
        """The messages that have arrived; None if the other end is closed and nothing is left to read."""
        try:
            data = self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self._frames.feed(data) if data else None

    def has_printed(self, upto: int) -> None:
        """Note how much of its spool the worker has handed on."""
        self._shipped = upto

    def last_words(self) -> str:
        """What it wrote and could not hand on any more."""
        try:
            size = self._spool.stat().st_size
            with self._spool.open("rb") as file:
                file.seek(self._shipped if self._shipped <= size else 0)  # it may have been emptied since
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def log_tail(self) -> str:
        """The last lines it wrote, whether handed on or not."""
        try:
            with self._spool.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-20:])

    # -- the end -----------------------------------------------------------------------------------------------

    def kill(self, verdict: str) -> None:
        """Kill it and all it started; its end is then noticed as any other."""
        self.verdict = self.verdict or verdict
        _kill_group(self.pid)

    def has_exited(self) -> bool:
        """Whether the process has ended. It is left unburied, so that its id stays its own."""
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def bury(self, timeout_s: float = 5.0) -> str:
        """Make sure that it and all it started are gone, and return how it ended, in words."""
        _kill_group(self.pid)  # before waiting: until then, the id cannot belong to anybody else
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:  # in the kernel's hands (a dead disk, say); it cannot run any more code
            code = -signal.SIGKILL
        self.socket.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        return self.verdict or _how_it_ended(code)


def _boot(fd: int) -> str:
    return f"import sys; sys.path.insert(0, {_PACKAGE_ROOT!r}); from manyhands.worker.main import main; main({fd})"


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (
        ProcessLookupError,
        PermissionError,
    ):  # macOS says the latter of groups that only a zombie is left of
        return


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"its process ended by itself, with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hints = {
        "SIGKILL": "; perhaps the system had run out of memory",
        "SIGSEGV": "; a library crashed (segmentation fault)",
        "SIGABRT": "; a library gave up (abort)",
        "SIGBUS": "; memory or disk ran out under a mapped file",
    }
    return f"its process was killed by {name}{hints.get(name, '')}"
