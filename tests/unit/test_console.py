"""The console's tracker, told of trials by hand, with a clock that is set by hand."""

import io
import os
import pty
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from manyhands import Choice, Float, Space
from manyhands.ports import StudySpec
from manyhands.trackers.console import ConsoleTracker
from manyhands.trackers.output import Output
from manyhands.trackers.tally import Tally
from manyhands.trackers.words import facts, one_line, params_in_short, time_left
from manyhands.trial import Report, Trial, TrialState

SPACE = Space({"x": Float(0, 1), "kind": Choice(["[red]", "blue[/]"])})
SPEC = StudySpec("quad", SPACE.spec())


class HandClock:
    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


def running(trial_id: int, at: float = 1000.0) -> Trial:
    point = {"x": 0.5, "kind": 0}
    return Trial(trial_id, point, SPACE.build(point), started_at=at)


def ended(trial_id: int, value: float | None, reason: str = "", lost: tuple[str, ...] = ()) -> Trial:
    point = {"x": 0.25, "kind": 1}
    state = TrialState.FAILED if value is None else TrialState.FINISHED
    return Trial(
        trial_id, point, SPACE.build(point), state, value, reason=reason, lost=lost, started_at=1000, ended_at=1001
    )


def started(clock: HandClock, trials: dict[int, Trial] | None = None, max_trials: int | None = 100) -> ConsoleTracker:
    tracker = ConsoleTracker(SPACE, clock=clock)
    tracker.started(SPEC, 2, trials or {}, max_trials)
    return tracker


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


