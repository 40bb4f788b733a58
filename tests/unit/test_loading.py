"""Parts with cargo on a host: when they go to their workers, which files are fetched for them, and when files go."""

import hashlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from manyhands.errors import ExecutorError
from manyhands.events import (
    Cargo,
    KillWorker,
    PartFailed,
    PartFinished,
    PartReturned,
    RecallParts,
    StartPart,
    StopPart,
    WorkerJoined,
    WorkerLost,
)
from manyhands.executors import loading as loading_module
from manyhands.executors.loading import Loading
from manyhands.executors.nodecache import Claim, NodeCache
from manyhands.trial import Part, Result

CHUNK = 1000
_rng = random.Random(1)  # noqa: S311 - no secret
FIRST, SECOND, THIRD = _rng.randbytes(3500), _rng.randbytes(2000), _rng.randbytes(2500)


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


def start(worker, number, *contents):
    """A command as it comes from the driver: files by their digests."""
    return StartPart(worker, Part(number), {}, cargo=Cargo(b"message", [digest_of(data) for data in contents]))


class Machine:
    """A host's machine: what its workers are told and what the driver is asked for and told."""

    def __init__(self, *workers):
        self.done = []
        self.events = []
        self.asked = []
        self.contents = {digest_of(data): data for data in (FIRST, SECOND, THIRD)}
        self.loading = Loading(self.done.append, self.events.append, self._ask)
        for worker in workers:
            self.loading.note(WorkerJoined(worker=worker))

    def _ask(self, digest, offset):
        self.asked.append((digest, offset))

    def order(self, *commands):
        for command in commands:
            self.loading.perform(command, {digest: len(data) for digest, data in self.contents.items()})

    def step(self, most=50):
        """Go on until there is nothing to do but to wait."""
        for _ in range(most):
            if not self.loading.step():
                return
        raise AssertionError(f"it is still busy after {most} steps")

    def answer(self):
        """Give the chunk that was asked for first."""
        digest, offset = self.asked.pop(0)
        self.loading.take(digest, offset, self.contents[digest][offset : offset + CHUNK])

    def settle(self):
        """Give all that is asked for, until nothing is."""
        self.step()
        while self.asked:
            self.answer()
            self.step()

    @property
    def parts(self):
        """The parts that went to workers, in order."""
        return [command.part.trial_id for command in self.done if isinstance(command, StartPart)]


@pytest.fixture(autouse=True)
def temp_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def machine(temp_folder) -> Iterator[Machine]:
    made = Machine("w1", "w2")
    yield made
    made.loading.release()
    assert [*temp_folder.glob("*/*")] == []


def files_there(temp_folder):
    return {path.name for path in temp_folder.glob("*/*") if not path.suffix}


def set_free_space(monkeypatch, free):
    monkeypatch.setattr(
        "manyhands.executors.nodecache.shutil.disk_usage", lambda _: type("Usage", (), {"free": free()})
    )


def test_a_part_goes_to_its_worker_once_all_its_files_are_there_and_with_their_paths(machine):
    machine.order(start("w1", 1, FIRST, SECOND))
    machine.step()
    assert machine.done == []
    assert machine.loading.is_waiting

    machine.settle()

    (command,) = machine.done
    assert command.cargo.data == b"message"
    assert [Path(path).read_bytes() for path in command.cargo.files] == [FIRST, SECOND]
    assert not machine.loading.is_waiting


def test_a_file_is_asked_for_once_however_many_parts_need_it(machine):
    machine.order(start("w1", 1, FIRST), start("w2", 2, FIRST), start("w1", 3, FIRST))
    asked = []
    machine.step()
    while machine.asked:
        asked += machine.asked
        machine.answer()
        machine.step()
    machine.order(start("w2", 4, FIRST))

    assert asked == [(digest_of(FIRST), offset) for offset in (0, 1000, 2000, 3000)]
    assert sorted(machine.parts) == [1, 2, 3, 4]
    assert machine.asked == []


def test_hosts_of_one_machine_fetch_a_file_once(machine):
    other = Machine("w1")
    machine.order(start("w1", 1, FIRST))
    machine.step()
    other.order(start("w1", 1, FIRST))
    other.step()
    assert other.asked == []

    machine.settle()
    other.step()

    assert other.asked == []
    assert other.done == machine.done
    other.loading.release()


def test_what_comes_after_a_part_that_waits_waits_behind_it(machine):
    small = StartPart("w1", Part(2), {}, cargo=Cargo(b"small"))
    stop = StopPart("w1", Part(1), "enough")

    machine.order(start("w1", 1, FIRST), small, stop)
    assert machine.done == []
    machine.settle()

    assert machine.parts == [1, 2]
    assert machine.done[1:] == [small, stop]


def test_other_workers_do_not_wait(machine):
    small = StartPart("w2", Part(2), {}, cargo=Cargo(b"small"))

    machine.order(start("w1", 1, FIRST), small)

    assert machine.done == [small]


def test_parts_that_wait_are_given_back_when_they_are_recalled(machine):
    machine.order(start("w1", 1, FIRST), start("w1", 2, SECOND), RecallParts("w1"))

    assert machine.done == [RecallParts("w1")]
    assert [(type(event), event.part) for event in machine.events] == [(PartReturned, Part(1)), (PartReturned, Part(2))]
    machine.settle()
    assert machine.parts == []
    assert machine.asked == []


