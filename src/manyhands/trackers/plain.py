"""Shows a search as plain lines, for files and pipes."""

from collections.abc import Sequence
from typing import TextIO

from manyhands.space import Space
from manyhands.trackers.stream import write_lines
from manyhands.trackers.tally import Tally
from manyhands.trackers.words import (
    beginning,
    best_so_far,
    earlier_runs,
    facts,
    progress,
    time_left,
    values_in_short,
)

_LOOK_S = 1.0
_LINE_S = 5.0  # between two lines at first; a long search writes fewer
_LONGEST_LINE_S = 60.0


class PlainLines:
    """Writes a line for each new best, and every few seconds one of where the search stands.

    Attributes:
        next_at: When to draw next.
    """

    def __init__(self, stream: TextIO | None, tally: Tally, space: Space):
        self._stream = stream
        self._tally = tally
        self._space = space
        self._latest = tally.incumbents.latest
        self._line_at = tally.began_at + _LINE_S
        self.next_at = 0.0

    def begin(self) -> None:
        """Say what is about to happen."""
        write_lines(self._stream, [beginning(self._tally), *earlier_runs(self._tally)])

    def draw(self, at: float, news: Sequence[str]) -> None:
        """Write what is new."""
        self.next_at = at + _LOOK_S
        write_lines(self._stream, [*news, *self._new_best(), *self._standing(at)])

    def end(self, news: Sequence[str]) -> None:
        """Write the last lines."""
        write_lines(self._stream, news)

    def _new_best(self) -> list[str]:
        latest = self._tally.incumbents.latest
        if latest is None or latest is self._latest:
            return []
        self._latest = latest
        what = "best" if self._tally.incumbents.best is not None else "on the Pareto front:"
        return [f"New {what} {values_in_short(self._tally, self._space, latest)}"]

    def _standing(self, at: float) -> list[str]:
        if at < self._line_at:
            return []
        tally = self._tally
        self._line_at = at + min(_LONGEST_LINE_S, max(_LINE_S, (at - tally.began_at) / 10))
        return [", ".join([progress(tally), *best_so_far(tally), *facts(tally, at), *time_left(tally, at)])]
