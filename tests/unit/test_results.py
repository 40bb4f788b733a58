from typing import Any

from manyhands import results
from manyhands.incumbents import Incumbents
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

    text = results.summary("digits", trials, Incumbents("minimize", trials), SPACE, "all 2 trials are done")

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
    assert results.summary("s", [], Incumbents("minimize"), SPACE, None) == "Study 's', to minimize: no trials yet."


def traded(trial_id: int, *values: float, **changes: Any) -> Trial:
    return trial(trial_id, None, state=TrialState.FINISHED, values=values, **changes)


def test_a_row_has_all_values_by_number_or_by_name() -> None:
    trials = [traded(0, 0.5, 3.0, split_values=((0.25, 2.0), (0.75, 4.0))), trial(1, None)]

    first, failed = results.rows(trials, SPACE, ["value.error", "value.1"])

    assert (first["value.error"], first["value.1"]) == (0.5, 3.0)
    assert (first["split.0.value.error"], first["split.1.value.1"]) == (0.25, 4.0)
    assert (failed["value.error"], failed["value.1"]) == (None, None)
    assert not {"value", "split.0"} & first.keys()


def test_constraints_are_in_the_rows_that_have_them() -> None:
    kept, broken, none = results.rows(
        [trial(0, constraints=(-1.0, 0.0)), trial(1, constraints=(-1.0, 0.5)), trial(2, None)], SPACE
    )

    assert (kept["constraints.0"], kept["constraints.1"], kept["feasible"]) == (-1.0, 0.0, True)
    assert (broken["constraints.1"], broken["feasible"]) == (0.5, False)
    assert not [key for key in none if "constraints" in key or key == "feasible"]


def test_infeasible_trials_are_not_among_the_best() -> None:
    trials = [trial(0, 1.0, constraints=(0.5,)), trial(1, 2.0, constraints=(0.0,))]

    assert [t.id for t in results.best_first(trials, "minimize")] == [1]


def test_the_summary_of_several_objectives_shows_the_pareto_front() -> None:
    trials = [traded(0, 2.0, 5.0), traded(1, 1.0, 4.0), traded(2, 3.0, 4.0)]
    found = Incumbents(("minimize", "maximize"), trials)

    text = results.summary("nets", trials, found, SPACE, None, metric=("error", "speed"))

    assert text.splitlines()[:-1] == [
        "Study 'nets', to minimize error, maximize speed: 3 finished.",
        "On the Pareto front: 2 of 3 finished trials:",
        "    trial 1: error=1, speed=4  at  x=0.5, m=plain",
        "    trial 0: error=2, speed=5  at  x=0.5, m=plain",
    ]


def test_of_a_large_front_the_summary_shows_some_from_end_to_end() -> None:
    trials = [traded(i, float(i), float(-i)) for i in range(100)]
    found = Incumbents(("minimize", "minimize"), trials)

    lines = results.summary("nets", trials, found, SPACE, None).splitlines()

    assert lines[1] == "On the Pareto front: 100 of 100 finished trials, 10 of which are:"
    assert [int(line.split()[1].rstrip(":")) for line in lines[2:12]] == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]


def test_a_summary_tells_how_many_trials_break_constraints() -> None:
    trials = [trial(0, 1.0, constraints=(0.5, 1.0)), trial(1, 2.0, constraints=(-3.0, 0.25))]
    none, one = Incumbents("minimize", trials), Incumbents("minimize", [*trials, trial(2, 3.0, constraints=(0.0, 0.0))])

    assert (
        "None of 2 finished trials keeps every constraint; trial 1 comes closest, with 0.25 above 0 all together "
        "(constraints -3, 0.25)."
    ) in results.summary("s", trials, none, SPACE, None).splitlines()
    assert "2 of 3 finished trials break constraints." in results.summary("s", trials, one, SPACE, None).splitlines()


def test_a_sampler_that_took_time_or_explains_itself_has_lines_of_its_own() -> None:
    assert results.sampler_lines("Sampler: random, for a start", 0.8, 64.0) == [
        "Sampler: random, for a start",
        "The sampler took 0.8 s, 1.2% of the time.",
    ]
    assert results.sampler_lines("", 0.01, 64.0) == []
    assert results.sampler_lines("", 0.0, 0.0) == []


def test_a_search_takes_the_time_in_which_anything_ran() -> None:
    spans = [(5.0, 6.0), (5.5, 7.0), (5.2, 5.3), (100.0, 101.5)]
    trials = [trial(i, started_at=start, ended_at=end) for i, (start, end) in enumerate(spans)]

    assert results.duration(trials) == 2.0 + 1.5


def test_a_search_in_which_nothing_ended_has_no_duration() -> None:
    assert results.duration([trial(0, ended_at=None)]) is None


def test_numbers_are_shown_with_six_digits() -> None:
    assert [results.show(v) for v in (1 / 3, 7, "a", None)] == ["0.333333", "7", "a", "None"]
