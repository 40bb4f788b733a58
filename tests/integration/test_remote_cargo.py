"""Parts with cargo on hosts elsewhere: files come once to a machine, and long results come back whole."""

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.support import wait_until

import manyhands as mh
from manyhands.events import Cargo, KillWorker, PartFailed, PartFinished, Reported, StartPart, WorkerJoined, WorkerLost
from manyhands.job import Job
from manyhands.trial import Part
from manyhands.worker.result import Parcel

HOST = """
import sys, pathlib
from manyhands.executors.host import Host
from manyhands.executors.processes import Processes
from manyhands.wire.channel import Connection
Host(Connection.read(pathlib.Path(sys.argv[1])), Processes(int(sys.argv[2]))).serve()
"""
FILE_BYTES = 20_000_000
CHUNK_BYTES = 4 << 20


def act(_, trial):
    """What all parts of this file do: what their cargo says."""
    data, files = trial.cargo
    words = data.decode().split()
    if words[0] == "read":
        digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in files]
        return {"value": 1.0, "digests": digests, "paths": files, "pid": os.getpid()}
    if words[0] == "say":
        return {"value": 1.0, "text": "x" * int(words[1])}
    if words[0] == "return":
        size = int(words[1])
        rng = random.Random(size)  # noqa: S311 - no secret
        for at in range(0, size, CHUNK_BYTES):
            trial.hand_over(Parcel(rng.randbytes(min(CHUNK_BYTES, size - at))))
        return 1.0
    return 1.0


class Drive:
    """An executor with hosts, driven by hand.

    Attributes:
        executor: The executor.
        workers: Those that are there.
        events: All events so far.
    """

    def __init__(self, connect_file):
        self.events = []
        self.workers = []
        self.executor = mh.Remote(str(connect_file))
        self._connect_file = connect_file
        self.hosts = []

    def start(self, n_hosts, workers):
        self.executor.start(Job(act, {}, takes_trial=True), self._take, time.time)
        for _ in range(n_hosts):
            command = [sys.executable, "-c", HOST, str(self._connect_file), str(workers)]
            self.hosts.append(subprocess.Popen(command))
        self.until(lambda: len(self.workers) == n_hosts * workers, "all workers are there")

    def _take(self, event):
        self.events.append(event)
        if isinstance(event, WorkerJoined):
            self.workers.append(event.worker)
        elif isinstance(event, WorkerLost):
            self.workers.remove(event.worker)

    def give(self, worker, number, words, *files):
        cargo = Cargo(words.encode(), [str(file) for file in files])
        self.executor.perform(StartPart(worker, Part(number), {}, cargo=cargo))

    def until(self, condition, what):
        def look():
            self.executor.poll(0.05)
            return condition()

        wait_until(look, what, 60)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def close(self):
        self.executor.close()
        for host in self.hosts:
            try:
                host.wait(10)
            finally:
                host.kill()
                host.wait(10)


@pytest.fixture
def drive(tmp_path, monkeypatch):
    node = tmp_path / "node"
    node.mkdir()
    monkeypatch.setenv("TMPDIR", str(node))  # of the hosts: the driver knows its own already
    made = Drive(tmp_path / "connect")
    yield made
    made.close()
    assert [*node.glob("manyhands-*")] == []


@pytest.fixture
def make_file(tmp_path):
    def make(seed=1, size=FILE_BYTES):
        data = random.Random(seed).randbytes(size)  # noqa: S311 - no secret
        path = tmp_path / hashlib.sha256(data).hexdigest()
        path.write_bytes(data)
        return path

    return make


def test_a_file_comes_once_to_a_machine_whatever_the_number_of_hosts_workers_and_parts(drive, make_file):
    file = make_file()
    drive.start(2, 2)
    sent_before = drive.executor._hub.n_sent_bytes

    for number in range(18):
        drive.give(drive.workers[number % 4], number, "read", file)
    drive.until(lambda: len(drive.of(PartFinished)) == 18, "all parts have finished")

    results = [event.result.metrics for event in drive.of(PartFinished)]
    assert all(result["digests"] == [file.name] for result in results)
    assert len({result["pid"] for result in results}) == 4
    assert str(file) not in {path for result in results for path in result["paths"]}
    assert drive.executor._hub.n_sent_bytes - sent_before == FILE_BYTES


def test_the_next_part_with_the_same_file_needs_nothing_sent(drive, make_file):
    file = make_file()
    drive.start(1, 1)
    drive.give(drive.workers[0], 0, "read", file)
    drive.until(lambda: drive.of(PartFinished), "the first part has finished")
    sent_before = drive.executor._hub.n_sent_bytes

    drive.give(drive.workers[0], 1, "read", file)
    drive.until(lambda: len(drive.of(PartFinished)) == 2, "the second part has finished")

    assert drive.executor._hub.n_sent_bytes == sent_before


