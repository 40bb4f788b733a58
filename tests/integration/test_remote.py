"""Hosts that connect to a driver: what they may do, what they may not, and what their going costs."""

import logging
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import zmq

import manyhands as mh
from manyhands.events import PartFinished, Reported, WorkerJoined
from manyhands.executors import host as host_module
from manyhands.executors.folder import RunFolder
from manyhands.executors.host import Host
from manyhands.executors.processes import Processes
from manyhands.trial import Part, Report, Result
from manyhands.wire import relay
from manyhands.wire.channel import Connection, Dialer, Listener, MessageLostError

SPACE = {"x": mh.Float(0, 1)}
HOST = """
import sys, pathlib
from manyhands.executors.host import Host
from manyhands.executors.processes import Processes
from manyhands.wire.channel import Connection
Host(Connection.read(pathlib.Path(sys.argv[1])), Processes(int(sys.argv[2]))).serve()
"""


def wait_for(condition, what, seconds=30.0):
    give_up_at = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < give_up_at, f"{what} did not happen within {seconds} s"
        time.sleep(0.01)
    return found


@contextmanager
def hosts_when_called(connect_file, n_hosts, workers=1):
    """Start hosts as soon as the driver has written its connection file; kill what is left of them at the end."""
    processes = []

    def call():
        wait_for(connect_file.exists, "the connection file")
        for _ in range(n_hosts):
            processes.append(subprocess.Popen([sys.executable, "-c", HOST, str(connect_file), str(workers)]))

    caller = threading.Thread(target=call)
    caller.start()
    try:
        yield processes
    finally:
        caller.join(30)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait(10)


@pytest.fixture
def listener():
    listener = Listener("tcp://127.0.0.1:*")
    yield listener
    listener.close()


def port_of(listener):
    return int(listener.connection.address.rpartition(":")[2])


def drain(listener, seconds=0.5):
    """Everything that reaches the driver within some time."""
    came = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        came += listener.receive(0.05)
    return came


def dial_raw(listener, **keys):
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    for option, key in keys.items():
        setattr(dealer, option, key)
    dealer.connect(listener.connection.address)
    dealer.send(b"let me in")
    return context, dealer


def assert_nothing_comes_but_a_log_line(listener, caplog):
    with caplog.at_level(logging.WARNING, logger="manyhands"):
        came = drain(listener)

    assert came == []
    assert "an attempt to connect was refused" in caplog.text
    assert_still_serves_the_honest(listener)


def assert_still_serves_the_honest(listener):
    dialer = Dialer(listener.connection)
    dialer.send(b"hello")

    came = wait_for(lambda: list(listener.receive(0.05)), "the honest worker's message")

    assert [message for _, message in came] == [b"hello"]
    dialer.close()


def test_a_client_without_keys_is_refused(listener, caplog):
    context, dealer = dial_raw(listener)

    assert_nothing_comes_but_a_log_line(listener, caplog)

    dealer.close()
    context.term()


def test_a_client_with_a_key_of_its_own_is_refused(listener, caplog):
    public, secret = zmq.curve_keypair()
    context, dealer = dial_raw(
        listener,
        curve_serverkey=listener.connection.driver_key.encode(),
        curve_publickey=public,
        curve_secretkey=secret,
    )

    assert_nothing_comes_but_a_log_line(listener, caplog)

    dealer.close()
    context.term()


def test_a_client_that_expects_another_driver_is_refused(listener, caplog):
    """It pinned another driver's key, so the two cannot understand each other."""
    other_driver, _ = zmq.curve_keypair()
    context, dealer = dial_raw(
        listener,
        curve_serverkey=other_driver,
        curve_publickey=listener.connection.worker_key.encode(),
        curve_secretkey=listener.connection.worker_secret.encode(),
    )

    assert_nothing_comes_but_a_log_line(listener, caplog)

    dealer.close()
    context.term()


