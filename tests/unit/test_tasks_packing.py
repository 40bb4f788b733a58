"""What travels: tasks and their outcomes, large buffers as files that are there once."""

import os
import pickle
import re
from collections import deque
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import manyhands
from manyhands.errors import ExecutorError
from manyhands.tasks.packing import Packer, RemoteTraceback, unpack
from manyhands.tasks.pool import Answer
from manyhands.tasks.shelf import Shelf
from manyhands.tasks.task import Runner
from manyhands.worker.handle import TrialHandle

MEBIBYTE = 1 << 20


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shelf = Shelf(keep_bytes=3 * MEBIBYTE)
    yield shelf
    shelf.clear()
    assert list(tmp_path.glob("manyhands-*")) == []


@pytest.fixture
def packer(shelf):
    return Packer(shelf)


def perform(cargo):
    """Run a cargo as a worker does, and return its answer as the pool does."""
    chunks = deque()
    sent = (cargo.data, cargo.files)
    trial = TrialHandle((1, 0, 1), {}, "", print, cargo=sent, hand_over=lambda _, data: chunks.append(bytes(data)))
    return Answer(Runner()({}, trial), chunks)


def files_of(shelf):
    return sorted(path.name for path in Path(shelf.path("x")).parent.iterdir() if path.name != "lock")


# -- tasks -----------------------------------------------------------------------------------------------------------


def test_a_small_task_is_a_message_and_no_file(packer):
    cargo = packer.pack(lambda: 6 * 7)

    assert cargo.files == []
    assert unpack(perform(cargo)) == 42


def test_a_large_array_is_a_file_named_by_its_hash_that_workers_cannot_write_to(packer):
    array = np.arange(MEBIBYTE, dtype=float)

    cargo = packer.pack(lambda: (array.sum(), array.flags.writeable))

    (file,) = cargo.files
    assert os.path.getsize(file) == array.nbytes
    assert len(os.path.basename(file)) == 64
    assert len(cargo.data) < 2000
    assert unpack(perform(cargo)) == (array.sum(), False)


def test_a_large_pickle_is_a_file_too(packer):
    numbers = list(range(1_000_000))

    cargo = packer.pack(lambda: len(numbers))

    assert len(cargo.files) == 1
    assert len(cargo.data) == 1
    assert unpack(perform(cargo)) == 1_000_000


def test_an_array_that_many_tasks_have_is_hashed_and_written_once(shelf, packer, monkeypatch):
    array = np.ones(MEBIBYTE)
    n_hashed = []
    put = shelf.put
    monkeypatch.setattr(shelf, "put", lambda data: n_hashed.append(data) or put(data))

    cargos = [packer.pack(lambda i=i: array[i]) for i in range(5)]

    assert shelf.n_written == len(n_hashed) == 1
    assert len({cargo.files[0] for cargo in cargos}) == 1


def test_an_array_that_changed_between_two_tasks_is_sent_as_it_is(packer):
    array = np.zeros(MEBIBYTE)
    first = packer.pack(lambda: array.sum())
    array += 1
    second = packer.pack(lambda: array.sum())

    assert unpack(perform(first)) == 0
    assert unpack(perform(second)) == MEBIBYTE


def test_two_views_of_the_same_memory_are_one_file(shelf, packer):
    array = np.ones(MEBIBYTE)

    packer.pack(lambda view=array[:]: view)
    packer.pack(lambda view=array[:]: view)

    assert shelf.n_written == 1


def test_an_array_in_the_place_of_one_that_is_gone_is_not_taken_for_it(packer):
    totals = []
    for i in range(20):
        array = np.full(MEBIBYTE, float(i))  # the allocator gives the same address again
        cargo = packer.pack(lambda array=array: array[0])
        totals.append(unpack(perform(cargo)))
        packer.release(cargo)
        del array

    assert totals == list(range(20))


def test_with_copy_on_write_workers_may_write_and_nobody_else_sees_it(shelf):
    packer = Packer(shelf, mmap_mode="c")
    array = np.ones(MEBIBYTE)

    def add():
        array[:] += 1
        return array[0]

    cargo = packer.pack(add)

    assert unpack(perform(cargo)) == 2
    assert unpack(perform(cargo)) == 2
    assert array[0] == 1


