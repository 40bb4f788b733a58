"""Where a study's checkpoints are, and what is refused as such a place."""

import sys
from pathlib import Path
from typing import Any

import pytest

import manyhands as mh
from manyhands.checkpoints.place import below, beside_store, check_reach, read_place
from manyhands.ports import StudySpec

SPEC = StudySpec("a/b", {}, created_at=1.5)


def test_nothing_given_is_nothing_chosen() -> None:
    assert read_place(None) is None


def test_a_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert read_place("runs") == read_place(Path("runs")) == str(tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_a_url_stays_as_it_is(tmp_path: Path) -> None:
    assert read_place(f"file://{tmp_path}") == f"file://{tmp_path}"


@pytest.mark.parametrize("given", [5, "", b"runs", ["runs"]])
def test_what_is_neither_path_nor_url_is_refused(given: Any) -> None:
    with pytest.raises(mh.SettingsError, match="must be the path of a folder"):
        read_place(given)


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(mh.SettingsError, match="must be a folder"):
        read_place(tmp_path / "file")


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(mh.SettingsError, match="Protocol not known: s33"):
        read_place("s33://bucket/x")


def test_without_fsspec_a_url_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "manyhands.worker.remote_storage", raising=False)
    monkeypatch.setitem(sys.modules, "fsspec", None)

    with pytest.raises(mh.SettingsError, match=r"Install manyhands\[fsspec\]"):
        read_place("s3://bucket/x")


def test_a_protocol_whose_library_is_missing_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)

    with pytest.raises(mh.SettingsError, match="s3fs"):
        read_place("s3://bucket/x")


def test_memory_is_refused_if_the_workers_are_other_processes() -> None:
    check_reach("memory://x", same_process=True)
    check_reach("s3://x", same_process=False)
    check_reach(None, same_process=False)

    with pytest.raises(mh.SettingsError, match="within one process"):
        check_reach("memory://x", same_process=False)


def test_tune_refuses_at_once(tmp_path: Path) -> None:
    called: list[object] = []

    with pytest.raises(mh.SettingsError, match="Protocol not known"):
        mh.tune(called.append, {"x": mh.Float(0, 1)}, max_trials=1, checkpoints="s33://x", store=tmp_path / "s.db")
    with pytest.raises(mh.SettingsError, match="within one process"):
        mh.tune(called.append, {"x": mh.Float(0, 1)}, max_trials=1, checkpoints="memory://x", store=tmp_path / "s.db")

    assert called == []
    assert list(tmp_path.iterdir()) == []


def test_studies_have_folders_of_their_own() -> None:
    assert beside_store("/data/s.db", SPEC) == "/data/s.db.files/a%2Fb-1500"
    assert below("/runs", SPEC, in_memory=False) == "/runs/a%2Fb-1500"
    assert below("s3://runs", SPEC, in_memory=False) == "s3://runs/a%2Fb-1500"
    assert below("/runs", SPEC, in_memory=True).startswith("/runs/a%2Fb-1500-")
