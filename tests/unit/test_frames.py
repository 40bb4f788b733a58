import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.wire.frames import MAX_BYTES, FrameError, Frames, frame

BODIES = [b"a message", b"", b"\x00\x00\x00\x01", b"7", b"x" * 1000]
STREAM = b"".join(map(frame, BODIES))


def test_a_stream_cut_anywhere_gives_the_same_messages() -> None:
    for at in range(len(STREAM) + 1):
        frames = Frames()

        bodies = frames.feed(STREAM[:at]) + frames.feed(STREAM[at:])

        assert bodies == BODIES


def test_a_stream_that_comes_byte_by_byte_gives_the_same_messages() -> None:
    frames = Frames()

    bodies = [body for i in range(len(STREAM)) for body in frames.feed(STREAM[i : i + 1])]

    assert bodies == BODIES


@given(st.lists(st.binary(max_size=50), max_size=8), st.lists(st.integers(0, 500), max_size=6))
def test_bodies_of_any_kind_survive_any_cuts(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(frame, bodies))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    frames = Frames()

    found = [body for start, end in itertools.pairwise(edges) for body in frames.feed(stream[start:end])]

    assert found == bodies


def test_an_empty_body_is_a_message() -> None:
    assert Frames().feed(frame(b"")) == [b""]


def test_nothing_comes_of_nothing() -> None:
    assert Frames().feed(b"") == []


def test_a_length_beyond_the_limit_is_refused_before_the_body_comes() -> None:
    with pytest.raises(FrameError, match=str(MAX_BYTES)):
        Frames().feed((MAX_BYTES + 1).to_bytes(4, "big"))


def test_the_limit_itself_is_allowed() -> None:
    assert Frames().feed(MAX_BYTES.to_bytes(4, "big")) == []


def test_a_large_message_takes_no_longer_for_coming_in_many_pieces() -> None:
    """Pieces used to be copied again with each that followed: 64 MB in pieces of 1 KB took minutes."""
    stream = frame(bytes(MAX_BYTES))
    frames = Frames()

    began = time.perf_counter()
    bodies = [body for i in range(0, len(stream), 1024) for body in frames.feed(stream[i : i + 1024])]

    assert list(map(len, bodies)) == [MAX_BYTES]
    assert time.perf_counter() - began < 10
