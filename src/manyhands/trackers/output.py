"""What trials print, cut into lines, and held down to what a person can follow."""

from collections.abc import Iterable

from manyhands.trackers.words import LONGEST_LINE, one_line

_MOST_LINES = 10  # at a time
_MOST_CHARS = 8000
_NOTICE_S = 5.0


class Output:
    """Keeps what trials print until it is shown."""

    def __init__(self) -> None:
        self._pieces: list[tuple[int, str]] = []
        self._n_chars = 0
        self._open: dict[int, str] = {}  # the last line of each trial, while it has no end
        self._n_withheld = 0
        self._notice_at = 0.0

    def add(self, trial_id: int, text: str) -> None:
        """Take in what a trial printed."""
        room = _MOST_CHARS - self._n_chars
        if len(text) > room:
            self._n_withheld += text.count("\n", room)
            text = text[:room]
        if text:
            self._n_chars += len(text)
            self._pieces.append((trial_id, text))

    def finish(self, trial_id: int) -> None:
        """The trial prints no more: what it left open is a line."""
        self._pieces.append((trial_id, "\n"))

    def take(self, at: float, *, last: bool = False) -> list[str]:
        """The lines to show now."""
        pieces, self._pieces, self._n_chars = self._pieces, [], 0
        lines = [line for trial_id, text in pieces for line in self._cut(trial_id, text)]
        self._n_withheld += max(0, len(lines) - _MOST_LINES)
        del lines[_MOST_LINES:]
        if self._n_withheld and (last or at >= self._notice_at):
            self._notice_at = at + _NOTICE_S
            lines.append(f"[{self._n_withheld} more lines were printed than are shown; the study's log has them all]")
            self._n_withheld = 0
        return lines

    def _cut(self, trial_id: int, text: str) -> Iterable[str]:
        *whole, rest = (self._open.pop(trial_id, "") + text).split("\n")
        if rest:
            begin = rest.rfind("\r", 0, -1) + 1
            self._open[trial_id] = rest[begin : begin + LONGEST_LINE]
        for line in whole:
            shown = one_line(line.rstrip("\r").rpartition("\r")[2])  # of a progress bar, where it stood last
            if shown:
                yield f"[trial {trial_id}] {shown}"
