"""The streams that a console consists of. Any of them may be missing, closed, or gone all of a sudden."""

import os
import sys
from collections.abc import Sequence
from typing import TextIO


def find_terminal() -> TextIO | None:
    """The stream to draw on; None if there is none that can be drawn on."""
    if os.environ.get("TERM", "") == "dumb":
        return None
    return next((stream for stream in (sys.stderr, sys.stdout) if is_terminal(stream)), None)


def find_notebook() -> TextIO | None:
    """The stream that writes into a notebook's cell; None if this is no notebook."""
    return sys.stdout if type(sys.stdout).__module__.partition(".")[0] == "ipykernel" else None


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at it."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it was closed
        return False


def write_lines(stream: TextIO | None, lines: Sequence[str]) -> None:
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
