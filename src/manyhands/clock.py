"""The time, for everything that must not jump when somebody sets the clock."""

import time


class SystemClock:
    """Seconds since 1970 as they were at the start, and from then on by a clock that only goes forward."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since 1970, never going backwards."""
        return time.monotonic() + self._offset
