import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import manyhands as mh
from manyhands.errors import SettingsError
from manyhands.ports import Outcome
from manyhands.space import Space
from manyhands.transfer import carried_over
from manyhands.trial import TrialState


class Wanderer:
    """Steps from the best point so far, half of the trials; and writes down what it is told."""

    learns = True

    def start(self, problem):
        self.space, self.seed, self.best, self.loss = problem.space, problem.seed, None, float("inf")
        self.told: list[tuple[int, dict, Outcome | None]] = []

    def suggest(self, trial_id, running):
        rng = np.random.default_rng([self.seed, trial_id])
        if self.best is None or trial_id % 2:
            return self.space.sample(rng)
        return self.space.decode(np.clip(rng.normal(self.best, 0.03), 0, 1).tolist())

    def observe(self, trial, outcome):
        self.told.append((trial.id, trial.point, outcome))
        if outcome is not None and outcome.loss < self.loss:
            self.best, self.loss = self.space.encode(trial.point), outcome.loss


def study_of(space, n=10, seed=0, failing=(), **settings):
    study = mh.Study(space, sampler="random", seed=seed, **settings)
    for _ in range(n):
        trial = study.ask()
        if trial.id in failing:
            study.tell(trial, failed="it burnt")
        else:
            study.tell(trial, float(trial.id))
    return study


# -- points -------------------------------------------------------------------------------------------------------


def test_the_same_space_takes_every_trial_over():
    tree = {"x": mh.Float(0, 1), "kind": mh.Choice(["a", {"n": mh.Int(1, 5)}])}
    former = study_of(tree, failing={3})

    lessons = carried_over(former, Space(tree), "minimize")

    assert [t.point for t in lessons.trials] == [t.point for t in former.trials]
    assert [t.params for t in lessons.trials] == [t.params for t in former.trials]
    assert [t.value for t in lessons.trials] == [t.value for t in former.trials]
    assert [t.state is TrialState.FAILED for t in lessons.trials] == [i == 3 for i in range(10)]
    assert [t.id for t in lessons.trials] == list(range(-10, 0))
    assert str(lessons) == "10 of 10 trials of former studies"


def test_values_outside_the_new_range_are_left_behind():
    former = study_of({"x": mh.Float(0, 1)}, n=40)

    lessons = carried_over(former, Space({"x": mh.Float(0.5, 2)}), "minimize")

    assert [t.point["x"] for t in lessons.trials] == [t.point["x"] for t in former.trials if t.point["x"] >= 0.5]
    assert 0 < len(lessons.trials) < lessons.n_ended == 40


def test_options_are_matched_by_their_labels():
    former = study_of({"act": mh.Choice(["relu", "tanh", "gelu"]), "x": mh.Float(0, 1)}, n=12)

    lessons = carried_over(former, Space({"act": mh.Choice(["gelu", "relu"])}), "minimize")

    kept = [t for t in former.trials if t.params["act"] != "tanh"]
    assert [t.params["act"] for t in lessons.trials] == [t.params["act"] for t in kept]


def test_a_bool_is_no_number():
    former = study_of({"flag": mh.Choice([True, False]), "x": mh.Float(0, 1)}, n=4)

    with pytest.raises(SettingsError, match=r"Not one of the 4 trials.*flag: (True|False) is none of 0, 1"):
        carried_over(former, Space({"flag": mh.Choice([0, 1])}), "minimize")


def test_a_choice_of_numbers_can_become_a_range_and_the_other_way_round():
    rest = {"x": mh.Float(0, 1)}
    options = Space({"rate": mh.Choice([0.1, 0.2, 5.0]), **rest})
    span = Space({"rate": mh.Float(0, 1)})

    into_span = carried_over(study_of(options, n=20), span, "minimize")
    into_options = carried_over(study_of({"rate": mh.Float(0, 0.3, step=0.1), **rest}, n=20), options, "minimize")

    assert {t.params["rate"] for t in into_span.trials} == {0.1, 0.2}
    assert {t.params["rate"] for t in into_options.trials} == {0.1, 0.2}


def test_what_is_new_is_drawn_in_the_same_way_every_time():
    former = study_of({"x": mh.Float(0, 1)}, n=50)
    space = Space({"x": mh.Float(0, 1), "new": mh.Float(0, 1)})

    lessons = carried_over(former, space, "minimize")

    drawn = [t.point["new"] for t in lessons.trials]
    assert [t.point["x"] for t in lessons.trials] == [t.point["x"] for t in former.trials]
    assert min(drawn) < 0.2
    assert max(drawn) > 0.8
    assert lessons == carried_over(former, space, "minimize")


def test_conditional_parameters_follow_their_option():
    svm = {"kind": "svm", "C": mh.Float(0, 1)}
    forest = {"kind": "forest", "depth": mh.Int(1, 9)}
    boost = {"kind": "boost", "rate": mh.Float(0, 1)}
    former = study_of({"model": mh.Choice([svm, forest])}, n=20)
    space = Space({"model": mh.Choice([boost, {**forest, "leaf": mh.Int(1, 3)}, svm])})

    lessons = carried_over(former, space, "minimize")

    for old, new in zip(former.trials, lessons.trials, strict=True):
        assert old.params["model"].items() <= new.params["model"].items()
        assert set(new.params["model"]) - set(old.params["model"]) <= {"leaf"}


def test_what_the_new_space_has_not_is_left_out():
    former = study_of({"x": mh.Float(0, 1), "gone": mh.Int(1, 9)}, n=3)

    lessons = carried_over(former, Space({"x": mh.Float(0, 1)}), "minimize")

    assert [set(t.point) for t in lessons.trials] == [{"x"}] * 3


