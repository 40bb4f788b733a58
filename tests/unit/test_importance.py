import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import manyhands as mh
from manyhands.errors import NoResultError, SettingsError
from manyhands.importance import importance
from manyhands.space import Space
from manyhands.trial import Trial, TrialState


def trials_at_random(space, loss, n, seed=0):
    rng = np.random.default_rng(seed)
    points = [space.sample(rng) for _ in range(n)]
    return [
        Trial(i, point, space.build(point), TrialState.FINISHED, float(loss(point)), order=i)
        for i, point in enumerate(points)
    ]


def distance(shares, exact):
    """Total variation: the share that would have to be moved."""
    return sum(abs(shares[name] - exact.get(name, 0.0)) for name in shares) / 2


ADDITIVE = Space({name: mh.Float(0, 1) for name in "abcdefgh"})
WEIGHTS = {"a": 5.0, "b": 3.0, "c": 2.0, "d": 1.0}
ADDITIVE_SHARES = {name: w**2 / 39 for name, w in WEIGHTS.items()}


def additive(point):
    return sum(w * point[name] for name, w in WEIGHTS.items())


# -- the shares are right -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "off_by"), [(30, 0.2), (100, 0.08), (1000, 0.04)])
def test_shares_in_an_additive_function_are_those_of_the_variance(n, off_by):
    shares = importance(trials_at_random(ADDITIVE, additive, n), ADDITIVE)

    assert distance(shares, ADDITIVE_SHARES) < off_by


def test_noise_is_no_parameters_doing():
    rng = np.random.default_rng(1)
    noisy = trials_at_random(ADDITIVE, lambda p: additive(p) + 0.9 * rng.standard_normal(), 500)

    shares = importance(noisy, ADDITIVE)

    assert distance(shares, ADDITIVE_SHARES) < 0.1
    assert set(list(shares)[:4]) == set("abcd")


def test_what_two_parameters_do_together_is_shared_between_them():
    space = Space({name: mh.Float(-1, 1) for name in "abcd"})

    shares = importance(trials_at_random(space, lambda p: p["a"] * p["b"] + 0.2 * p["c"], 600), space)

    together = 1 / 9
    exact = {"a": together / 2, "b": together / 2, "c": 0.04 / 3}
    assert distance(shares, {name: v / sum(exact.values()) for name, v in exact.items()}) < 0.1


def test_log_scales_normals_and_choices_are_weighed_as_they_are_drawn():
    space = Space(
        {
            "rate": mh.Float(1e-6, 1, log=True),
            "bell": mh.Normal(3, 2),
            "kind": mh.Choice(["a", "b", "c"], weights=[1, 2, 1]),
            "n": mh.Int(1, 6),
        }
    )
    heights = [0.0, 1.0, 4.0]

    shares = importance(
        trials_at_random(
            space, lambda p: math.log10(p["rate"]) + p["bell"] / 2 + heights[p["kind"]] + 0.5 * p["n"], 1000
        ),
        space,
    )

    variances = {"rate": 36 / 12, "bell": 1.0, "kind": 0.25 * 0 + 0.5 * 1 + 0.25 * 16 - 1.5**2, "n": 0.25 * 35 / 12}
    assert distance(shares, {name: v / sum(variances.values()) for name, v in variances.items()}) < 0.04


def test_a_conditional_parameter_counts_where_it_is_active():
    options = [{"kind": "net", "w": mh.Float(0, 1)}, {"kind": "tree", "d": mh.Float(0, 1)}, {"kind": "none"}]
    space = Space({"model": mh.Choice(options), "x": mh.Float(0, 1)})
    w, d = "model.net.w", "model.tree.d"

    def loss(point):
        return 4 * point.get(w, 0.5) + 1 * point.get(d, 0.5) + 2 * point["x"]  # the model alone makes no difference

    shares = importance(trials_at_random(space, loss, 1000), space)

    # Where two together have variance v in p of the cases: p^2 v of the parameter alone, p (1 - p) v of both together.
    p = 1 / 3
    alone, both = {w: p**2 * 16 / 12, d: p**2 / 12}, {w: p * (1 - p) * 16 / 12, d: p * (1 - p) / 12}
    exact = {name: alone[name] + both[name] / 2 for name in (w, d)}
    exact |= {"model": sum(both.values()) / 2, "x": 4 / 12}
    assert distance(shares, {name: v / sum(exact.values()) for name, v in exact.items()}) < 0.05


