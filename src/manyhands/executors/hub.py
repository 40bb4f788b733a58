"""The driver's end of all hosts: who is there, what their workers do, and what they have to be given.

A host may come and go at any time. One that is silent, that missed a message or whose connection broke is given up:
its workers are lost, and it is told to end. Nothing that a host says is taken as more than a word about its own
workers and the parts that these were given.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from manyhands.errors import PayloadError
from manyhands.events import AnyCommand, AnyEvent, Reported, StartPart, WorkerJoined, WorkerLost
from manyhands.executors.shipping import Shipment, read_part
from manyhands.trial import Part
from manyhands.wire import relay
from manyhands.wire.channel import Connection, Listener

log = logging.getLogger("manyhands")

_CHUNK_BYTES = 4 * 1024 * 1024
_LEASE_S = 15.0
_ALIVE_EVERY_S = 1.0
_CLOCKS_AGREE_S = 0.1  # a message may take so long, too


class _Given(NamedTuple):
    """To whom a part was given, and the files of its cargo."""

    worker: str
    files: Sequence[str]


class _Host:
    """A machine, or a slot on one, that runs workers for this driver."""

    def __init__(self, prefix: str, joined: relay.Joined, now: float):
        self.prefix = prefix
        self.name = joined.host
        self.slot = joined.slot
        self.heard_at = now
        self.workers: set[str] = set()
        self.parts: dict[Part, _Given] = {}
        self.orders: list[relay.HostCommand] = []
        self.sizes: dict[str, int] = {}  # of the files that the orders name


class Hub:
    """Listens for hosts, and speaks to them.

    Args:
        bind: The interface and port to listen on, such as ``tcp://127.0.0.1:*``.
        advertise: The name under which hosts reach this machine; the interface itself if not given.
        shipment: The payload.
        deliver: Takes each event.
        now: Tells the time that events carry.

    Raises:
        ExecutorError: It cannot listen there.
    """

    def __init__(
        self,
        bind: str,
        advertise: str | None,
        shipment: Shipment,
        deliver: Callable[[AnyEvent], None],
        now: Callable[[], float],
    ):
        self._shipment = shipment
        self._deliver, self._now = deliver, now
        self._listener = Listener(bind, advertise)
        self._hosts: dict[bytes, _Host] = {}
        self._owners: dict[str, bytes] = {}  # worker -> identity of its host
        self._n_hosts = 0
        self._alive_at = 0.0
        self.has_worked = False  #: whether any worker has ever been ready
        self.n_sent_bytes = 0  #: of files, over the connection

    @property
    def connection(self) -> Connection:
        """What hosts need to know."""
        return self._listener.connection

    @property
    def n_workers(self) -> int:
        """How many workers there are now."""
        return len(self._owners)

    @property
    def slots_at_work(self) -> set[int]:
        """The slots that have a worker now."""
        return {host.slot for host in self._hosts.values() if host.workers}

    @property
    def slots(self) -> set[int]:
        """The slots that a host fills, whether its worker is ready or not."""
        return {host.slot for host in self._hosts.values()}

    def wake_on(self, fd: int) -> None:
        """Let ``poll`` return early when this file descriptor is readable."""
        self._listener.wake_on(fd)

    def poll(self, timeout_s: float) -> None:
        """Deliver what has happened; if nothing has, wait for it, at most ``timeout_s`` seconds.

        Raises:
            PayloadError: The first host that came cannot unpack the objective.
        """
        self._flush()
        for identity, message in self._listener.receive(timeout_s):
            try:
                if message is None:
                    self._drop(identity, "a message was lost on its way here")
                else:
                    self._understand(identity, relay.decode_from_host(message))
            except msgspec.DecodeError as error:
                self._drop(identity, f"it sent what is no message: {error}")
        self._flush()
        self._look_at_clock()

    def perform(self, command: AnyCommand) -> None:
        """Pass a command on to the host of the worker it is for; it leaves with the next ``poll``, at its latest."""
        if not isinstance(command, relay.HostCommand):
            return
        identity = self._owners.get(command.worker)
        if identity is None:
            return
        host = self._hosts[identity]
        if isinstance(command, StartPart):
            host.parts[command.part] = _Given(command.worker, command.cargo.files if command.cargo else ())
            command = _with_digests(command, host.sizes)
        host.orders.append(replace(command, worker=command.worker.removeprefix(host.prefix)))

    def drop_slot(self, slot: int, cause: str) -> None:
        """Give up the host that fills a slot, if there is one."""
        for identity, host in list(self._hosts.items()):
            if host.slot == slot:
                self._drop(identity, cause)

    def close(self) -> None:
        """Tell all hosts that it is over, and stop listening."""
        for identity in self._hosts:
            self._listener.send(identity, relay.encode(relay.Ended("the search is over")))
        self._hosts.clear()
        self._owners.clear()
        self._listener.close()

    # -- what hosts say ----------------------------------------------------------------------------------------

    def _understand(self, identity: bytes, message: relay.FromHost) -> None:
        host = self._hosts.get(identity)
        if isinstance(message, relay.Joined):
            self._welcome(identity, message)
        elif host is None:
            self._send(identity, relay.Ended("the driver has given this host up", may_return=True))
        else:
            host.heard_at = time.monotonic()
            match message:
                case relay.Wanted(digest, offset):
                    self._send_chunk(identity, host, digest, offset)
                case relay.Happened(events, at):
                    slow_by_s = self._now() - at
                    for event in events:
                        self._pass_on(identity, host, event, slow_by_s)
                case relay.Broken(reason) if self.has_worked:
                    self._drop(identity, f"it cannot run this search: {reason}")
                case relay.Broken(reason):
                    raise PayloadError(f"The host {host.name} cannot run this search: {reason}")

    def _welcome(self, identity: bytes, joined: relay.Joined) -> None:
        mine = (sys.version_info.major, sys.version_info.minor)
        if joined.python != mine:
            reason = f"the driver runs Python {mine[0]}.{mine[1]}, {joined.host} {joined.python[0]}.{joined.python[1]}"
            log.warning("a host was sent away: %s", reason)
            self._send(identity, relay.Ended(f"{reason}; they must be the same"))
            return
        if joined.slot >= 0:
            self.drop_slot(joined.slot, "it was started anew")
        self._n_hosts += 1
        prefix = f"h{self._n_hosts}-" if joined.slot < 0 else f"slot{joined.slot}.{self._n_hosts}-"
        self._hosts[identity] = _Host(prefix, joined, time.monotonic())
        self._send(identity, relay.Welcome(prefix, self._shipment.pieces, [str(entry) for entry in sys.path]))

    def _pass_on(self, identity: bytes, host: _Host, event: relay.HostEvent, slow_by_s: float) -> None:
        """Deliver a host's event, if it is about a worker or a part of that host's own.

        Args:
            identity: The host's.
            host: The host.
            event: What happened.
            slow_by_s: How much the host's clock is behind, so that its reports get times that fit the driver's.
        """
        event = replace(event, at=self._now())
        if isinstance(event, Reported) and abs(slow_by_s) > _CLOCKS_AGREE_S:
            event = replace(event, reports=[replace(report, at=report.at + slow_by_s) for report in event.reports])
        match event:
            case WorkerJoined(worker=worker):
                self.has_worked = True
                self._owners[host.prefix + worker] = identity
                host.workers.add(host.prefix + worker)
                self._deliver(replace(event, worker=host.prefix + worker))
            case WorkerLost(worker=worker, cause=cause):
                self._lose(host, host.prefix + worker, cause)
            case _ if event.part in host.parts:
                if isinstance(event, relay.Ending):
                    del host.parts[event.part]
                self._deliver(event)

    # -- what hosts are told -----------------------------------------------------------------------------------

    def _flush(self) -> None:
        for identity, host in list(self._hosts.items()):
            if host.orders:
                self._send_orders(identity, host)

    def _send_orders(self, identity: bytes, host: _Host) -> None:
        orders, host.orders = host.orders, []
        sizes, host.sizes = host.sizes, {}
        for message in relay.encode_in_batches(lambda some: relay.Ordered(some, sizes), orders):
            self._send_encoded(identity, message)

    def _send_chunk(self, identity: bytes, host: _Host, digest: str, offset: int) -> None:
        data = self._read(host, digest, offset)
        self.n_sent_bytes += len(data)
        self._send(identity, relay.Chunk(digest, offset, data) if data else relay.Gone(digest))

    def _read(self, host: _Host, digest: str, offset: int) -> bytes:
        """A part of the payload, or of a file that the host's parts need; nothing if there is none (any more)."""
        for number, piece in enumerate(self._shipment.pieces):
            if piece.digest == digest:
                return self._shipment.read(number, offset, _CHUNK_BYTES)
        for given in host.parts.values():
            for path in given.files:
                if Path(path).name == digest:
                    return read_part(path, offset, _CHUNK_BYTES)
        return b""

    def _send(self, identity: bytes, message: relay.FromDriver) -> None:
        self._send_encoded(identity, relay.encode(message))

    def _send_encoded(self, identity: bytes, message: bytes) -> None:
        if not self._listener.send(identity, message):
            self._drop(identity, "its connection broke")

    # -- hosts that go -----------------------------------------------------------------------------------------

    def _drop(self, identity: bytes, cause: str) -> None:
        host = self._hosts.pop(identity, None)
        if host is None:
            return
        log.warning("the host %s is given up, because %s", host.name, cause)
        for worker in sorted(host.workers):
            self._lose(host, worker, f"its host {host.name} is gone: {cause}")
        self._send(identity, relay.Ended(cause, may_return=True))

    def _lose(self, host: _Host, worker: str, cause: str) -> None:
        if worker in host.workers:
            host.workers.discard(worker)
            del self._owners[worker]
            for part in [part for part, given in host.parts.items() if given.worker == worker]:
                del host.parts[part]
            self._deliver(WorkerLost(worker=worker, cause=cause, at=self._now()))

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        for identity, host in list(self._hosts.items()):
            if now - host.heard_at > _LEASE_S:
                self._drop(identity, f"it was silent for {_LEASE_S:g} seconds")
        if now - self._alive_at >= _ALIVE_EVERY_S:
            self._alive_at = now
            for identity in list(self._hosts):
                self._send(identity, relay.Alive())


def address(host: str, port: int = 0) -> str:
    """Where to listen, in ZeroMQ's words; on any free port if it is 0."""
    return f"tcp://{host}:{port or '*'}"


def _with_digests(start: StartPart, sizes: dict[str, int]) -> StartPart:
    """The command as it goes to a host, with its files named by their digests; their sizes are noted."""
    if start.cargo is None or not start.cargo.files:
        return start
    digests = []
    for path in start.cargo.files:
        digest = Path(path).name
        digests.append(digest)
        with suppress(OSError):  # it is gone; the host will say so of the part
            sizes[digest] = os.path.getsize(path)
    return replace(start, cargo=replace(start.cargo, files=digests))
