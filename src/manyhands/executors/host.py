"""A machine's part in somebody else's search: fetch the payload, run workers, pass everything on.

The workers are those of ``Processes``; this file is only the way between them and a driver elsewhere.
"""

import socket
import sys
import time

from manyhands.errors import ExecutorError, ManyhandsError
from manyhands.events import AnyEvent
from manyhands.executors.processes import Processes
from manyhands.wire import relay
from manyhands.wire.channel import Connection, Dialer

_ALIVE_EVERY_S = 1.0
_LEASE_S = 30.0  # longer than the driver's, so that a worker is never given up by its host first
_PULSE_S = 0.2


class Host:
    """Runs workers for a driver elsewhere, until the search is over.

    Args:
        connection: How to reach the driver.
        workers: How many workers to run; one for each core if not given.
    """

    def __init__(self, connection: Connection, workers: int | None = None):
        self._address = connection.address
        self._dialer = Dialer(connection)
        self._pool = Processes(workers)
        self._is_running = False
        self._heard_at = self._spoke_at = time.monotonic()

    def serve(self, connect_timeout_s: float = 60.0) -> str:
        """Do the driver's work, and return why it ended.

        Raises:
            ExecutorError: The driver does not answer.
        """
        self._send(relay.Joined(socket.gethostname(), self._pool.n_workers, sys.version_info[:2]))
        try:
            return self._loop(connect_timeout_s)
        finally:
            self._pool.close()
            self._dialer.close()

    def _loop(self, connect_timeout_s: float) -> str:
        lease_s = connect_timeout_s
        while True:
            for message in self._dialer.receive(0 if self._is_running else _PULSE_S):
                self._heard_at, lease_s = time.monotonic(), _LEASE_S
                reason = self._obey(relay.decode_from_driver(message))
                if reason is not None:
                    return reason
            if self._is_running:
                self._run_pool()
            now = time.monotonic()
            if now - self._heard_at > lease_s:
                raise ExecutorError(
                    f"The driver at {self._address} has not answered for {lease_s:g} seconds. "
                    f"Does the search still run, can this machine reach it, and is the connection file its latest one?"
                )
            if now - self._spoke_at > _ALIVE_EVERY_S:
                self._send(relay.Alive())

    def _run_pool(self) -> None:
        try:
            self._pool.poll(_PULSE_S)
        except ManyhandsError as error:
            self._send(relay.Broken(str(error)))
            raise

    def _obey(self, message: relay.FromDriver) -> str | None:
        match message:
            case relay.Welcome(_, size, path):
                self._size, self._path = size, path
                self._pool.payload.touch(mode=0o600)
                self._send(relay.Wanted(0))
            case relay.Chunk(offset, data):
                self._store(offset, data)
            case relay.Ordered(command):
                self._pool.perform(command)
            case relay.Ended(reason):
                return reason
        return None

    def _store(self, offset: int, data: bytes) -> None:
        with self._pool.payload.open("r+b") as file:
            file.seek(offset)
            file.write(data)
        have = offset + len(data)
        if have < self._size:
            self._send(relay.Wanted(have))
        elif not self._is_running:
            self._is_running = True
            self._pool.wake_on(self._dialer.fileno())
            self._pool.start_with(self._path, self._deliver, time.time)

    def _deliver(self, event: AnyEvent) -> None:
        assert isinstance(event, relay.HostEvent), event  # noqa: S101 - workers cause no others
        self._send(relay.Happened(event))

    def _send(self, message: relay.FromHost) -> None:
        self._spoke_at = time.monotonic()
        self._dialer.send(relay.encode(message))
