"""What a search still knows when it goes on, and what ends it."""

import threading

import numpy as np
import pytest

import manyhands as mh

SPACE = {"x": mh.Float(0, 1)}


def tune(objective, **settings):
    return mh.tune(objective, settings.pop("space", SPACE), executor="inline", progress=False, **settings)


class StopsAboveTheBestAtTheSameStep:
    """Stops a trial that reports more than any trial before it did at that step."""

    def __init__(self):
        self.best = {}

    def judge(self, trial_id, report, loss):
        best = self.best.get(report.step, loss)
        self.best[report.step] = min(best, loss)
        return "it is above the best" if loss > best else None

    def observe(self, trial, loss):
        """Reports say it all."""


def test_a_scheduler_remembers_the_reports_of_earlier_runs(tmp_path):
    def objective(params, trial):
        for step in range(3):
            trial.report(params["x"], step)
        return params["x"]

    def states(name, *limits):
        for limit in limits:
            scheduler = StopsAboveTheBestAtTheSameStep()
            study = tune(objective, max_trials=limit, scheduler=scheduler, store=tmp_path / "s.db", name=name)
        return [trial.state for trial in study.trials]

    assert states("in two runs", 10, 20) == states("in one run", 20)


def test_a_search_with_rules_is_the_same_each_time():
    """Rules wait for outcomes, so nothing may be started before they have seen the last one."""
    lengths = {len(tune(lambda p: p["x"], stop=mh.NoProgress(5), seed=1).trials) for _ in range(5)}

    assert len(lengths) == 1


def test_a_rule_that_spoke_before_the_last_outcome_does_not_end_the_next_run(tmp_path):
    values = [5, 6, 6, 6, 6, 6, 6, 1, 0, 7, 8]

    def objective(params, trial):
        return values[trial.id]

    tune(objective, max_trials=9, store=tmp_path / "s.db", name="s")
    study = tune(objective, max_trials=11, stop=mh.NoProgress(5), store=tmp_path / "s.db", name="s")

    assert len(study.trials) == 11


def test_a_target_that_was_reached_stays_reached(tmp_path):
    def objective(params, trial):
        return [3, 0, 2, 2, 2][trial.id]

    tune(objective, max_trials=3, store=tmp_path / "s.db", name="s")
    study = tune(objective, max_trials=5, stop=mh.Target(0.5), store=tmp_path / "s.db", name="s")

    assert len(study.trials) == 3
    assert "target" in study.end_reason


def test_what_earlier_runs_have_cost_counts_in_the_budget(tmp_path):
    def objective(params):
        return {"loss": params["x"], "euros": 2.0}

    tune(objective, max_trials=3, store=tmp_path / "s.db", name="s")
    study = tune(objective, stop=mh.Budget(10, metric="euros"), store=tmp_path / "s.db", name="s")

    assert len(study.trials) == 5
    assert study.end_reason == "the budget is spent: euros came to 10 of 10"


def test_a_trial_that_does_not_tell_its_cost_ends_the_search_and_loses_nothing(tmp_path):
    def objective(params, trial):
        return {"loss": params["x"], "cost": 1.0} if trial.id < 2 else params["x"]

    with pytest.raises(mh.SettingsError, match="'cost', and trial 2 has none: it has no metrics at all"):
        tune(objective, stop=mh.Budget(10), store=tmp_path / "s.db", name="s")

    assert len(mh.load_study("s", tmp_path / "s.db").trials) == 3


def test_one_of_several_rules_is_enough_to_end_a_search():
    study = tune(
        lambda p: {"loss": p["x"], "cost": 1.0},
        stop=[mh.Target(-1), mh.Budget(4), mh.NoProgress(50)],
        max_trials=20,
    )

    assert len(study.trials) == 4
    assert "budget" in study.end_reason


def noisy_bowl(params, trial):
    noise = np.random.default_rng([trial.id, trial.split]).normal(0, 0.02)
    return (params["x"] - 0.3) ** 2 + (params["y"] - 0.6) ** 2 + noise


def test_a_search_in_two_runs_ends_where_one_in_a_single_run_does(tmp_path):
    """The model behind the rule is told everything again, and looks at the same numbers of trials."""
    settings = {"space": SPACE | {"y": mh.Float(0, 1)}, "splits": 5, "sampler": "gp", "stop": mh.RegretBound()}
    whole = tune(noisy_bowl, max_trials=100, **settings)
    tune(noisy_bowl, max_trials=21, store=tmp_path / "s.db", name="s", **settings)
    study = tune(noisy_bowl, max_trials=100, store=tmp_path / "s.db", name="s", **settings)

    assert "could still be gained" in whole.end_reason
    assert 21 < len(whole.trials) < 100
    assert (len(study.trials), study.end_reason) == (len(whole.trials), whole.end_reason)


def test_a_search_that_a_model_has_ended_ends_at_once_when_it_is_run_again(tmp_path):
    settings = {"space": SPACE | {"y": mh.Float(0, 1)}, "splits": 5, "sampler": "gp", "stop": mh.RegretBound()}
    first = tune(noisy_bowl, max_trials=100, store=tmp_path / "s.db", name="s", **settings)
    again = tune(noisy_bowl, max_trials=100, store=tmp_path / "s.db", name="s", **settings)

    assert (len(again.trials), again.end_reason) == (len(first.trials), first.end_reason)


