import math
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from manyhands.errors import TrialStopped
from manyhands.job import Job
from manyhands.template import Leaf
from manyhands.worker import handle as handles
from manyhands.worker.handle import TrialHandle
from manyhands.worker.run import run_part


@pytest.fixture
def sent() -> list[list[Any]]:
    return []


@pytest.fixture
def handle(sent: list[list[Any]], tmp_path: Path) -> TrialHandle:
    return TrialHandle((3, 1, 2), {"x": 1}, str(tmp_path), sent.append)


def ending(objective: Any, handle: TrialHandle, **given: Any) -> list[Any]:
    """How a part with this objective ends."""
    return run_part(Job(objective, Leaf("x"), **given), handle)


# -- who it is -----------------------------------------------------------------------------------------------------


def test_a_trial_knows_who_it_is(handle: TrialHandle) -> None:
    assert (handle.id, handle.split, handle.attempt, handle.params) == (3, 1, 2, {"x": 1})


def test_the_checkpoint_folder_is_made_when_first_used(handle: TrialHandle, tmp_path: Path) -> None:
    assert list(tmp_path.iterdir()) == []

    folder = Path(handle.checkpoint_dir)

    assert folder == tmp_path / "trial-00003" / "split-1"
    assert folder.is_dir()


def test_the_checkpoint_folder_is_the_same_in_every_attempt(tmp_path: Path) -> None:
    folders = {TrialHandle((3, 1, n), None, str(tmp_path), print).checkpoint_dir for n in (1, 2)}

    assert len(folders) == 1


# -- reports -------------------------------------------------------------------------------------------------------


def test_steps_are_counted_from_0_if_not_given(handle: TrialHandle, sent: list[list[Any]]) -> None:
    for value in (3.0, 2.0, 1.0):
        handle.report(value)

    assert [(step, value) for step, value, _, _ in sent] == [(0, 3.0), (1, 2.0), (2, 1.0)]


def test_a_step_may_be_given(handle: TrialHandle, sent: list[list[Any]]) -> None:
    handle.report(1.0, step=np.int64(10))

    assert sent[0][0] == 10
    assert type(sent[0][0]) is int


def test_a_step_may_be_a_real_number_without_fraction(handle: TrialHandle, sent: list[list[Any]]) -> None:
    handle.report(1.0, step=2.0)  # type: ignore[arg-type]

    assert sent[0][0] == 2


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_reported_as_none(value: float, handle: TrialHandle, sent: Any) -> None:
    handle.report(value)

    assert sent[0][1] is None


def test_metrics_go_along(handle: TrialHandle, sent: list[list[Any]]) -> None:
    handle.report(np.float32(0.5), lr=np.float64(0.1), note=None)

    assert sent[0][1:3] == [0.5, {"lr": 0.1, "note": None}]


@pytest.mark.parametrize("value", ["1", None, True, [1.0]])
def test_a_value_that_is_no_number_is_refused(value: Any, handle: TrialHandle) -> None:
    with pytest.raises(TypeError, match="takes a number"):
        handle.report(value)


@pytest.mark.parametrize("step", ["a", "1", 1.5, True, math.nan, math.inf, 2**63, 10**400])
def test_a_step_that_is_no_whole_number_is_refused(step: Any, handle: TrialHandle) -> None:
    with pytest.raises(TypeError, match="whole number"):
        handle.report(1.0, step=step)


# -- stopping ------------------------------------------------------------------------------------------------------


def test_a_report_leaves_the_objective_once_the_trial_was_stopped(handle: TrialHandle, sent: Any) -> None:
    handle.stop("too slow")
    assert handle.should_stop()

    with pytest.raises(TrialStopped, match="too slow"):
        handle.report(1.0)

    assert len(sent) == 1, "the last value is reported still"