class Shown:
    """What was written to standard error, all of it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]):
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def plain(capsys: pytest.CaptureFixture[str]) -> Shown:
    return Shown(capsys)


class Terminal:
    """A real terminal in the place of standard error."""

    def __init__(self, fd: int):
        self._fd = fd
        self.shown = ""

    def read(self, awaited: str) -> str:
        """All that was shown, once it has what is awaited."""
        give_up_at = time.monotonic() + 10
        while awaited not in self.shown:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, give_up_at - time.monotonic()))
            assert ready, f"{awaited!r} was not shown, but: {self.shown!r}"
            self.shown += os.read(self._fd, 65536).decode()
        return self.shown


@contextmanager
def terminal_as_stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setenv("LINES", "30")
        try:
            yield Terminal(ours)
        finally:
            monkeypatch.undo()
            os.close(ours)


# -- plain lines ---------------------------------------------------------------------------------------------------


def test_a_plain_console_gets_a_line_at_the_start_and_what_came_out_at_the_end(clock: HandClock, plain: Shown) -> None:
    tracker = started(clock)
    tracker.trial_started(running(0))
    tracker.trial_ended(ended(0, 0.125))
    clock.at += 61
    tracker.ended("all 1 trials are done")
    assert plain.getvalue().splitlines() == [
        "Study 'quad' begins: minimize, 100 trials, 2 workers.",
        "Study 'quad': 1 finished, best 0.125, in 1:01. It ended because all 1 trials are done.",
    ]


def test_plain_lines_come_every_few_seconds_however_many_trials_end(clock: HandClock, plain: Shown) -> None:
    tracker = started(clock, max_trials=None)
    for trial_id in range(2000):
        clock.at += 0.01
        tracker.trial_started(running(trial_id))
        tracker.trial_ended(ended(trial_id, 0.5))
        tracker.tick(clock.at)
    lines = plain.getvalue().splitlines()
    assert len([line for line in lines if " done, " in line]) == 3
    assert any(line.endswith("done, best 0.5, 0 running, 1516 finished, 100 trials/s") for line in lines), lines


def test_each_new_best_and_the_first_failure_of_a_kind_have_a_line(clock: HandClock, plain: Shown) -> None:
    tracker = started(clock)
    outcomes = [3.0, 2.0, None, 2.5, None, 1.0]
    for trial_id, value in enumerate(outcomes):
        clock.at += 1
        tracker.trial_ended(ended(trial_id, value, "" if value else f"it raised ValueError: bad {trial_id}"))
        tracker.tick(clock.at)
    lines = plain.getvalue().splitlines()
    assert [line.partition(",")[0] for line in lines if line.startswith("New best")] == [
        "New best 3",
        "New best 2",
        "New best 1",
    ]
    assert [line for line in lines if "failed because" in line] == [
        "Trial 2 failed because it raised ValueError: bad 2"
    ]


def test_plain_lines_tell_how_much_time_is_left(clock: HandClock, plain: Shown) -> None:
    tracker = started(clock)
    for trial_id in range(20):
        clock.at += 1
        tracker.trial_ended(ended(trial_id, 1.0))
    tracker.tick(clock.at)
    assert "20/100 done, best 1, 0 running, 20 finished, 60 trials/min, about 1:20 left" in plain.getvalue()


def test_plain_lines_hold_no_escape_codes_and_no_line_breaks_of_others(clock: HandClock, plain: Shown) -> None:
    tracker = started(clock)
    tracker.trial_ended(ended(0, None, "it raised E: \x1b[31mred\x1b[0m\nand\ton"))
    tracker.ended("it was \x1b[1mcut off")
    assert "\x1b" not in plain.getvalue()
    assert "Trial 0 failed because it raised E: red and on\n" in plain.getvalue()


def test_a_dumb_terminal_gets_plain_lines(clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal_as_stderr(monkeypatch) as terminal:
        monkeypatch.setenv("TERM", "dumb")
        tracker = started(clock)
        tracker.tick(clock.at + 10)
        tracker.ended("it was cut off")
        assert "\x1b" not in terminal.read("cut off")


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_console_that_is_not_there_is_no_reason_to_fail(
    clock: HandClock, stream: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = io.StringIO()
    closed.close()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None if stream is None else closed)
    tracker = started(clock)
    tracker.trial_ended(ended(0, 1.0))
    tracker.tick(clock.at + 10)
    tracker.ended("it was cut off")


# -- a study that goes on ------------------------------------------------------------------------------------------


def test_a_resumed_study_counts_on_from_its_earlier_trials(clock: HandClock, plain: Shown) -> None:
    earlier = {0: ended(0, 0.5), 1: ended(1, None, "bad"), 2: running(2, at=10.0)}
    tracker = started(clock, earlier)
    tracker.trial_ended(ended(2, 0.25))
    clock.at += 2
    tracker.ended("all 3 trials are done")
    lines = plain.getvalue().splitlines()
    assert lines[1] == (
        "Study 'quad' goes on after 2 trials of earlier runs (1 finished, 1 failed), best 0.5 by trial 0; "
        "1 that had not ended run again."
    )
    assert lines[2:] == [
        "Study 'quad': 2 finished, 1 failed, best 0.25, this run in 2.0 s. It ended because all 3 trials are done."
    ]


def test_paused_trials_are_counted_by_themselves(clock: HandClock, plain: Shown) -> None:
    tracker = started(clock, {0: ended(0, 0.5), 1: replace(running(1), state=TrialState.PAUSED)})
    tracker.trial_started(running(2))
    tracker.trial_started(running(3))
    tracker.trial_paused(running(2))
    clock.at += 10
    tracker.tick(clock.at)
    tracker.trial_started(running(1))  # it goes on
    tracker.trial_ended(ended(1, 0.25))
    tracker.ended("the time was up")
    lines = plain.getvalue().splitlines()

    assert lines[1].endswith("best 0.5 by trial 0; 1 trial paused.")
    assert "1 running, 2 paused, 1 finished" in lines[2]
    assert "2 finished, 1 paused, best 0.25" in lines[-1]


def test_the_pace_is_that_of_this_run_alone() -> None:
    tally = Tally(SPEC, 2, {i: ended(i, 1.0) for i in range(50)}, 100, at=0.0)
    assert tally.pace(10.0) is None
    for trial_id in range(50, 75):
        tally.end(ended(trial_id, 1.0))
    assert tally.pace(10.0) == 2.5
    assert time_left(tally, 10.0) == ["about 0:10 left"]


def test_the_pace_is_that_of_the_last_minute_however_seldom_one_asks() -> None:
    tally = Tally(SPEC, 2, {}, None, at=0.0)
    for minute in range(1, 5):
        for trial_id in range(60 * minute):
            tally.end(ended(trial_id, 1.0))
        assert tally.pace(61.0 * minute) == pytest.approx(minute * 60 / 61)


@pytest.mark.parametrize(("max_trials", "n_enough"), [(10, 3), (50, 5), (1000, 10)])
def test_nobody_guesses_the_time_left_before_a_few_trials_of_this_run_are_done(max_trials: int, n_enough: int) -> None:
    tally = Tally(SPEC, 2, {0: ended(0, 1.0)}, max_trials, at=0.0)
    for trial_id in range(1, n_enough):
        tally.end(ended(trial_id, 1.0))
    assert time_left(tally, 5.0) == []
    tally.end(ended(n_enough, 1.0))
    assert time_left(tally, 1.9) == []
    assert len(time_left(tally, 5.0)) == 1


def test_no_time_is_left_when_all_trials_are_done() -> None:
    tally = Tally(SPEC, 2, {}, 20, at=0.0)
    for trial_id in range(20):
        tally.end(ended(trial_id, 1.0))
    assert time_left(tally, 5.0) == []


@pytest.mark.parametrize(("direction", "best"), [("minimize", 1.0), ("maximize", 3.0)])
def test_the_best_value_is_that_of_the_direction(direction: str, best: float) -> None:
    tally = Tally(StudySpec("quad", SPACE.spec(), direction), 1, {}, None, at=0.0)
    for trial_id, value in enumerate([2.0, 1.0, None, 3.0]):
        tally.end(ended(trial_id, value))
    assert tally.incumbents.best is not None
    assert tally.incumbents.best.value == best


def test_no_more_trials_run_than_there_are_workers() -> None:
    tally = Tally(SPEC, 2, {i: running(i) for i in range(16)}, None, at=0.0)
    assert facts(tally, 1.0) == ["2 running"]


def test_running_trials_with_splits_are_not_taken_for_busy_workers() -> None:
    tally = Tally(StudySpec("quad", SPACE.spec(), n_splits=5), 16, {i: running(i) for i in range(4)}, None, at=0.0)
    assert facts(tally, 1.0) == ["4 trials running"]


# -- several objectives, constraints -------------------------------------------------------------------------------


def traded(trial_id: int, *values: float, constraints: tuple[float, ...] = ()) -> Trial:
    value, several = (values[0], ()) if len(values) == 1 else (None, values)
    return replace(ended(trial_id, 0.0), value=value, values=several, constraints=constraints)


SEVERAL = replace(SPEC, direction=("minimize", "maximize"), metric=("error", "speed"))


def test_a_plain_console_tells_of_trials_that_join_the_pareto_front(clock: HandClock, plain: Shown) -> None:
    tracker = ConsoleTracker(SPACE, clock=clock)
    tracker.started(SEVERAL, 2, {}, 100)
    for trial_id, values in enumerate([(1.0, 5.0), (2.0, 4.0), (2.0, 6.0)]):
        clock.at += 2
        tracker.trial_ended(traded(trial_id, *values))
        tracker.tick(clock.at)
    tracker.ended("all 3 trials are done")
    lines = plain.getvalue().splitlines()
    assert lines[0] == "Study 'quad' begins: minimize error, maximize speed, 100 trials, 2 workers."
    assert [line for line in lines if line.startswith("New")] == [
        "New on the Pareto front: error=1, speed=5, by trial 0: x=0.25, kind=blue[/]",
        "New on the Pareto front: error=2, speed=6, by trial 2: x=0.25, kind=blue[/]",
    ]
    assert any("3/100 done, 2 on the Pareto front, " in line for line in lines)
    assert lines[-1].startswith("Study 'quad': 3 finished, 2 on the Pareto front, in 6.0 s.")


def test_a_resumed_study_tells_how_large_its_pareto_front_is(clock: HandClock, plain: Shown) -> None:
    ConsoleTracker(SPACE, clock=clock).started(SEVERAL, 2, {0: traded(0, 1.0, 5.0)}, 100)
    assert "goes on after 1 trial of earlier runs (1 finished), 1 on the Pareto front." in plain.getvalue()


def test_infeasible_trials_are_no_best_ones(clock: HandClock, plain: Shown) -> None:
    tracker = started(clock)
    tracker.trial_ended(traded(0, 1.0, constraints=(0.5,)))
    tracker.tick(clock.at + 10)
    tracker.trial_ended(traded(1, 2.0, constraints=(0.0,)))
    tracker.tick(clock.at + 20)
    lines = plain.getvalue().splitlines()
    assert "1/100 done, none feasible, 0 running, 1 finished" in lines[1]
    assert lines[2].startswith("New best 2, by trial 1")


def test_a_terminal_shows_the_pareto_front(clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal_as_stderr(monkeypatch) as terminal:
        tracker = ConsoleTracker(SPACE, clock=clock)
        tracker.started(SEVERAL, 2, {}, 100)
        tracker.trial_ended(traded(0, 1.0, 5.0))
        tracker.trial_ended(traded(1, 0.5, 4.0))
        tracker.tick(clock.at + 65)
        assert "2 on the Pareto front, the latest error=0.5, speed=4, by trial 1" in terminal.read("by trial 1")
        tracker.ended("it was cut off")


def test_what_the_sampler_says_of_itself_has_a_line(clock: HandClock, plain: Shown) -> None:
    tracker = started(clock)
    tracker.explained("Sampler: random,\nas nothing is known")
    tracker.tick(clock.at)
    tracker.ended("it was cut off")
    assert plain.getvalue().splitlines()[1] == "Sampler: random, as nothing is known"


# -- the live display ----------------------------------------------------------------------------------------------


def test_a_terminal_shows_running_trials_below_what_they_print(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal_as_stderr(monkeypatch) as terminal:
        tracker = started(clock)
        tracker.trial_started(running(0))
        tracker.trial_started(running(17))
        tracker.reported(running(17), [Report(3, 0.75), Report(4, None)])
        tracker.trial_ended(ended(0, 0.125, lost=("killed", "killed")))
        tracker.logged(17, "epoch [bold]4\n")
        tracker.tick(clock.at + 65)
        shown = terminal.read("None")
        for words in ("1/100 done", "1:05", "best 0.125, by trial 0", "2 attempts lost", "x=0.5, kind=[red]"):
            assert words in shown
        assert "[trial 17] epoch [bold]4" in shown
        tracker.ended("it was cut off")
        assert "It ended because it was cut off." in terminal.read("cut off")
        assert shown.count("\x1b[?25l") == 1
        assert terminal.shown.count("\x1b[?25h") == 1, "the cursor has to come back"


def test_a_short_search_draws_nothing(clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal_as_stderr(monkeypatch) as terminal:
        tracker = started(clock)
        tracker.logged(0, "no end of line")
        tracker.trial_ended(ended(0, 1.0))
        tracker.tick(clock.at + 0.1)
        tracker.ended("all 1 trials are done")
        shown = terminal.read("are done.")
        assert "[trial 0] no end of line" in shown
        assert "\x1b" not in shown


def test_what_is_printed_elsewhere_goes_there_while_the_display_lives(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal_as_stderr(monkeypatch) as terminal:
        tracker = started(clock)
        tracker.tick(clock.at + 1)
        print("a result")
        assert isinstance(sys.stdout, io.StringIO)
        assert sys.stdout.getvalue() == "a result\n"
        tracker.ended("it was cut off")
        assert "a result" not in terminal.read("cut off")


def test_strange_trials_are_shown_as_well(clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    space = Space({f"p{i}": Choice(["[/red]", "\x1b[31m\n" * 1000, None]) for i in range(300)})
    point = {f"p{i}": i % 3 for i in range(300)}
    with terminal_as_stderr(monkeypatch) as terminal:
        tracker = ConsoleTracker(space, clock=clock)
        tracker.started(StudySpec("[bold]\x07", space.spec()), 1, {}, None)
        tracker.trial_started(Trial(0, point, {}))
        tracker.reported(Trial(0, point, {}), [])
        tracker.reported(Trial(9, point, {}), [Report(1, None)])
        tracker.logged(0, "\x1b]0;title\x07\r\x00" * 10_000)
        tracker.tick(clock.at + 1)
        tracker.trial_ended(Trial(0, point, {}, TrialState.FINISHED, None))
        tracker.trial_ended(Trial(5, point, {}, TrialState.FAILED, None, reason="[red]" * 10_000))
        tracker.tick(clock.at + 2)
        tracker.ended("[/]")
        assert "It ended because [/]." in terminal.read("[/].")


# -- what trials print ---------------------------------------------------------------------------------------------


def test_pieces_are_joined_to_lines() -> None:
    output = Output()
    output.add(1, "one\ntw")
    output.add(2, "other\n")
    assert output.take(0.0) == ["[trial 1] one", "[trial 2] other"]
    output.add(1, "o\nthree")
    output.finish(1)
    assert output.take(1.0) == ["[trial 1] two", "[trial 1] three"]


def test_of_a_progress_bar_only_its_last_state_is_shown() -> None:
    output = Output()
    output.add(1, "10%\r20%\r30%\r\n")
    assert output.take(0.0) == ["[trial 1] 30%"]


@pytest.mark.parametrize("pattern", ["\r{}%", "{}%\r"])
def test_a_long_progress_bar_is_shown_where_it_stood_last(pattern: str) -> None:
    output = Output()
    for percent in range(101):
        output.add(1, pattern.format(percent))
        assert output.take(0.0) == []
    output.finish(1)
    assert output.take(0.0) == ["[trial 1] 100%"]


def test_a_flood_is_held_down_and_what_is_withheld_is_counted() -> None:
    output = Output()
    for i in range(50_000):
        output.add(1, f"line {i}\n")
    lines = output.take(0.0)
    assert len(lines) == 11
    assert lines[0] == "[trial 1] line 0"
    assert lines[-1].startswith("[49990 more lines were printed than are shown;")


def test_withheld_lines_are_not_counted_aloud_all_the_time() -> None:
    output = Output()
    n_notices = 0
    for frame in range(40):
        output.add(1, "line\n" * 100)
        n_notices += sum("more lines" in line for line in output.take(frame * 0.25))
    assert n_notices == 2


def test_text_is_shown_in_one_line_of_bearable_length() -> None:
    assert one_line("a\r\nb\x1b[2Jc") == "a  bc"
    assert len(one_line("x" * 100_000)) == 300


def test_params_are_shown_by_their_labels() -> None:
    assert params_in_short(SPACE, {"x": 0.123456789, "kind": 0}) == "x=0.123457, kind=[red]"
