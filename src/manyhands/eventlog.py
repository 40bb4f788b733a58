"""Every event of a run in a file, one JSON document a line, so that its decisions can be replayed.

events = read("events.jsonl")
commands = [search.handle(event) for event in events]      # of a Search made with the same settings
"""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import msgspec

from manyhands.events import AnyEvent

log = logging.getLogger("manyhands")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AnyEvent).decode


class EventLog:
    """Writes events to a file.

    Args:
        path: The file; replaced if it exists.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self._file = Path(path).open("wb")  # noqa: SIM115 - closed by __exit__
        self._is_broken = False

    def record(self, event: AnyEvent) -> None:
        """Write one event. If that fails, once and for all, the search is not held up by it."""
        if self._is_broken:
            return
        try:
            self._file.write(_encode(event) + b"\n")
        except OSError as error:
            self._is_broken = True
            log.warning("the event log %s ends here, since it cannot be written: %s", self._file.name, error)

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._file.close()


def read(path: str | os.PathLike[str]) -> Iterator[AnyEvent]:
    """The events of a file, in order."""
    with Path(path).open("rb") as file:
        for line in file:
            yield _decode(line)
