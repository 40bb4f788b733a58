"""What is to be done when tasks are over, in a thread of its own: it may take long, and wait for other tasks."""

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

log = logging.getLogger("manyhands")


class Callbacks:
    """Runs functions one after another, in the order in which they come.

    joblib takes the next task from the user's iterator in such a function. The iterator may itself wait for tasks of
    the same pool, so it must not run in the pool's thread.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        threading.Thread(target=self._run, name="manyhands-callbacks", daemon=True).start()

    def put(self, callback: Callable[[], object]) -> None:
        """Run a function soon."""
        self._queue.put(callback)

    def close(self) -> None:
        """End the thread, after what was put so far."""
        self._queue.put(None)

    def _run(self) -> None:
        while (callback := self._queue.get()) is not None:
            try:
                callback()
            except Exception:
                log.exception("what follows a task of joblib failed")
