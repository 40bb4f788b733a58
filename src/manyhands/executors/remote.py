"""Workers on other machines, that come by themselves: ``manyhands worker --connect FILE``.

The driver listens, and writes a connection file. Each host that connects with it brings some workers, and may come and
go at any time; what its workers were doing when it went is started again elsewhere.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from manyhands.errors import ExecutorError, SettingsError
from manyhands.events import AnyCommand, AnyEvent
from manyhands.executors.hub import Hub, address
from manyhands.executors.shipping import Shipment
from manyhands.job import Job

log = logging.getLogger("manyhands")


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
        self._bind = address(bind, port)
        self._advertise = advertise
        self._join_timeout_s = join_timeout_s
        self._hub: Hub | None = None
        self._shipment: Shipment | None = None
        self._alone_since = 0.0
        self._wakers: list[int] = []

    def start(self, job: Job, deliver: Callable[[AnyEvent], None], now: Callable[[], float]) -> None:
        """Write the payload, listen, and write the connection file; see ``manyhands.ports.Executor``."""
        self._shipment = Shipment(job)
        self._hub = Hub(self._bind, self._advertise, self._shipment, deliver, now)
        for fd in self._wakers:
            self._hub.wake_on(fd)
        self._hub.connection.write(self._connect_file)
        self._alone_since = time.monotonic()
        log.info("waiting for workers; start some with: manyhands worker --connect %s", self._connect_file)

    def wake_on(self, fd: int) -> None:
        """Let ``poll`` return early when this file descriptor is readable; holds until ``close``."""
        self._wakers.append(fd)
        if self._hub is not None:
            self._hub.wake_on(fd)

    def poll(self, timeout_s: float) -> None:
        """Deliver what has happened; see ``manyhands.ports.Executor``."""
        assert self._hub is not None, "poll comes after start"  # noqa: S101
        self._hub.poll(timeout_s)
        now = time.monotonic()
        if self._hub.n_workers:
            self._alone_since = now
        elif now - self._alone_since > self._join_timeout_s:
            raise ExecutorError(
                f"No worker has been there for {self._join_timeout_s:g} seconds (join_timeout_s). "
                f"Start some with: manyhands worker --connect {self._connect_file}"
            )

    def perform(self, command: AnyCommand) -> None:
        """Pass a command on to the host of the worker it is for."""
        if self._hub is not None:
            self._hub.perform(command)

    def close(self) -> None:
        """Tell all hosts that it is over, and stop listening."""
        hub, self._hub = self._hub, None
        self._wakers.clear()
        if hub is not None:
            hub.close()
            self._connect_file.unlink(missing_ok=True)
        shipment, self._shipment = self._shipment, None
        if shipment is not None:
            shipment.close()
