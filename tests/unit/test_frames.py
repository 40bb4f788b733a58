import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.wire.frames import MAX_BYTES, FrameError, Frames, frame, pack

MESSAGES = [["start", [1, 2, 3], {"é": 0.1}], "", {}, 7, None, ["x" * 1000]]
STREAM = b"".join(map(pack, MESSAGES))


def decoded(bodies: list[bytes]) -> list[object]:
    return [json.loads(body) for body in bodies]


def test_a_stream_cut_anywhere_gives_the_same_messages() -> None:
    for at in range(len(STREAM) + 1):
        frames = Frames()

        bodies = frames.feed(STREAM[:at]) + frames.feed(STREAM[at:])

        assert decoded(bodies) == MESSAGES


def test_a_stream_that_comes_byte_by_byte_gives_the_same_messages() -> None:
    frames = Frames()

    bodies = [body for i in range(len(STREAM)) for body in frames.feed(STREAM[i : i + 1])]

    assert decoded(bodies) == MESSAGES


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


def test_what_json_cannot_hold_is_not_packed() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack(float("nan"))


def test_text_of_any_script_is_packed() -> None:
    assert decoded(Frames().feed(pack("ü 日本 😀"))) == ["ü 日本 😀"]
