"""Files that the hosts of a machine share: one fills, all use, the last removes, and what crashes leave goes."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from manyhands.errors import ExecutorError
from manyhands.executors.nodecache import Claim, NodeCache, SharedFile

DATA = random.Random(1).randbytes(100_000)  # noqa: S311 - no secret
DIGEST = hashlib.sha256(DATA).hexdigest()

#: Does one thing for each line it reads, and prints what came of it.
OTHER = """
import sys
from pathlib import Path
from manyhands.executors.nodecache import NodeCache

folder, source, digest = sys.argv[1:]
data = Path(source).read_bytes()
file = NodeCache(Path(folder)).file(digest, len(data))
doings = {
    "claim": lambda: file.claim().name,
    "write half": lambda: file.write(data[: len(data) // 2]),
    "write rest": lambda: file.write(data[len(data) // 2 :]),
    "read": lambda: file.path.read_bytes() == data,
    "release": file.release,
}
for line in sys.stdin:
    print(doings[line.strip()](), flush=True)
"""

#: Claims, fills or reads, and releases the same file again and again until its time is over.
HUSTLER = """
import random
import sys
import time
from pathlib import Path
from manyhands.executors.nodecache import Claim, NodeCache

folder, source, digest, seconds, seed = sys.argv[1:]
data = Path(source).read_bytes()
rng = random.Random(int(seed))
n_filled = n_ready = n_given_up = 0
until = time.monotonic() + float(seconds)
while time.monotonic() < until:
    file = NodeCache(Path(folder)).file(digest, len(data))
    claim = file.claim()
    if claim is Claim.EMPTY:
        n_chunks = 0
        for offset in range(0, len(data), 3000):
            if rng.random() < 0.003:
                n_given_up += 1
                break
            file.write(data[offset : offset + 3000])
        else:
            n_filled += 1
            claim = Claim.READY
    elif claim is Claim.READY:
        n_ready += 1
    if claim is Claim.READY:
        assert file.path.read_bytes() == data, "what is ready is not complete"
        time.sleep(rng.random() * 0.002)
        assert file.path.read_bytes() == data, "what is used was changed or removed"
    file.release()
    time.sleep(rng.random() * 0.004)  # so that there often is nobody who uses it
print(n_filled, n_ready, n_given_up)
"""


class Other:
    """Another process that uses the cache."""

    def __init__(self, folder: Path, source: Path):
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(folder), str(source), DIGEST],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, what: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def start_other(folder: Path, source: Path) -> Iterator[Callable[[], Other]]:
    started: list[Other] = []

    def start() -> Other:
        started.append(Other(folder, source))
        return started[-1]

    yield start
    for other in started:
        other.process.kill()
        other.process.communicate(timeout=10)


@contextmanager
def claimed(folder: Path) -> Iterator[SharedFile]:
    """The file, claimed to be filled by this process, and released at the end."""
    file = NodeCache(folder).file(DIGEST, len(DATA))
    assert file.claim() is Claim.EMPTY
    try:
        yield file
    finally:
        file.release()


def test_who_comes_first_fills_and_all_have_what_is_complete(folder: Path) -> None:
    with claimed(folder) as file:
        assert file.write(DATA[:30_000]) is False
        assert file.n_written == 30_000
        assert not file.path.exists()
        assert file.write(DATA[30_000:]) is True
        second = NodeCache(folder).file(DIGEST, len(DATA))

        assert second.claim() is Claim.READY

        assert second.path == file.path
        assert second.path.read_bytes() == DATA
        assert second.path.stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
        second.release()


def test_another_process_waits_for_who_fills_and_then_uses_the_same_file(
    folder: Path, start_other: Callable[[], Other]
) -> None:
    other = start_other()
    with claimed(folder) as file:
        assert other.do("claim") == "BUSY"
        file.write(DATA[:1])
        assert other.do("claim") == "BUSY"
        file.write(DATA[1:])

        assert other.do("claim") == "READY"

        assert other.do("read") == "True"


def test_the_last_who_releases_a_file_removes_it_and_the_folder(folder: Path, start_other: Callable[[], Other]) -> None:
    other = start_other()
    with claimed(folder) as file:
        file.write(DATA)
        assert other.do("claim") == "READY"
    assert other.do("read") == "True", "it was removed though somebody used it"

    other.do("release")

    assert not folder.exists()


def test_a_release_leaves_the_files_of_others(folder: Path) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    kept = NodeCache(folder).file(other, 5)
    assert kept.claim() is Claim.EMPTY
    kept.write(b"other")

    with claimed(folder) as file:
        file.write(DATA)

    assert sorted(path.name for path in folder.iterdir()) == [other, f"{other}.lock"]
    kept.release()


def test_data_that_is_mapped_stays_until_it_is_unmapped(folder: Path) -> None:
    with claimed(folder) as file:
        file.write(DATA)
        used = file.path.open("rb")

    assert not folder.exists()
    assert used.read() == DATA
    used.close()


def test_what_a_killed_process_left_unfinished_is_begun_anew(folder: Path, start_other: Callable[[], Other]) -> None:
    other = start_other()
    mine = NodeCache(folder).file(DIGEST, len(DATA))
    assert other.do("claim") == "EMPTY"
    other.do("write half")
    assert mine.claim() is Claim.BUSY
    other.process.send_signal(signal.SIGKILL)
    other.process.wait(10)

    assert mine.claim() is Claim.EMPTY
    assert mine.n_written == 0
    assert mine.write(DATA) is True

    assert mine.path.read_bytes() == DATA
    mine.release()
    assert not folder.exists()


def test_what_a_killed_process_left_is_removed_when_the_next_makes_a_cache(
    folder: Path, start_other: Callable[[], Other]
) -> None:
    other = start_other()
    assert other.do("claim") == "EMPTY"
    other.do("write half")
    other.do("write rest")
    other.process.send_signal(signal.SIGKILL)
    other.process.wait(10)
    assert (folder / DIGEST).exists()

    NodeCache(folder)

    assert not (folder / DIGEST).exists()


def test_making_a_cache_leaves_alone_what_somebody_uses_or_fills(
    folder: Path, start_other: Callable[[], Other]
) -> None:
    other = start_other()
    assert other.do("claim") == "EMPTY"
    other.do("write half")
    NodeCache(folder)
    other.do("write rest")
    NodeCache(folder)

    assert other.do("read") == "True"


def test_who_lets_an_unfinished_file_go_writes_no_more_to_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is still in a buffer then must not reach the file that the next one fills."""
    first, second = (NodeCache(folder).file(DIGEST, len(DATA)) for _ in range(2))
    assert first.claim() is Claim.EMPTY
    first.write(b"a few bytes, not the right ones")
    monkeypatch.setattr(first, "remove_if_unused", lambda: None)  # the second is quicker
    first.release()
    assert second.claim() is Claim.EMPTY
    second.write(DATA)

    del first

    assert second.path.read_bytes() == DATA
    second.release()


@pytest.mark.parametrize("data", [b"x" * len(DATA), DATA + b"x"], ids=["other content", "too long"])
def test_content_that_is_not_what_its_digest_says_is_refused(folder: Path, data: bytes) -> None:
    with claimed(folder) as file, pytest.raises(ExecutorError, match="did not arrive as it was sent"):
        file.write(data)

    assert not folder.exists()


def test_after_wrong_content_others_may_try(folder: Path) -> None:
    file = NodeCache(folder).file(DIGEST, len(DATA))
    assert file.claim() is Claim.EMPTY
    with pytest.raises(ExecutorError):
        file.write(b"x" * len(DATA))
    assert NodeCache(folder).file(DIGEST, len(DATA)).claim() is Claim.BUSY
    file.release()

    with claimed(folder) as second:
        assert second.write(DATA) is True


@pytest.mark.parametrize("mode", [0o777, 0o750])
def test_a_folder_that_others_may_enter_is_refused(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)

    with pytest.raises(ExecutorError, match=r"is not this user's alone.*Remove it.*TMPDIR"):
        NodeCache(folder)


def test_a_link_in_the_folders_place_is_refused(folder: Path, tmp_path: Path) -> None:
    """It may lead to a folder that somebody else chose."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ExecutorError, match="is not this user's alone"):
        NodeCache(folder)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ExecutorError, match=r"file/cache for shared data cannot be used.*TMPDIR"):
        NodeCache(tmp_path / "file" / "cache")


def test_the_folder_is_the_users_own_in_the_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    assert NodeCache().folder == tmp_path / f"manyhands-node-{os.getuid()}"


def test_too_little_space_is_told_before_anything_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = NodeCache(folder).file(DIGEST, 700_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))  # type: ignore[attr-defined]

    with pytest.raises(ExecutorError, match=r"has 1 MB left, and the data needs 700 MB. Set TMPDIR"):
        file.claim()

    file.release()
    assert not folder.exists()


def test_a_full_disk_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with claimed(folder) as file:
        full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115 - the cache closes it
        assert file._file is not None
        file._file.close()
        monkeypatch.setattr(file, "_file", full)

        with pytest.raises(ExecutorError, match=r"cannot be written to .*No space left"):
            file.write(DATA)

    assert full.closed
    assert not folder.exists()


def test_a_lock_that_cannot_be_made_is_told(folder: Path) -> None:
    file = NodeCache(folder).file("x" * 300, len(DATA))

    with pytest.raises(ExecutorError, match=r"cannot be kept in .*File name too long"):
        file.claim()


def test_a_folder_that_is_removed_while_it_is_made_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last user of the folder may remove it at any moment, also between two steps of who comes next."""
    lstat, calls = Path.lstat, []

    def remove_first(path: Path) -> os.stat_result:
        if path == folder and not calls:
            calls.append(path)
            path.rmdir()
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", remove_first)

    NodeCache(folder)

    assert folder.exists()


def test_a_cache_whose_folder_goes_in_between_makes_it_again(folder: Path) -> None:
    file = NodeCache(folder).file(DIGEST, len(DATA))
    folder.rmdir()

    assert [file.claim(), file.claim()] == [Claim.BUSY, Claim.EMPTY]
    file.release()


def test_many_who_come_and_go_always_see_complete_files(folder: Path, source: Path) -> None:
    seconds = 2.0
    command = [sys.executable, "-c", HUSTLER, str(folder), str(source), DIGEST, str(seconds)]
    hustlers = [subprocess.Popen([*command, str(seed)], stdout=-1, stderr=-1, text=True) for seed in range(3)]
    give_up_at = time.monotonic() + 60

    said = [hustler.communicate(timeout=give_up_at - time.monotonic()) for hustler in hustlers]

    assert [errors for _, errors in said] == [""] * len(hustlers)
    n_filled, n_ready, n_given_up = (sum(ns) for ns in zip(*(map(int, out.split()) for out, _ in said), strict=True))
    assert n_filled > 10
    assert n_ready > 10
    assert n_given_up > 0
    assert not folder.exists()
