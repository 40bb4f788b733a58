import io
import logging
import sys

import pytest

import manyhands as mh
from manyhands.errors import SettingsError
from manyhands.ports import Outcome, Problem
from manyhands.samplers.foreign import adopt
from manyhands.space import Point, Space
from manyhands.trial import Trial, TrialState

optuna = pytest.importorskip("optuna")

from manyhands.samplers.optuna import OptunaSampler  # noqa: E402

samplers = optuna.samplers


def started(sampler: object, space: Space, **problem: int) -> OptunaSampler:
    adapter = OptunaSampler(sampler)
    adapter.start(Problem(space, **problem))
    return adapter


def ended(space: Space, trial_id: int, point: Point) -> Trial:
    return Trial(trial_id, point, space.build(point), state=TrialState.FINISHED, order=trial_id)


# -- the space ----------------------------------------------------------------------------------------------------

EVERYTHING = Space(
    {
        "real": mh.Float(-2, 3),
        "rate": mh.Float(1e-5, 1, log=True),
        "tenths": mh.Float(0, 0.95, step=0.1),
        "both": mh.Float(1, 100, log=True, step=3),
        "fixed": mh.Float(2, 2),
        "layers": mh.Int(1, 9, step=3),
        "width": mh.Int(1, 512, log=True),
        "even": mh.Int(2, 64, log=True, step=2),
        "bell": mh.Normal(10, 2),
        "size": mh.Choice(["small", "medium", "large"], ordered=True),
        "model": mh.Choice(
            [
                {"kind": "svm", "C": mh.Float(0.1, 10, log=True)},
                {"kind": "net", "act": mh.Choice(["relu", {"leak": mh.Float(0, 1)}])},
            ]
        ),
    }
)


@pytest.mark.parametrize("make", [samplers.RandomSampler, samplers.TPESampler, samplers.NSGAIISampler])
def test_every_kind_of_parameter_reaches_optuna_and_comes_back(make):
    sampler = started(make(), EVERYTHING)

    for trial_id in range(40):
        point = sampler.suggest(trial_id, {})
        for name, value in point.items():
            assert EVERYTHING.parameters[name].read(value) == value
        sampler.observe(ended(EVERYTHING, trial_id, point), Outcome((abs(point["real"]),)))


def test_points_from_elsewhere_of_every_kind_are_told_to_optuna():
    """Each is checked by Optuna itself against the distributions it was given."""
    sampler = started(samplers.TPESampler(), EVERYTHING)
    for trial_id in range(20):
        point = EVERYTHING.decode([(trial_id + 0.5) / 20] * len(EVERYTHING.parameters))
        sampler.observe(ended(EVERYTHING, trial_id, point), Outcome((float(trial_id),)))

    known = sampler._study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))

    assert len(known) == 20
    assert all(("model.svm.C" in trial.params) != ("model.net.act" in trial.params) for trial in known)


