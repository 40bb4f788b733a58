"""Hosts that connect to a driver: what they may do, what they may not, and what their going costs."""

import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import zmq

import manyhands as mh
from manyhands.events import PartFinished
from manyhands.executors import host as host_module
from manyhands.executors.folder import RunFolder
from manyhands.executors.host import Host
from manyhands.executors.processes import Processes
from manyhands.trial import Part, Result
from manyhands.wire import relay
from manyhands.wire.channel import Connection, Dialer, Listener

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
            rogue.send(relay.encode(relay.Happened([forged])))
            rogue.send(relay.encode(relay.Wanted(0, 0)))
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
            lambda params: params["x"], SPACE, max_trials=500, executor=mh.Remote(str(connect_file)), progress=False
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
