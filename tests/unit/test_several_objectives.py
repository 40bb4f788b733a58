"""Several objectives, and constraints, from what the objective returns to what a study shows."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import manyhands as mh
from manyhands.ports import Outcome, Problem
from manyhands.samplers import RandomSampler
from manyhands.space import Point
from manyhands.trial import Report, Trial

SPACE = {"x": mh.Float(-1, 3)}
BOTH = ["minimize", "maximize"]


def parabolas(params: dict[str, float]) -> list[float]:
    """The first is lowest at x = 0, the second highest at x = 2."""
    return [params["x"] ** 2, -((params["x"] - 2) ** 2)]


def tune(objective: Any = parabolas, **given: Any) -> mh.Study:
    defaults = {"executor": "inline", "progress": False, "sampler": "random", "max_trials": 20, "direction": BOTH}
    return mh.tune(objective, SPACE, **{**defaults, **given})


class Listener(RandomSampler):
    """Remembers the problem and what it was told."""

    def start(self, problem: Problem) -> None:
        super().start(problem)
        self.problem = problem
        self.outcomes: dict[int, Outcome | None] = {}

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        super().observe(trial, outcome)
        self.outcomes[trial.id] = outcome


class Judge:
    def judge(self, trial_id: int, report: Report, loss: float) -> str | None:
        return None

    def observe(self, trial: Trial, loss: float | None) -> None:
        pass


class Changeable(RandomSampler):
    """Explains itself anew every ten trials."""

    n = 0

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        self.n = trial_id
        return super().suggest(trial_id, running)

    def explain(self) -> str:
        return f"random, phase {self.n // 10}"


def is_better(a: Trial, b: Trial) -> bool:
    """For ``BOTH``."""
    return a.values[0] <= b.values[0] and a.values[1] >= b.values[1] and a.values != b.values


# -- values --------------------------------------------------------------------------------------------------------


def test_a_trial_has_a_value_for_each_objective() -> None:
    study = tune()

    assert [list(t.values) for t in study.trials] == [parabolas(t.params) for t in study.trials]
    assert {t.value for t in study.trials} == {None}
    assert study.direction == ("minimize", "maximize")


def test_a_trial_of_one_objective_has_a_value_and_no_values() -> None:
    study = tune(lambda p: p["x"], direction=["maximize"])

    assert {t.values for t in study.trials} == {()}
    assert study.best_value == max(t.params["x"] for t in study.trials)
    assert study.direction == "maximize"


def test_the_front_is_what_no_trial_is_better_than() -> None:
    study = tune()

    expected = [t for t in study.trials if not any(is_better(other, t) for other in study.trials)]
    assert study.pareto_front == sorted(expected, key=lambda t: t.values[0])
    assert all(0 <= t.params["x"] <= 2 for t in study.pareto_front[1:-1])


def test_trials_with_the_same_values_are_all_on_the_front() -> None:
    study = tune(lambda p: (1.0, 2.0), max_trials=4)

    assert [t.id for t in study.pareto_front] == [0, 1, 2, 3]


def test_the_front_of_one_objective_has_all_that_are_best() -> None:
    study = tune(lambda p, trial: trial.id % 3, direction="minimize", max_trials=7)

    assert [t.id for t in study.pareto_front] == [0, 3, 6]


def test_keys_name_the_values() -> None:
    study = tune(lambda p: {"b": p["x"], "a": 1.0, "n": 7}, metric=["a", "b"], max_trials=3)

    assert [t.values for t in study.trials] == [(1.0, t.params["x"]) for t in study.trials]
    assert [t.metrics for t in study.trials] == [{"n": 7}] * 3
    assert study.to_dicts()[1]["value.b"] == study.trials[1].values[1]


def test_values_over_splits_are_means() -> None:
    def objective(params: object, trial: mh.TrialHandle) -> dict[str, object]:
        return {"values": [trial.split, 10.0 * trial.split], "constraints": [trial.split - 1.5]}

    (trial,) = tune(objective, splits=3, max_trials=1).trials

    assert (trial.values, trial.constraints, trial.value) == ((1.0, 10.0), (-0.5,), None)
    assert trial.split_values == ((0.0, 0.0), (1.0, 10.0), (2.0, 20.0))
    assert (trial.variance, trial.is_feasible) == (1.0, True)


def test_reports_leave_the_values_alone() -> None:
    def objective(params: dict[str, float], trial: mh.TrialHandle) -> list[float]:
        trial.report(0.5)
        if trial.id == 1:
            raise mh.TrialStopped("I have seen enough")
        return parabolas(params)

    study = tune(objective, max_trials=2)

    assert [(t.state.value, t.value, len(t.values)) for t in study.trials] == [
        ("finished", None, 2),
        ("stopped", None, 0),
    ]


@pytest.mark.parametrize("returned", [[1.0, math.nan], None, [1.0, "b"]])
def test_a_trial_without_finite_values_has_failed(returned: object) -> None:
    study = tune(lambda p, trial: returned if trial.id else [1.0, 2.0], max_trials=3)

    assert [t.state.value for t in study.trials] == ["finished", "failed", "failed"]
    assert "number" in study.trials[1].reason


@pytest.mark.parametrize(
    ("returned", "given", "words"),
    [
        (1.0, {}, r"1\.0 .*not a list of 2 numbers"),
        ([1.0, 2.0, 3.0], {}, r"\[1\.0, 2\.0, 3\.0\] .*not a list of 2 numbers"),
        ({"a": 1.0}, {}, r"without 'values'.*metric="),
        ([1.0, 2.0], {"metric": ["a", "b"]}, r"metric=\['a', 'b'\] needs a dict"),
        ([1.0, 2.0], {"direction": "minimize"}, r"direction=\['minimize', 'maximize'\]"),
    ],
)
def test_an_objective_that_returns_too_few_or_too_many_values_ends_the_search(
    returned: object, given: dict[str, Any], words: str
) -> None:
    calls: list[object] = []

    with pytest.raises(mh.ObjectiveError, match=words):
        tune(lambda p: calls.append(p) or returned, **given)

    assert len(calls) == 1


# -- what there is no single best of -------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["best_trial", "best_params", "best_value"])
def test_there_is_no_single_best_trial_of_several_objectives(what: str) -> None:
    study = tune(max_trials=3)

    with pytest.raises(mh.NoResultError, match=r"2 objectives.*pareto_front"):
        getattr(study, what)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stop": mh.Target(0.1)}, r"mh\.Target is for one objective.*\['minimize', 'maximize'\]"),
        ({"stop": [mh.NoProgress(3), mh.Target(0.1)]}, "mh.Target is for one objective"),
        ({"scheduler": Judge()}, "A scheduler is for one objective"),
        ({"metric": "a"}, "1 value.*2 objectives"),
        ({"metric": ["a", "b", "c"]}, "3 values.*2 objectives"),
        ({"direction": ["minimize", "up"]}, "'up'"),
        ({"direction": []}, r"direction=\[\]"),
    ],
)
def test_what_needs_one_objective_is_refused_at_the_start(given: dict[str, Any], words: str) -> None:
    with pytest.raises(mh.SettingsError, match=words):
        tune(lambda p: pytest.fail("nothing should run"), **given)


def test_no_progress_is_that_nothing_new_joins_the_front() -> None:
    values = [(5.0, 5.0), (6.0, 6.0), (5.0, 5.0), (7.0, 5.0), (6.0, 6.0), (0.0, 9.0)]

    study = tune(lambda p, trial: values[trial.id], stop=mh.NoProgress(3), max_trials=6)

    assert [t.state.value for t in study.trials if t.state.is_end] == ["finished"] * 5
    assert "no progress for 3 trials" in str(study.end_reason)


# -- constraints ---------------------------------------------------------------------------------------------------


def test_the_best_trial_is_the_best_feasible_one() -> None:
    study = tune(lambda p: {"value": p["x"], "constraints": [0.5 - p["x"], -1]}, direction="minimize")

    assert study.best_value == min(t.params["x"] for t in study.trials if t.params["x"] >= 0.5)
    assert [t.is_feasible for t in study.trials] == [t.params["x"] >= 0.5 for t in study.trials]
    assert study.trials[0].constraints == (0.5 - study.trials[0].params["x"], -1.0)


def test_a_limit_that_is_just_reached_is_kept() -> None:
    assert tune(lambda p: {"value": 1, "constraints": [0]}, direction="minimize", max_trials=1).best_trial.is_feasible


def test_infeasible_trials_are_not_on_the_front() -> None:
    study = tune(lambda p: {"values": parabolas(p), "constraints": [p["x"] - 1]})

    assert study.pareto_front
    assert all(t.params["x"] <= 1 for t in study.pareto_front)


@pytest.mark.parametrize("what", ["best_trial", "best_params", "best_value"])
def test_if_no_trial_is_feasible_it_is_said_how_close_they_come(what: str) -> None:
    study = tune(lambda p, trial: {"value": 1.0, "constraints": [3 - trial.id, -5]}, direction="minimize", max_trials=3)

    with pytest.raises(mh.NoResultError, match=r"none of 3 finished trials .* trial 2 comes closest, with 1 above 0"):
        getattr(study, what)
    assert "trial 2 comes closest" in study.summary()


def test_infeasible_trials_are_no_progress_and_reach_no_target() -> None:
    def objective(params: object, trial: mh.TrialHandle) -> dict[str, object]:
        return {"value": -trial.id, "constraints": [float(trial.id)]}

    study = tune(objective, direction="minimize", stop=[mh.NoProgress(3), mh.Target(-1)])

    assert "no progress for 3 trials" in str(study.end_reason)


def test_a_trial_with_another_number_of_constraints_has_failed() -> None:
    study = tune(lambda p, trial: {"values": [1, 2], "constraints": [0] * (2 if trial.id != 1 else 1)}, max_trials=3)

    assert [t.state.value for t in study.trials] == ["finished", "failed", "finished"]
    assert "1 constraint, and 2 in other trials" in study.trials[1].reason


def test_a_resumed_study_knows_how_many_constraints_there_are(tmp_path: Path) -> None:
    tune(lambda p: {"values": [1, 2], "constraints": [0, 0]}, max_trials=1, store=tmp_path / "s.db", name="s")

    study = tune(lambda p: [1, 2], max_trials=2, store=tmp_path / "s.db", name="s")

    assert "0 constraints, and 2 in other trials" in study.trials[1].reason


# -- samplers ------------------------------------------------------------------------------------------------------


def test_a_sampler_knows_the_problem_and_hears_all_losses_and_violations() -> None:
    sampler = Listener()

    def objective(params: dict[str, float], trial: mh.TrialHandle) -> object:
        return {"values": parabolas(params), "constraints": [0.5, -1]} if trial.id else None

    study = tune(objective, sampler=sampler, max_trials=2, seed=5)

    assert (sampler.problem.n_objectives, sampler.problem.max_trials, sampler.problem.seed) == (2, 2, 5)
    first, second = study.trials[1].values
    assert sampler.outcomes == {0: None, 1: Outcome((first, -second), (0.5, -1.0))}


def test_a_sampler_hears_the_violations_of_one_objective_too() -> None:
    sampler = Listener()

    tune(
        lambda p: {"value": 2.0, "variance": 0.5, "constraints": [1]},
        direction="maximize",
        sampler=sampler,
        max_trials=1,
    )

    assert sampler.problem.n_objectives == 1
    assert sampler.outcomes == {0: Outcome((-2.0,), (1.0,), 0.5)}


def test_what_the_sampler_says_is_told_at_the_start_and_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    class Ear(mh.Tracker):
        heard: list[str] = []  # noqa: RUF012 - one is enough

        def explained(self, text: str) -> None:
            self.heard.append(text)

    study = tune(sampler=Changeable(), trackers=[Ear()], progress=True)

    assert Ear.heard[0] == "Sampler: random, phase 0"
    assert Ear.heard[-1] == "Sampler: random, phase 1"
    assert len(Ear.heard) == 2
    assert "Sampler: random, phase 1" in study.summary().splitlines()
    assert "Sampler: random, phase 0\n" in capsys.readouterr().err


def test_a_search_knows_how_long_its_sampler_thinks() -> None:
    class Thinker(RandomSampler):
        def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
            sum(range(3_000_000))
            return super().suggest(trial_id, running)

    told = tune(sampler=Thinker(), max_trials=4)
    asked = mh.Study(SPACE, sampler=Thinker(), direction=BOTH)
    for _ in range(4):
        asked.tell(asked.ask(), [1.0, 2.0])

    for study in (told, asked):
        (line,) = [line for line in study.summary().splitlines() if line.startswith("The sampler took")]
        assert 10 < float(line.split()[-4].rstrip("%")) <= 100
    assert "The sampler took" not in tune().summary()


# -- a study in a file ---------------------------------------------------------------------------------------------


def test_a_stored_study_of_several_objectives_is_the_one_that_ran(tmp_path: Path) -> None:
    def objective(params: dict[str, float]) -> object:
        return {"a": params["x"] ** 2, "b": -((params["x"] - 2) ** 2), "constraints": [params["x"] - 1]}

    ran = tune(objective, metric=["a", "b"], store=tmp_path / "s.db", name="s")

    loaded = mh.load_study("s", tmp_path / "s.db")

    assert loaded.trials == ran.trials
    assert loaded.pareto_front == ran.pareto_front
    assert (loaded.direction, loaded.to_dicts()) == (ran.direction, ran.to_dicts())
    assert loaded.summary() == ran.summary()


def test_a_resumed_study_goes_on_as_if_never_interrupted(tmp_path: Path) -> None:
    for limit in (7, 20):
        study = tune(max_trials=limit, store=tmp_path / "s.db", name="s")

    at_once = tune()

    assert [t.params for t in study.trials] == [t.params for t in at_once.trials]
    assert [t.id for t in study.pareto_front] == [t.id for t in at_once.pareto_front]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"direction": BOTH[::-1]}, "direction"),
        ({"direction": "minimize"}, "direction"),
        ({"metric": ["a", "b"]}, "metric"),
    ],
)
def test_other_objectives_are_another_study(given: dict[str, Any], word: str, tmp_path: Path) -> None:
    tune(max_trials=1, store=tmp_path / "s.db", name="s")

    with pytest.raises(mh.StudyMismatchError, match=f"another {word}"):
        tune(max_trials=2, store=tmp_path / "s.db", name="s", **given)


# -- ask and tell --------------------------------------------------------------------------------------------------


def test_several_values_may_be_told() -> None:
    study = mh.Study(SPACE, direction=BOTH, sampler="random")
    study.tell(study.ask(), [1.0, 2.0])
    study.tell(study.ask(), {"values": (0.5, 3.0), "n": 1})
    study.tell(study.ask(), {"values": [0.0, 9.0], "constraints": [1.0]})
    study.tell(study.ask(), [0.0, math.inf])

    assert [t.values for t in study.trials] == [(1.0, 2.0), (0.5, 3.0), (), ()]
    assert [t.id for t in study.pareto_front] == [1]
    assert repr(study) == "<Study 'study': 4 trials, 1 on the Pareto front>"


def test_keys_name_the_values_that_are_told() -> None:
    study = mh.Study(SPACE, direction=BOTH, metric=["a", "b"], sampler="random")

    study.tell(study.ask(), {"b": 2.0, "a": 1.0, "constraints": [-1]})

    assert study.trials[0].values == (1.0, 2.0)
    assert study.to_dicts()[0]["value.a"] == 1.0


@pytest.mark.parametrize("told", [1.0, [1.0], [1.0, 2.0, 3.0], {"a": 1.0}])
def test_a_wrong_number_of_values_is_refused_and_the_trial_stays_on_its_way(told: object) -> None:
    study = mh.Study(SPACE, direction=BOTH, sampler="random")
    trial = study.ask()

    with pytest.raises(mh.SettingsError, match="tell was given"):
        study.tell(trial, told)
    study.tell(trial, [1.0, 2.0])

    assert study.pareto_front == study.trials


def test_a_study_of_ones_own_refuses_a_scheduler_of_several_objectives() -> None:
    with pytest.raises(mh.SettingsError, match="A scheduler is for one objective"):
        mh.Study(SPACE, direction=BOTH, scheduler=Judge())


# -- tables --------------------------------------------------------------------------------------------------------


def test_a_frame_has_a_column_for_each_value_and_each_constraint() -> None:
    pytest.importorskip("pandas")
    frame = tune(lambda p: {"values": parabolas(p), "constraints": [p["x"] - 1]}).to_frame()

    assert {"value.0", "value.1", "constraints.0", "feasible"} <= set(frame.columns)
    assert list(frame["feasible"]) == [x <= 1 for x in frame["params.x"]]
    assert "value" not in frame.columns


def test_without_constraints_there_is_no_column_for_them() -> None:
    assert not [key for row in tune().to_dicts() for key in row if "constraint" in key or key == "feasible"]
