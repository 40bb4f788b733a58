"""The driver's part in getting the payload to executors: each large piece is handed to Spark, or to a share, once."""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from manyhands.errors import ExecutorError
from manyhands.executors.shipping import Shipment
from manyhands.executors.spark.share import CHUNK_BYTES, LEAST_BYTES
from manyhands.wire.relay import Piece

log = logging.getLogger("manyhands")

Broadcasts = Mapping[str, Sequence[Any]]

#: Application -> digest -> the broadcast variables with its chunks. Spark keeps them on the executors, so they are
#: not sent again for the next search; what that one does not use is given up when it begins.
_KEPT: dict[str, dict[str, list[Any]]] = {}
_USERS: Counter[str] = Counter()


class Broadcasting:
    """Large pieces of a payload as broadcast variables, which executors fetch from one another.

    Args:
        context: A ``SparkContext``.
        shipment: The payload.

    Attributes:
        chunks: By digest, the variables that hold a piece one after another.
    """

    def __init__(self, context: Any, shipment: Shipment):
        pieces = _large(shipment)
        for application in [application for application in _KEPT if application != context.applicationId]:
            del _KEPT[application]  # it has ended, for a process has only one at a time
        kept = _KEPT.setdefault(context.applicationId, {})
        for digest in [digest for digest in kept if digest not in pieces and not _USERS[digest]]:
            _destroy(kept.pop(digest))
        for digest, number in pieces.items():
            if digest not in kept:
                kept[digest] = _broadcast(context, shipment, number)
        self.chunks: Broadcasts = {digest: kept[digest] for digest in pieces}
        _USERS.update(pieces.keys())

    def close(self) -> None:
        """The search is over; may be called twice."""
        _USERS.subtract(self.chunks.keys())
        self.chunks = {}


class Sharing:
    """Large pieces of a payload as files in a folder that driver and executors see.

    Args:
        folder: As a path or an fsspec URL.
        shipment: The payload.

    Attributes:
        urls: By digest, where a piece is.

    Raises:
        ExecutorError: The folder cannot be written to.
    """

    def __init__(self, folder: str, shipment: Shipment):
        self.urls: dict[str, str] = {}
        self._paths: list[str] = []  # what was written, and is to be removed
        try:
            import fsspec

            self._files, root = fsspec.core.url_to_fs(folder)
            self._files.makedirs(root, exist_ok=True)
            for digest, number in _large(shipment).items():
                path = f"{root.rstrip('/')}/manyhands-{digest}"
                self._upload(shipment, number, path)
                self.urls[digest] = self._files.unstrip_protocol(path)
        except Exception as error:  # whatever a file system of the user's choice raises
            self.close()
            raise ExecutorError(f"share={folder!r} cannot be used: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Remove what was written; may be called twice."""
        paths, self._paths = self._paths, []
        for path in paths:
            try:
                if self._files.exists(path):
                    self._files.rm(path)
            except Exception as error:  # the search is over, and its result counts more than a file that stays
                log.warning("%s could not be removed: %s: %s", path, type(error).__name__, error)

    def _upload(self, shipment: Shipment, number: int, path: str) -> None:
        size = shipment.pieces[number].size
        if self._files.exists(path) and self._files.size(path) == size:
            return  # another search's, that uses the same data, and removes it
        draft = f"{path}.{os.getpid()}"
        self._paths += [path, draft]
        with self._files.open(draft, "wb") as file:
            for offset in range(0, size, CHUNK_BYTES):
                file.write(shipment.read(number, offset, CHUNK_BYTES))
        self._files.mv(draft, path)


def _large(shipment: Shipment) -> dict[str, int]:
    return {piece.digest: i for i, piece in enumerate(shipment.pieces) if piece.size >= LEAST_BYTES}


def _broadcast(context: Any, shipment: Shipment, number: int) -> list[Any]:
    piece: Piece = shipment.pieces[number]
    offsets = range(0, piece.size, CHUNK_BYTES)
    return [context.broadcast(shipment.read(number, offset, CHUNK_BYTES)) for offset in offsets]


def _destroy(chunks: list[Any]) -> None:
    for chunk in chunks:
        chunk.destroy()