def test_a_kill_does_not_wait_and_what_was_held_for_the_worker_is_forgotten(machine):
    machine.order(start("w1", 1, FIRST), KillWorker("w1", "enough"))
    assert machine.done == [KillWorker("w1", "enough")]

    machine.loading.note(WorkerLost(worker="w1", cause="killed"))
    machine.settle()

    assert machine.parts == []
    assert not machine.loading.is_waiting


def test_a_part_for_a_worker_that_is_gone_is_ignored(machine, temp_folder):
    machine.loading.note(WorkerLost(worker="w1", cause="it died"))

    machine.order(start("w1", 1, FIRST))
    machine.settle()

    assert machine.done == []
    assert files_there(temp_folder) == set()


def test_a_file_that_the_driver_has_no_more_fails_the_parts_that_wait_for_it(machine):
    machine.order(start("w1", 1, FIRST), start("w1", 2, SECOND), start("w2", 3, FIRST))
    machine.step()

    machine.loading.gone(digest_of(FIRST))
    machine.asked = [(digest, offset) for digest, offset in machine.asked if digest != digest_of(FIRST)]
    machine.settle()

    assert {event.part for event in machine.events} == {Part(1), Part(3)}
    assert all(isinstance(event, PartFailed) for event in machine.events)
    assert "was removed" in machine.events[0].failure.reason
    assert machine.parts == [2]


def test_a_file_without_a_size_fails_its_part(machine):
    del machine.contents[digest_of(FIRST)]

    machine.order(start("w1", 1, SECOND, FIRST))

    assert [event.part for event in machine.events] == [Part(1)]
    assert machine.events[0].failure.reason.startswith(f"a file of its data ({digest_of(FIRST)[:12]}) cannot be had")


def test_wrong_content_fails_the_part_and_the_next_one_may_do_better(machine):
    machine.order(start("w1", 1, FIRST))
    machine.step()
    machine.asked.clear()
    machine.loading.take(digest_of(FIRST), 0, b"x" * len(FIRST))

    (event,) = machine.events
    assert "did not arrive as it was sent" in event.failure.reason
    machine.order(start("w1", 2, FIRST))
    machine.settle()
    assert machine.parts == [2]


def test_files_that_no_part_uses_go_when_there_is_no_room_the_oldest_first(machine, temp_folder, monkeypatch):
    monkeypatch.setattr(loading_module, "_MOST_KEPT_BYTES", len(FIRST) + len(THIRD))
    machine.order(start("w1", 1, FIRST), start("w1", 2, SECOND))
    machine.settle()
    for number in (1, 2):
        machine.loading.note(PartFinished(part=Part(number), result=Result(0.0)))
    assert files_there(temp_folder) == {digest_of(FIRST), digest_of(SECOND)}
    machine.order(start("w1", 3, FIRST))  # now the second is the one that was not used for longest
    machine.loading.note(PartFinished(part=Part(3), result=Result(0.0)))

    machine.order(start("w1", 4, THIRD))
    machine.settle()

    assert files_there(temp_folder) == {digest_of(FIRST), digest_of(THIRD)}


def test_files_of_parts_that_have_not_ended_stay_whatever_their_size(machine, temp_folder, monkeypatch):
    monkeypatch.setattr(loading_module, "_MOST_KEPT_BYTES", 10)
    machine.order(start("w1", 1, FIRST), start("w2", 2, SECOND))
    machine.settle()
    assert files_there(temp_folder) == {digest_of(FIRST), digest_of(SECOND)}

    machine.loading.note(PartFinished(part=Part(1), result=Result(0.0)))
    assert files_there(temp_folder) == {digest_of(SECOND)}
    machine.loading.note(WorkerLost(worker="w2", cause="it died"))
    assert files_there(temp_folder) == set()


def test_for_want_of_space_a_file_that_nobody_uses_goes(machine, temp_folder, monkeypatch):
    machine.order(start("w1", 1, FIRST))
    machine.settle()
    machine.loading.note(PartFinished(part=Part(1), result=Result(0.0)))
    kept = next(temp_folder.glob(f"*/{digest_of(FIRST)}"))
    set_free_space(monkeypatch, lambda: 0 if kept.exists() else 1 << 30)

    machine.order(start("w1", 2, SECOND))
    machine.settle()

    assert machine.parts == [1, 2]
    assert machine.events == []
    assert files_there(temp_folder) == {digest_of(SECOND)}


def test_for_want_of_space_a_part_fails_when_nothing_can_go(machine, monkeypatch):
    set_free_space(monkeypatch, lambda: 0)

    machine.order(start("w1", 1, FIRST))
    machine.settle()

    (event,) = machine.events
    assert "TMPDIR" in event.failure.reason


def test_another_process_that_does_not_go_on_with_a_file_is_not_waited_for_for_ever(machine, monkeypatch):
    stuck = NodeCache().file(digest_of(FIRST), len(FIRST))
    assert stuck.claim() is Claim.EMPTY
    stuck.write(FIRST[:500])
    monkeypatch.setattr(loading_module, "_PATIENCE_S", 0.0)

    machine.order(start("w1", 1, FIRST))
    machine.step()
    machine.step()
    machine.step()

    assert [event.part for event in machine.events] == [Part(1)]
    assert "does not arrive" in machine.events[0].failure.reason
    stuck.release()


def test_what_cannot_be_kept_at_all_fails_the_part(machine, monkeypatch):
    def refuse(*_):
        raise ExecutorError("the folder belongs to somebody else")

    monkeypatch.setattr("manyhands.executors.fetching.NodeCache", refuse)

    machine.order(start("w1", 1, FIRST), start("w1", 2))

    assert [event.part for event in machine.events] == [Part(1)]
    assert machine.parts == [2]