@pytest.mark.parametrize("settings", [{"max_nbytes": None}, {"mmap_mode": None}])
def test_without_mapping_workers_have_copies_that_they_can_write_to(shelf, settings):
    array = np.ones(MEBIBYTE)

    cargo = Packer(shelf, **settings).pack(lambda: array.flags.writeable)

    assert unpack(perform(cargo)) is True


def test_an_empty_array_is_no_file_whatever_the_limit(shelf):
    array = np.ones(0)

    cargo = Packer(shelf, max_nbytes=0).pack(lambda: len(array))

    assert cargo.files == []
    assert unpack(perform(cargo)) == 0


def test_what_cannot_be_pickled_is_said(packer):
    lock = __import__("threading").Lock()

    with pytest.raises(pickle.PicklingError, match=r"cannot be sent to a worker.*lock"):
        packer.pack(lambda: lock)


def test_local_workers_open_a_memmap_themselves(shelf, tmp_path):
    array = np.memmap(tmp_path / "data", np.float64, "w+", shape=(MEBIBYTE,))
    array[:] = 2

    def write(part=array[10:20]):
        part[:] = 3
        return type(part).__name__

    cargo = Packer(shelf, is_local=True).pack(write)

    assert cargo.files == []
    assert unpack(perform(cargo)) == "memmap"
    assert list(array[9:21]) == [2, *[3] * 10, 2]
    assert len(Packer(shelf).pack(lambda: array).files) == 1  # elsewhere there is no such file


@pytest.mark.parametrize("offset", [0, 8, 4096 + 8])
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a[3:50],
        lambda a: a[::-3],
        lambda a: a[100:500].reshape(20, 20).T[::2, ::-1],
        lambda a: a[:0],
    ],
)
def test_any_view_of_a_memmap_comes_back_as_it_was(shelf, tmp_path, offset, view):
    np.arange(2000.0).tofile(tmp_path / "data")
    array = view(np.memmap(tmp_path / "data", np.float64, "r", offset))

    found = unpack(perform(Packer(shelf, is_local=True).pack(lambda: (np.array(array), array.shape))))

    np.testing.assert_array_equal(found[0], array)
    assert found[1] == array.shape


# -- files -----------------------------------------------------------------------------------------------------------


