"""What a trial saves, and what it, or one that was forked from it, finds again; on disks and behind URLs."""

import logging
import os
import pickle
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from manyhands.worker import storage
from manyhands.worker.checkpoints import Checkpoints, trial_folder, trial_of_folder
from manyhands.worker.generations import Draft, Generations
from manyhands.worker.handle import TrialHandle
from manyhands.worker.storage import LocalFolder, joined, storage_at


@pytest.fixture(params=["disk", "file", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    places = {"disk": f"{tmp_path}/root", "file": f"file://{tmp_path}/root", "memory": f"memory://{uuid.uuid4().hex}"}
    return places[request.param]


@pytest.fixture
def begin(root: str, tmp_path: Path) -> Any:
    """Begins an attempt at a trial, with whatever place for checkpoints."""
    (tmp_path / "scratch").mkdir()

    def call(trial_id: int = 3, parent: int | None = None, split: int = 0, attempt: int = 1) -> TrialHandle:
        return TrialHandle((trial_id, split, attempt), {}, root, print, parent=parent, scratch=f"{tmp_path}/scratch")

    return call


def saved_by(root: str, trial_id: int = 3) -> list[str]:
    """The names of what a trial has saved."""
    return sorted(storage_at(joined(root, trial_folder(trial_id), "split-0-saved")).names())


def path_of(root: str, name: str) -> Path:
    return Path(root.removeprefix("file://"), "trial-00003", "split-0-saved", name)


def files_in(folder: str) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in Path(folder).rglob("*") if path.is_file()}


# -- objects -------------------------------------------------------------------------------------------------------


def test_what_was_saved_last_is_restored(begin: Any) -> None:
    trial = begin()
    trial.save({"epoch": 1})
    trial.save({"epoch": 2, "weights": [0.5]})

    assert trial.restore() == {"epoch": 2, "weights": [0.5]}
    assert begin(attempt=2).restore() == {"epoch": 2, "weights": [0.5]}


def test_without_a_checkpoint_the_default_is_restored(begin: Any) -> None:
    assert begin().restore() is None
    assert begin().restore({"epoch": 0}) == {"epoch": 0}


def test_none_is_an_object_like_others(begin: Any) -> None:
    begin().save(None)

    assert begin().restore("default") is None


def test_every_split_has_its_own(begin: Any) -> None:
    begin(split=0).save("zero")
    begin(split=1).save("one")

    assert (begin(split=0).restore(), begin(split=1).restore(), begin(split=2).restore()) == ("zero", "one", None)


def test_a_fork_restores_its_parents_until_it_has_its_own(begin: Any) -> None:
    begin(3).save("the parent's")
    fork = begin(7, parent=3)

    assert fork.restore() == "the parent's"
    fork.save("its own")
    assert begin(7, parent=3, attempt=2).restore() == "its own"
    assert begin(3).restore() == "the parent's"


def test_a_fork_of_a_trial_without_a_checkpoint_restores_the_default(begin: Any) -> None:
    assert begin(7, parent=3).restore("default") == "default"


def test_only_the_last_two_are_kept(begin: Any, root: str) -> None:
    trial = begin()
    for i in range(5):
        trial.save(i)

    assert saved_by(root) == ["object-00000003", "object-00000004"]


def test_the_next_attempt_goes_on_counting(begin: Any, root: str) -> None:
    begin().save("first")
    begin(attempt=2).save("second")

    assert saved_by(root) == ["object-00000000", "object-00000001"]
    assert begin(attempt=3).restore() == "second"


def test_what_plain_pickle_cannot_do_is_left_to_cloudpickle(begin: Any) -> None:
    offset = 5
    begin().save({"weights": b"x" * 1_000_000, "schedule": lambda epoch: epoch + offset})  # pickle has begun by then

    found = begin().restore()
    assert (len(found["weights"]), found["schedule"](2)) == (1_000_000, 7)


def test_without_cloudpickle_the_error_is_plain_pickles(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)

    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        begin().save(lambda: 0)


def test_an_object_that_cannot_be_pickled_leaves_the_last_one(begin: Any, root: str) -> None:
    trial = begin()
    trial.save("good")

    with pytest.raises(TypeError, match="pickle"):
        trial.save({"weights": [1.0] * 1000, "lock": threading.Lock()})
    assert begin().restore() == "good"
    assert saved_by(root) == ["object-00000000"]


def test_large_arrays_come_back(begin: Any) -> None:
    import numpy as np

    array = np.arange(1_000_000, dtype=float)
    begin().save({"weights": array})

    assert (begin().restore()["weights"] == array).all()


# -- damage --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["cut off", "empty", "changed", "something else", "not understood"])
def damage(request: pytest.FixtureRequest) -> Any:
    """Damages a file in one of several ways."""

    def call(path: Path) -> None:
        content = path.read_bytes()
        if request.param == "not understood":  # a class that is gone, say; the file itself is as it was written
            with path.open("r+b") as file:
                draft = Draft(file)
                draft.write(b"cno_such_module\nno_such_class\n.")
                draft.finish()
            return
        path.write_bytes(
            {
                "cut off": content[:-1],
                "empty": b"",
                "changed": content[:-10] + bytes([content[-10] ^ 1]) + content[-9:],
                "something else": b"x" * 1000,
            }[request.param]
        )

    return call


@pytest.mark.parametrize("root", ["disk", "file"], indirect=True)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(begin: Any, root: str, damage: Any, caplog: Any) -> None:
    trial = begin()
    trial.save("first")
    trial.save("second")
    damage(path_of(root, "object-00000001"))

    with caplog.at_level(logging.WARNING, logger="manyhands"):
        assert begin().restore() == "first"

    (record,) = caplog.records
    assert "object-00000001 of trial 3 is damaged" in record.message
    assert "the one before it is used instead" in record.message


@pytest.mark.parametrize("root", ["disk"], indirect=True)
def test_of_a_checkpoint_that_is_not_all_there_the_warning_tells_how_much_is(
    begin: Any, root: str, caplog: Any
) -> None:
    begin().save("weights")
    path = path_of(root, "object-00000000")
    size = path.stat().st_size - 20  # the header
    os.truncate(path, size + 20 - 5)

    begin().restore()

    assert f"it has {size - 5} bytes and should have {size}" in caplog.text


@pytest.mark.parametrize("root", ["disk", "file"], indirect=True)
def test_if_all_are_damaged_there_is_none(begin: Any, root: str, damage: Any, caplog: Any) -> None:
    begin().save("only one")
    begin(2).save("the parent's")
    damage(path_of(root, "object-00000000"))

    with caplog.at_level(logging.WARNING, logger="manyhands"):
        assert begin().restore("default") == "default"
        assert begin(parent=2).restore("default") == "the parent's"

    assert "there is no other" in caplog.text


@pytest.mark.parametrize("root", ["disk"], indirect=True)
def test_what_is_saved_after_damage_does_not_displace_what_was_good(begin: Any, root: str, damage: Any) -> None:
    trial = begin()
    trial.save("first")
    trial.save("second")
    damage(path_of(root, "object-00000001"))
    trial = begin()
    trial.restore()
    trial.save("third")

    assert saved_by(root) == ["object-00000000", "object-00000002"]
    damage(path_of(root, "object-00000002"))
    assert begin().restore() == "first"


@pytest.mark.parametrize("root", ["disk"], indirect=True)
def test_a_place_that_cannot_be_read_is_no_damage(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begin().save("good")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(LocalFolder, "read", refuse)

    with pytest.raises(PermissionError):
        begin().restore()


@pytest.mark.parametrize("root", ["disk"], indirect=True)
def test_a_full_disk_leaves_the_last_one_and_nothing_else(
    begin: Any, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin().save("good")

    def fill_up(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", fill_up)
    with pytest.raises(OSError, match="No space"):
        begin().save("too much")

    assert begin().restore() == "good"
    assert os.listdir(path_of(root, "")) == ["object-00000000"]


@pytest.mark.parametrize("root", ["disk"], indirect=True)
def test_what_a_killed_worker_left_half_written_is_removed(begin: Any, root: str) -> None:
    begin().save("first")
    path_of(root, "draft-abc").write_bytes(b"half")

    trial = begin()
    assert trial.restore() == "first"
    trial.save("second")

    assert sorted(os.listdir(path_of(root, ""))) == ["object-00000000", "object-00000001"]


def test_a_reader_finds_the_newest_though_its_writer_goes_on(tmp_path: Path) -> None:
    """As when a trial is forked from one that runs."""
    writer = Generations(LocalFolder(str(tmp_path)), "object", "trial 3")

    def save(text: bytes) -> None:
        writer.save(lambda draft: draft.write(text))

    class Slow(LocalFolder):
        overtaken = 0

        def read(self, name: str) -> Any:
            if self.overtaken < 3:
                self.overtaken += 1
                save(b"newer %d" % self.overtaken)
                save(b"newest %d" % self.overtaken)
            return super().read(name)

    save(b"old")
    slow = Slow(str(tmp_path))

    assert Generations(slow, "object", "trial 3").newest(lambda file: file.read(), b"") == b"newest 3"
    assert slow.overtaken == 3


def test_the_cleaning_up_may_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Sticky(LocalFolder):
        def remove(self, name: str) -> None:
            raise OSError("busy")

    generations = Generations(Sticky(str(tmp_path)), "object", "trial 3")
    with caplog.at_level(logging.WARNING, logger="manyhands"):
        for i in range(3):
            generations.save(lambda draft, i=i: draft.write(b"%d" % i))  # type: ignore[misc]

    assert "object-00000000 of trial 3 stays: busy" in caplog.text
    assert generations.newest(lambda file: file.read(), b"") == b"2"


# -- files ---------------------------------------------------------------------------------------------------------


def test_the_folder_is_as_it_was_saved(begin: Any) -> None:
    trial = begin()
    folder = Path(trial.checkpoint_dir)
    (folder / "deep").mkdir()
    (folder / "weights").write_text("first")
    (folder / "deep" / "state").write_text("deep")
    (folder / "latest").symlink_to("weights")
    trial.save()
    (folder / "weights").write_text("torn")
    (folder / "more").write_text("not saved")
    trial.close()

    again = begin(attempt=2).checkpoint_dir

    assert files_in(again) == {"weights": "first", "latest": "first", "deep/state": "deep"}
    assert os.readlink(f"{again}/latest") == "weights"


def test_the_folder_stays_the_same_while_a_trial_runs(begin: Any) -> None:
    trial = begin()
    Path(trial.checkpoint_dir, "weights").write_text("first")
    trial.save()
    Path(trial.checkpoint_dir, "weights").write_text("second")

    assert files_in(trial.checkpoint_dir) == {"weights": "second"}


def test_files_and_objects_do_not_get_in_each_others_way(begin: Any) -> None:
    trial = begin()
    Path(trial.checkpoint_dir, "weights").write_text("1")
    for i in range(3):
        trial.save(i)
    trial.save()

    assert begin().restore() == 2
    assert files_in(begin().checkpoint_dir) == {"weights": "1"}


def test_a_fork_begins_with_its_parents_saved_files(begin: Any) -> None:
    parent = begin(3)
    Path(parent.checkpoint_dir, "weights").write_text("saved")
    parent.save()
    Path(parent.checkpoint_dir, "weights").write_text("it goes on")

    fork = begin(7, parent=3)
    folder = Path(fork.checkpoint_dir)
    assert files_in(str(folder)) == {"weights": "saved"}
    (folder / "weights").write_text("the fork's")

    assert files_in(parent.checkpoint_dir) == {"weights": "it goes on"}
    assert files_in(begin(3).checkpoint_dir) == {"weights": "saved"}


def test_a_fork_that_has_files_keeps_them(begin: Any) -> None:
    parent = begin(3)
    Path(parent.checkpoint_dir, "weights").write_text("the parent's")
    parent.save()
    fork = begin(7, parent=3)
    Path(fork.checkpoint_dir, "weights").write_text("its own")
    fork.save()

    assert files_in(begin(7, parent=3, attempt=2).checkpoint_dir) == {"weights": "its own"}


@pytest.mark.parametrize("root", ["disk"], indirect=True)
def test_on_a_disk_the_folder_stays_as_it_was_left_though_nothing_was_saved(begin: Any, root: str) -> None:
    Path(begin().checkpoint_dir, "weights").write_text("left")

    assert begin(attempt=2).checkpoint_dir == f"{root}/trial-00003/split-0"
    assert files_in(begin(attempt=2).checkpoint_dir) == {"weights": "left"}


@pytest.mark.parametrize("root", ["disk"], indirect=True)
def test_on_a_disk_a_fork_finds_a_copy_of_files_that_were_only_left(begin: Any) -> None:
    Path(begin(3).checkpoint_dir, "weights").write_text("left")

    fork = Path(begin(7, parent=3).checkpoint_dir)
    assert files_in(str(fork)) == {"weights": "left"}
    (fork / "weights").write_text("the fork's")

    assert files_in(begin(3).checkpoint_dir) == {"weights": "left"}
    assert files_in(begin(7, parent=3).checkpoint_dir) == {"weights": "the fork's"}


@pytest.mark.parametrize("root", ["disk"], indirect=True)
def test_a_copy_that_was_cut_off_is_begun_anew(begin: Any, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(begin(3).checkpoint_dir, "weights").write_text("left")
    renamed: list[Any] = []

    def die(*names: Any) -> None:
        renamed.append(names)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("manyhands.worker.checkpoints.os.rename", die)
        with pytest.raises(KeyboardInterrupt):
            begin(7, parent=3).checkpoint_dir  # noqa: B018
    assert renamed

    assert files_in(begin(7, parent=3).checkpoint_dir) == {"weights": "left"}
    assert os.listdir(f"{root}/trial-00007") == ["split-0"]


@pytest.mark.parametrize("root", ["file", "memory"], indirect=True)
def test_behind_a_url_the_folder_is_a_working_copy_that_goes(begin: Any, tmp_path: Path) -> None:
    trial = begin()
    folder = Path(trial.checkpoint_dir)
    (folder / "weights").write_text("not saved")
    assert folder.is_relative_to(tmp_path / "scratch")
    trial.close()

    assert list((tmp_path / "scratch").iterdir()) == []
    assert files_in(begin().checkpoint_dir) == {}


@pytest.mark.parametrize("root", ["file"], indirect=True)
def test_behind_a_url_what_a_lost_attempt_left_on_this_machine_does_not_count(begin: Any) -> None:
    Path(begin().checkpoint_dir, "weights").write_text("torn")

    assert files_in(begin(attempt=2).checkpoint_dir) == {}


@pytest.mark.parametrize("root", ["file"], indirect=True)
def test_without_a_scratch_folder_a_temporary_one_is_made_and_goes(root: str) -> None:
    checkpoints = Checkpoints(root, 3, 0)
    folder = checkpoints.folder()
    assert os.path.isdir(folder)

    checkpoints.close()

    assert not os.path.exists(os.path.dirname(folder))


@pytest.mark.parametrize("root", ["disk", "file"], indirect=True)
def test_damaged_files_are_passed_over(begin: Any, root: str, damage: Any, caplog: Any) -> None:
    trial = begin()
    for text in ("first", "second"):
        Path(trial.checkpoint_dir, "weights").write_text(text)
        trial.save()
    damage(path_of(root, "folder-00000001"))

    with caplog.at_level(logging.WARNING, logger="manyhands"):
        folder = begin().checkpoint_dir

    assert files_in(folder) == {"weights": "first"}
    assert "folder-00000001 of trial 3 is damaged" in caplog.text
    assert not [name for name in os.listdir(os.path.dirname(folder)) if "draft" in name]


# -- what it costs those who do without ----------------------------------------------------------------------------


def test_nothing_is_imported_or_made_before_it_is_asked_for(tmp_path: Path) -> None:
    import subprocess

    script = (
        "import sys; from manyhands.worker.handle import TrialHandle\n"
        "trial = TrialHandle((0, 0, 1), {}, sys.argv[1], lambda report: None)\n"
        "before = {*sys.modules}; trial.report(1.0); trial.close()\n"
        "assert before == {*sys.modules} and 'pickle' not in before\n"
        "trial.save(1); assert trial.restore() == 1\n"
        "assert not {'fsspec', 'cloudpickle', 'tarfile', 'json'} & {*sys.modules}, {*sys.modules} - before\n"
    )

    subprocess.run([sys.executable, "-I", "-c", script, str(tmp_path)], check=True)


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trial_id", [0, 7, 99_999, 100_000])
def test_a_trials_folder_tells_whose_it_is(trial_id: int) -> None:
    assert trial_of_folder(trial_folder(trial_id)) == trial_id


@pytest.mark.parametrize("name", ["trial-", "trial-x", "00007", "split-0", "trial-00007.old"])
def test_other_folders_are_no_trials(name: str) -> None:
    assert trial_of_folder(name) is None


@pytest.mark.parametrize(
    ("root", "expected"),
    [("/a", "/a/b/c"), ("s3://a", "s3://a/b/c"), ("s3://a/", "s3://a/b/c"), ("memory://", "memory://b/c")],
)
def test_names_are_added_to_paths_and_urls(root: str, expected: str) -> None:
    assert joined(root, "b", "c") == expected