# -- learning -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "n"),
    [
        (samplers.TPESampler, 60),
        (samplers.CmaEsSampler, 120),
        (lambda: samplers.NSGAIISampler(population_size=10), 150),
    ],
)
def test_it_finds_better_points_the_longer_it_searches(make, n):
    study = mh.Study({"x": mh.Float(-5, 5), "y": mh.Float(-5, 5)}, sampler=OptunaSampler(make()), max_trials=n)
    values = []
    for _ in range(n):
        trial = study.ask()
        values.append((trial.params["x"] - 1) ** 2 + (trial.params["y"] + 2) ** 2)
        study.tell(trial, values[-1])

    expected_at_random = 25 / 3 + 1 + 25 / 3 + 4
    assert sum(values[-n // 4 :]) / (n // 4) < 0.6 * expected_at_random


@pytest.mark.parametrize("make", [samplers.TPESampler, lambda: samplers.NSGAIISampler(population_size=10)])
def test_several_objectives_are_traded_off(make):
    space = Space({name: mh.Float(0, 1) for name in "xabcd"})
    sampler = started(make(), space, n_objectives=2)
    far = []
    for trial_id in range(100):
        point = sampler.suggest(trial_id, {})
        far.append(sum(point[name] for name in "abcd"))  # on the front this is 0, whatever x
        losses = (point["x"] + far[-1], 1 - point["x"] + far[-1])
        sampler.observe(ended(space, trial_id, point), Outcome(losses))

    assert sum(far[-50:]) / 50 < 0.7 * 2


@pytest.mark.parametrize("make", [samplers.TPESampler, lambda: samplers.NSGAIISampler(population_size=10)])
def test_constraints_keep_it_from_the_best_losses(make):
    space = Space({name: mh.Float(0, 1) for name in "xabc"})
    n_beyond = {}
    for is_constrained in (False, True):
        sampler = started(make(), space)
        points = []
        for trial_id in range(120):
            point = sampler.suggest(trial_id, {})
            points.append(point["x"])
            violations = (0.5 - point["x"], -1.0) if is_constrained else ()
            sampler.observe(ended(space, trial_id, point), Outcome((point["x"],), violations=violations))
        n_beyond[is_constrained] = sum(x < 0.4 for x in points[-40:])

    assert n_beyond[True] < n_beyond[False] / 2


def test_a_running_trial_of_somebody_else_is_seen():
    """With a liar, TPE keeps away from where a trial is running."""
    space = Space({"x": mh.Float(0, 1)})
    tpe = samplers.TPESampler(constant_liar=True, n_startup_trials=4)
    sampler = started(tpe, space)
    for trial_id in range(8):
        point = {"x": trial_id / 8}
        sampler.observe(ended(space, trial_id, point), Outcome((abs(point["x"] - 0.5),)))
    alone = sampler.suggest(8, {})

    crowded = started(tpe, space)
    for trial_id in range(8):
        point = {"x": trial_id / 8}
        crowded.observe(ended(space, trial_id, point), Outcome((abs(point["x"] - 0.5),)))

    assert crowded.suggest(8, dict.fromkeys(range(20, 40), alone)) != alone


def test_outcomes_in_another_order_than_the_suggestions_are_replayed_alike():
    space = Space({"x": mh.Float(0, 1), "z": mh.Normal(0, 1)})
    live = started(samplers.TPESampler(), space)
    running: dict[int, Point] = {}
    told = []
    for trial_id in range(30):
        running[trial_id] = live.suggest(trial_id, running)
        if len(running) == 3:
            done = sorted(running)[1]
            told.append((ended(space, done, running.pop(done)), Outcome((done % 7 + 0.1 * done,))))
            live.observe(*told[-1])

    for trial_id, point in running.items():
        told.append((ended(space, trial_id, point), Outcome((2.0,))))
        live.observe(*told[-1])

    resumed = started(samplers.TPESampler(), space)
    for trial, outcome in told:
        resumed.observe(trial, outcome)

    assert resumed.suggest(30, {}) == live.suggest(30, {})


# -- samplers that come to an end ---------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_grid_of_optunas_is_tried_once_and_no_more(at_once):
    space = Space({"x": mh.Float(0, 1), "kind": mh.Choice(["a", "b"])})
    sampler = started(samplers.GridSampler({"x": [0.0, 0.5, 1.0], "kind": [0, 1]}), space)

    points = run_dry(sampler, space, at_once)

    assert len(points) == 6
    assert {(p["x"], p["kind"]) for p in points} == {(x, k) for x in (0.0, 0.5, 1.0) for k in (0, 1)}


def test_a_grid_of_optunas_goes_on_with_what_is_left():
    space = Space({"x": mh.Float(0, 1)})
    sampler = started(samplers.GridSampler({"x": [0.0, 0.25, 0.5, 0.75]}), space)
    for trial_id, x in enumerate((0.25, 0.33, 0.75)):
        sampler.observe(ended(space, trial_id, {"x": x}), Outcome((x,)))

    points = run_dry(sampler, space, 1, first=3)

    assert sorted(p["x"] for p in points) == [0.0, 0.5]


def test_brute_force_tries_a_conditional_space_whole():
    space = Space({"kind": mh.Choice(["a", {"n": mh.Int(1, 4)}]), "step": mh.Float(0, 1, step=0.5)})
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        brute = samplers.BruteForceSampler()
    sampler = started(brute, space)

    points = run_dry(sampler, space, 1)

    assert sorted(map(space.index, points)) == list(range(15))


def run_dry(sampler: OptunaSampler, space: Space, at_once: int, first: int = 0) -> list[Point]:
    points: list[Point] = []
    running: dict[int, Point] = {}
    for trial_id in range(first, first + 50):
        point = sampler.suggest(trial_id, running)
        if point is not None:
            running[trial_id] = point
            points.append(point)
        elif not running:
            return points
        if point is None or len(running) == at_once:
            done = min(running)
            sampler.observe(ended(space, done, running.pop(done)), Outcome((1.0,)))
    raise AssertionError("it goes on and on")


def test_partly_fixed_params_stay_fixed():
    space = Space({"x": mh.Float(0, 1), "y": mh.Float(0, 1)})
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        partial = samplers.PartialFixedSampler({"y": 0.25}, samplers.TPESampler())
    sampler = started(partial, space)
    for trial_id in range(15):
        point = sampler.suggest(trial_id, {})
        assert point["y"] == 0.25
        sampler.observe(ended(space, trial_id, point), Outcome((point["x"],)))


def test_nsga3_takes_three_objectives():
    space = Space({"x": mh.Float(0, 1), "y": mh.Float(0, 1)})
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        nsga3 = samplers.NSGAIIISampler(population_size=6)
    sampler = started(nsga3, space, n_objectives=3)
    for trial_id in range(20):
        point = sampler.suggest(trial_id, {})
        losses = (point["x"], point["y"], 2 - point["x"] - point["y"])
        sampler.observe(ended(space, trial_id, point), Outcome(losses))

    assert sampler.suggest(20, {}) is not None


# -- manners ------------------------------------------------------------------------------------------------------


def test_the_given_sampler_is_left_as_it_was_and_may_be_used_again():
    space = Space({"x": mh.Float(0, 1)})
    given = samplers.TPESampler(seed=5)
    searches = []
    for _ in range(2):
        sampler = started(given, space)
        searches.append([])
        for trial_id in range(15):
            point = sampler.suggest(trial_id, {})
            searches[-1].append(point)
            sampler.observe(ended(space, trial_id, point), Outcome((point["x"],)))

    assert searches[0] == searches[1]
    assert given._rng.rng.random() == samplers.TPESampler(seed=5)._rng.rng.random()


def test_it_says_nothing_and_leaves_optunas_logging_as_it_was():
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    logging.getLogger("optuna").addHandler(handler)
    level = optuna.logging.get_verbosity()
    try:
        sampler = started(samplers.CmaEsSampler(), EVERYTHING)  # which says of each choice that it cannot do those
        for trial_id in range(5):
            point = sampler.suggest(trial_id, {})
            sampler.observe(ended(EVERYTHING, trial_id, point), Outcome((point["real"],)))
    finally:
        logging.getLogger("optuna").removeHandler(handler)

    assert heard.getvalue() == ""
    assert optuna.logging.get_verbosity() == level


# -- what cannot work ---------------------------------------------------------------------------------------------


def test_only_optunas_own_are_adopted():
    assert isinstance(adopt(samplers.TPESampler()), OptunaSampler)
    assert adopt(mh.RandomSampler()) is None
    assert adopt(samplers.TPESampler) is None
    assert adopt(object()) is None


def test_a_study_of_optunas_is_no_sampler():
    study = optuna.create_study()

    with pytest.raises(SettingsError, match="is an Optuna study, which has a search of its own"):
        adopt(study)


def test_a_class_is_refused():
    with pytest.raises(SettingsError, match=r"is a class. Give an object of it: TPESampler\(\)"):
        OptunaSampler(samplers.TPESampler)


def test_what_is_no_sampler_is_refused():
    with pytest.raises(SettingsError, match="'tpe' is no Optuna sampler"):
        OptunaSampler("tpe")


def test_a_sampler_that_served_an_optuna_study_is_refused():
    used = samplers.CmaEsSampler()
    study = optuna.create_study(sampler=used)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)

    with pytest.raises(SettingsError, match=r"was used in an Optuna study.*CmaEsSampler\(\.\.\.\)"):
        OptunaSampler(used)


def test_a_constraints_func_is_refused():
    with pytest.warns(FutureWarning):
        sampler = samplers.NSGAIISampler(constraints_func=lambda trial: trial.user_attrs["violations"])

    with pytest.raises(SettingsError, match="constraints_func"):
        OptunaSampler(sampler)


def test_one_that_knows_one_objective_is_refused_several():
    space = Space({"x": mh.Float(0, 1), "y": mh.Float(0, 1)})

    with pytest.raises(SettingsError, match="only one objective, and this study has 2"):
        OptunaSampler(samplers.CmaEsSampler()).start(Problem(space, n_objectives=2))


def test_telling_whose_a_sampler_is_does_not_import_optuna():
    import subprocess

    script = (
        "import sys, manyhands as mh; from manyhands.samplers.foreign import adopt; "
        "assert adopt(mh.RandomSampler()) is None; assert 'optuna' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", script], check=True)


# -- former studies -----------------------------------------------------------------------------------------------


def test_what_a_former_study_tried_teaches_it_and_may_be_tried_again():
    space = Space({"n": mh.Int(0, 7)})
    sampler = started(samplers.TPESampler(n_startup_trials=4), space)
    for n in range(8):
        sampler.observe(ended(space, n - 8, {"n": n}), Outcome((float((n - 5) ** 2),)))

    points = run_dry(sampler, space, 1)

    assert sorted(p["n"] for p in points) == list(range(8))
    assert points.index({"n": 5}) < 4
