"""What drivers and workers say, as types: what a worker sends is refused, if it does not fit, before it is looked at.

On the wire each is an array, the tag first and the fields in this order. Workers read and write these arrays as they
are (``manyhands.worker.main``), since they do without the library that makes types of them:

    driver ──▶ worker    marshal, which is part of the interpreter
    worker ──▶ driver    MessagePack, written by ``manyhands.wire.msgpack_writer``

Reading marshal can crash a process, or worse. That does no harm in the one direction, for a worker runs whatever its
driver tells it to anyway, and both are the same Python. Nothing that a worker sends is ever read that way.
"""

import marshal
from typing import NoReturn

import msgspec
from msgspec import Struct

from manyhands.events import Cargo
from manyhands.space import Point
from manyhands.trial import Failure, Part, Report, Result
from manyhands.wire.frames import frame

# -- what a driver says --------------------------------------------------------------------------------------------


class Setup(Struct, frozen=True, tag="setup", array_like=True):
    """Take up a job: the payload's files, the ``sys.path`` to have, and a folder that goes when the search ends.

    It is the first message. A worker that has nothing to do may get another one, without files if there is no job yet.
    """

    payload: list[str]
    path: list[str]
    scratch: str = ""


class Start(Struct, frozen=True, tag="start", array_like=True):
    """Run a part, after those that you were given before; for the fields see ``manyhands.events.StartPart``."""

    part: Part
    point: Point
    parent: int | None = None
    cargo: Cargo | None = None


class Stop(Struct, frozen=True, tag="stop", array_like=True):
    """Leave a part's objective at its next report."""

    part: Part
    reason: str


class Return(Struct, frozen=True, tag="return", array_like=True):
    """Give back the parts that you have not begun."""


class Quit(Struct, frozen=True, tag="quit", array_like=True):
    """There is nothing more to do."""


Order = Setup | Start | Stop | Return | Quit


def pack_order(order: Order) -> bytes:
    """Return what a driver says as a frame."""
    return frame(marshal.dumps(msgspec.to_builtins(order, builtin_types=(bytes,))))


# -- what a worker says --------------------------------------------------------------------------------------------


class Hello(Struct, frozen=True, tag="hello", array_like=True):
    """The worker has unpacked its job and is ready."""

    pid: int


class Broken(Struct, frozen=True, tag="broken", array_like=True):
    """The worker could not unpack its job."""

    traceback: str


class Reports(Struct, frozen=True, tag="reports", array_like=True):
    """A part's intermediate values, in order."""

    part: Part
    reports: list[Report]


class Finished(Struct, frozen=True, tag="finished", array_like=True):
    """A part has its result, after so many seconds in its objective."""

    part: Part
    result: Result
    seconds: float


class Failed(Struct, frozen=True, tag="failed", array_like=True):
    """A part has no result, after so many seconds in its objective."""

    part: Part
    failure: Failure
    seconds: float


class Stopped(Struct, frozen=True, tag="stopped", array_like=True):
    """A part left its objective because it was told to, or for a reason of its own."""

    part: Part
    reason: str
    seconds: float


class Returned(Struct, frozen=True, tag="returned", array_like=True):
    """A part was not begun, and will not be."""

    part: Part


class Printed(Struct, frozen=True, tag="printed", array_like=True):
    """Output that a part wrote. ``upto`` is how far the worker's spool has been sent."""

    part: Part
    text: str
    upto: int


Message = Hello | Broken | Reports | Finished | Failed | Stopped | Returned | Printed


def _refuse_extension(code: int, _: memoryview) -> NoReturn:
    raise msgspec.ValidationError(f"Extension {code} of MessagePack is not used here")


_decode = msgspec.msgpack.Decoder(Message, ext_hook=_refuse_extension).decode


def decode(body: bytes) -> Message:
    """Return what a worker said.

    Raises:
        msgspec.DecodeError: It is no message.
    """
    try:
        message: Message = _decode(body)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"Text is not UTF-8: {error}") from error
    return message