def test_a_file_that_was_removed_fails_its_part_and_not_the_host(drive, make_file):
    file, other = make_file(1), make_file(2)
    drive.start(1, 1)
    drive.give(drive.workers[0], 0, "read", file)
    drive.executor.poll(0)  # the part is on its way
    file.unlink()

    drive.until(lambda: drive.of(PartFailed), "the part has failed")
    drive.give(drive.workers[0], 1, "read", other)
    drive.until(lambda: drive.of(PartFinished), "the next part has finished")

    assert "removed" in drive.of(PartFailed)[0].failure.reason
    assert [event.part for event in drive.of(PartFinished)] == [Part(1)]


def test_while_a_file_is_fetched_other_workers_work_and_a_worker_that_waits_can_be_killed(drive, make_file):
    file = make_file(size=200_000_000)
    drive.start(1, 2)
    waiting, working = drive.workers

    drive.give(waiting, 0, "read", file)
    for number in range(1, 11):
        drive.give(working, number, "nothing")
    drive.until(lambda: len(drive.of(PartFinished)) >= 10, "the others have finished")
    assert Part(0) not in {event.part for event in drive.of(PartFinished)}
    drive.executor.perform(KillWorker(waiting, "enough"))
    drive.until(lambda: len(drive.workers) == 2 and waiting not in drive.workers, "it is replaced")
    drive.give(drive.workers[1], 20, "read", file)
    drive.until(lambda: len(drive.of(PartFinished)) == 11, "the part has finished elsewhere")

    assert drive.of(PartFinished)[-1].part == Part(20)


def test_long_results_come_back_whole_and_in_order_while_others_are_heard(drive):
    size = 100_000_000
    drive.start(1, 2)

    drive.give(drive.workers[0], 0, f"return {size}")
    drive.give(drive.workers[1], 1, f"return {size}")
    drive.until(lambda: len(drive.of(PartFinished)) == 2, "both have finished")

    expected = hashlib.sha256()
    rng = random.Random(size)  # noqa: S311 - no secret
    for at in range(0, size, CHUNK_BYTES):
        expected.update(rng.randbytes(min(CHUNK_BYTES, size - at)))
    for number in (0, 1):
        found = hashlib.sha256()
        for event in drive.of(Reported):
            if event.part == Part(number):
                for report in event.reports:
                    found.update(report.metrics["data"])
        assert found.digest() == expected.digest()
    assert drive.of(WorkerLost) == []


def test_whatever_a_worker_can_say_passes_between_machines(drive):
    drive.start(1, 1)

    drive.give(drive.workers[0], 0, "say 60000000")
    drive.until(lambda: drive.of(PartFinished) or drive.of(WorkerLost), "it is said")

    assert [len(event.result.metrics["text"]) for event in drive.of(PartFinished)] == [60_000_000]


def test_many_cargos_at_once_are_split_into_messages_that_pass(drive):
    drive.start(1, 1)
    big = "nothing " + "x" * 1_000_000

    for number in range(40):
        drive.give(drive.workers[0], number, big)
    drive.until(lambda: len(drive.of(PartFinished)) == 40, "all have finished")

    assert [event.part.trial_id for event in drive.of(PartFinished)] == [*range(40)]


def test_a_poll_returns_as_soon_as_the_other_file_descriptor_is_readable(drive):
    readable, writable = os.pipe()
    try:
        drive.executor.wake_on(readable)
        drive.start(1, 1)
        drive.executor.poll(0.5)
        os.write(writable, b"x")

        began = time.monotonic()
        drive.executor.poll(20)

        assert time.monotonic() - began < 5
    finally:
        drive.executor.close()
        os.close(readable)
        os.close(writable)


def test_a_host_that_has_nothing_to_do_costs_next_to_nothing(drive):
    drive.start(1, 1)
    drive.give(drive.workers[0], 0, "nothing")
    drive.until(lambda: drive.of(PartFinished), "it is warm")
    family = [psutil.Process(drive.hosts[0].pid), *psutil.Process(drive.hosts[0].pid).children(recursive=True)]
    before, began = _cpu_s(family), time.monotonic()

    while time.monotonic() < began + 3:
        drive.executor.poll(1)

    assert (_cpu_s(family) - before) / (time.monotonic() - began) < 0.02
    assert drive.of(WorkerLost) == []


def _cpu_s(processes):
    return sum(sum(process.cpu_times()[:2]) for process in processes)
