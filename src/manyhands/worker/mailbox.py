"""How one thread passes things on to another with nothing to import: ``queue`` would bring ``threading`` along."""

from __future__ import annotations

from _thread import allocate_lock

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from typing import Any


class Mailbox:
    """Holds things in order, for one thread that puts them in and one that takes them out."""

    def __init__(self) -> None:
        self._things: list[Any] = []
        self._pause = allocate_lock()  # the taker waits here; released whenever there is something new
        self._pause.acquire()

    def put(self, thing: Any) -> None:
        """Add a thing."""
        self._things.append(thing)
        if self._pause.locked():  # else an earlier thing has released it, and the taker did not have to wait for that
            self._pause.release()

    def take(self) -> Any:
        """Remove the oldest thing and return it; waits until there is one."""
        while True:
            try:
                return self._things.pop(0)
            except IndexError:
                self._pause.acquire()

    def empty(self) -> list[Any]:
        """Remove all things and return them, in order; for the thread that puts."""
        things: list[Any] = []
        while self._things:
            try:
                things.append(self._things.pop())  # one by one, as the other thread may take some meanwhile
            except IndexError:
                break
        return things[::-1]