def test_top_asks_what_mattered_among_the_good():
    space = Space({"gate": mh.Float(0, 1), "fine": mh.Float(0, 1), "idle": mh.Float(0, 1)})

    def loss(point):
        return (100 * point["gate"] if point["gate"] > 0.5 else 0) + point["fine"]

    trials = trials_at_random(space, loss, 400)

    assert importance(trials, space)["gate"] > 0.95
    assert importance(trials, space, top=0.4)["fine"] > 0.3
    assert importance(trials, space, top=0.4)["idle"] < 0.05


def test_it_is_nearer_to_the_truth_than_the_forests_of_optuna():
    optuna = pytest.importorskip("optuna")
    pytest.importorskip("sklearn")
    trials = trials_at_random(ADDITIVE, additive, 60, seed=2)
    study = optuna.study.create_study()
    real = optuna.distributions.FloatDistribution(0, 1)
    for trial in trials:
        there = optuna.trial.create_trial(
            params=trial.point, distributions=dict.fromkeys(trial.point, real), value=trial.value
        )
        study.add_trial(there)
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=32, seed=0)

    theirs = optuna.importance.get_param_importances(study, evaluator=evaluator)

    assert distance(importance(trials, ADDITIVE), ADDITIVE_SHARES) < distance(theirs, ADDITIVE_SHARES)


# -- what holds whatever the trials -------------------------------------------------------------------------------


@settings(max_examples=8)
@given(st.integers(0, 2**32), st.integers(12, 60))
def test_shares_are_shares(seed, n):
    space = Space({"kind": mh.Choice(["a", {"x": mh.Float(0, 1)}]), "y": mh.Int(1, 3), "z": mh.Normal(0, 1)})
    rng = np.random.default_rng(seed)
    trials = trials_at_random(space, lambda _: rng.standard_cauchy(), n, seed)

    shares = importance(trials, space)

    assert set(shares) == set(space.parameters)
    assert all(share >= 0 for share in shares.values())
    assert math.isclose(sum(shares.values()), 1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert importance(trials, space) == shares


def test_what_is_maximised_has_the_same_shares():
    trials = trials_at_random(ADDITIVE, additive, 50)
    mirrored = [Trial(t.id, t.point, t.params, t.state, -t.value) for t in trials]

    assert importance(mirrored, ADDITIVE, "maximize") == importance(trials, ADDITIVE)


def test_each_objective_has_its_own():
    trials = [
        Trial(t.id, t.point, t.params, t.state, None, values=(t.point["a"], -t.point["b"]))
        for t in trials_at_random(ADDITIVE, additive, 50)
    ]

    assert next(iter(importance(trials, ADDITIVE, ("minimize", "maximize")))) == "a"
    assert next(iter(importance(trials, ADDITIVE, ("minimize", "maximize"), objective=1))) == "b"


def test_a_study_knows_what_mattered():
    study = mh.Study({"x": mh.Float(0, 1), "y": mh.Float(0, 1)}, sampler="random")
    for _ in range(20):
        trial = study.ask()
        study.tell(trial, 3 * trial.params["x"] + trial.params["y"])
    study.tell(study.ask(), failed="out of memory")

    assert list(study.importance()) == ["x", "y"]


# -- what cannot be said ------------------------------------------------------------------------------------------


def test_too_few_trials_are_refused():
    with pytest.raises(NoResultError, match="among 8 parameters takes 16 finished trials, and there are 15"):
        importance(trials_at_random(ADDITIVE, additive, 15), ADDITIVE)


def test_trials_that_did_not_finish_do_not_count():
    trials = trials_at_random(ADDITIVE, additive, 20)
    stopped = [Trial(t.id, t.point, t.params, TrialState.STOPPED, t.value) for t in trials[5:]]

    with pytest.raises(NoResultError, match="and there are 5"):
        importance(trials[:5] + stopped, ADDITIVE)


def test_equal_values_are_refused():
    with pytest.raises(NoResultError, match="All 20 trials have the same value"):
        importance(trials_at_random(ADDITIVE, lambda _: 0.1, 20), ADDITIVE)


def test_equal_values_among_the_best_are_refused():
    trials = trials_at_random(ADDITIVE, lambda p: max(p["a"], 0.9), 40)

    with pytest.raises(NoResultError, match=re.escape("The best trials, top=0.5 of 40, have the same value")):
        importance(trials, ADDITIVE, top=0.5)


@pytest.mark.parametrize("top", [0, 1.5, -1, True, "half"])
def test_top_is_a_share(top):
    with pytest.raises(SettingsError, match="must be a share of the trials"):
        importance([], ADDITIVE, top=top)


def test_there_is_no_second_objective():
    with pytest.raises(SettingsError, match="objective=1 is none of the study's objectives: there is only one"):
        importance([], ADDITIVE, objective=1)
