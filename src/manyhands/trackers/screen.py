"""Decides when the live display is drawn, and goes on without it where it cannot be."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from manyhands.space import Space
from manyhands.trackers.stream import write_lines
from manyhands.trackers.tally import Tally
from manyhands.trackers.words import earlier_runs

if TYPE_CHECKING:
    from manyhands.trackers.live import LiveDisplay

_LIVE_AFTER_S = 0.3  # a search that is over by then needs no display
_FRAME_S = 0.25
_SHARE_OF_TIME = 0.05  # of the driver's time, at most, goes into drawing


class Screen:
    """Shows a search on a terminal.

    Attributes:
        next_at: When to draw next.
    """

    def __init__(self, stream: TextIO, tally: Tally, space: Space):
        self._stream = stream
        self._tally = tally
        self._space = space
        self._display: LiveDisplay | None = None
        self._is_broken = False
        self.next_at = 0.0

    def begin(self) -> None:
        """Say what is there already."""
        write_lines(self._stream, earlier_runs(self._tally))

    def draw(self, at: float, news: Sequence[str]) -> None:
        """Show what is new, above where the search stands."""
        before = time.perf_counter()
        if self._is_broken or at - self._tally.began_at < _LIVE_AFTER_S:
            write_lines(self._stream, news)
        else:
            self._show(at, news)
        self.next_at = at + max(_FRAME_S, (time.perf_counter() - before) / _SHARE_OF_TIME)

    def end(self, news: Sequence[str]) -> None:
        """Take the display away, and write the last lines."""
        self._close()
        write_lines(self._stream, news)

    def _show(self, at: float, news: Sequence[str]) -> None:
        try:
            if self._display is None:
                from manyhands.trackers.live import LiveDisplay  # takes as long to import as a small search to run

                self._display = LiveDisplay(self._stream, self._tally, self._space)
            self._display.show(at, news)
        except (OSError, ValueError):  # the terminal is gone, or lacks a character
            self._is_broken = True
            self._close()

    def _close(self) -> None:
        display, self._display = self._display, None
        try:
            if display is not None:
                display.close()
        except (OSError, ValueError):
            self._is_broken = True
