"""How the pieces of a payload come to a machine: by the shorter way if there is one, and from the driver if not."""

import hashlib
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from manyhands.errors import ExecutorError
from manyhands.executors.fetching import Fetching, Source
from manyhands.wire.relay import Piece

CHUNK = 1000
_rng = random.Random(1)  # noqa: S311 - no secret
FIRST, SECOND = _rng.randbytes(3500), _rng.randbytes(2000)


def piece(data: bytes) -> Piece:
    return Piece(hashlib.sha256(data).hexdigest(), len(data))


def chunks(data: bytes) -> Iterator[bytes]:
    for offset in range(0, len(data), CHUNK):
        yield data[offset : offset + CHUNK]


class Driver:
    """Notes what it is asked for, by the number of the piece, and gives it when told to."""

    def __init__(self, *contents: bytes):
        self.pieces = [piece(data) for data in contents]
        self.asked: list[tuple[int, int]] = []
        self._contents = contents

    def ask(self, digest: str, offset: int) -> None:
        self.asked.append(([piece.digest for piece in self.pieces].index(digest), offset))

    def answer(self, fetching: Fetching) -> None:
        """Give what it was asked for last."""
        number, offset = self.asked[-1]
        fetching.take(self.pieces[number].digest, offset, self._contents[number][offset : offset + CHUNK])


@pytest.fixture(autouse=True)
def temp_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the machine's shared files are during a test; empty after it."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert [*folder.iterdir()] == []


@pytest.fixture
def fetch() -> Iterator[Callable[..., Fetching]]:
    """Makes what fetches, and releases it at the end."""
    made: list[Fetching] = []

    def make(driver: Driver, sources: dict[str, Source] | None = None) -> Fetching:
        made.append(Fetching(driver.pieces, driver.ask, sources))
        return made[-1]

    yield make
    for fetching in made:
        fetching.release()


def step_while_busy(fetching: Fetching, most: int = 50) -> None:
    """Go on until there is nothing to do but to wait."""
    for _ in range(most):
        if not fetching.step():
            return
    raise AssertionError(f"it is still busy after {most} steps")


def contents(fetching: Fetching) -> list[bytes]:
    return [Path(path).read_bytes() for path in fetching.paths]


def test_without_a_shorter_way_all_pieces_come_from_the_driver_one_chunk_after_another(fetch):
    driver = Driver(FIRST, SECOND)
    fetching = fetch(driver)

    for _ in range(20):
        step_while_busy(fetching)
        if fetching.is_done:
            break
        driver.answer(fetching)

    assert fetching.is_done
    assert contents(fetching) == [FIRST, SECOND]
    assert driver.asked == [(0, 0), (0, 1000), (0, 2000), (0, 3000), (1, 0), (1, 1000)]


def test_by_a_shorter_way_the_driver_is_asked_for_nothing(fetch):
    driver = Driver(FIRST, SECOND)
    fetching = fetch(driver, {piece(data).digest: lambda data=data: chunks(data) for data in (FIRST, SECOND)})

    step_while_busy(fetching)

    assert fetching.is_done
    assert contents(fetching) == [FIRST, SECOND]
    assert driver.asked == []


def test_pieces_without_a_shorter_way_come_from_the_driver(fetch):
    driver = Driver(FIRST, SECOND)
    fetching = fetch(driver, {piece(SECOND).digest: lambda: chunks(SECOND)})

    for _ in range(4):
        step_while_busy(fetching)
        driver.answer(fetching)
    step_while_busy(fetching)

    assert fetching.is_done
    assert contents(fetching) == [FIRST, SECOND]
    assert {number for number, _ in driver.asked} == {0}


def test_a_step_takes_one_chunk_and_only_the_last_makes_it_done(fetch):
    given = []

    def source() -> Iterator[bytes]:
        for chunk in chunks(FIRST):
            given.append(chunk)
            yield chunk

    fetching = fetch(Driver(FIRST), {piece(FIRST).digest: source})

    seen = [(fetching.step(), len(given), fetching.is_done) for _ in range(6)]

    assert seen == [
        (True, 0, False),  # it takes the file
        (True, 1, False),
        (True, 2, False),
        (True, 3, False),
        (True, 4, True),
        (False, 4, True),
    ]


def test_a_way_that_breaks_off_is_finished_by_the_driver(fetch, capsys):
    def breaks() -> Iterator[bytes]:
        yield FIRST[:1700]
        raise OSError("the share is gone")

    driver = Driver(FIRST)
    fetching = fetch(driver, {piece(FIRST).digest: breaks})

    step_while_busy(fetching)
    assert driver.asked == [(0, 1700)]
    driver.answer(fetching)
    driver.answer(fetching)

    assert fetching.is_done
    assert contents(fetching) == [FIRST]
    assert "the data come from the driver, because OSError('the share is gone')" in capsys.readouterr().err


