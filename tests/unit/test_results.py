from typing import Any

from manyhands import results
from manyhands.parameters import Choice, Float, Int
from manyhands.space import Space
from manyhands.trial import Trial, TrialState

SPACE = Space({"x": Float(0, 1), "m": Choice(["plain", {"n": Int(1, 9)}])})


def trial(trial_id: int, value: float | None = 1.0, **changes: Any) -> Trial:
    point = changes.pop("point", {"x": 0.5, "m": 0})
    state = TrialState.FAILED if value is None else TrialState.FINISHED
    fields = {"state": state, "value": value, "started_at": 10.0, "ended_at": 12.0, **changes}
    return Trial(trial_id, point, SPACE.build(point), **fields)


def failed(trial_id: int, reason: str, line: str = "") -> Trial:
    traceback = f'Traceback:\n  File "a.py", line 1\n  File "{line}"\nError' if line else ""
    return trial(trial_id, None, reason=reason, traceback=traceback)


def test_a_row_has_params_metrics_and_splits_by_name() -> None:
    (row,) = results.rows(
        [trial(3, point={"x": 0.5, "m": 1, "m.1.n": 4}, metrics={"f1": 0.9}, split_values=(1.0, 2.0), variance=0.5)],
        SPACE,
    )

    assert row["trial"] == 3
    assert (row["params.x"], row["params.m"], row["params.m.1.n"]) == (0.5, "1", 4)
    assert (row["metrics.f1"], row["split.0"], row["split.1"], row["variance"]) == (0.9, 1.0, 2.0, 0.5)
    assert (row["duration_s"], row["attempts"]) == (2.0, 1)


def test_what_a_trial_did_not_use_is_not_in_its_row() -> None:
    (row,) = results.rows([trial(0)], SPACE)

    assert "params.m.1.n" not in row
    assert "variance" not in row


def test_the_best_come_first_and_the_earlier_of_equals() -> None:
    trials = [trial(0, 2.0), trial(1, 1.0), trial(2, 1.0), trial(3, None), trial(4, 0.0, state=TrialState.STOPPED)]

    assert [t.id for t in results.best_first(trials, "minimize")] == [1, 2, 0]
    assert [t.id for t in results.best_first(trials, "maximize")] == [0, 1, 2]


def test_the_commonest_failure_is_shown_by_its_first_trial() -> None:
    trials = [failed(0, "it raised A: 1", "x"), failed(1, "it raised B: 2", "y"), failed(2, "it raised B: 3", "y")]

    found = results.commonest_failure(trials)

    assert found is not None
    assert (found[0].id, found[1]) == (1, 2)


def test_without_failures_there_is_no_commonest() -> None:
    assert results.commonest_failure([trial(0)]) is None


def test_failures_are_counted_by_reason() -> None:
    trials = [failed(0, "rare"), failed(1, "common"), failed(2, "common"), trial(3)]

    assert results.failures_by_reason(trials) == [("common", 2, 1), ("rare", 1, 0)]


def test_a_summary_says_what_there_is_to_say() -> None:
    trials = [trial(0, 0.25, variance=0.04), failed(1, "it raised ValueError: no")]

    text = results.summary("digits", trials, trials[0], SPACE, "minimize", "all 2 trials are done")

    assert text.splitlines() == [
        "Study 'digits', to minimize: 1 finished, 1 failed.",
        "Best value 0.25 (standard deviation 0.2), by trial 0:",
        "    x  0.5",
        "    m  plain",
        "Failed 1x, first in trial 1: it raised ValueError: no",
        "It took 2.0 s.",
        "It ended because all 2 trials are done.",
    ]


def test_a_study_without_trials_has_a_summary() -> None:
    assert results.summary("s", [], None, SPACE, "minimize", None) == "Study 's', to minimize: no trials yet."


def test_a_search_takes_the_time_in_which_anything_ran() -> None:
    spans = [(5.0, 6.0), (5.5, 7.0), (5.2, 5.3), (100.0, 101.5)]
    trials = [trial(i, started_at=start, ended_at=end) for i, (start, end) in enumerate(spans)]

    assert results.duration(trials) == 2.0 + 1.5


def test_a_search_in_which_nothing_ended_has_no_duration() -> None:
    assert results.duration([trial(0, ended_at=None)]) is None


def test_numbers_are_shown_with_six_digits() -> None:
    assert [results.show(v) for v in (1 / 3, 7, "a", None)] == ["0.333333", "7", "a", "None"]
