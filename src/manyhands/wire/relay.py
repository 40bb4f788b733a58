"""What a driver and a host - a machine that runs workers for it - say to each other, over a channel.

host  ──▶ Joined                      here I am, with so many workers
driver ──▶ Welcome                    this is your prefix for names, and these are the pieces of the payload
host  ──▶ Wanted, driver ──▶ Chunk    until the host has those that it could not get by a shorter way
host  ──▶ Happened                    events of its workers
driver ──▶ Ordered                    commands for them
both  ──▶ Alive                       once a second; whoever is silent for too long is taken to be gone
driver ──▶ Ended                      the search is over
"""

from collections.abc import Sequence

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
    """The host has a piece of the payload up to ``offset`` and would like to go on from there."""

    piece: int
    offset: int


class Happened(Struct, frozen=True, tag=True):
    """Events of the host's workers, in order; sent at a time that the host's clock tells, in seconds since 1970."""

    events: list[HostEvent]
    at: float


class Broken(Struct, frozen=True, tag=True):
    """The host cannot run workers for this search, for a reason that people can read."""

    reason: str


class Alive(Struct, frozen=True, tag=True):
    """Nothing but a sign of life."""


class Piece(Struct, frozen=True):
    """A file of the payload: SHA-256 of its content, in hexadecimal digits, and its size in bytes."""

    digest: str
    size: int


class Welcome(Struct, frozen=True, tag=True):
    """The driver accepts a host: how its workers are called, what they need, and the driver's ``sys.path``."""

    prefix: str
    pieces: Sequence[Piece]
    path: list[str]


class Chunk(Struct, frozen=True, tag=True):
    """A part of a piece of the payload."""

    piece: int
    offset: int
    data: bytes


class Ordered(Struct, frozen=True, tag=True):
    """Commands for the host's workers, in order."""

    commands: list[HostCommand]


class Ended(Struct, frozen=True, tag=True):
    """The search is over, or the host is not wanted (any more); ``may_return`` if it may come again as a new one."""

    reason: str
    may_return: bool = False


FromHost = Joined | Wanted | Happened | Broken | Alive
FromDriver = Welcome | Chunk | Ordered | Ended | Alive

encode = msgspec.msgpack.Encoder().encode
decode_from_host = msgspec.msgpack.Decoder(FromHost).decode
decode_from_driver = msgspec.msgpack.Decoder(FromDriver).decode
