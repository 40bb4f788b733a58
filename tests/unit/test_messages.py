"""Workers write their messages by hand; these are the types by which they are read."""

import json
import socket
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.trial import Failure, Part, Report, Result
from manyhands.wire import messages
from manyhands.wire.frames import Frames, pack
from manyhands.worker.main import Worker
from manyhands.worker.result import keepable, read_result

METRICS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def read(frame: bytes) -> messages.Message:
    (body,) = Frames().feed(frame)
    return messages.decode(body)


def sent_by(act: Any) -> list[messages.Message]:
    """What a worker sends when something is done with it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        act(Worker(theirs))
        return [messages.decode(body) for body in Frames().feed(ours.recv(1 << 20))]


# -- what a worker says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        (("hello", 42), messages.Hello(42)),
        (("broken", "Traceback"), messages.Broken("Traceback")),
        (("finished", (1, 0, 2), [0.5, None, {"n": 1}]), messages.Finished(Part(1, 0, 2), Result(0.5, None, {"n": 1}))),
        (("finished", (1, 0, 2), [3, 4, {}]), messages.Finished(Part(1, 0, 2), Result(3.0, 4.0))),
        (("failed", (1, 0, 2), ["no", "trace", True]), messages.Failed(Part(1, 0, 2), Failure("no", "trace", True))),
        (("stopped", (1, 0, 2), "why"), messages.Stopped(Part(1, 0, 2), "why")),
        (("printed", (1, 0, 2), "é\n", 3), messages.Printed(Part(1, 0, 2), "é\n", 3)),
        (
            ("reports", (1, 0, 2), [[0, 0.5, {}, 9.5], [1, None, {"lr": 0.1}, 9.75]]),
            messages.Reports(Part(1, 0, 2), [Report(0, 0.5, {}, 9.5), Report(1, None, {"lr": 0.1}, 9.75)]),
        ),
    ],
)
def test_what_a_worker_says_is_understood(said: object, understood: messages.Message) -> None:
    assert read(pack(said)) == understood


def test_what_a_worker_really_sends_is_understood() -> None:
    def act(worker: Worker) -> None:
        worker._current_key = (1, 0, 2)
        worker._report([0, 0.5, {}, 9.5])
        worker._flush_reports()
        worker._send_output("text", 4)
        worker._send("stopped", (1, 0, 2), "why")

    assert sent_by(act) == [
        messages.Reports(Part(1, 0, 2), [Report(0, 0.5, {}, 9.5)]),
        messages.Printed(Part(1, 0, 2), "text", 4),
        messages.Stopped(Part(1, 0, 2), "why"),
    ]


@given(METRICS)
def test_whatever_metrics_an_objective_returns_are_understood(metric: object) -> None:
    returned = {"value": 1.0, "metric": metric}

    message = read(pack(("finished", (0, 0, 1), list(read_result(returned, None)))))

    assert message.result.metrics == {"metric": keepable(metric)}


def test_text_from_undecodable_file_names_is_understood() -> None:
    """``os.fsdecode`` makes lone surrogates of bytes that are no UTF-8, and JSON must not hold those."""
    returned = {"value": 1.0, "path": b"caf\xe9".decode("utf-8", "surrogateescape")}

    message = read(pack(("finished", (0, 0, 1), list(read_result(returned, None)))))

    assert message.result.metrics["path"].startswith("caf")


def test_a_whole_number_of_any_size_is_understood_and_can_be_stored() -> None:
    returned = {"value": 1.0, "n": 10**30}

    message = read(pack(("finished", (0, 0, 1), list(read_result(returned, None)))))

    assert json.loads(msgspec.json.encode(message.result.metrics))["n"] == pytest.approx(10**30)


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"null",
        b"[]",
        b"{}",
        b'["unheard-of"]',
        b'["hello"]',
        b'["hello","42"]',
        b'["start",[0,0,1],{}]',
        b'["finished",[0,0,1],["high",null,{}]]',
        b'["finished",[0,0,1],[null,null,{}]]',
        b'["finished",["0",0,1],[1.0,null,{}]]',
        b'["finished",[],[1.0,null,{}]]',
        b'["reports",[0,0,1],[[0.5,1.0,{},0.0]]]',
        b'["printed",[0,0,1],7,3]',
        b'["stopped"]',
        b'["hello",1] trailing',
        b'\xff\xfe["hello",1]',
    ],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as caught:
        messages.decode(body)

    assert isinstance(caught.value, msgspec.DecodeError), "executors look for this one only"


@given(st.binary(max_size=60))
def test_garbage_is_refused_and_does_nothing_else(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        messages.decode(body)


# -- what a driver says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "heard"),
    [
        (messages.Setup("/tmp/p", ["a", "b"]), ["setup", "/tmp/p", ["a", "b"]]),  # noqa: S108 - only a word here
        (messages.Start(Part(1, 0, 2), {"x": 0.1}), ["start", [1, 0, 2], {"x": 0.1}]),
        (messages.Stop(Part(1, 0, 2), "why"), ["stop", [1, 0, 2], "why"]),
        (messages.Quit(), ["quit"]),
    ],
)
def test_a_worker_hears_what_a_driver_says(order: messages.Order, heard: list[object]) -> None:
    (body,) = Frames().feed(messages.pack_order(order))

    assert json.loads(body) == heard


@given(
    st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False) | st.integers(), max_size=4)
)
def test_every_number_of_a_point_arrives_as_it_was(point: dict[str, float]) -> None:
    (body,) = Frames().feed(messages.pack_order(messages.Start(Part(0), point)))

    assert json.loads(body)[2] == point
