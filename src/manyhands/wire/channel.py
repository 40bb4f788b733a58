"""The way between machines: authenticated and encrypted both ways, by CurveZMQ.

A driver makes two key pairs for each run: its own, and one for its workers. The public half of the first and the secret
half of the second stand in a *connection file* that only its user can read. Who has the file can speak to the driver,
and knows that it is the driver he speaks to; who has not, cannot get a single message through. Such attempts leave a
line in the log and nothing else.

ZeroMQ connects again by itself when a connection breaks, and what was on its way is then lost without a word. So the
messages of each end are numbered, and whoever misses one knows. Since signs of life are messages too, that is within
a second or so.
"""

import json
import logging
import os
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import zmq
from msgspec import Struct
from zmq.utils import z85

from manyhands.errors import ExecutorError
from manyhands.wire.frames import MAX_BYTES

log = logging.getLogger("manyhands")

_MOST_BYTES = MAX_BYTES + (1 << 20)  # longer messages are refused before they are read; what a worker says may pass
_HANDSHAKE_MS = 10_000
_HEARTBEAT_MS = 2_000
_SILENCE_MS = 60_000  # an end may be frozen for a while; how long it is waited for is up to those who use the channel
_LOG_EVERY_S = 5.0
_NUMBER_BYTES = 8
_CALL_TIMEOUT_S = 2.0
_WATCHED = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_DISCONNECTED
)
_ZAP_ENDPOINT = "inproc://zeromq.zap.01"  # fixed by ZeroMQ RFC 27


class MessageLostError(Exception):
    """Something that the other end sent did not arrive."""


class Connection(Struct, frozen=True):
    """What a worker needs to know to reach its driver.

    Attributes:
        address: Such as ``tcp://10.0.0.7:41234``.
        driver_key: The driver's public key.
        worker_key: The workers' public key.
        worker_secret: The workers' secret key.
    """

    address: str
    driver_key: str
    worker_key: str
    worker_secret: str

    def write(self, path: Path) -> None:
        """Write the connection file, readable by its user only; whoever waits for it never sees a part of it."""
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            json.dump({field: getattr(self, field) for field in self.__struct_fields__}, file)
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> "Connection":
        """Read a connection file.

        Raises:
            ExecutorError: There is none, or it is something else.
        """
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ExecutorError(
                f"{path} cannot be used as a connection file ({error}). "
                f"A search with executor=mh.Remote(...) writes one when it starts."
            ) from error


class Listener:
    """The driver's end: many workers, each by the identity it connected with.

    Args:
        bind: The interface and port to listen on, such as ``tcp://127.0.0.1:*``.
        advertise: The host name under which workers reach it; the interface itself if not given.
    """

    def __init__(self, bind: str, advertise: str | None = None):
        driver_key, driver_secret = zmq.curve_keypair()
        worker_key, worker_secret = zmq.curve_keypair()
        self._allowed = z85.decode(worker_key)
        self._context = zmq.Context()
        self._zap = self._context.socket(zmq.REP)
        self._zap.bind(_ZAP_ENDPOINT)
        self._router = self._context.socket(zmq.ROUTER)
        self._router.curve_server = True
        self._router.curve_secretkey = driver_secret
        self._router.curve_publickey = driver_key
        self._router.setsockopt(zmq.ZAP_DOMAIN, b"manyhands")
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._router.setsockopt(zmq.ROUTER_HANDOVER, 1)  # who connects again is heard, though the old end looks open
        _limit(self._router)
        self._monitor = self._router.get_monitor_socket(_WATCHED)
        self._n_open = self._n_proven = self._n_failed = 0
        try:
            self._router.bind(bind)
        except zmq.ZMQError as error:
            self.close()
            raise ExecutorError(f"The driver cannot listen on {bind}: {error}.") from error
        address = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        if advertise is not None:
            address = f"tcp://{advertise}:{address.rpartition(':')[2]}"
        self.connection = Connection(address, driver_key.decode(), worker_key.decode(), worker_secret.decode())
        self._poller = zmq.Poller()
        for ours in (self._router, self._zap, self._monitor):
            self._poller.register(ours, zmq.POLLIN)
        self._n_refused = 0
        self._logged_at = -_LOG_EVERY_S
        self._n_received: dict[bytes, int] = defaultdict(int)
        self._n_sent: dict[bytes, int] = defaultdict(int)

    def wake_on(self, fd: int) -> None:
        """Let ``receive`` return early when this file descriptor is readable."""
        self._poller.register(fd, zmq.POLLIN)

    def receive(self, timeout_s: float) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield identity and message of all that has come; if nothing has, wait for it, at most ``timeout_s``.

        In the place of messages that were lost comes None.
        """
        for ready, _ in self._poller.poll(max(0, int(timeout_s * 1000))):
            if ready is self._zap:
                self._admit()
            elif ready is self._monitor:
                self._watch_connections()
            elif ready is self._router:
                yield from self._pending()

    def send(self, identity: bytes, message: bytes) -> bool:
        """Send a message; False if that end is not connected now, and will miss it."""
        number = self._n_sent[identity]
        self._n_sent[identity] += 1
        try:
            self._router.send_multipart([identity, number.to_bytes(_NUMBER_BYTES, "big") + message])
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True

    def close(self) -> None:
        """Stop listening; what was sent just before is given a moment to leave."""
        self._router.disable_monitor()
        self._monitor.close(linger=0)
        self._router.close(linger=500)
        self._zap.close(linger=0)
        self._context.term()

    def _pending(self) -> Iterator[tuple[bytes, bytes | None]]:
        while True:
            try:
                frames = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(frames) == 2:
                identity, numbered = frames
                expected = self._n_received[identity]
                self._n_received[identity] = int.from_bytes(numbered[:_NUMBER_BYTES], "big") + 1
                if self._n_received[identity] != expected + 1:
                    yield identity, None
                yield identity, numbered[_NUMBER_BYTES:]

    def _admit(self) -> None:
        """Answer ZeroMQ's question whether a key may come in (RFC 27)."""
        version, request, _domain, address, _identity, mechanism, *credentials = self._zap.recv_multipart()
        is_known = mechanism == b"CURVE" and credentials == [self._allowed]
        code, text = (b"200", b"OK") if is_known else (b"400", b"unknown key")
        self._zap.send_multipart([version, request, code, text, b"", b""])
        if not is_known:
            self._log_refused(f"from {address.decode(errors='replace')}, with an unknown key")

    def _watch_connections(self) -> None:
        """Find the connections that close without having shown a key; ZeroMQ only counts them for us."""
        event = _read_event(self._monitor)
        if event == zmq.EVENT_ACCEPTED:
            self._n_open += 1
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._n_proven += 1
        elif event == zmq.EVENT_DISCONNECTED:
            self._note_disconnected()
        else:
            self._n_failed += 1
            if event != zmq.EVENT_HANDSHAKE_FAILED_AUTH:  # that one was logged when it was answered
                self._log_refused("by something without a key")

    def _note_disconnected(self) -> None:
        self._n_open -= 1
        if self._n_open < self._n_proven:
            self._n_proven -= 1
        elif self._n_failed:
            self._n_failed -= 1
        else:
            self._log_refused("by something that does not speak the protocol")

    def _log_refused(self, how: str) -> None:
        self._n_refused += 1
        if time.monotonic() - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = time.monotonic()
            log.warning("an attempt to connect was refused, %s (%d in all so far)", how, self._n_refused)


