from pathlib import Path

import msgspec
import pytest

from manyhands.eventlog import EventLog, read
from manyhands.events import (
    AnyEvent,
    Asked,
    Idled,
    Logged,
    PartFailed,
    PartFinished,
    PartStopped,
    Reported,
    Saved,
    StopAsked,
    Ticked,
    WorkerJoined,
    WorkerLost,
)
from manyhands.parameters import Float
from manyhands.samplers import RandomSampler
from manyhands.search import Search, Settings
from manyhands.space import Space
from manyhands.trial import Failure, Part, Report, Result

EVENTS: list[AnyEvent] = [
    WorkerJoined(worker="w", at=0.1 + 0.2),
    WorkerLost(worker="w", cause="killed\nü"),
    Reported(part=Part(1, 2, 3), reports=[Report(0, None, {"a": [1, None]}, 2.5)]),
    PartFinished(part=Part(1), result=Result(1 / 3, 0.5, {"n": {"é": 1}})),
    PartFailed(part=Part(1), failure=Failure("why", "trace", True)),
    PartStopped(part=Part(1)),
    Saved(trial_ids=[1, 2]),
    Asked(),
    Idled(),
    Ticked(at=9.0),
    StopAsked(reason="Ctrl-C"),
    Logged(part=Part(1), text="one\ntwo\n"),
]


def recorded(events: list[AnyEvent], path: Path) -> Path:
    with EventLog(path) as log:
        for event in events:
            log.record(event)
    return path


def test_every_event_is_read_as_it_was_recorded(tmp_path: Path) -> None:
    path = recorded(EVENTS, tmp_path / "events.jsonl")

    assert list(read(path)) == EVENTS


def test_each_event_is_one_line(tmp_path: Path) -> None:
    path = recorded(EVENTS, tmp_path / "events.jsonl")

    assert len(path.read_bytes().splitlines()) == len(EVENTS)


def test_an_older_log_is_replaced(tmp_path: Path) -> None:
    path = recorded(EVENTS, tmp_path / "events.jsonl")

    recorded(EVENTS[:1], path)

    assert len(list(read(path))) == 1


def test_what_is_no_event_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"type": "Unheard"}\n')

    with pytest.raises(msgspec.ValidationError):
        list(read(path))


def test_a_recorded_run_can_be_replayed(tmp_path: Path) -> None:
    def search() -> Search:
        return Search(Space({"x": Float(0, 1)}), RandomSampler(), Settings(seed=3, max_trials=2))

    events: list[AnyEvent] = [
        WorkerJoined(worker="w", at=1.0),
        PartFinished(part=Part(0), result=Result(0.5), at=2.0),
        Saved(trial_ids=[0], at=3.0),
    ]
    first, second = search(), search()
    commands = [first.handle(event) for event in events]

    path = recorded(events, tmp_path / "events.jsonl")

    assert [second.handle(event) for event in read(path)] == commands
