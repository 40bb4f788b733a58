"""Workers on other machines, that come by themselves: ``manyhands worker --connect FILE``.

The driver listens, and writes a connection file. Each host that connects with it brings some workers, and may come and
go at any time; what its workers were doing when it went is started again elsewhere.
"""

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from manyhands.errors import ExecutorError, PayloadError, SettingsError
from manyhands.events import (
    AnyCommand,
    AnyEvent,
    StartPart,
    WorkerJoined,
    WorkerLost,
)
from manyhands.executors.folder import RunFolder
from manyhands.executors.shipping import write_payload
from manyhands.job import Job
from manyhands.trial import Part
from manyhands.wire import relay
from manyhands.wire.channel import Listener

log = logging.getLogger("manyhands")

_CHUNK_BYTES = 4 * 1024 * 1024
_LEASE_S = 15.0
_ALIVE_EVERY_S = 1.0


class _Host:
    """A machine that runs workers for this driver."""

    def __init__(self, prefix: str, joined: relay.Joined, now: float):
        self.prefix = prefix
        self.name = joined.host
        self.heard_at = now
        self.workers: set[str] = set()
        self.parts: set[Part] = set()


class Remote:
    """Runs workers on whatever machines connect.

    Args:
        connect_file: Where to write the connection file. Who can read it can speak to the driver, so it is made
            readable by its user only; take it to the other machines by a safe way.
        bind: The interface to listen on. Loopback unless told otherwise.
        port: The port to listen on; any free one if 0.
        advertise: The name or address under which other machines reach this one; ``bind`` if not given.
        workers: How many workers are expected, for the display.
        join_timeout_s: Give up if no worker has come after so many seconds, or none is left for as long.

    Raises:
        SettingsError: It would listen on all interfaces without knowing what to call itself.
    """

    is_busy = False  #: the objective never runs in the driver's own thread

    def __init__(
        self,
        connect_file: str = "manyhands.connect",
        *,
        bind: str = "127.0.0.1",
        port: int = 0,
        advertise: str | None = None,
        workers: int = 1,
        join_timeout_s: float = 600.0,
    ):
        if bind in ("0.0.0.0", "*", "::") and advertise is None:  # noqa: S104 - refused, not used
            raise SettingsError(f"bind={bind!r} is no address that others could call. Say which with advertise=.")
        self.n_workers = workers
        self._connect_file = Path(connect_file)
        self._bind = f"tcp://{bind}:{port or '*'}"
        self._advertise = advertise
        self._join_timeout_s = join_timeout_s
        self._listener: Listener | None = None
        self._hosts: dict[bytes, _Host] = {}
        self._owners: dict[str, bytes] = {}  # worker -> identity of its host
        self._n_hosts = 0
        self._has_worked = False  # whether any worker has ever been ready
        self._alive_at = 0.0
        self._alone_since = 0.0

    # -- the executor's role -----------------------------------------------------------------------------------

    def start(self, job: Job, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> None:
        """Write the payload, listen, and write the connection file; see ``manyhands.ports.Executor``."""
        self._deliver, self._now = deliver, now
        folder = RunFolder()
        try:
            self._payload_bytes = write_payload(job, folder.path / "payload")
            self._payload = (folder.path / "payload").open("rb")  # it lives as long as it is open
        finally:
            folder.remove()
        self._listener = Listener(self._bind, self._advertise)
        self._listener.connection.write(self._connect_file)
        self._has_worked, self._alone_since = False, time.monotonic()
        log.info("waiting for workers; start some with: manyhands worker --connect %s", self._connect_file)

    def poll(self, timeout_s: float) -> None:
        """Deliver what has happened; see ``manyhands.ports.Executor``."""
        assert self._listener is not None, "poll comes after start"  # noqa: S101
        for identity, message in self._listener.receive(timeout_s):
            try:
                self._understand(identity, relay.decode_from_host(message))
            except msgspec.DecodeError as error:
                self._drop(identity, f"it sent what is no message: {error}")
        self._look_at_clock()

    def perform(self, command: AnyCommand) -> None:
        """Pass a command on to the host of the worker it is for."""
        if not isinstance(command, relay.HostCommand):
            return
        identity = self._owners.get(command.worker)
        if identity is None:
            return
        host = self._hosts[identity]
        if isinstance(command, StartPart):
            host.parts.add(command.part)
        self._send(identity, relay.Ordered(replace(command, worker=command.worker.removeprefix(host.prefix))))

    def close(self) -> None:
        """Tell all hosts that it is over, and stop listening."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        for identity in self._hosts:
            listener.send(identity, relay.encode(relay.Ended("the search is over")))
        self._hosts.clear()
        self._owners.clear()
        listener.close()
        self._connect_file.unlink(missing_ok=True)
        self._payload.close()

    # -- hosts -------------------------------------------------------------------------------------------------

    def _understand(self, identity: bytes, message: relay.FromHost) -> None:
        host = self._hosts.get(identity)
        if isinstance(message, relay.Joined):
            self._welcome(identity, message)
        elif host is None:
            self._send(identity, relay.Ended("the driver does not know this host, or has given it up"))
        else:
            host.heard_at = time.monotonic()
            match message:
                case relay.Wanted(offset):
                    self._send(identity, self._chunk(offset))
                case relay.Happened(event):
                    self._pass_on(identity, host, event)
                case relay.Broken(reason) if self._has_worked:
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
        self._n_hosts += 1
        host = self._hosts[identity] = _Host(f"h{self._n_hosts}-", joined, time.monotonic())
        self._send(identity, relay.Welcome(host.prefix, self._payload_bytes, [str(entry) for entry in sys.path]))

    def _pass_on(self, identity: bytes, host: _Host, event: relay.HostEvent) -> None:
        """Deliver a host's event, if it is about a worker or a part of that host's own."""
        event = replace(event, at=self._now())
        match event:
            case WorkerJoined(worker=worker):
                self._has_worked = True
                self._owners[host.prefix + worker] = identity
                host.workers.add(host.prefix + worker)
                self._deliver(replace(event, worker=host.prefix + worker))
            case WorkerLost(worker=worker, cause=cause):
                self._lose(host, host.prefix + worker, cause)
            case _ if event.part in host.parts:
                if isinstance(event, relay.Ending):
                    host.parts.discard(event.part)
                self._deliver(event)

    def _chunk(self, offset: int) -> relay.Chunk:
        self._payload.seek(max(0, offset))
        return relay.Chunk(offset, self._payload.read(_CHUNK_BYTES))

    def _drop(self, identity: bytes, cause: str) -> None:
        host = self._hosts.pop(identity, None)
        if host is None:
            return
        log.warning("the host %s is given up, because %s", host.name, cause)
        for worker in sorted(host.workers):
            self._lose(host, worker, f"its host {host.name} is gone: {cause}")
        self._send(identity, relay.Ended(cause))

    def _lose(self, host: _Host, worker: str, cause: str) -> None:
        if worker in host.workers:
            host.workers.discard(worker)
            del self._owners[worker]
            self._deliver(WorkerLost(worker=worker, cause=cause, at=self._now()))

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        for identity, host in list(self._hosts.items()):
            if now - host.heard_at > _LEASE_S:
                self._drop(identity, f"it was silent for {_LEASE_S:g} seconds")
        if now - self._alive_at >= _ALIVE_EVERY_S:
            self._alive_at = now
            for identity in self._hosts:
                self._send(identity, relay.Alive())
        if self._owners:
            self._alone_since = now
        elif now - self._alone_since > self._join_timeout_s:
            raise ExecutorError(
                f"No worker has been there for {self._join_timeout_s:g} seconds (join_timeout_s). "
                f"Start some with: manyhands worker --connect {self._connect_file}"
            )

    def _send(self, identity: bytes, message: relay.FromDriver) -> None:
        if self._listener is not None:
            self._listener.send(identity, relay.encode(message))
