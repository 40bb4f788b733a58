"""Shows on the console how a search goes: live on a terminal, as plain lines elsewhere.

The hooks only count and note. What they noted is shown by ``tick``, a few times a second at most, and showing it costs
the same however many trials are done. Rich takes as long to import as a small search to run, so it is only loaded on a
terminal, and only once the search has gone on for a moment.
"""

import os
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TextIO

from manyhands.clock import SystemClock
from manyhands.ports import Clock, StudySpec, Tracker
from manyhands.results import show, show_seconds
from manyhands.space import Point, Space
from manyhands.trial import Report, Trial, TrialState

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.table import Table

_LIVE_AFTER_S = 0.3  # a search that is over by then needs no display
_FRAME_S = 0.25
_SHARE_OF_TIME = 0.05  # of the driver's time, at most, goes into drawing
_LINE_S = 5.0  # between two plain lines at first; a long search writes fewer
_LONGEST_LINE_S = 60.0
_MOST_ROWS = 10
_MOST_LINES = 10  # of the trials' output, in each frame
_MOST_CHARS = 8000
_NOTICE_S = 5.0
_MOST_KINDS = 20  # of failures that are announced
_LONGEST_TEXT = 300

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")


class ConsoleTracker(Tracker):
    """Shows a search on standard error; on standard output if only that is a terminal.

    Args:
        space: What is searched.
        clock: Tells when the search begins and ends.
        shows_output: Whether to show what trials print. Not wanted where they print to this console themselves.
    """

    def __init__(self, space: Space, *, clock: Clock | None = None, shows_output: bool = True):
        self._space = space
        self._clock = clock or SystemClock()
        self._shows_output = shows_output
        self._news: list[str] = []
        self._kinds: set[str] = set()

    def started(self, spec: StudySpec, n_workers: int, trials: Mapping[int, Trial], max_trials: int | None) -> None:
        """Count the trials of earlier runs, and find out what kind of console this is."""
        self._tally = Tally(spec, n_workers, trials, max_trials, self._clock.now())
        terminal = _terminal()
        self._output = Output() if terminal is not None and self._shows_output else None
        self._face: _Lines | _Screen = (
            _Screen(terminal, self._tally, self._space) if terminal else _Lines(sys.stderr, self._tally, self._space)
        )
        self._face.begin()

    def trial_started(self, trial: Trial) -> None:
        """Note that it runs."""
        self._tally.running[trial.id] = Running(trial)

    def reported(self, trial: Trial, reports: Sequence[Report]) -> None:
        """Keep the last report."""
        running = self._tally.running.get(trial.id)
        if running is not None and reports:
            running.report = reports[-1]

    def logged(self, trial_id: int, text: str) -> None:
        """Keep what was printed until it can be shown."""
        if self._output is not None:
            self._output.add(trial_id, text)

    def trial_ended(self, trial: Trial) -> None:
        """Count it."""
        self._tally.count(trial)
        if self._output is not None:
            self._output.finish(trial.id)
        if trial.state is TrialState.FAILED:
            self._announce_failure(trial)

    def tick(self, at: float) -> None:
        """Show what has changed."""
        if at >= self._face.next_at:
            self._face.draw(at, self._take_news(at))

    def ended(self, reason: str) -> None:
        """Take the display away, and say in a line or two what came out."""
        at = self._clock.now()
        self._face.end(at, [*self._take_news(at, last=True), *_last_lines(self._tally, self._space, at, reason)])

    def _announce_failure(self, trial: Trial) -> None:
        kind = trial.reason.partition(":")[0]
        if kind not in self._kinds and len(self._kinds) < _MOST_KINDS:
            self._kinds.add(kind)
            self._news.append(f"Trial {trial.id} failed because {one_line(trial.reason)}")

    def _take_news(self, at: float, *, last: bool = False) -> list[str]:
        news, self._news = self._news, []
        return news if self._output is None else [*self._output.take(at, last=last), *news]


# -- what is known -----------------------------------------------------------------------------------------------


class Running:
    """A trial that runs, the last it reported, and its params in short once they were shown."""

    __slots__ = ("params", "report", "trial")

    def __init__(self, trial: Trial):
        self.trial = trial
        self.report: Report | None = None
        self.params: str | None = None


