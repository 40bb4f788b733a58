"""Large pieces of a payload go through a shared folder: written once, used by all, removed by who wrote them."""

import logging

import fsspec
import numpy as np
import pytest

from manyhands.errors import ExecutorError
from manyhands.executors.shipping import Shipment
from manyhands.executors.spark import spreading
from manyhands.executors.spark.share import CHUNK_BYTES, sources_of
from manyhands.executors.spark.spreading import Sharing
from manyhands.job import Job

DATA = np.arange(CHUNK_BYTES // 8 + 1000, dtype=np.int64)  # a little more than a chunk


def shipment_of(obj):
    return Shipment(Job(lambda params: obj, None))


@pytest.fixture(scope="module")
def shipment():
    shipment = shipment_of(DATA)
    yield shipment
    shipment.close()


@pytest.fixture
def small():
    shipment = shipment_of("nothing large")
    yield shipment
    shipment.close()


@pytest.fixture(params=["path", "url"])
def share(request, tmp_path):
    folder = tmp_path / "share"
    return str(folder) if request.param == "path" else f"file://{folder}"


def files(tmp_path):
    return sorted(path.name for path in (tmp_path / "share").iterdir())


def test_a_large_piece_is_written_under_its_digest_and_removed_at_the_end(shipment, share, tmp_path):
    digest = shipment.pieces[1].digest

    sharing = Sharing(share, shipment)

    assert sharing.urls == {digest: f"file://{tmp_path}/share/manyhands-{digest}"}
    assert files(tmp_path) == [f"manyhands-{digest}"]
    sharing.close()
    assert files(tmp_path) == []
    sharing.close()


def test_a_source_gives_back_the_bytes_in_chunks(shipment, share):
    sharing = Sharing(share, shipment)
    (digest,) = sharing.urls

    chunks = [*sources_of({}, sharing.urls)[digest]()]

    assert b"".join(chunks) == DATA.tobytes()
    assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES, 8000]
    sharing.close()


def test_a_piece_that_is_there_is_used_and_left_to_who_wrote_it(shipment, share, tmp_path):
    first = Sharing(share, shipment)
    (path,) = (tmp_path / "share").iterdir()
    written_at = path.stat().st_mtime_ns

    second = Sharing(share, shipment)

    assert second.urls == first.urls
    assert path.stat().st_mtime_ns == written_at
    second.close()
    assert path.exists()
    first.close()
    assert not path.exists()


def test_a_piece_that_is_not_whole_is_written_again(shipment, share, tmp_path):
    digest = shipment.pieces[1].digest
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / f"manyhands-{digest}").write_bytes(b"what a crash left")

    sharing = Sharing(share, shipment)

    assert (tmp_path / "share" / f"manyhands-{digest}").read_bytes() == DATA.tobytes()
    sharing.close()
    assert files(tmp_path) == []


def test_small_pieces_do_not_go_through_the_share(small, share, tmp_path):
    sharing = Sharing(share, small)

    assert sharing.urls == {}
    assert files(tmp_path) == []


def test_a_file_that_somebody_has_removed_is_no_trouble_at_the_end(shipment, share, tmp_path):
    sharing = Sharing(share, shipment)
    for path in (tmp_path / "share").iterdir():
        path.unlink()

    sharing.close()


def test_a_file_that_cannot_be_removed_is_told_and_no_more(shipment, share, monkeypatch, caplog):
    sharing = Sharing(share, shipment)

    def refuse(path):
        raise PermissionError("not yours")

    monkeypatch.setattr(sharing._files, "rm", refuse)
    with caplog.at_level(logging.WARNING, logger="manyhands"):
        sharing.close()

    assert "could not be removed: PermissionError: not yours" in caplog.text


@pytest.mark.parametrize("folder", ["{tmp}/file/share", "file://{tmp}/file/share", "nothing-of-the-kind://x"])
def test_a_share_that_cannot_be_used_is_named(shipment, tmp_path, folder):
    (tmp_path / "file").write_text("")
    share = folder.format(tmp=tmp_path)

    with pytest.raises(ExecutorError, match="cannot be used") as caught:
        Sharing(share, shipment)

    assert f"share={share!r}" in str(caught.value)


def test_an_upload_that_breaks_off_leaves_nothing(shipment, tmp_path, monkeypatch):
    share = tmp_path / "share"

    def fail_later(number, offset, n_bytes, read=shipment.read):
        if offset:
            raise OSError("No space left on device")
        return read(number, offset, n_bytes)

    monkeypatch.setattr(shipment, "read", fail_later)

    with pytest.raises(ExecutorError, match="OSError: No space left on device"):
        Sharing(str(share), shipment)

    assert files(tmp_path) == []


def test_a_share_in_memory_works_too(shipment):
    """Any file system of fsspec will do."""
    sharing = Sharing("memory://share", shipment)
    (url,) = sharing.urls.values()

    with fsspec.open(url, "rb") as file:
        assert file.read() == DATA.tobytes()

    sharing.close()
    assert not fsspec.filesystem("memory").exists(url)


class Context:
    """Stands for a Spark context, with broadcast variables that know whether they were destroyed."""

    def __init__(self, application):
        self.applicationId = application
        self.made = []

    def broadcast(self, value):
        self.made.append(Variable(value))
        return self.made[-1]


class Variable:
    def __init__(self, value):
        self._value = value
        self.is_destroyed = False

    @property
    def value(self):
        return self._value

    def destroy(self):
        self.is_destroyed = True


@pytest.fixture
def context(monkeypatch):
    monkeypatch.setattr(spreading, "_KEPT", {})
    monkeypatch.setattr(spreading, "_USERS", type(spreading._USERS)())
    return Context("app-1")


def test_broadcast_variables_hold_a_piece_chunk_by_chunk(shipment, context):
    broadcasting = spreading.Broadcasting(context, shipment)
    (digest,) = broadcasting.chunks

    found = [*sources_of(broadcasting.chunks, {})[digest]()]

    assert b"".join(found) == DATA.tobytes()
    assert len(context.made) == 2


def test_the_next_search_with_the_same_data_sends_nothing_again(shipment, context):
    first = spreading.Broadcasting(context, shipment)
    first.close()

    second = spreading.Broadcasting(context, shipment)

    assert len(second.chunks) == 1
    assert len(context.made) == 2
    assert not any(variable.is_destroyed for variable in context.made)


def test_what_the_next_search_does_not_use_is_given_up(shipment, small, context):
    first = spreading.Broadcasting(context, shipment)
    second = spreading.Broadcasting(context, small)
    assert not any(variable.is_destroyed for variable in context.made), "the first search still runs"
    first.close()
    first.close()
    second.close()

    spreading.Broadcasting(context, small)

    assert all(variable.is_destroyed for variable in context.made)
