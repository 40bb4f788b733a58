"""What a driver and a host - a machine that runs workers for it - say to each other, over a channel.

host  ──▶ Joined                      here I am, with so many workers
driver ──▶ Welcome                    this is your prefix for names, and these are the pieces of the payload
host  ──▶ Wanted, driver ──▶ Chunk    until the host has those that it could not get by a shorter way
host  ──▶ Happened                    events of its workers
driver ──▶ Ordered                    commands for them
host  ──▶ Wanted, driver ──▶ Chunk    again, when a part's cargo has a file that the host has not; or ──▶ Gone
both  ──▶ Alive                       once a second; whoever is silent for too long is taken to be gone
driver ──▶ Ended                      the search is over
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from manyhands.events import (
    KillWorker,
    Logged,
    PartFailed,
    PartFinished,
    PartReturned,
    PartStopped,
    RecallParts,
    Reported,
    StartPart,
    StopPart,
    WorkerJoined,
    WorkerLost,
)

HostEvent = WorkerJoined | WorkerLost | Reported | PartFinished | PartFailed | PartStopped | PartReturned | Logged
Ending = PartFinished | PartFailed | PartStopped | PartReturned
HostCommand = StartPart | StopPart | RecallParts | KillWorker

_MOST_BYTES = 8 * 1024 * 1024  # of a message that could be shorter; the channel takes longer ones


class Joined(Struct, frozen=True, tag=True):
    """A host is there.

    Attributes:
        host: The machine's name.
        n_workers: How many workers it will run.
        python: Major and minor version, which must be the driver's.
        slot: Which of the driver's slots it fills; -1 if it came by itself.
    """

    host: str
    n_workers: int
    python: tuple[int, int]
    slot: int = -1


class Wanted(Struct, frozen=True, tag=True):
    """The host has the file with this digest up to ``offset`` and would like to go on from there."""

    digest: str
    offset: int


class Happened(Struct, frozen=True, tag=True):
    """Events of the host's workers, in order; sent at a time that the host's clock tells, in seconds since 1970."""

    events: Sequence[HostEvent]
    at: float


class Broken(Struct, frozen=True, tag=True):
    """The host cannot run workers for this search, for a reason that people can read."""

    reason: str


class Alive(Struct, frozen=True, tag=True):
    """Nothing but a sign of life."""


class Piece(Struct, frozen=True):
    """A file of the payload, or of a cargo: SHA-256 of its content, in hexadecimal digits, and its size in bytes."""

    digest: str
    size: int


class Welcome(Struct, frozen=True, tag=True):
    """The driver accepts a host: how its workers are called, what they need, and the driver's ``sys.path``."""

    prefix: str
    pieces: Sequence[Piece]
    path: list[str]


class Chunk(Struct, frozen=True, tag=True):
    """A part of the file with this digest."""

    digest: str
    offset: int
    data: bytes


class Gone(Struct, frozen=True, tag=True):
    """The driver has no file with this digest, or not any more."""

    digest: str


class Ordered(Struct, frozen=True, tag=True):
    """Commands for the host's workers, in order.

    Attributes:
        commands: The files of a cargo are named by their digests alone.
        sizes: Of these files, in bytes; without those that the driver has not any more.
    """

    commands: Sequence[HostCommand]
    sizes: Mapping[str, int] = {}


class Ended(Struct, frozen=True, tag=True):
    """The search is over, or the host is not wanted (any more); ``may_return`` if it may come again as a new one."""

    reason: str
    may_return: bool = False


FromHost = Joined | Wanted | Happened | Broken | Alive
FromDriver = Welcome | Chunk | Gone | Ordered | Ended | Alive

encode = msgspec.msgpack.Encoder().encode
decode_from_host = msgspec.msgpack.Decoder(FromHost).decode
decode_from_driver = msgspec.msgpack.Decoder(FromDriver).decode

T = TypeVar("T")


def encode_in_batches(make: Callable[[Sequence[T]], FromHost | FromDriver], items: Sequence[T]) -> Iterator[bytes]:
    """Yield what says all items, in order: as one message, or as several if that would be very long.

    Args:
        make: Makes a message of some of the items.
        items: Events or commands; a result or a cargo in them may have megabytes.
    """
    message = encode(make(items))
    if len(message) <= _MOST_BYTES or len(items) == 1:
        yield message
        return
    middle = len(items) // 2
    yield from encode_in_batches(make, items[:middle])
    yield from encode_in_batches(make, items[middle:])
