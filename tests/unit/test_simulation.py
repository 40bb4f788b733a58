"""``mh.simulate``: planning a search on made-up curves, or on those of a former study."""

import math

import pytest

import manyhands as mh
from manyhands.errors import SettingsError
from manyhands.simulation import Curves, utilisation

SPACE = {"x": mh.Float(0, 1), "model": mh.Choice([{"kind": "tree", "depth": mh.Int(1, 9)}, {"kind": "line"}])}


def train(params):
    """Lines are quicker than trees; the third report is no number."""
    seconds = 10.0 if params["model"]["kind"] == "tree" else 1.0
    for epoch in range(1, 5):
        yield seconds + params["x"], math.nan if epoch == 3 else params["x"] / epoch, {"step": epoch}
    yield 2.0, None
    return params["x"] / 8


def former(**settings):
    return mh.simulate(train, SPACE, **{"sampler": "random", "workers": 4, "max_trials": 40, **settings})


def test_more_workers_take_less_time_for_the_same_trials():
    few, many = former(workers=2), former(workers=20)
    assert [trial.params for trial in few.trials] == [trial.params for trial in many.trials]
    assert max(trial.ended_at for trial in few.trials) > 5 * max(trial.ended_at for trial in many.trials)


def test_a_former_studys_trials_run_again_as_they_did():
    old = former()
    again = mh.simulate(old, workers=4, max_trials=40, sampler="random")
    assert [trial.params for trial in again.trials] == [trial.params for trial in old.trials]
    assert [trial.value for trial in again.trials] == [trial.value for trial in old.trials]
    assert [trial.ended_at for trial in again.trials] == pytest.approx([trial.ended_at for trial in old.trials])
    steps = [[(report.step, report.value) for report in study.reports(7)] for study in (old, again)]
    assert steps[0] == steps[1]


def test_other_params_run_like_the_nearest_trial():
    old = former()
    curves = Curves.of(old)
    trees = [trial for trial in old.trials if trial.params["model"]["kind"] == "tree"]
    lines = [trial for trial in old.trials if trial.params["model"]["kind"] == "line"]
    assert trees
    assert lines
    for x in (0.0, 0.5, 1.0):
        nearest = curves.nearest({"x": x, "model": {"kind": "line"}})
        assert nearest is min(lines, key=lambda trial: abs(trial.params["x"] - x))
        assert curves.nearest({"x": x, "model": {"kind": "tree", "depth": 5}}) in trees


def test_of_two_trials_as_near_the_older_one_is_taken():
    old = mh.simulate(lambda params: iter([(1.0, params["x"])]), {"x": mh.Int(0, 2)}, sampler="grid")
    without_the_middle = Curves(old, [old.trials[0], old.trials[2]])
    assert without_the_middle.nearest({"x": 1}) is old.trials[0]


def test_only_trials_that_finished_at_their_first_attempt_have_a_curve():
    faults = [mh.Fault(worker=0, at_s=5.0, lost_for_s=1.0)]
    old = former(workers=1, max_trials=3, faults=faults)
    assert old.trials[0].lost
    curves = Curves.of(old)
    assert {curves.nearest(trial.params).id for trial in old.trials} == {1, 2}


def test_the_direction_is_the_former_studys():
    old = former(direction="maximize")
    again = mh.simulate(old, max_trials=40, sampler="random")
    assert again.direction == "maximize"
    assert again.best_value == old.best_value


def test_a_study_without_curves_is_refused():
    def split(params, trial):
        yield 1.0, params["x"]

    splits = mh.simulate(split, {"x": mh.Float(0, 1)}, splits=2, max_trials=2, sampler="random")
    with pytest.raises(SettingsError, match="has splits or several objectives"):
        mh.simulate(splits, max_trials=1)
    with pytest.raises(SettingsError, match="no trial that finished"):
        mh.simulate(mh.Study(SPACE), max_trials=1)
    with pytest.raises(SettingsError, match="space= is needed"):
        mh.simulate(train)


def test_nothing_is_stored_unless_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    former(name="named", max_trials=2)
    assert list(tmp_path.iterdir()) == []
    former(name="named", max_trials=2, store="kept.db")
    assert mh.load_study("named", "kept.db").trials[1].ended_at > 0


def test_a_stored_simulation_goes_on_from_its_latest_time(tmp_path):
    kept = {"name": "s", "store": tmp_path / "kept.db", "workers": 2}
    faults = [mh.Fault(worker=1, at_s=0.0, lost_for_s=math.inf)]

    first = former(max_trials=2, **kept)
    study = former(max_trials=4, faults=faults, **kept)

    end = max(trial.ended_at for trial in first.trials)
    assert end > 0
    assert [trial.started_at for trial in study.trials[:3]] == [0.0, 0.0, end]
    assert study.trials[3].started_at == study.trials[2].ended_at > end, "the fault is at the start of the second run"
    reports = [report.at for trial in study.trials[2:] for report in study.reports(trial)]
    assert reports == sorted(reports)
    assert reports[0] > end


def test_what_stopped_trials_cost_counts_in_the_budget():
    def curve(params):
        for epoch in range(1, 28):
            yield 60.0, params["x"] + 1 / epoch, {"step": epoch, "cost": 0.5 * epoch}

    study = mh.simulate(
        curve, {"x": mh.Float(0, 1)}, workers=4, sampler="random", scheduler="asha", stop=mh.Budget(100, metric="cost")
    )

    ended = [trial for trial in study.trials if trial.state in ("stopped", "finished")]
    stopped = [trial for trial in ended if trial.state == "stopped"]
    spent = [0.5 * len(study.reports(trial)) for trial in ended]
    assert len(stopped) > 20
    assert [trial.metrics["cost"] for trial in ended] == spent
    assert study.end_reason == f"the budget is spent: cost came to {sum(spent):g} of 100"


def test_utilisation_is_the_share_of_the_time_that_trials_ran():
    def curve(params, trial):
        yield (30.0 if trial.id == 0 else 10.0), 1.0

    study = mh.simulate(curve, SPACE, workers=2, max_trials=2, sampler="random")
    assert utilisation(study, 2) == pytest.approx(40 / 60)
    with pytest.raises(SettingsError, match="no trials in one piece"):
        utilisation(mh.Study(SPACE), 2)


def test_a_thousand_workers_are_kept_busy():
    study = mh.simulate(train, {**SPACE}, workers=1000, max_trials=10_000, sampler="random")
    began = max(trial.started_at for trial in study.trials)
    busy = sum(min(trial.ended_at, began) - min(trial.started_at, began) for trial in study.trials)
    assert busy / (1000 * began) > 0.999, "up to the start of the last trial nobody waits"
