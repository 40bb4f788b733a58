"""Workers write their messages by hand; these are the types by which they are read."""

import json
import marshal
import math
import socket
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.trial import Failure, Part, Report, Result
from manyhands.wire import messages
from manyhands.wire.frames import Frames
from manyhands.wire.msgpack_writer import encode
from manyhands.worker.main import Worker
from manyhands.worker.result import keepable, read_result

METRICS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def understood(*said: object) -> messages.Message:
    """What a driver makes of what a worker said."""
    return messages.decode(encode(said))


def heard(order: messages.Order) -> Any:
    """What a worker makes of what a driver said."""
    (body,) = Frames().feed(messages.pack_order(order))
    return marshal.loads(body)  # noqa: S302 - our own


def sent_by(act: Any) -> list[messages.Message]:
    """What a worker sends when something is done with it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        act(Worker(theirs.fileno()))
        return [messages.decode(body) for body in Frames().feed(ours.recv(1 << 20))]


# -- what a worker says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("hello", 42), messages.Hello(42)),
        (("broken", "Traceback"), messages.Broken("Traceback")),
        (
            ("finished", (1, 0, 2), [0.5, None, {"n": 1}], 2.5),
            messages.Finished(Part(1, 0, 2), Result(0.5, None, {"n": 1}), 2.5),
        ),
        (
            ("finished", (1, 0, 2), [None, None, {}, (0.5, 2), (-1.0,)], 2.5),
            messages.Finished(Part(1, 0, 2), Result(None, None, {}, (0.5, 2.0), (-1.0,)), 2.5),
        ),
        (("finished", (1, 0, 2), [3, 4, {}], 0), messages.Finished(Part(1, 0, 2), Result(3.0, 4.0), 0.0)),
        (
            ("failed", (1, 0, 2), ["no", "trace", True], 2.5),
            messages.Failed(Part(1, 0, 2), Failure("no", "trace", True), 2.5),
        ),
        (("stopped", (1, 0, 2), "why", 2.5), messages.Stopped(Part(1, 0, 2), "why", 2.5)),
        (("printed", (1, 0, 2), "é\n", 3), messages.Printed(Part(1, 0, 2), "é\n", 3)),
        (
            ("reports", (1, 0, 2), [[0, 0.5, {}, 9.5], [1, None, {"lr": 0.1}, 9.75]]),
            messages.Reports(Part(1, 0, 2), [Report(0, 0.5, {}, 9.5), Report(1, None, {"lr": 0.1}, 9.75)]),
        ),
    ],
)
def test_what_a_worker_says_is_understood(said: tuple[object, ...], expected: messages.Message) -> None:
    assert understood(*said) == expected


def test_what_a_worker_really_sends_is_understood() -> None:
    def act(worker: Worker) -> None:
        worker._current_key = (1, 0, 2)
        worker._report([0, 0.5, {}, 9.5])
        worker._say_reports()
        worker._say_output("text", 4)
        worker._send("stopped", (1, 0, 2), "why", 2.5)

    assert sent_by(act) == [
        messages.Reports(Part(1, 0, 2), [Report(0, 0.5, {}, 9.5)]),
        messages.Printed(Part(1, 0, 2), "text", 4),
        messages.Stopped(Part(1, 0, 2), "why", 2.5),
    ]


@given(METRICS)
def test_whatever_metrics_an_objective_returns_are_understood(metric: object) -> None:
    returned = {"value": 1.0, "metric": metric}

    message = understood("finished", (0, 0, 1), list(read_result(returned, None)), 0.1)

    assert message.result.metrics == {"metric": keepable(metric)}


def test_text_from_undecodable_file_names_is_understood() -> None:
    """``os.fsdecode`` makes lone surrogates of bytes that are no UTF-8, and no message must hold those."""
    returned = {"value": 1.0, "path": b"caf\xe9".decode("utf-8", "surrogateescape")}

    message = understood("finished", (0, 0, 1), list(read_result(returned, None)), 0.1)

    assert message.result.metrics["path"].startswith("caf")


def test_a_whole_number_of_any_size_is_understood_and_can_be_stored() -> None:
    returned = {"value": 1.0, "n": 10**30}

    message = understood("finished", (0, 0, 1), list(read_result(returned, None)), 0.1)

    assert json.loads(msgspec.json.encode(message.result.metrics))["n"] == pytest.approx(10**30)


@pytest.mark.parametrize(
    ("returned", "n_objectives"), [([0.5, 2.0], 2), ({"value": 0.5, "constraints": [-1.0, 0.5]}, 1)]
)
def test_values_and_constraints_that_an_objective_returns_are_understood(returned: Any, n_objectives: int) -> None:
    fields = read_result(returned, None, n_objectives)

    message = understood("finished", (0, 0, 1), list(fields), 0.1)

    assert message.result == Result(*fields)


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        ["unheard-of"],
        ["hello"],
        ["hello", "42"],
        ["start", [0, 0, 1], {}],
        ["finished", [0, 0, 1], [1.0, None, {}]],
        ["finished", [0, 0, 1], ["high", None, {}], 0.1],
        ["finished", [0, 0, 1], [None, None, {}], 0.1],
        ["finished", [0, 0, 1], [1.0, None, {}, [1.0, 2.0]], 0.1],
        ["finished", [0, 0, 1], [None, None, {}, [1.0]], 0.1],
        ["finished", [0, 0, 1], [None, None, {}, [1.0, math.nan]], 0.1],
        ["finished", [0, 0, 1], [None, None, {}, [1.0, "2"]], 0.1],
        ["finished", [0, 0, 1], [None, None, {}, 2.0], 0.1],
        ["finished", [0, 0, 1], [1.0, None, {}, [], [math.inf]], 0.1],
        ["finished", [0, 0, 1], [1.0, None, {}, [], [None]], 0.1],
        ["finished", [0, 0, 1], [math.inf, None, {}], 0.1],
        ["finished", ["0", 0, 1], [1.0, None, {}], 0.1],
        ["finished", [], [1.0, None, {}], 0.1],
        ["reports", [0, 0, 1], [[0.5, 1.0, {}, 0.0]]],
        ["printed", [0, 0, 1], 7, 3],
        ["stopped"],
    ],
)
def test_what_is_no_message_is_refused(said: object) -> None:
    with pytest.raises(msgspec.DecodeError):
        messages.decode(encode(said))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no message",
        encode(["hello", 1])[:-1],
        encode(["hello", 1]) + b"trailing",
        b"\x92\xa6broken\xa1\xff",  # text that is not UTF-8
        encode(["finished", [0, 0, 1], [1.0, None, {"a": 7}], 0.1]).replace(b"a\x07", b"a\xd4\x05\x07"),
    ],
    ids=["nothing", "words", "too short", "too long", "not UTF-8", "an extension"],
)
def test_garbage_is_refused_in_the_way_that_executors_look_for(body: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as caught:
        messages.decode(body)

    assert isinstance(caught.value, msgspec.DecodeError)


@given(st.binary(max_size=60))
def test_garbage_is_refused_and_does_nothing_else(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        messages.decode(body)


# -- what a driver says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (messages.Setup(["p", "p.1"], ["a", "b"], "tmp"), ["setup", ["p", "p.1"], ["a", "b"], "tmp"]),
        (messages.Start(Part(1, 0, 2), {"x": 0.1}), ["start", [1, 0, 2], {"x": 0.1}, None, None]),
        (messages.Start(Part(1, 0, 2), {"x": 0.1}, 0), ["start", [1, 0, 2], {"x": 0.1}, 0, None]),
        (messages.Stop(Part(1, 0, 2), "why"), ["stop", [1, 0, 2], "why"]),
        (messages.Quit(), ["quit"]),
    ],
)
def test_a_worker_hears_what_a_driver_says(order: messages.Order, expected: list[object]) -> None:
    assert heard(order) == expected


@given(
    st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False) | st.integers(), max_size=4)
)
def test_every_number_of_a_point_arrives_as_it_was(point: dict[str, float]) -> None:
    assert heard(messages.Start(Part(0), point))[2] == point