def test_a_way_that_fails_at_once_is_replaced_by_the_driver(fetch):
    def fails() -> Iterator[bytes]:
        raise ModuleNotFoundError("fsspec")
        yield b""

    driver = Driver(SECOND)
    fetching = fetch(driver, {piece(SECOND).digest: fails})

    step_while_busy(fetching)
    driver.answer(fetching)
    driver.answer(fetching)

    assert contents(fetching) == [SECOND]
    assert driver.asked == [(0, 0), (0, 1000)]


def test_a_way_that_ends_too_soon_is_finished_by_the_driver(fetch):
    driver = Driver(FIRST)
    fetching = fetch(driver, {piece(FIRST).digest: lambda: iter([FIRST[:1000], b"", FIRST[1000:2500]])})

    step_while_busy(fetching)
    assert driver.asked == [(0, 2500)]
    driver.answer(fetching)

    assert fetching.is_done
    assert contents(fetching) == [FIRST]


@pytest.mark.parametrize(
    "wrong", [b"x" * len(FIRST), FIRST + b"x", FIRST[:-1] + b"x"], ids=["other", "too long", "one byte"]
)
def test_a_way_that_leads_to_something_else_is_given_up_for_the_driver(fetch, wrong):
    driver = Driver(FIRST)
    fetching = fetch(driver, {piece(FIRST).digest: lambda: chunks(wrong)})

    for _ in range(20):
        step_while_busy(fetching)
        if driver.asked and not fetching.is_done:
            driver.answer(fetching)

    assert contents(fetching) == [FIRST]
    assert driver.asked[0] == (0, 0)


def test_wrong_bytes_from_the_driver_are_refused(fetch):
    driver = Driver(FIRST)
    fetching = fetch(driver)
    step_while_busy(fetching)

    with pytest.raises(ExecutorError, match="did not arrive as it was sent"):
        fetching.take(piece(FIRST).digest, 0, b"x" * len(FIRST))

    assert not fetching.is_done


def test_chunks_that_were_not_asked_for_are_ignored(fetch):
    driver = Driver(FIRST, SECOND)
    fetching = fetch(driver)
    fetching.take(piece(FIRST).digest, 0, FIRST[:CHUNK])  # before anything was asked for
    step_while_busy(fetching)

    fetching.take(piece(SECOND).digest, 0, SECOND[:CHUNK])  # another piece
    fetching.take(piece(FIRST).digest, 1000, FIRST[1000:2000])  # later in this one
    fetching.take(piece(FIRST).digest, 0, b"")
    assert driver.asked == [(0, 0)]
    fetching.take(piece(FIRST).digest, 0, FIRST[:CHUNK])
    fetching.take(piece(FIRST).digest, 0, FIRST[:CHUNK])  # the same again
    assert driver.asked == [(0, 0), (0, 1000)]
    for _ in range(3):
        driver.answer(fetching)

    assert not fetching.is_done
    assert Path(fetching.paths[0]).read_bytes() == FIRST


def test_a_piece_that_another_host_has_is_not_fetched_again(fetch):
    driver, other_driver = Driver(FIRST), Driver(FIRST, SECOND)
    first = fetch(driver, {piece(FIRST).digest: lambda: chunks(FIRST)})
    step_while_busy(first)

    other = fetch(other_driver)
    step_while_busy(other)

    assert other_driver.asked == [(1, 0)]
    assert other.paths[0] == first.paths[0]


def test_while_another_host_fetches_a_piece_there_is_nothing_to_do(fetch):
    driver, other_driver = Driver(FIRST), Driver(FIRST)
    first, other = fetch(driver), fetch(other_driver)
    step_while_busy(first)

    assert [other.step() for _ in range(3)] == [False] * 3
    for _ in range(4):
        driver.answer(first)
    assert other.step()

    assert first.is_done
    assert other.is_done
    assert other_driver.asked == []


def test_a_piece_whose_fetcher_gave_up_is_fetched_by_the_next(fetch):
    driver, other_driver = Driver(FIRST), Driver(FIRST)
    first, other = fetch(driver), fetch(other_driver)
    step_while_busy(first)
    driver.answer(first)
    assert not other.step()

    first.release()

    for _ in range(3):  # the folder may have to be made again first
        other.step()
    assert other_driver.asked == [(0, 0)]
    for _ in range(4):
        other_driver.answer(other)
    assert contents(other) == [FIRST]