class Tally:
    """Where a search stands.

    Args:
        spec: What makes the study the one it is.
        n_workers: How many trials can run at a time.
        trials: Those of earlier runs. Those without an end will run again.
        max_trials: How many there will be, if that is known.
        at: When the search begins.

    Attributes:
        running: Those on their way, by id; the last of them may still wait for a worker.
        states: How many trials ended in each state.
        best: The best finished trial.
        n_done: How many trials have their outcome.
        n_before: How many of these came from earlier runs.
        n_lost: How many attempts were lost with their workers.
    """

    def __init__(self, spec: StudySpec, n_workers: int, trials: Mapping[int, Trial], max_trials: int | None, at: float):
        self.spec = spec
        self.n_workers = n_workers
        self.max_trials = max_trials
        self.began_at = at
        self.running: dict[int, Running] = {}
        self.states: Counter[TrialState] = Counter()
        self.best: Trial | None = None
        self.n_done = 0
        self.n_lost = 0
        for trial in trials.values():
            if trial.state.is_end:
                self.count(trial)
            else:
                self.running[trial.id] = Running(trial)
        self.n_before = self.n_done
        self._marks = deque([(at, self.n_done)])

    def count(self, trial: Trial) -> None:
        """A trial does not run any more."""
        self.running.pop(trial.id, None)
        self.states[trial.state] += 1
        self.n_lost += len(trial.lost)
        if trial.state.is_end:
            self.n_done += 1
        if trial.state is TrialState.FINISHED and trial.value is not None and self._is_best(trial.value):
            self.best = trial

    def _is_best(self, value: float) -> bool:
        if self.best is None or self.best.value is None:
            return True
        return value < self.best.value if self.spec.direction == "minimize" else value > self.best.value

    @property
    def n_running(self) -> int:
        """How many trials workers are at."""
        return min(len(self.running), self.n_workers)

    def pace(self, at: float) -> float | None:
        """Trials per second: those of the last minute, or of the whole run if these are few."""
        if at - self._marks[-1][0] >= 1:
            self._marks.append((at, self.n_done))
            while at - self._marks[0][0] > 60:
                self._marks.popleft()
        since, n_then = self._marks[0]
        if self.n_done - n_then < 10:
            since, n_then = self.began_at, self.n_before
        return (self.n_done - n_then) / (at - since) if self.n_done > n_then and at > since else None

    def states_in_words(self) -> list[str]:
        """How many trials ended in which way, leaving out what there is none of."""
        return [f"{n} {state.value}" for state, n in self.states.items() if n]

    def facts(self, at: float) -> list[str]:
        """The numbers that one wants to see while waiting."""
        pace = self.pace(at)
        facts = [f"{self.n_running} running", *self.states_in_words()]
        if self.n_lost:
            facts.append(f"{_count(self.n_lost, 'attempt')} lost")
        if pace is not None:
            facts.append(f"{pace * 60:.3g} trials/min" if pace < 10 else f"{pace:.0f} trials/s")
        return facts

    def time_left(self, at: float) -> str:
        """How long it will take to run the rest at the present pace; empty if nobody can tell."""
        pace = self.pace(at)
        if pace is None or self.max_trials is None:
            return ""
        return f"about {_minutes((self.max_trials - self.n_done) / pace)} left"

    def progress(self) -> str:
        """How many trials are done, and of how many."""
        return f"{self.n_done}" if self.max_trials is None else f"{self.n_done}/{self.max_trials}"


class Output:
    """What trials print, cut into lines, and held down to what a person can follow."""

    def __init__(self) -> None:
        self._pieces: list[tuple[int, str]] = []
        self._n_chars = 0
        self._open: dict[int, str] = {}  # trials whose last line has no end yet, and what was shown of none of it
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
            if not text.endswith("\n"):
                self._open.setdefault(trial_id, "")

    def finish(self, trial_id: int) -> None:
        """The trial prints no more: what it left open is a line."""
        if trial_id in self._open:
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
            self._open[trial_id] = rest[:_LONGEST_TEXT]
        for line in whole:
            shown = one_line(line.rstrip("\r").rpartition("\r")[2])  # of a progress bar, where it stood last
            if shown:
                yield f"[trial {trial_id}] {shown}"


