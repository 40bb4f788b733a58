"""What the way to a worker and back has for tasks: a cargo there, bytes and chunks back."""

import marshal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.events import Cargo
from manyhands.trial import Part
from manyhands.wire import messages
from manyhands.wire.msgpack_writer import encode
from manyhands.worker.handle import TrialHandle
from manyhands.worker.result import Parcel, keepable, read_result


@given(st.binary())
def test_bytes_come_back(data):
    assert msgspec.msgpack.decode(encode(["tag", {"answer": data}])) == ["tag", {"answer": data}]


@pytest.mark.parametrize("n", [0, 255, 256, 65535, 65536, 3 << 20])
def test_bytes_of_any_length_come_back(n):
    assert msgspec.msgpack.decode(encode(Parcel(bytes(n)))) == bytes(n)


def test_a_cargo_reaches_the_worker_as_it_is():
    order = messages.Start(Part(7), {}, None, Cargo(b"\x00\xff", ["/a", "/b"]))

    assert marshal.loads(messages.pack_order(order)[4:]) == ["start", [7, 0, 1], {}, None, [b"\x00\xff", ["/a", "/b"]]]  # noqa: S302


def test_trials_have_no_cargo():
    order = messages.Start(Part(7), {"x": 1.0})

    assert marshal.loads(messages.pack_order(order)[4:]) == ["start", [7, 0, 1], {"x": 1.0}, None, None]  # noqa: S302


def test_bytes_of_an_objective_are_kept_as_text_and_parcels_as_bytes():
    """Stores are JSON, so what an ordinary objective returns must not become bytes."""
    _, _, metrics, *_ = read_result({"value": 1.0, "bytes": b"abc", "parcel": Parcel(b"abc")}, None)

    assert metrics == {"bytes": "b'abc' (a bytes)", "parcel": b"abc"}
    assert keepable(b"abc") == "b'abc' (a bytes)"


def test_chunks_are_numbered():
    handed = []
    trial = TrialHandle((0, 0, 1), {}, "", print, hand_over=lambda step, data: handed.append((step, data)))

    trial.hand_over(Parcel(b"one"))
    trial.hand_over(Parcel(b"two"))

    assert handed == [(0, b"one"), (1, b"two")]


def test_an_executor_without_a_way_for_chunks_says_so():
    with pytest.raises(TypeError, match="longer than a message"):
        TrialHandle((0, 0, 1), {}, "", print).hand_over(Parcel(b"one"))
