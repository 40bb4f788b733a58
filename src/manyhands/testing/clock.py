"""A clock that stands still until it is told to go on."""


class ManualClock:
    """Tells a time that only the test moves; see ``manyhands.ports.Clock``.

    Args:
        at: Where to begin, in seconds since 1970.

    Example:
        >>> clock = ManualClock(100.0)
        >>> clock.advance(2.5)
        >>> clock.now()
        102.5
    """

    def __init__(self, at: float = 0.0):
        self._at = at

    def now(self) -> float:
        """The time it was set to."""
        return self._at

    def advance(self, seconds: float) -> None:
        """Let time go by.

        Raises:
            ValueError: ``seconds`` is below 0, and no clock here goes backwards.
        """
        if seconds < 0:
            raise ValueError(f"advance({seconds!r}): time does not go backwards.")
        self._at += seconds