def test_trials_without_an_end_teach_nothing():
    former = study_of({"x": mh.Float(0, 1)}, n=3)
    former.ask()

    assert len(carried_over(former, Space({"x": mh.Float(0, 1)}), "minimize").trials) == 3


def test_several_studies_come_one_after_another():
    tree = {"x": mh.Float(0, 1)}
    first, second = study_of(tree, n=2, seed=1), study_of(tree, n=3, seed=2)

    lessons = carried_over([first, second], Space(tree), "minimize")

    assert [t.point for t in lessons.trials] == [t.point for t in [*first.trials, *second.trials]]
    assert [t.id for t in lessons.trials] == [-5, -4, -3, -2, -1]


def test_none_is_nothing():
    assert carried_over(None, Space({"x": mh.Float(0, 1)}), "minimize").trials == ()


@given(st.floats(-5, 5), st.floats(0, 5), st.integers(0, 5), st.booleans())
def test_every_point_lies_in_the_new_space(low, width, n_options, has_more):
    former = study_of({"x": mh.Float(-3, 3), "n": mh.Int(0, 9), "kind": mh.Choice(["a", "b", "c"])}, n=8)
    tree = {"x": mh.Float(low, low + width), "kind": mh.Choice(["c", *"abdef"[:n_options]])}
    space = Space({**tree, "more": mh.Normal(0, 1)} if has_more else tree)
    try:
        lessons = carried_over(former, space, "minimize")
    except SettingsError:
        lessons = carried_over(None, space, "minimize")

    for trial in lessons.trials:
        assert space.find(trial.params) == trial.point


# -- what cannot be taken over ------------------------------------------------------------------------------------


def test_another_direction_is_refused():
    former = study_of({"x": mh.Float(0, 1)}, direction="maximize")

    with pytest.raises(SettingsError, match="'study' given as warm_start has direction='maximize', and this one"):
        carried_over(former, former.space, "minimize")


def test_what_is_no_study_is_refused():
    with pytest.raises(SettingsError, match="warm_start='old' is no study"):
        carried_over("old", Space({"x": mh.Float(0, 1)}), "minimize")


def test_a_space_that_no_trial_fits_is_refused_with_an_example():
    former = study_of({"x": mh.Float(0, 1)}, n=5)

    with pytest.raises(
        SettingsError, match=r"Not one of the 5 trials of warm_start fits.*trial 0 of 'study': x: 0\.\d+"
    ):
        carried_over(former, Space({"x": mh.Float(2, 3)}), "minimize")


def test_a_space_with_other_names_is_refused():
    former = study_of({"x": mh.Float(0, 1)}, n=5)

    with pytest.raises(SettingsError, match="it has x, and the space has y, z"):
        carried_over(former, Space({"y": mh.Float(0, 1), "z": mh.Float(0, 1)}), "minimize")


# -- searches -----------------------------------------------------------------------------------------------------


def sphere(params):
    return sum(v * v for v in params.values())


TREE = {f"x{i}": mh.Float(-1, 1) for i in range(5)}


def run(n, **settings):
    sampler = Wanderer()
    study = mh.Study(TREE, sampler=sampler, **settings)
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, sphere(trial.params))
    return study, sampler


def test_a_search_that_starts_warm_is_better_early():
    former, _ = run(200, seed=1)

    for seed in range(2, 7):
        cold, _ = run(20, seed=seed)
        warm, _ = run(20, seed=seed, warm_start=former)
        assert warm.best_value < cold.best_value / 3


def test_the_former_trials_are_none_of_the_new_study():
    former, _ = run(50)

    study, sampler = run(3, warm_start=former)

    assert [t.id for t in study.trials] == [0, 1, 2]
    assert study.best_trial.id in (0, 1, 2)
    assert [trial_id for trial_id, _, _ in sampler.told] == [*range(-50, 3)]


def test_the_summary_says_what_was_taken_over():
    former, _ = run(50)

    study, _ = run(3, warm_start=[former, former])

    assert "100 of 100 trials of former studies" in study.summary()


def test_failures_and_what_is_maximised_are_taught_as_in_the_search_itself():
    former = study_of(TREE, failing={1}, direction="maximize", n=3)

    sampler = Wanderer()
    mh.Study(TREE, sampler=sampler, direction="maximize", warm_start=former)

    assert [outcome and outcome.losses for _, _, outcome in sampler.told] == [(-0.0,), None, (-2.0,)]


def test_a_resumed_search_that_is_given_the_same_again_goes_on_identically(tmp_path):
    former, _ = run(30)

    def search(max_trials, store):
        return mh.tune(
            sphere,
            TREE,
            sampler=Wanderer(),
            max_trials=max_trials,
            warm_start=former,
            executor="inline",
            progress=False,
            name="warm",
            store=tmp_path / store,
        )

    whole = search(12, "whole.db")
    search(5, "parts.db")
    resumed = search(12, "parts.db")

    assert [t.point for t in resumed.trials] == [t.point for t in whole.trials]


def test_a_stored_study_can_be_the_former_one(tmp_path):
    store = tmp_path / "old.db"
    mh.tune(sphere, TREE, max_trials=10, sampler="random", executor="inline", progress=False, name="old", store=store)

    _, sampler = run(1, warm_start=mh.load_study("old", store))

    assert [trial_id for trial_id, _, _ in sampler.told] == [*range(-10, 1)]


def test_a_sampler_that_does_not_learn_cannot_be_taught():
    old = study_of({"x": mh.Float(0, 1)}, 3)
    with pytest.raises(mh.SettingsError, match="does not learn"):
        mh.Study({"x": mh.Float(0, 1)}, sampler="sobol", warm_start=old)
    with pytest.raises(mh.SettingsError, match="does not learn"):
        mh.tune(lambda p: p["x"], {"x": mh.Float(0, 1)}, sampler="random", warm_start=old, max_trials=2)
