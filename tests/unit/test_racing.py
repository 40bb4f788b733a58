"""Leaving out the splits of trials that will hardly be the best."""

import random

import pytest

import manyhands as mh
from manyhands.racing import Race
from manyhands.trial import Result, Trial, TrialState

HARDNESS = (0.0, 0.5, 1.0, 0.2, 0.1)  # of each split, for every trial


def a_finished_trial(number, losses):
    return Trial(number, {}, {}, TrialState.FINISHED, value=sum(losses) / len(losses), split_values=tuple(losses))


def a_race(noise=0.01, direction="minimize", n=6):
    rng = random.Random(0)  # noqa: S311
    race = Race(direction, 5)
    sign = 1 if direction == "minimize" else -1
    for i in range(n):
        race.observe(a_finished_trial(i, [sign * (h + 0.1 * i + rng.gauss(0, noise)) for h in HARDNESS]))
    return race


def results(values, first=0):
    return {first + i: Result(value) for i, value in enumerate(values)}


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_trial_that_is_much_worse_in_the_same_split_is_left(direction):
    sign = 1 if direction == "minimize" else -1

    assert "worse than the best trial by 0.5" in a_race(0, direction).judge(results([sign * 0.5]))


def test_a_trial_is_compared_in_the_same_splits_and_not_with_the_mean():
    race = a_race()

    assert race.judge(results([1.0], first=2)) is None  # as good as the best one in the hardest split
    assert race.judge(results([0.4], first=0)) is not None  # better than the best one's mean, in the easiest


def test_with_much_noise_nobody_is_left_early():
    assert a_race(noise=0.5).judge(results([0.5])) is None


def test_a_trial_whose_own_splits_differ_much_is_not_left():
    assert a_race(0.001).judge(results([0.5, 0.5])) is None  # worse by 0.5 in one, as good in the other


def test_too_few_trials_say_nothing():
    assert a_race(n=3).judge(results([9.0])) is None


def test_a_trial_with_a_failed_split_cannot_be_the_best():
    assert a_race().judge({0: Result(None, failed="diverged")}) == "one of its splits has no value"


def test_the_estimate_of_a_trial_that_was_left_is_what_all_splits_would_have_given():
    race = a_race(noise=0.0)

    assert race.estimate(results([HARDNESS[0] + 0.3, HARDNESS[1] + 0.3])) == pytest.approx(0.3 + sum(HARDNESS) / 5)


def noisy(params, trial):
    rng = random.Random(f"{params['x']}-{trial.split}")  # noqa: S311
    return (params["x"] - 0.3) ** 2 + HARDNESS[trial.split] + rng.gauss(0, 0.01)


def search(objective=noisy, **settings):
    settings = {"max_trials": 60, "splits": 5, "executor": "inline", "sampler": "random", "seed": 3} | settings
    return mh.tune(objective, {"x": mh.Float(0, 1)}, progress=False, **settings)


def test_racing_finds_the_same_best_trial_with_far_fewer_splits():
    ran = {True: 0, False: 0}

    def counted(params, trial):
        ran[racing] += 1
        return noisy(params, trial)

    found = {}
    for racing in (False, True):
        found[racing] = search(counted, racing=racing).best_trial.id

    assert found[True] == found[False]
    assert ran[True] < 0.6 * ran[False]


def test_a_trial_that_is_left_is_stopped_and_says_why():
    left = [trial for trial in search(racing=True).trials if trial.state is TrialState.STOPPED]

    assert left
    assert all("splits" in trial.reason and trial.value is not None for trial in left)


def test_an_interrupted_race_goes_on_as_it_would_have(tmp_path):
    whole = search(racing=True, sampler="gp", max_trials=30)
    settings = {"racing": True, "sampler": "gp", "store": tmp_path / "s.db", "name": "race"}
    for n in (7, 13, 30):
        parts = search(max_trials=n, **settings)

    assert [(t.point, t.state, t.value) for t in parts.trials] == [(t.point, t.state, t.value) for t in whole.trials]


def test_racing_needs_splits_and_one_objective():
    with pytest.raises(mh.SettingsError, match=r"splits=1 has none to leave out"):
        search(racing=True, splits=1)
    with pytest.raises(mh.SettingsError, match="one objective"):
        search(racing=True, direction=["minimize", "minimize"])


def test_a_split_that_says_it_failed_lets_the_others_run_and_keeps_their_metrics():
    def half_failing(params, trial):
        return {"failed": "diverged", "n": [0]} if trial.split == 1 else {"value": 1.0, "n": [trial.split + 1]}

    with pytest.raises(mh.AllTrialsFailedError, match="diverged") as caught:
        search(half_failing, max_trials=2, splits=3)

    assert caught.value.study.trials[0].metrics == {"n": [[1], [0], [3]]}
