"""A machine's part in somebody else's search: fetch what workers need, run them, pass everything on.

The workers are those of ``Processes``; this file is only the way between them and a driver elsewhere.
"""

import socket
import sys
import time
from collections.abc import Mapping

from manyhands.errors import ExecutorError, ManyhandsError
from manyhands.events import AnyEvent
from manyhands.executors.fetching import Fetching, Source
from manyhands.executors.loading import Loading
from manyhands.executors.processes import Processes
from manyhands.wire import relay
from manyhands.wire.channel import Connection, Dialer, MessageLostError

_ALIVE_EVERY_S = 1.0
# Longer than the driver's, so that a worker is never given up by its host first, and long enough for a driver whose
# machine is frozen for a while. One that has died is noticed by its port.
_LEASE_S = 120.0
_LOST_S = 1.0  # without a connection for so long, look whether there still is a driver
_PULSE_S = 0.2
_BUSY_PULSE_S = 0.02


class Host:
    """Runs workers for a driver elsewhere, until the search is over.

    Args:
        connection: How to reach the driver.
        pool: The workers, not yet started.
        slot: Which of the driver's slots this is; -1 if it came by itself.
        sources: Shorter ways to pieces of the payload than from the driver, by their digests.

    Attributes:
        may_return: Whether, after its end, a new host of this machine would be welcome.
    """

    def __init__(
        self,
        connection: Connection,
        pool: Processes,
        *,
        slot: int = -1,
        sources: Mapping[str, Source] | None = None,
    ):
        self._address = connection.address
        self._dialer = Dialer(connection)
        self._pool = pool
        self._slot = slot
        self._sources = sources
        self._fetching: Fetching | None = None  # of the payload
        self._loading = Loading(pool.perform, self._pass_on, self._want)
        self.may_return = False
        self._is_running = False
        self._events: list[relay.HostEvent] = []
        self._heard_at = self._spoke_at = self._connected_at = time.monotonic()

    @property
    def was_welcome(self) -> bool:
        """Whether the driver has ever answered."""
        return self._fetching is not None

    def serve(self, connect_timeout_s: float = 60.0) -> str:
        """Do the driver's work, and return why it ended.

        Raises:
            ExecutorError: The driver does not answer, or this machine cannot do the work.
        """
        self._send(relay.Joined(socket.gethostname(), self._pool.n_workers, sys.version_info[:2], self._slot))
        try:
            return self._loop(connect_timeout_s)
        except MessageLostError:
            self.may_return = True
            return "a message of the driver was lost on its way here"
        except ManyhandsError as error:
            self._send(relay.Broken(str(error)))
            raise
        finally:
            self._pool.close()
            self._loading.release()
            if self._fetching is not None:
                self._fetching.release()
            self._dialer.close()

    def _loop(self, connect_timeout_s: float) -> str:
        while True:
            for message in self._dialer.receive(0 if self._is_running else self._pause()):
                self._heard_at = time.monotonic()
                reason = self._obey(relay.decode_from_driver(message))
                if reason is not None:
                    return reason
            if self._is_running:
                self._pool.poll(self._load())
                self._flush()
            self._look_at_clock(_LEASE_S if self._fetching else connect_timeout_s)

    def _pause(self) -> float:
        """Fetch a little, and return how long to wait for the driver's next word."""
        if self._fetching is None:
            return _PULSE_S
        if self._fetching.step():
            return 0
        if self._fetching.is_done:
            self._start_pool(self._fetching)
            return 0
        return _BUSY_PULSE_S

    def _load(self) -> float:
        """Fetch a little for parts that wait, and return how long to wait for what happens next."""
        if self._loading.step():
            return 0
        return _BUSY_PULSE_S if self._loading.is_waiting else _PULSE_S

    def _start_pool(self, fetching: Fetching) -> None:
        self._is_running = True
        self._pool.wake_on(self._dialer.fileno())
        # Its own path comes first: that is where this machine's libraries are. The driver's serves where both share
        # a file system, such as for modules beside its script.
        path = [*sys.path, *(entry for entry in self._path if entry not in sys.path)]
        self._pool.start_with(fetching.paths, path, self._deliver, time.time)

    def _obey(self, message: relay.FromDriver) -> str | None:
        match message:
            case relay.Welcome(_, pieces, path):
                self._path = path
                self._fetching = Fetching(pieces, self._want, self._sources)
            case relay.Chunk(digest, offset, data) if self._is_running:
                self._loading.take(digest, offset, data)
            case relay.Chunk(digest, offset, data) if self._fetching:
                self._fetching.take(digest, offset, data)
            case relay.Gone(digest):
                self._loading.gone(digest)
            case relay.Ordered(commands, sizes):
                for command in commands:
                    self._loading.perform(command, sizes)
            case relay.Ended(reason, may_return):
                self.may_return = may_return
                return reason
        return None

    def _look_at_clock(self, lease_s: float) -> None:
        now = time.monotonic()
        if self._dialer.is_connected:
            self._connected_at = now
        if now - self._connected_at > _LOST_S:
            self._connected_at = now
            obstacle = self._dialer.obstacle()
            if isinstance(obstacle, ConnectionRefusedError):
                raise ExecutorError(self._why_refused())
        if now - self._heard_at > lease_s:
            raise ExecutorError(self._why_silent(lease_s))
        if now - self._spoke_at > _ALIVE_EVERY_S:
            self._send(relay.Alive())

    def _why_refused(self) -> str:
        if self.was_welcome:
            return f"Nobody listens at {self._address} any more: the search has ended, or died."
        return f"Nobody listens at {self._address}: the search has ended, or seen from here that is another machine."

    def _why_silent(self, lease_s: float) -> str:
        obstacle = self._dialer.obstacle()
        silence = f"The driver at {self._address} has not answered for {lease_s:g} seconds"
        if obstacle is not None:
            return f"{silence}: {obstacle}. Can this machine reach that address and port?"
        return f"{silence}, though its port is open. Does the search still run, and are the keys those of this run?"

    def _want(self, digest: str, offset: int) -> None:
        self._send(relay.Wanted(digest, offset))

    def _deliver(self, event: AnyEvent) -> None:
        self._loading.note(event)
        self._pass_on(event)

    def _pass_on(self, event: AnyEvent) -> None:
        assert isinstance(event, relay.HostEvent), event  # noqa: S101 - workers cause no others
        self._events.append(event)

    def _flush(self) -> None:
        if self._events:
            events, self._events = self._events, []
            for message in relay.encode_in_batches(lambda some: relay.Happened(some, time.time()), events):
                self._send_encoded(message)

    def _send(self, message: relay.FromHost) -> None:
        self._send_encoded(relay.encode(message))

    def _send_encoded(self, message: bytes) -> None:
        self._spoke_at = time.monotonic()
        self._dialer.send(message)
