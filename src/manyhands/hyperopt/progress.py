"""How a search's progress is shown: context managers of ``(initial, total)`` that yield something with ``update(n)``.

The bar is a line on the standard error. It leaves the standard output alone, so an objective may print, and have bars
of its own. Where no terminal is, lines are written now and then, as nobody wants a log full of bars.
"""

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator
from typing import IO, Any, cast

_REDRAW_S = 0.1
_LINE_S = 30.0
_CELLS = 20
_ENDLESS = sys.maxsize  # what a search without ``max_evals`` has for one


class Bar:
    """How many trials are done, of how many, how fast, and what ``postfix`` says.

    Args:
        initial: Done before.
        total: To be done in all. The largest int there is, or infinity, means that nobody knows.
        stream: Where to show it; by default what is the standard error when it begins.
    """

    def __init__(self, initial: int = 0, total: float | None = None, stream: IO[str] | None = None) -> None:
        self.n = self._initial = initial
        self.total = None if total is None or total >= _ENDLESS else int(total)
        self.postfix = "best loss: ?"
        self._stream = cast("IO[str]", sys.stderr) if stream is None else stream
        self._live = _is_live(self._stream)
        self._started = time.monotonic()
        self._next_s = 0.0 if self._live else _LINE_S
        self._width = 0

    def update(self, n: int = 1) -> None:
        """Note that some more are done, and show it unless that was done a moment ago."""
        self.n += n
        elapsed = time.monotonic() - self._started
        if elapsed >= self._next_s:
            self._show(elapsed)
            self._next_s = elapsed + (_REDRAW_S if self._live else _LINE_S)

    def close(self) -> None:
        """Show how it ended."""
        self._show(time.monotonic() - self._started)
        if self._live and self._width:
            self._write("\n")
            self._width = 0

    def clear(self) -> None:
        """Take the line away, so that something else can be printed there."""
        if self._live and self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def line(self, elapsed: float) -> str:
        """What there is to say.

        Args:
            elapsed: Since the beginning, in seconds.
        """
        rate = (self.n - self._initial) / elapsed if elapsed > 0 else 0.0
        times = f"{_clock(elapsed)}<{_clock(self._left(rate))}, {rate:.2f} trial/s, {self.postfix}"
        if self.total is None:
            return f"{self.n} trials [{times}]"
        share = min(1.0, self.n / self.total) if self.total else 1.0
        cells = "#" * round(share * _CELLS)
        return f"{share:4.0%}|{cells:<{_CELLS}}| {self.n}/{self.total} [{times}]"

    def _left(self, rate: float) -> float:
        return max(0, self.total - self.n) / rate if self.total is not None and rate else math.nan

    def _show(self, elapsed: float) -> None:
        text = self.line(elapsed)
        if not self._live:
            self._write(text + "\n")
            return
        self._write("\r" + text.ljust(self._width))
        self._width = len(text)

    def _write(self, text: str) -> None:
        # A search goes on when nobody can see how far it is.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


class _AboveBar:
    """A stream whose lines appear above a bar."""

    def __init__(self, stream: IO[str], bar: Bar) -> None:
        self._above, self._bar = stream, bar

    def write(self, text: str) -> int:
        self._bar.clear()
        return self._above.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._above, name)


class _Nothing:
    """Shows nothing."""

    postfix = ""

    def update(self, n: int = 1) -> None:
        pass


@contextlib.contextmanager
def bar_progress_callback(initial: int, total: float | None) -> Iterator[Bar]:
    """Show a bar, and leave standard output and error as they are."""
    bar = Bar(initial, total)
    try:
        yield bar
    finally:
        bar.close()


@contextlib.contextmanager
def tqdm_progress_callback(initial: int, total: float | None) -> Iterator[Bar]:
    """Show a bar below whatever is printed meanwhile, for which standard output and error are replaced.

    It is Hyperopt's default, and not this package's: libraries that look at their output can be irritated by it.
    """
    bar = Bar(initial, total)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = cast("Any", [_AboveBar(stream, bar) for stream in before])
    try:
        yield bar
    finally:
        sys.stdout, sys.stderr = before
        bar.close()


@contextlib.contextmanager
def no_progress_callback(initial: int, total: float | None) -> Iterator[_Nothing]:
    """Show nothing."""
    yield _Nothing()


#: What ``show_progressbar=True`` means.
default_callback = bar_progress_callback


def _is_live(stream: IO[str]) -> bool:
    """Whether a line can be written over: on a terminal, and in a notebook's cell."""
    in_notebook = type(stream).__module__.startswith("ipykernel")
    return in_notebook or (os.environ.get("TERM") != "dumb" and getattr(stream, "isatty", lambda: False)())


def _clock(seconds: float) -> str:
    if math.isnan(seconds):
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
