"""Draws where a search stands, over and over in the same place, and lets other lines pass above it."""

import sys
from collections.abc import Sequence
from itertools import islice
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from manyhands.results import show
from manyhands.space import Space
from manyhands.trackers.stream import is_terminal
from manyhands.trackers.tally import Tally
from manyhands.trackers.words import (
    best_so_far,
    facts,
    minutes,
    one_line,
    params_in_short,
    progress,
    time_left,
    values_in_short,
)
from manyhands.trial import Trial

_MOST_ROWS = 10
_OTHER_ROWS = 6  # what is not about a single trial, and room for the prompt
_ROOM = 3  # for ^C: were a full line to wrap, the next frame would be off


class LiveDisplay:
    """A display at the bottom of a terminal; it is there from the start until it is closed."""

    def __init__(self, stream: TextIO, tally: Tally, space: Space):
        self._tally = tally
        self._space = space
        self._live = Live(
            console=Console(file=stream),
            auto_refresh=False,
            transient=True,
            vertical_overflow="crop",
            redirect_stdout=is_terminal(sys.stdout),  # what goes into a file must still go there
            redirect_stderr=is_terminal(sys.stderr),
        )
        self._live.start()

    def show(self, at: float, news: Sequence[str]) -> None:
        """Print what is new, and draw the rest again below it."""
        console = self._live.console
        with console:  # writes both at once, so that nothing flickers
            if news:
                console.print(Text("\n".join(news)), soft_wrap=True)
            frame = self._frame(at, min(_MOST_ROWS, console.height - _OTHER_ROWS))
            self._live.update(Constrain(frame, console.width - _ROOM), refresh=True)

    def close(self) -> None:
        """Leave the terminal as if nothing had been drawn."""
        self._live.stop()

    def _frame(self, at: float, n_rows: int) -> Group:
        tally = self._tally
        return Group(
            self._head(at),
            Text("   ".join(facts(tally, at)), no_wrap=True, overflow="ellipsis"),
            Text(self._best(), style="bold", no_wrap=True, overflow="ellipsis"),
            *(self._running(at, n_rows) if n_rows > 0 and tally.running else []),
        )

    def _best(self) -> str:
        found = self._tally.incumbents
        if found.latest is None:
            return "".join(best_so_far(self._tally)) or "no value yet"
        words = values_in_short(self._tally, self._space, found.latest)
        return f"best {words}" if found.best is not None else f"{found.n_front} on the Pareto front, the latest {words}"

    def _head(self, at: float) -> Table:
        tally = self._tally
        cells: list[RenderableType] = [Text(one_line(tally.spec.name)[:40], style="bold cyan", no_wrap=True)]
        if tally.max_trials is not None:
            cells.append(ProgressBar(total=tally.max_trials, completed=tally.n_done, width=30))
        words = [progress(tally), minutes(at - tally.began_at), *time_left(tally, at)]
        head = Table.grid(padding=(0, 2))
        head.add_row(*cells, *(Text(word, no_wrap=True) for word in words))
        return head

    def _running(self, at: float, n_rows: int) -> list[RenderableType]:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=True)
        for title in ("trial", "time", "step", "value"):
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column("params", ratio=1, no_wrap=True, overflow="ellipsis")
        n_running = self._tally.n_running
        for trial in islice(self._tally.running.values(), min(n_rows, n_running)):
            table.add_row(*map(Text, self._row(trial, at)))
        n_hidden = n_running - n_rows
        return [table] if n_hidden <= 0 else [table, Text(f"and {n_hidden} more", style="dim")]

    def _row(self, trial: Trial, at: float) -> list[str]:
        report = self._tally.reports.get(trial.id)
        step, value = ("", "") if report is None else (str(report.step), show(report.value))
        since = max(trial.started_at, self._tally.began_at)
        return [str(trial.id), minutes(at - since), step, value, params_in_short(self._space, trial.point)]