def test_a_file_stays_while_a_task_or_the_call_needs_it(shelf):
    packer = Packer(shelf)
    arrays = [np.full(MEBIBYTE // 4, float(i)) for i in range(6)]  # 2 MiB each, and the shelf keeps 3
    cargos = [packer.pack(lambda array=array: array) for array in arrays]
    assert len(files_of(shelf)) == 6

    for cargo in cargos:
        packer.release(cargo)
    assert len(files_of(shelf)) == 6  # the next task may have the same arrays

    packer.close()
    assert files_of(shelf) == [os.path.basename(cargos[5].files[0])]  # the one that was used last


def test_what_the_last_call_had_is_not_written_again(shelf):
    array = np.ones(MEBIBYTE // 8)
    for _ in range(2):
        packer = Packer(shelf)
        packer.release(packer.pack(lambda: array))
        packer.close()

    assert shelf.n_written == 1


def test_the_file_of_an_array_that_is_gone_goes(shelf, packer):
    for i in range(10):
        array = np.full(MEBIBYTE // 4, float(i))
        packer.release(packer.pack(lambda array=array: array))
        del array

    assert len(files_of(shelf)) <= 2  # it learns of the last one with the next task


def test_a_full_disk_is_said(shelf, packer, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    packer.pack(partial(np.sum, np.zeros(MEBIBYTE)))
    task = partial(np.sum, np.ones(MEBIBYTE))

    with monkeypatch.context() as patch:
        patch.setattr("manyhands.tasks.shelf.os.open", full)
        with pytest.raises(ExecutorError, match=r"8 MB.*No space left.*TMPDIR"):
            packer.pack(task)


# -- outcomes --------------------------------------------------------------------------------------------------------


def test_an_exception_has_its_true_type_and_the_traceback_as_its_cause(packer):
    def fail():
        raise KeyError("what is missing")

    with pytest.raises(KeyError, match="what is missing") as caught:
        unpack(perform(packer.pack(fail)))

    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "in fail" in str(caught.value.__cause__)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_ordinary_exception_is_raised_too(packer, error):
    def fail():
        raise error

    with pytest.raises(error):
        unpack(perform(packer.pack(fail)))


def test_an_exception_that_cannot_be_pickled_is_told_in_words(packer):
    def fail():
        error = ValueError("important words")
        error.lock = __import__("threading").Lock()
        raise error

    with pytest.raises(RuntimeError, match="ValueError: important words"):
        unpack(perform(packer.pack(fail)))


def test_an_exception_that_cannot_be_unpickled_has_its_traceback(packer):
    def fail():
        class PickyError(Exception):
            def __init__(self, one, two):
                super().__init__(one)

        raise PickyError("one", "two")

    with pytest.raises(pickle.UnpicklingError, match="PickyError") as caught:
        unpack(perform(packer.pack(fail)))

    assert "in fail" in str(caught.value.__cause__)


def test_a_result_that_cannot_be_pickled_is_said(packer):
    with pytest.raises(pickle.PicklingError, match=r"What the task returned .*lock"):
        unpack(perform(packer.pack(lambda: __import__("threading").Lock())))


def test_a_function_in_a_function_can_be_a_result(packer):
    def make():
        return lambda x: x + 1

    assert unpack(perform(packer.pack(make)))(1) == 2


def test_large_results_come_in_chunks_and_can_be_written_to(packer):
    def make():
        return {"a": np.arange(3 * MEBIBYTE), "b": b"x" * (5 * MEBIBYTE), "c": np.ones(5), "d": np.zeros(MEBIBYTE)}

    answer = perform(packer.pack(make))

    assert max(map(len, answer._chunks)) <= 4 * MEBIBYTE
    found = unpack(answer)
    assert found["a"].sum() == np.arange(3 * MEBIBYTE).sum()
    assert found["b"] == b"x" * (5 * MEBIBYTE)
    assert found["a"].flags.writeable
    assert not answer._chunks


def test_a_result_of_which_a_part_is_missing_is_no_result(packer):
    answer = perform(packer.pack(lambda: np.ones(MEBIBYTE)))
    answer._chunks.pop()

    with pytest.raises(pickle.UnpicklingError, match="bytes of a result are missing"):
        unpack(answer)


def test_a_worker_without_cargo_says_so():
    with pytest.raises(RuntimeError, match="no cargo"):
        Runner()({}, TrialHandle((1, 0, 1), {}, "", print))


def test_a_file_that_was_cleared_away_during_a_call_is_written_again(shelf, packer):
    array = np.ones(MEBIBYTE)
    packer.pack(partial(np.sum, array))
    shelf.clear()

    assert unpack(perform(packer.pack(partial(np.sum, array)))) == MEBIBYTE


# -- trust -----------------------------------------------------------------------------------------------------------


def test_of_what_speaks_with_workers_only_these_files_unpickle():
    """Whoever adds one has to say here whose pickles it reads."""
    readers = {
        "tasks/packing.py": "what a worker sent",
        "tasks/task.py": "what the driver sent, in a worker",
        "wire/payload.py": "what the driver sent, in a worker",
        "worker/checkpoints.py": "what a worker saved, in a worker",
        "worker/line.py": "what the driver sent, in a worker",
        "executors/curve.py": "its own copy",
    }
    root = Path(manyhands.__file__).parent
    calls = re.compile(r"pickle\.loads?\(|unpickler\(|marshal\.loads?\(|from (marshal|pickle) import loads?\b")

    found = {
        str(path.relative_to(root))
        for folder in ("executors", "joblib", "tasks", "wire", "worker")
        for path in (root / folder).rglob("*.py")
        if calls.search(path.read_text())
    }

    assert found == set(readers)
