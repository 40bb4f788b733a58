"""Teams of workers that have nothing to do, kept for the next search in the same surroundings.

A process that has imported scikit-learn takes a second to make, and a script often fits one search after another.
"""

import atexit
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from manyhands.executors.team import Team

_lock = threading.RLock()
_kept: dict[Team, tuple["Surroundings", threading.Timer]] = {}  # the latest last
_left_behind: list[object] = []  # by a fork: what is the parent's, and must not be ended here

_PASSING = ("PYTEST_CURRENT_TEST",)  # in the environment, but of no meaning to a worker
#: Folders of code that nobody edits meanwhile.
_SHIPPED = tuple(f"{folder}{os.sep}" for folder in (sys.prefix, sys.base_prefix, Path(__file__).parent.parent))


class Surroundings(Struct, frozen=True):
    """What a process takes over from its parent when it is made, and could not be given later.

    Attributes:
        env: The environment.
        folder: The current folder.
        code: The user's own modules by file, each with the time of its last change.
    """

    env: Mapping[str, str]
    folder: str
    code: Mapping[str, int]

    @classmethod
    def now(cls, env: Mapping[str, str]) -> "Surroundings":
        """The surroundings of a process that is made now, with this environment."""
        try:
            folder = os.getcwd()
        except FileNotFoundError:  # somebody removed it
            folder = ""
        return cls({name: value for name, value in env.items() if name not in _PASSING}, folder, _code())

    def suits(self, later: "Surroundings") -> bool:
        """Whether a process that was made in these would be no other if it were made in the later ones."""
        is_same_code = all(later.code.get(file, changed_at) == changed_at for file, changed_at in self.code.items())
        return is_same_code and (self.env, self.folder) == (later.env, later.folder)


def keep(team: Team, surroundings: Surroundings, timeout_s: float) -> None:
    """Keep a team whose workers have nothing to do, for so many seconds at most."""
    timer = threading.Timer(timeout_s, _end, [team])
    timer.name = "manyhands-reserve"
    timer.daemon = True
    with _lock:
        _kept[team] = surroundings, timer
    timer.start()


def take(surroundings: Surroundings) -> Team | None:
    """Take a team that suits, if there is one. Others are ended: they hold memory, and are unlikely to be wanted."""
    found = None
    with _lock:
        for team, (theirs, timer) in reversed(_kept.copy().items()):
            suits = theirs.suits(surroundings)
            if suits and found is None:
                found = team
                timer.cancel()
                del _kept[team]
            elif not suits:
                _end(team)
    return found


def shutdown() -> None:
    """End all workers that wait for a search."""
    with _lock:
        for team in list(_kept):
            _end(team)


def _end(team: Team) -> None:
    with _lock:  # until the end, so that at the interpreter's exit nobody is in the middle of it
        entry = _kept.pop(team, None)
        if entry is None:  # somebody took it just now
            return
        entry[1].cancel()
        team.end()
        team.leave()


def _code() -> dict[str, int]:
    changed_at = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and module.__name__ != "__main__" and not file.startswith(_SHIPPED):
            try:
                changed_at[file] = os.stat(file).st_mtime_ns
            except OSError:
                continue
    return changed_at


def _forget() -> None:
    """After a fork, in the child: the workers are the parent's."""
    global _lock
    _left_behind.append(dict(_kept))
    _lock = threading.RLock()  # the parent's other threads may have held the old one
    _kept.clear()


atexit.register(shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
