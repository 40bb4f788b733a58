"""What a driver and a host - a machine that runs workers for it - say to each other, over a channel.

host  ──▶ Joined                      here I am, with so many workers
driver ──▶ Welcome                    this is your prefix for names, and so long is the payload
host  ──▶ Wanted, driver ──▶ Chunk    until the host has the payload in a file
host  ──▶ Happened                    an event of one of its workers
driver ──▶ Ordered                    a command for one of them
both  ──▶ Alive                       once a second; whoever is silent for too long is taken to be gone
driver ──▶ Ended                      the search is over
"""

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
    """A host is there. ``python`` is major and minor version, which must be the driver's."""

    host: str
    n_workers: int
    python: tuple[int, int]


class Wanted(Struct, frozen=True, tag=True):
    """The host has the payload up to ``offset`` and would like to go on from there."""

    offset: int


class Happened(Struct, frozen=True, tag=True):
    """An event of one of the host's workers."""

    event: HostEvent


class Broken(Struct, frozen=True, tag=True):
    """The host cannot run workers for this search, for a reason that people can read."""

    reason: str


class Alive(Struct, frozen=True, tag=True):
    """Nothing but a sign of life."""


class Welcome(Struct, frozen=True, tag=True):
    """The driver accepts a host."""

    prefix: str
    payload_bytes: int
    path: list[str]


class Chunk(Struct, frozen=True, tag=True):
    """A piece of the payload."""

    offset: int
    data: bytes


class Ordered(Struct, frozen=True, tag=True):
    """A command for one of the host's workers."""

    command: HostCommand


class Ended(Struct, frozen=True, tag=True):
    """The search is over, or the host is not wanted (any more)."""

    reason: str


FromHost = Joined | Wanted | Happened | Broken | Alive
FromDriver = Welcome | Chunk | Ordered | Ended | Alive

encode = msgspec.msgpack.Encoder().encode
decode_from_host = msgspec.msgpack.Decoder(FromHost).decode
decode_from_driver = msgspec.msgpack.Decoder(FromDriver).decode