# -- two ways to show it -----------------------------------------------------------------------------------------


class _Lines:
    """Plain lines, for files and pipes."""

    def __init__(self, stream: TextIO | None, tally: Tally, space: Space):
        self._stream = stream
        self._tally = tally
        self._space = space
        self._best = tally.best
        self._line_at = tally.began_at + _LINE_S
        self.next_at = 0.0

    def begin(self) -> None:
        spec, tally = self._tally.spec, self._tally
        goal = "" if tally.max_trials is None else f", {_count(tally.max_trials, 'trial')}"
        _write(
            self._stream,
            [
                f"Study {spec.name!r} begins: {spec.direction}{goal}, {_count(tally.n_workers, 'worker')}.",
                *_earlier(tally),
            ],
        )

    def draw(self, at: float, news: Sequence[str]) -> None:
        self.next_at = at + 1
        lines = [*news, *self._new_best()]
        if at >= self._line_at:
            self._line_at = at + min(_LONGEST_LINE_S, max(_LINE_S, (at - self._tally.began_at) / 10))
            lines.append(self._line(at))
        _write(self._stream, lines)

    def end(self, at: float, news: Sequence[str]) -> None:
        _write(self._stream, news)

    def _new_best(self) -> list[str]:
        best = self._tally.best
        if best is None or best is self._best:
            return []
        self._best = best
        return [f"New best {show(best.value)}, by trial {best.id}: {params_in_short(self._space, best.point)}"]

    def _line(self, at: float) -> str:
        tally = self._tally
        best = [] if tally.best is None else [f"best {show(tally.best.value)}"]
        left = tally.time_left(at)
        return ", ".join([f"{tally.progress()} done", *best, *tally.facts(at), *([left] if left else [])])


class _Screen:
    """A live display, for terminals."""

    def __init__(self, stream: TextIO, tally: Tally, space: Space):
        self._stream = stream
        self._tally = tally
        self._space = space
        self._live: Live | None = None
        self._is_broken = False
        self.next_at = 0.0

    def begin(self) -> None:
        _write(self._stream, _earlier(self._tally))

    def draw(self, at: float, news: Sequence[str]) -> None:
        before = time.perf_counter()
        if self._is_broken or (self._live is None and at - self._tally.began_at < _LIVE_AFTER_S):
            _write(self._stream, news)
        else:
            try:
                self._show(at, news)
            except (OSError, ValueError):  # the terminal is gone, or lacks a character
                self._is_broken = True
                self._stop()
        self.next_at = at + max(_FRAME_S, (time.perf_counter() - before) / _SHARE_OF_TIME)

    def end(self, at: float, news: Sequence[str]) -> None:
        self._stop()
        _write(self._stream, news)

    def _show(self, at: float, news: Sequence[str]) -> None:
        from rich.text import Text

        live = self._live or self._start()
        with live.console:  # writes both at once, so that nothing flickers
            if news:
                live.console.print(Text("\n".join(news)), soft_wrap=True)
            live.update(self._frame(at, live.console), refresh=True)

    def _start(self) -> "Live":
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=Console(file=self._stream),
            auto_refresh=False,
            transient=True,
            vertical_overflow="crop",
            redirect_stdout=_is_terminal(sys.stdout),  # what goes into a file must still go there
            redirect_stderr=_is_terminal(sys.stderr),
        )
        self._live.start()
        return self._live

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            try:
                live.stop()
            except (OSError, ValueError):
                self._is_broken = True

    def _frame(self, at: float, console: "Console") -> "RenderableType":
        from rich.console import Group
        from rich.constrain import Constrain
        from rich.text import Text

        tally = self._tally
        best = "no value yet"
        if tally.best is not None:
            params = params_in_short(self._space, tally.best.point)
            best = f"best {show(tally.best.value)}, by trial {tally.best.id}: {params}"
        group = Group(
            self._head(at),
            Text("   ".join(tally.facts(at)), no_wrap=True, overflow="ellipsis"),
            Text(best, style="bold", no_wrap=True, overflow="ellipsis"),
            *self._rows(at, min(_MOST_ROWS, console.height - 6)),
        )
        return Constrain(group, console.width - 3)  # room for ^C: were a full line to wrap, the next frame were off

    def _head(self, at: float) -> "Table":
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        tally = self._tally
        head = Table.grid(padding=(0, 2))
        cells: list[RenderableType] = [Text(one_line(tally.spec.name)[:40], style="bold cyan", no_wrap=True)]
        if tally.max_trials is not None:
            cells.append(ProgressBar(total=tally.max_trials, completed=tally.n_done, width=30))
        words = [f"{tally.progress()} done", _minutes(at - tally.began_at), tally.time_left(at)]
        head.add_row(*cells, *(Text(word, no_wrap=True) for word in words))
        return head

    def _rows(self, at: float, n: int) -> "list[RenderableType]":
        from rich.table import Table
        from rich.text import Text

        tally = self._tally
        if n < 1 or not tally.running:
            return []
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=True)
        for title in ("trial", "time", "step", "value"):
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column("params", ratio=1, no_wrap=True, overflow="ellipsis")
        for running in islice(tally.running.values(), min(n, tally.n_running)):
            table.add_row(*map(Text, self._cells(running, at)))
        hidden = tally.n_running - n
        return [table] if hidden <= 0 else [table, Text(f"and {hidden} more", style="dim")]

    def _cells(self, running: Running, at: float) -> list[str]:
        if running.params is None:
            running.params = params_in_short(self._space, running.trial.point)
        report = running.report
        step, value = ("", "") if report is None else (str(report.step), show(report.value))
        since = max(running.trial.started_at, self._tally.began_at)
        return [str(running.trial.id), _minutes(at - since), step, value, running.params]


