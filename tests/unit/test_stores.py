import gc
import sqlite3
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from manyhands.errors import StoreError
from manyhands.events import SaveReports, SaveTrial
from manyhands.ports import StudySpec
from manyhands.stores import connecting, sqlite
from manyhands.stores.memory import MemoryStore
from manyhands.stores.sqlite import SqliteStore
from manyhands.testing.stores import SPEC, a_trial
from manyhands.trial import Part, Report


@pytest.fixture
def memory() -> MemoryStore:
    store = MemoryStore()
    store.open(SPEC, resume=True)
    return store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


# -- in memory -----------------------------------------------------------------------------------------------------


def test_what_trials_print_takes_no_memory(memory: MemoryStore) -> None:
    tracemalloc.start()

    for i in range(50):
        memory.write([], [(Part(i % 3), f"{i}" * 1_000_000)])
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert used < 1_000_000


def test_what_was_printed_can_be_read_after_the_end(memory: MemoryStore) -> None:
    memory.write([], [(Part(0), "one "), (Part(1), "other"), (Part(0), "two")])

    memory.close()

    assert memory.log(0) == "one two"


def test_half_a_character_is_kept_as_it_is(memory: MemoryStore) -> None:
    memory.write([], [(Part(0), "\ud800 ü")])

    assert memory.log(0) == "\ud800 ü"


def test_the_file_behind_the_logs_goes_with_the_store() -> None:
    """A file that is left to the collector warns of itself, and warnings are errors here."""
    store = MemoryStore()
    store.write([], [(Part(0), "text")])
    file = store._logs._file
    assert file is not None

    del store
    gc.collect()

    assert file.closed


def test_no_file_is_made_if_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/does/not/exist")
    store = MemoryStore()
    store.open(SPEC, resume=True)

    store.write([SaveTrial(a_trial(0))])

    assert store.log(0) == ""


def test_a_place_for_logs_that_cannot_be_written_is_named(memory: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/does/not/exist")

    with pytest.raises(StoreError, match=r"/does/not/exist.*TMPDIR"):
        memory.write([SaveTrial(a_trial(0))], [(Part(0), "text")])

    assert memory.open(SPEC, resume=True).trials == []


# -- in a file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "save",
    [
        SaveTrial(a_trial(0, reason="\ud800")),
        SaveTrial(a_trial(0, metrics={"x": object()})),
        SaveTrial(a_trial(0, value=object())),
        SaveReports(Part(0), [Report(1 << 70, 0.5)]),
    ],
    ids=["half a character", "no JSON", "no number", "a long step"],
)
def test_an_outcome_that_cannot_be_stored_is_refused_in_words(path: Path, save: Any) -> None:
    store = SqliteStore(path)
    store.open(SPEC, resume=True)

    with pytest.raises(StoreError, match=r"outcome could not be written to the store .*study\.db"):
        store.write([SaveTrial(a_trial(1)), save])

    assert store._connection is not None
    assert store._connection.execute("SELECT count(*) FROM trials").fetchone() == (0,)
    store.close()


def test_a_file_is_looked_through_without_holding_others_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "_PATIENCE_S", 0.2)
    keep(path)
    looked = []

    def look(connection: sqlite3.Connection) -> None:
        with connecting.write_lock(path):
            looked.append(True)

    monkeypatch.setattr(sqlite, "check_whole", look)
    keep(path)

    assert looked == [True]


def test_a_study_that_is_new_in_its_file_has_nothing_to_be_looked_through(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(path)
    monkeypatch.setattr(sqlite, "check_whole", pytest.fail)

    keep(path, replace(SPEC, name="another"))


def test_the_reports_of_a_trial_are_found_by_an_index(path: Path) -> None:
    keep(path)

    with sqlite3.connect(path) as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT step FROM reports WHERE study_id = ? AND trial_id = ? ORDER BY id", (1, 0)
        ).fetchall()
    connection.close()

    assert ["reports_by_trial" in row[3] for row in plan] == [True]


def test_reports_that_make_no_sense_are_refused_in_words(path: Path) -> None:
    store = SqliteStore(path)
    store.open(SPEC, resume=True)
    store.write([SaveReports(Part(0), [Report(0, 0.5)])])
    assert store._connection is not None
    store._connection.execute("UPDATE reports SET metrics = '{'")

    with pytest.raises(StoreError, match=r"study\.db is damaged"):
        list(store.reports())

    store.close()


def keep(path: Path, spec: StudySpec = SPEC) -> None:
    store = SqliteStore(path)
    store.open(spec, resume=True)
    store.close()