class Clock:
    """Stands in for ``time`` in the handle; the objective takes as long as it is told."""

    def __init__(self) -> None:
        self.at = 0.0
        self.time = time.time

    def perf_counter(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(handles, "time", clock)
    return clock


def judged(hurry: Callable[[], None]) -> TrialHandle:
    return TrialHandle((0, 0, 1), {}, "", lambda report: None, hurry=hurry)


def test_a_judged_report_leaves_at_once_if_the_answer_comes_in_time(clock: Clock) -> None:
    handle = judged(lambda: handle.stop("too slow"))
    clock.at = 1.0

    with pytest.raises(TrialStopped, match="too slow"):
        handle.report(1.0)


def test_the_answer_may_come_from_another_thread_while_the_report_waits(clock: Clock) -> None:
    def answer() -> None:
        Thread(target=handle.stop, args=["too slow"]).start()

    handle = judged(answer)
    for _ in range(100):  # it waits 50 ms, and another thread may be later than that
        clock.at += 1e6
        try:
            handle.report(1.0)
        except TrialStopped:
            return
    raise AssertionError("no report has heard of it")


@pytest.mark.parametrize(("seconds", "wait_s"), [(0.049, None), (0.06, 0.0006), (1.0, 0.01), (3600.0, 0.05)])
def test_a_report_waits_for_a_hundredth_of_the_time_since_the_last_and_never_long(
    seconds: float, wait_s: float | None, clock: Clock
) -> None:
    waits: list[float] = []

    class Lock:
        def acquire(self, *, timeout: float) -> None:
            waits.append(timeout)

    handle = judged(lambda: None)
    handle._told = Lock()  # type: ignore[assignment]
    for _ in range(3):
        clock.at += seconds
        handle.report(1.0)

    assert waits == pytest.approx([] if wait_s is None else [wait_s] * 3)


def test_reports_that_follow_one_another_fast_are_not_sent_one_by_one(clock: Clock) -> None:
    hurried: list[float] = []
    handle = judged(lambda: hurried.append(clock.at))
    for _ in range(100):
        clock.at += 0.01
        handle.report(1.0)
    assert hurried == []

    clock.at += 0.03
    handle.report(1.0)

    assert hurried == [clock.at]


def test_a_trial_goes_on_until_it_was_stopped(handle: TrialHandle) -> None:
    handle.report(1.0)

    assert not handle.should_stop()


def test_except_exception_does_not_keep_a_trial_from_stopping(handle: TrialHandle) -> None:
    def objective(params: object, trial: TrialHandle) -> float:
        try:
            trial.report(1.0)
        except Exception:
            return 0.0
        return 1.0

    handle.stop("enough")

    assert ending(objective, handle, takes_trial=True) == ["stopped", "enough"]


# -- how a part ends -----------------------------------------------------------------------------------------------


def test_a_result_is_passed_on(handle: TrialHandle) -> None:
    assert ending(lambda p: {"value": p["x"], "n": 2}, handle) == ["finished", [1.0, None, {"n": 2}, (), (), ""]]


def test_what_is_raised_is_a_failure_with_a_traceback_from_the_objective_on(handle: TrialHandle) -> None:
    def objective(params: object) -> float:
        raise ValueError("first line\nsecond line")

    tag, (reason, traceback, fatal) = ending(objective, handle)

    assert (tag, reason, fatal) == ("failed", "it raised ValueError: first line second line", False)
    assert "in objective" in traceback
    assert "run_part" not in traceback


@pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit(), RecursionError(), AssertionError()])
def test_anything_raised_is_the_trials_outcome(error: BaseException, handle: TrialHandle) -> None:
    def objective(params: object) -> float:
        raise error

    tag, (reason, _, _) = ending(objective, handle)

    assert tag == "failed"
    assert type(error).__name__ in reason


def test_ctrl_c_is_not_the_objectives_to_keep(handle: TrialHandle) -> None:
    def objective(params: object) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ending(objective, handle)


def test_an_error_that_cannot_be_shown_is_a_failure_all_the_same(handle: TrialHandle) -> None:
    class Shy(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise ValueError

    def objective(params: object) -> float:
        raise Shy

    tag, (reason, _, _) = ending(objective, handle)

    assert (tag, reason) == ("failed", "it raised Shy: (its message cannot be shown)")


def test_an_unclear_result_has_no_traceback(handle: TrialHandle) -> None:
    tag, (reason, traceback, fatal) = ending(lambda p: {"accuracy": 1}, handle)

    assert (tag, traceback, fatal) == ("failed", "", True)
    assert "accuracy" in reason