# -- words -------------------------------------------------------------------------------------------------------


def one_line(text: str) -> str:
    r"""Text that a console shows in one line, whatever it contains, cut off if it is long.

    Example:
        >>> one_line("red \x1b[31malert\x1b[0m")
        'red alert'
    """
    text = _ESCAPES.sub("", text[: 4 * _LONGEST_TEXT])
    text = "".join(c if c.isprintable() else " " for c in text).rstrip()
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."


def params_in_short(space: Space, point: Point) -> str:
    """The params in one line."""
    some = dict(islice(point.items(), 30))
    return one_line(", ".join(f"{name}={show(value)[:80]}" for name, value in space.label(some).items()))


def _earlier(tally: Tally) -> list[str]:
    n_again = len(tally.running)
    if not tally.n_before and not n_again:
        return []
    counts = ", ".join(tally.states_in_words()) or "none ended"
    done = f"after {_count(tally.n_before, 'trial')} of earlier runs ({counts})"
    best = "" if tally.best is None else f", best {show(tally.best.value)} by trial {tally.best.id}"
    again = f"; {n_again} that had not ended run again" if n_again else ""
    return [f"Study {tally.spec.name!r} goes on {done}{best}{again}."]


def _last_lines(tally: Tally, space: Space, at: float, reason: str) -> list[str]:
    counts = ", ".join(tally.states_in_words()) or "no trial ended"
    lost = f", {_count(tally.n_lost, 'attempt')} lost" if tally.n_lost else ""
    took = f", in {show_seconds(at - tally.began_at)}"
    if tally.n_before:
        took = f"; {_count(tally.n_before, 'trial')} of earlier runs, the others{took[1:]}"
    lines = [f"Study {tally.spec.name!r}: {counts}{lost}{took}. It ended because {one_line(reason)}."]
    if tally.best is not None:
        params = params_in_short(space, tally.best.point)
        lines.append(f"Best value {show(tally.best.value)}, by trial {tally.best.id}: {params}")
    return lines


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


# -- streams -----------------------------------------------------------------------------------------------------


def _terminal() -> TextIO | None:
    """The stream to draw on; None if there is none that can be drawn on."""
    if os.environ.get("TERM", "") == "dumb":
        return None
    return next((stream for stream in (sys.stderr, sys.stdout) if _is_terminal(stream)), None)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it was closed
        return False


def _write(stream: TextIO | None, lines: Sequence[str]) -> None:
    """Write lines, if the stream still takes them: a search must not end because nobody listens."""
    if stream is None or not lines:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = "".join(f"{line}\n" for line in lines)
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except (OSError, ValueError):
        return