def test_a_rule_for_one_objective_refuses_several_before_any_trial(tmp_path):
    with pytest.raises(mh.SettingsError, match=r"mh\.RegretBound is for one objective"):
        tune(lambda p: [p["x"], -p["x"]], direction=["minimize"] * 2, stop=mh.RegretBound(), max_trials=3)


def test_an_unclear_dict_after_a_good_one_fails_its_trial_only():
    study = tune(lambda p, trial: {"oops": 1} if trial.id == 3 else {"value": p["x"]}, max_trials=6)

    assert [trial.state for trial in study.trials] == ["finished"] * 3 + ["failed"] + ["finished"] * 2
    assert "'oops'" in study.trials[3].reason


class BreaksAtFour(mh.RandomSampler):
    def suggest(self, trial_id, running):
        if trial_id == 4:
            raise ZeroDivisionError("the model is singular")
        return super().suggest(trial_id, running)


def test_a_sampler_that_raises_ends_the_search_and_loses_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError, match="singular"):
        tune(lambda p: p["x"], max_trials=9, sampler=BreaksAtFour(), store=tmp_path / "s.db", name="s")

    study = mh.load_study("s", tmp_path / "s.db")
    assert [trial.state for trial in study.trials] == ["finished"] * 4


def test_a_search_without_a_name_is_a_new_study_each_time(tmp_path):
    first = tune(lambda p: p["x"], max_trials=3, store=tmp_path / "s.db")
    second = tune(lambda p: -p["x"], max_trials=3, store=tmp_path / "s.db")

    assert (first.name, second.name) == ("study", "study-2")
    assert second.best_value < 0


def test_a_grid_over_ranges_needs_no_other_end():
    space = {"x": mh.Float(0, 1), "y": mh.Choice(["a", {"z": mh.Float(0, 1)}])}

    study = tune(lambda p: p["x"], space=space, sampler=mh.GridSampler(n=3))

    assert len(study.trials) == 3 * (1 + 3)


def test_points_to_start_with_are_tried_once_over_all_runs(tmp_path):
    points = [{"x": 0.25}, {"x": 0.5}]
    tune(lambda p: p["x"], max_trials=1, start_with=points, store=tmp_path / "s.db", name="s")

    study = tune(lambda p: p["x"], max_trials=4, start_with=[*points, {"x": 0.75}], store=tmp_path / "s.db", name="s")

    assert [trial.params["x"] for trial in study.trials[:3]] == [0.25, 0.5, 0.75]


def test_a_study_begun_anew_does_not_find_the_old_ones_checkpoints(tmp_path):
    folders = []

    def objective(params, trial):
        folders.append(trial.checkpoint_dir)
        if len(folders) == 1:
            raise KeyboardInterrupt
        return 0.0

    tune(objective, max_trials=1, store=tmp_path / "s.db", name="s")
    tune(objective, max_trials=1, space={"y": mh.Int(1, 2)}, store=tmp_path / "s.db", name="s")

    assert len(set(folders)) == 2


def test_trials_that_were_stopped_with_a_value_are_no_failures():
    class StopsAll:
        def judge(self, trial_id, report, loss):
            return "enough"

        def observe(self, trial, loss):
            """Nothing to learn."""

    def objective(params, trial):
        if trial.id == 0:
            raise ValueError
        trial.report(params["x"], step=0)
        trial.report(params["x"], step=1)

    study = tune(objective, max_trials=3, scheduler=StopsAll())

    assert [trial.state for trial in study.trials] == ["failed", "stopped", "stopped"]


def test_the_error_that_all_trials_failed_brings_the_study():
    with pytest.raises(mh.AllTrialsFailedError) as caught:
        tune(lambda p: None, max_trials=3)

    assert len(caught.value.study.trials) == 3


def test_many_threads_may_ask_and_tell():
    study = mh.Study(SPACE, sampler="random")
    told = []

    def work():
        for _ in range(200):
            trial = study.ask()
            study.tell(trial, trial.params["x"])
            told.append(trial.id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(told) == list(range(1600))


def test_an_objective_with_a_keyword_only_trial_is_refused():
    def objective(params, *, trial):
        return 0.0

    with pytest.raises(mh.SettingsError, match=r"objective\(params, trial\)"):
        tune(objective, max_trials=1)


@pytest.mark.parametrize("in_file", [True, False])
def test_a_study_shows_what_a_trial_reported(tmp_path, in_file):
    def objective(params, trial):
        for epoch in (1, 2):
            trial.report(params["x"] / epoch, step=epoch, lr=0.1)
        return params["x"]

    study = tune(objective, max_trials=3, store=tmp_path / "s.db" if in_file else None)

    curve = study.reports(1)
    assert [(report.step, report.metrics) for report in curve] == [(1, {"lr": 0.1}), (2, {"lr": 0.1})]
    assert curve[1].value == study.trials[1].value / 2


def test_a_loaded_study_shows_an_interrupted_trial_as_it_is_stored(tmp_path):
    def objective(params):
        raise KeyboardInterrupt

    tune(objective, max_trials=2, store=tmp_path / "s.db", name="s")

    (trial,) = mh.load_study("s", tmp_path / "s.db").trials
    assert trial.state == "interrupted"
    assert "Ctrl-C" in trial.reason
    assert trial.ended_at is not None


def test_a_store_whose_driver_was_killed_while_it_made_the_file_has_no_study_yet(tmp_path):
    path = tmp_path / "s.db"
    path.touch()

    with pytest.raises(mh.StudyNotFoundError, match="no study was begun"):
        mh.load_study("s", path)

    assert len(tune(lambda p: p["x"], max_trials=2, store=path, name="s").trials) == 2
