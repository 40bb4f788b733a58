"""The payload's ways to executors that are shorter than from the driver to each: broadcast, or a shared folder."""

from __future__ import annotations

from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from manyhands.executors.fetching import Source

#: Pieces of the payload below this size come from the driver, as they cost nobody anything.
LEAST_BYTES = 1 << 20
CHUNK_BYTES = 32 << 20


def sources_of(broadcasts: Mapping[str, Sequence[Any]], share: Mapping[str, str]) -> dict[str, Source]:
    """The ways to pieces of the payload, by digest.

    Args:
        broadcasts: Broadcast variables that hold their chunks.
        share: Where they are in a shared folder.
    """
    found: dict[str, Source] = {digest: partial(_unwrap, chunks) for digest, chunks in broadcasts.items()}
    return found | {digest: partial(_read, url) for digest, url in share.items()}


def _unwrap(chunks: Sequence[Any]) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk.value
        # The Python process of a task lives on, and with it all that a broadcast variable has unpickled.
        vars(chunk).pop("_value", None)


def _read(url: str) -> Iterator[bytes]:
    import fsspec

    with fsspec.open(url, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