@pytest.mark.parametrize("greeting", [os.urandom(4096), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" + b"\0" * 200])
def test_bytes_that_are_no_protocol_are_refused(listener, caplog, greeting):
    with socket.create_connection(("127.0.0.1", port_of(listener))) as rogue:
        rogue.sendall(greeting)

        assert_nothing_comes_but_a_log_line(listener, caplog)


def test_many_half_open_connections_do_not_keep_the_honest_out(listener):
    rogues = [socket.create_connection(("127.0.0.1", port_of(listener))) for _ in range(200)]

    assert_still_serves_the_honest(listener)

    for rogue in rogues:
        rogue.close()


def test_the_connection_file_is_readable_by_its_user_only(listener, tmp_path):
    path = tmp_path / "connect"

    listener.connection.write(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Connection.read(path) == listener.connection


def test_a_file_that_is_no_connection_file_is_named(tmp_path):
    path = tmp_path / "connect"
    path.write_text("{}")

    with pytest.raises(mh.ExecutorError, match="cannot be used as a connection file"):
        Connection.read(path)


def test_a_search_runs_on_two_hosts(tmp_path):
    def objective(params, trial):
        (tmp_path / f"worker-{os.getpid()}").touch()
        wait_for(lambda: len([*tmp_path.glob("worker-*")]) == 2, "the other host's first trial")
        print("trial", trial.id)
        trial.report(params["x"], step=0)
        return {"value": params["x"] ** 2, "pid": os.getpid()}

    connect_file = tmp_path / "connect"
    with hosts_when_called(connect_file, 2):
        study = mh.tune(
            objective, SPACE, max_trials=60, executor=mh.Remote(str(connect_file), workers=2), progress=False
        )

    assert [trial.id for trial in study.trials] == list(range(60))
    assert all(trial.state == "finished" for trial in study.trials)
    assert len({trial.metrics["pid"] for trial in study.trials}) == 2
    assert study.log(7) == "trial 7\n"
    assert not connect_file.exists()


def test_a_host_that_is_killed_costs_each_of_its_trials_one_attempt(tmp_path, monkeypatch):
    monkeypatch.setattr("manyhands.executors.hub._LEASE_S", 1.5)

    def objective(params, trial):
        import time

        if trial.id == 30 and trial.attempt == 1:
            os.kill(os.getppid(), signal.SIGKILL)  # the host, whose child this worker is
        time.sleep(0.05)
        return params["x"]

    connect_file = tmp_path / "connect"
    with hosts_when_called(connect_file, 2):
        study = mh.tune(
            objective, SPACE, max_trials=60, executor=mh.Remote(str(connect_file), workers=2), progress=False
        )

    assert [trial.id for trial in study.trials] == list(range(60))
    assert all(trial.state == "finished" for trial in study.trials)
    lost = [cause for trial in study.trials for cause in trial.lost]
    assert len(lost) == 1
    assert "its connection broke" in lost[0]


def test_a_host_with_the_keys_cannot_speak_for_another_hosts_trial(tmp_path):
    """Keys let a machine work for the driver, not decide what others' work came to."""
    release = tmp_path / "release"
    forged = PartFinished(part=Part(0), result=Result(-1e9))

    def objective(params):
        import time

        while not release.exists():
            time.sleep(0.01)
        return params["x"]

    def forge():
        wait_for(connect_file.exists, "the connection file")
        rogue = Dialer(Connection.read(connect_file))
        rogue.send(relay.encode(relay.Joined("rogue", 1, sys.version_info[:2])))
        assert wait_for(lambda: list(rogue.receive(0.05)), "the welcome")
        for _ in range(20):
            rogue.send(relay.encode(relay.Happened([forged], time.time())))
            rogue.send(relay.encode(relay.Wanted("0" * 64, 0)))
            assert wait_for(lambda: list(rogue.receive(0.05)), "an answer")
        release.touch()
        rogue.close()

    connect_file = tmp_path / "connect"
    forger = threading.Thread(target=forge)
    forger.start()
    with hosts_when_called(connect_file, 1):
        study = mh.tune(objective, SPACE, max_trials=2, executor=mh.Remote(str(connect_file)), progress=False)
    forger.join(30)

    assert study.best_value >= 0


def test_a_host_that_sends_what_is_no_message_is_given_up(tmp_path, caplog):
    connect_file = tmp_path / "connect"

    def babble():
        wait_for(connect_file.exists, "the connection file")
        rogue = Dialer(Connection.read(connect_file))
        rogue.send(relay.encode(relay.Joined("rogue", 1, sys.version_info[:2])))
        rogue.send(b"\xc1 not msgpack")
        wait_for(lambda: "given up" in caplog.text, "the log line")
        rogue.close()

    babbler = threading.Thread(target=babble)
    babbler.start()
    with caplog.at_level(logging.WARNING, logger="manyhands"), hosts_when_called(connect_file, 1):
        study = mh.tune(
            lambda params: params["x"],
            SPACE,
            max_trials=500,
            sampler="random",
            executor=mh.Remote(str(connect_file)),
            progress=False,
        )
        babbler.join(30)

    assert len(study.trials) == 500


def test_a_host_that_cannot_run_the_search_is_given_up_while_others_can(tmp_path, caplog):
    connect_file, begun = tmp_path / "connect", tmp_path / "begun"

    def objective(params):
        import time

        begun.touch()
        while not (tmp_path / "release").exists():
            time.sleep(0.01)
        return params["x"]

    def complain():
        wait_for(begun.exists, "the first trial")
        rogue = Dialer(Connection.read(connect_file))
        rogue.send(relay.encode(relay.Joined("poor", 1, sys.version_info[:2])))
        rogue.send(relay.encode(relay.Broken("it has no such library")))
        wait_for(lambda: "no such library" in caplog.text, "the log line")
        (tmp_path / "release").touch()
        rogue.close()

    complainer = threading.Thread(target=complain)
    complainer.start()
    with caplog.at_level(logging.WARNING, logger="manyhands"), hosts_when_called(connect_file, 1):
        study = mh.tune(objective, SPACE, max_trials=3, executor=mh.Remote(str(connect_file)), progress=False)
        complainer.join(30)

    assert [trial.state for trial in study.trials] == ["finished"] * 3
    assert "the host poor is given up" in caplog.text


def test_a_search_that_the_first_host_cannot_run_ends(tmp_path):
    connect_file = tmp_path / "connect"

    def complain():
        wait_for(connect_file.exists, "the connection file")
        rogue = Dialer(Connection.read(connect_file))
        rogue.send(relay.encode(relay.Joined("poor", 1, sys.version_info[:2])))
        rogue.send(relay.encode(relay.Broken("it has no such library")))
        wait_for(lambda: not connect_file.exists(), "the end of the search")
        rogue.close()

    complainer = threading.Thread(target=complain)
    complainer.start()
    with pytest.raises(mh.PayloadError, match="poor cannot run this search: it has no such library"):
        mh.tune(lambda params: 0.0, SPACE, max_trials=1, executor=mh.Remote(str(connect_file)), progress=False)
    complainer.join(30)


DEADLY_SCRIPT = """
    import os
    import signal
    import sys

    import manyhands as mh

    class Deadly:
        def __reduce__(self):
            os.kill(os.getpid(), signal.SIGKILL)

    deadly = Deadly()
    mh.tune(lambda params: deadly, {"x": mh.Float(0, 1)}, max_trials=1, executor=mh.Remote(sys.argv[1]), progress=False)
"""


def test_the_folder_of_a_driver_that_died_while_it_wrote_the_payload_is_removed_by_the_next(
    start_script, tmp_path, temp_folder
):
    script = start_script(DEADLY_SCRIPT, tmp_path / "connect")
    assert script.ends_within(30)
    left = [*temp_folder.glob("manyhands-*")]

    RunFolder().remove()

    assert script.process.returncode == -signal.SIGKILL
    assert len(left) == 1
    assert not left[0].exists()


def test_a_host_leaves_when_its_driver_is_silent(listener, monkeypatch):
    monkeypatch.setattr(host_module, "_PULSE_S", 0.05)
    host = Host(listener.connection, Processes(1))

    with pytest.raises(mh.ExecutorError, match="has not answered"):
        host.serve(connect_timeout_s=0.3)


def test_a_driver_gives_up_when_no_worker_comes(tmp_path):
    executor = mh.Remote(str(tmp_path / "connect"), join_timeout_s=0.3)

    with pytest.raises(mh.ExecutorError, match="manyhands worker --connect"):
        mh.tune(lambda params: 0.0, SPACE, max_trials=1, executor=executor, progress=False)

    assert not Path(tmp_path / "connect").exists()


def test_listening_on_all_interfaces_needs_a_name_to_be_called_by():
    with pytest.raises(mh.SettingsError, match="advertise"):
        mh.Remote(bind="0.0.0.0")  # noqa: S104 - that is what is refused


def test_whole_numbers_arrive_as_whole_numbers(tmp_path):
    connect_file = tmp_path / "connect"
    space = {"n": mh.Int(1, 9), "x": mh.Float(0, 1)}

    def objective(params):
        return {"value": 0, "n": type(params["n"]).__name__, "x": type(params["x"]).__name__}

    with hosts_when_called(connect_file, 1):
        executor = mh.Remote(str(connect_file))
        study = mh.tune(
            objective, space, start_with=[{"n": 3, "x": 1.0}], max_trials=3, executor=executor, progress=False
        )

    assert {(trial.metrics["n"], trial.metrics["x"]) for trial in study.trials} == {("int", "float")}


# -- connections that break --------------------------------------------------------------------------------------------


class Proxy:
    """A network between drivers and hosts that can be told to fail.

    Args:
        port: Where the driver listens on loopback.
    """

    def __init__(self, port):
        self._target = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._swallows = False
        self._pairs = []
        self._half_open = []  # connections to the driver, whose hosts have gone
        self._lock = threading.Lock()
        self.n_connections = 0
        self.n_swallowed = 0  # bytes
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self):
        """Take what comes and let nothing through, until the connections are reset."""
        self.n_swallowed = 0
        self._swallows = True

    def reset(self, *, only_hosts=False):
        """Break all connections, with what is under way; new ones work. Drivers need not learn of it."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
            self._half_open += [far for _, far in pairs if only_hosts]
        for end in (end for pair in pairs for end in (pair[:1] if only_hosts else pair)):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                end.shutdown(socket.SHUT_RD)  # wakes who reads from it
            end.close()
        self._swallows = False

    def close(self):
        self._listening.close()
        self.reset()
        for far in self._half_open:
            far.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._target, 5)
                with self._lock:
                    self._pairs.append((near, far))
                    self.n_connections += 1
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source, sink):
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self._swallows:
                    self.n_swallowed += len(data)
                else:
                    sink.sendall(data)
        if sink not in self._half_open:
            for end in (source, sink):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def proxied(connection, proxy):
    return Connection(
        f"tcp://127.0.0.1:{proxy.port}", connection.driver_key, connection.worker_key, connection.worker_secret
    )


@pytest.fixture
def proxy(listener):
    proxy = Proxy(port_of(listener))
    yield proxy
    proxy.close()


@pytest.fixture
def connected(listener, proxy):
    """A dialer that has reached the listener through the proxy, and its identity."""
    dialer = Dialer(proxied(listener.connection, proxy))
    dialer.send(b"hello")
    ((identity, message),) = wait_for(lambda: list(listener.receive(0.05)), "the first message")
    assert message == b"hello"
    wait_for(lambda: dialer.is_connected, "the connection")
    yield dialer, identity
    dialer.close()


def lose(proxy, send):
    """Send something that is lost with the connection."""
    proxy.swallow()
    send()
    wait_for(lambda: proxy.n_swallowed, "the message is under way")
    proxy.reset()
    wait_for(lambda: proxy.n_connections == 2, "the second connection")


def test_a_driver_notices_that_a_message_was_lost(listener, proxy, connected):
    dialer, identity = connected

    lose(proxy, lambda: dialer.send(b"lost"))
    dialer.send(b"later")
    came = []
    wait_for(lambda: came.extend(listener.receive(0.05)) or len(came) >= 2, "what was sent later")

    assert came == [(identity, None), (identity, b"later")]


def test_a_host_notices_that_a_message_was_lost(listener, proxy, connected):
    dialer, identity = connected
    assert listener.send(identity, b"first")
    assert wait_for(lambda: list(dialer.receive(0.05)), "the first message") == [b"first"]

    lose(proxy, lambda: listener.send(identity, b"lost"))
    wait_for(lambda: [*listener.receive(0.05)] or listener.send(identity, b"later"), "the listener knows it again")

    with pytest.raises(MessageLostError):
        wait_for(lambda: list(dialer.receive(0.05)), "what was sent later")


def test_a_connection_that_breaks_between_messages_costs_none(listener, proxy, connected):
    dialer, identity = connected

    proxy.reset()
    wait_for(lambda: proxy.n_connections == 2, "the second connection")
    dialer.send(b"later")

    assert wait_for(lambda: list(listener.receive(0.05)), "what was sent later") == [(identity, b"later")]
    assert listener.send(identity, b"answer")
    assert wait_for(lambda: list(dialer.receive(0.05)), "the answer") == [b"answer"]


def test_a_host_is_heard_again_though_its_driver_never_learned_that_its_connection_broke(listener, proxy, connected):
    """Such as behind a router that was restarted: the old connection is half open, and in the new one's way."""
    dialer, identity = connected

    proxy.reset(only_hosts=True)
    wait_for(lambda: proxy.n_connections == 2, "the second connection")
    dialer.send(b"later")

    came = wait_for(lambda: list(listener.receive(0.05)), "what was sent later", 10)
    assert came[-1] == (identity, b"later")


def test_who_has_gone_or_never_was_there_is_sent_nothing(listener):
    dialer = Dialer(listener.connection)
    dialer.send(b"hello")
    ((identity, _),) = wait_for(lambda: list(listener.receive(0.05)), "the first message")
    assert listener.send(identity, b"still there")
    dialer.close()

    wait_for(lambda: not listener.send(identity, b"too late"), "the driver has noticed")

    assert not listener.send(b"nobody", b"hello")


def test_a_host_knows_whether_it_is_connected_and_what_is_in_the_way():
    listener = Listener("tcp://127.0.0.1:*")
    dialer = Dialer(listener.connection)
    assert not dialer.is_connected, "nobody has let it in yet"
    assert dialer.obstacle() is None, "the port is open"

    wait_for(lambda: [*listener.receive(0.01)] or dialer.is_connected, "the connection")
    assert dialer.is_connected
    listener.close()

    wait_for(lambda: not dialer.is_connected, "the host has noticed")
    assert isinstance(dialer.obstacle(), ConnectionRefusedError)
    dialer.close()


def test_a_host_with_the_wrong_keys_is_not_connected_though_nothing_is_in_the_way(listener):
    public, secret = zmq.curve_keypair()
    rogue = Dialer(
        Connection(listener.connection.address, listener.connection.driver_key, public.decode(), secret.decode())
    )

    drain(listener)

    assert not rogue.is_connected
    assert rogue.obstacle() is None
    rogue.close()


DRIVER = """
    import json
    import os
    import sys
    import time

    import manyhands as mh

    connect_file, begun, release = sys.argv[1:]

    def objective(params):
        with open(begun, "a") as file:
            file.write("x")
        while not os.path.exists(release):
            time.sleep(0.01)
        return params["x"]

    study = mh.tune(
        objective, {"x": mh.Float(0, 1)}, max_trials=3, executor=mh.Remote(connect_file), progress=False, seed=1
    )
    print(json.dumps([[trial.state, trial.lost] for trial in study.trials]))
"""


@pytest.fixture
def search(start_script, tmp_path):
    """A driver and a host, each a process, in the middle of their first trial; and the file that lets trials end."""
    begun, release = tmp_path / "begun", tmp_path / "release"
    driver = start_script(DRIVER, tmp_path / "connect", begun, release)
    wait_for((tmp_path / "connect").exists, "the connection file")
    host = start_script(HOST, tmp_path / "connect", 1)
    wait_for(lambda: begun.exists() or host.process.poll() is not None, "the first trial")
    return driver, host, begun, release


def test_a_host_leaves_soon_after_its_driver_was_killed(search):
    driver, host, _, _ = search

    driver.kill()

    assert host.ends_within(5)
    assert "ExecutorError: Nobody listens at tcp://127.0.0.1:" in host.errors.splitlines()[-1]


@pytest.mark.parametrize("which", ["driver", "host"])
@pytest.mark.parametrize("seconds", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_a_machine_that_was_frozen_for_a_while_loses_nothing(search, which, seconds):
    """A laptop's lid was closed, or all its memory was in use."""
    driver, host, begun, release = search
    frozen = driver if which == "driver" else host

    frozen.send(signal.SIGSTOP)
    time.sleep(seconds)  # that is how long it is frozen
    assert host.process.poll() is None, host.errors
    frozen.send(signal.SIGCONT)
    release.touch()

    assert driver.finish(30) == [["finished", []]] * 3, driver.errors
    assert begun.read_text() == "xxx"
    assert host.ends_within(10)
    assert host.process.returncode == 0, host.errors


def test_a_connection_that_is_reset_costs_what_ran_behind_it_one_attempt(tmp_path, monkeypatch):
    connect_file, beside, calls, is_reset = (tmp_path / name for name in ("connect", "beside", "calls", "reset"))

    def objective(params, trial):
        import time

        with calls.open("a") as file:
            file.write(f"{trial.id} {os.getppid()}\n")
        while trial.id >= 30 and not is_reset.exists():
            time.sleep(0.01)
        if trial.id >= 32:
            time.sleep(0.1)  # so that there still is work to do when the host is back
        return params["x"]

    def break_the_connection():
        wait_for(connect_file.exists, "the connection file")
        connection = Connection.read(connect_file)
        proxy = Proxy(int(connection.address.rpartition(":")[2]))
        try:
            proxied(connection, proxy).write(beside)
            host = subprocess.Popen([sys.executable, "-c", HOST, str(beside), "1"])
            wait_for(lambda: calls.exists() and f" {host.pid}\n" in calls.read_text(), "its first trial")
            started.append(subprocess.Popen([sys.executable, "-c", HOST, str(connect_file), "1"]))
            wait_for(lambda: len({*calls.read_text().splitlines()}) >= 32, "both wait")
            proxy.swallow()
            told.clear()
            wait_for(lambda: len({*told}) == 2 and proxy.n_swallowed, "a message to each host, one of which is lost")
            proxy.reset()
            is_reset.touch()
            host.wait(30)
        finally:
            proxy.close()

    def note(listener, identity, message, send=Listener.send):
        is_sent = send(listener, identity, message)
        told.append(identity)
        return is_sent

    monkeypatch.setattr(Listener, "send", note)
    started, told = [], []
    breaker = threading.Thread(target=break_the_connection)
    breaker.start()
    study = mh.tune(objective, SPACE, max_trials=60, executor=mh.Remote(str(connect_file), workers=2), progress=False)
    breaker.join(60)
    for process in started:
        process.wait(30)

    n_calls = Counter(int(line.split()[0]) for line in calls.read_text().splitlines())
    lost = [cause for trial in study.trials for cause in trial.lost]
    assert [trial.id for trial in study.trials] == list(range(60))
    assert all(trial.state == "finished" for trial in study.trials)
    assert len(lost) == 1
    assert "its connection broke" in lost[0] or "a message was lost" in lost[0]
    assert all(1 <= n_calls[trial.id] <= 1 + len(trial.lost) for trial in study.trials), n_calls


def test_a_worker_that_was_given_up_comes_again(tmp_path, monkeypatch, caplog):
    """``manyhands worker`` in a container has nobody who would start it anew."""
    monkeypatch.setattr("manyhands.executors.hub._LEASE_S", 1.5)
    connect_file, begun, release = tmp_path / "connect", tmp_path / "begun", tmp_path / "release"
    command = [sys.executable, "-c", "from manyhands.cli import main; main()", "worker", "--connect", str(connect_file)]
    ended = []

    def objective(params):
        import time

        begun.touch()
        while not release.exists():
            time.sleep(0.01)
        return params["x"]

    def freeze():
        wait_for(connect_file.exists, "the connection file")
        with subprocess.Popen([*command, "--workers", "1"], stdout=subprocess.PIPE, text=True) as worker:
            wait_for(begun.exists, "the first trial")
            worker.send_signal(signal.SIGSTOP)
            wait_for(lambda: "silent" in caplog.text, "the driver gives it up")
            release.touch()
            worker.send_signal(signal.SIGCONT)
            ended.append((worker.communicate(timeout=30)[0], worker.returncode))

    freezer = threading.Thread(target=freeze)
    freezer.start()
    with caplog.at_level(logging.WARNING, logger="manyhands"):
        study = mh.tune(objective, SPACE, max_trials=3, executor=mh.Remote(str(connect_file)), progress=False)
    freezer.join(40)

    assert [trial.state for trial in study.trials] == ["finished"] * 3
    assert sum(len(trial.lost) for trial in study.trials) == 1
    assert ended == [("It is over: the search is over.\n", 0)]


@pytest.mark.parametrize("fast_by_s", [3600.0, -3600.0])
def test_what_a_host_with_a_wrong_clock_reports_gets_the_drivers_time(tmp_path, fast_by_s):
    """Else a scheduler that is restored would hear of things in another order than the first time."""
    connect_file = tmp_path / "connect"

    def work():
        wait_for(connect_file.exists, "the connection file")
        dialer = Dialer(Connection.read(connect_file))

        def tell(*events):
            dialer.send(relay.encode(relay.Happened(list(events), time.time() + fast_by_s)))

        def ordered():
            messages = [relay.decode_from_driver(message) for message in dialer.receive(0.05)]
            return [command for m in messages if isinstance(m, relay.Ordered) for command in m.commands]

        dialer.send(relay.encode(relay.Joined("wrong", 1, sys.version_info[:2])))
        tell(WorkerJoined(worker="w1"))
        (start,) = wait_for(ordered, "the first trial")
        tell(Reported(part=start.part, reports=[Report(0, 0.5, {}, time.time() + fast_by_s)]))
        tell(PartFinished(part=start.part, result=Result(0.5)))
        wait_for(lambda: not connect_file.exists(), "the end of the search")
        dialer.close()

    worker = threading.Thread(target=work)
    worker.start()
    study = mh.tune(
        lambda params, trial: 0.0, SPACE, max_trials=1, executor=mh.Remote(str(connect_file)), progress=False
    )
    worker.join(30)

    (report,) = study.reports(0)
    assert study.trials[0].started_at <= report.at <= study.trials[0].ended_at + 0.2
