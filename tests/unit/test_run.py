"""How a part ends whose objective has too much to say."""

from pathlib import Path
from typing import Any

import pytest

from manyhands.errors import TrialStopped
from manyhands.job import Job
from manyhands.template import Leaf
from manyhands.worker.handle import TrialHandle
from manyhands.worker.run import run_part


@pytest.fixture
def handle(tmp_path: Path) -> TrialHandle:
    return TrialHandle((0, 0, 1), {}, str(tmp_path), print)


def ending(error: BaseException, handle: TrialHandle) -> list[Any]:
    def objective(params: object) -> float:
        raise error

    return run_part(Job(objective, Leaf("x")), handle)


def test_a_long_traceback_keeps_its_beginning_and_its_end(handle: TrialHandle) -> None:
    _, (_, traceback, _) = ending(ValueError("first words" + "x" * 3_000_000 + "last words"), handle)

    assert len(traceback) < 20_100
    assert traceback.startswith("Traceback")
    assert "first words" in traceback
    assert traceback.endswith("last words\n")


def test_a_long_traceback_says_how_much_is_left_out(handle: TrialHandle) -> None:
    _, (_, short, _) = ending(ValueError(""), handle)
    n_left_out = len(short) + len(": ") + 3_000_000 - 20_000

    _, (_, traceback, _) = ending(ValueError("x" * 3_000_000), handle)

    assert f"\n... {n_left_out} characters are left out here ...\n" in traceback


def test_a_long_message_is_cut_to_a_line(handle: TrialHandle) -> None:
    _, (reason, _, _) = ending(ValueError("word " * 1_000_000), handle)

    assert reason.startswith("it raised ValueError: word word")
    assert len(reason) < 400


def test_a_long_reason_to_stop_is_cut(handle: TrialHandle) -> None:
    tag, reason = ending(TrialStopped("x" * 3_000_000), handle)

    assert tag == "stopped"
    assert len(reason) < 20_100