class Dialer:
    """A worker's end.

    Args:
        connection: Where to, and with which keys.
    """

    def __init__(self, connection: Connection):
        self._address = connection.address
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.curve_serverkey = connection.driver_key.encode()
        self._socket.curve_publickey = connection.worker_key.encode()
        self._socket.curve_secretkey = connection.worker_secret.encode()
        self._socket.setsockopt(zmq.IDENTITY, b"host-" + os.urandom(8).hex().encode())
        _limit(self._socket)
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self._socket.connect(connection.address)
        self._is_connected = False
        self._n_received = self._n_sent = 0

    def receive(self, timeout_s: float) -> Iterator[bytes]:
        """Yield the messages that have come; if none has, wait for one, at most ``timeout_s``.

        Raises:
            MessageLostError: One has not come that should have.
        """
        if not self._socket.poll(max(0, int(timeout_s * 1000))):
            return
        while True:
            try:
                numbered = self._socket.recv_multipart(zmq.NOBLOCK)[-1]
            except zmq.Again:
                return
            if int.from_bytes(numbered[:_NUMBER_BYTES], "big") != self._n_received:
                raise MessageLostError
            self._n_received += 1
            yield numbered[_NUMBER_BYTES:]

    def fileno(self) -> int:
        """A file descriptor that becomes readable when ``receive`` may have something."""
        return int(self._socket.getsockopt(zmq.FD))

    def send(self, message: bytes) -> None:
        """Send a message."""
        self._socket.send(self._n_sent.to_bytes(_NUMBER_BYTES, "big") + message)
        self._n_sent += 1

    @property
    def is_connected(self) -> bool:
        """Whether the driver and this end have shown each other their keys, and the connection still stands."""
        while self._monitor.poll(0):
            event = _read_event(self._monitor)
            self._is_connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        return self._is_connected

    def obstacle(self) -> OSError | None:
        """What the system says against a connection to the driver's address; None if one can be made."""
        host, _, port = self._address.removeprefix("tcp://").rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CALL_TIMEOUT_S).close()
        except OSError as error:
            return error
        return None

    def close(self) -> None:
        """Hang up; what was sent just before is given a moment to leave."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=500)
        self._context.term()


def _read_event(monitor: "zmq.Socket[bytes]") -> int:
    """What a monitor tells next; ``zmq.utils.monitor`` would do, but brings asyncio, a third of what a host imports."""
    head, *_ = monitor.recv_multipart(zmq.NOBLOCK)
    event, _ = struct.unpack("=hi", head)
    return int(event)


def _limit(socket: "zmq.Socket[bytes]") -> None:
    socket.setsockopt(zmq.MAXMSGSIZE, _MOST_BYTES)
    socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _SILENCE_MS)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
