"""Each piece of advice is given where it is due, with the right figures; and healthy studies get none."""

import functools
import math
import pickle
import time

import numpy as np
import pytest
from msgspec.structs import replace
from tests.advice_studies import healthy_study

import manyhands as mh
from manyhands.advice import CODES, Facts, Setup, about_objective, advise

N_HEALTHY = 50


def searched(space, loss, n, *, sampler="random", seed=0, seconds=None, **settings):
    """A study whose trials ended as ``loss(params)`` says, after ``seconds(params)``."""
    study = mh.Study(space, sampler=sampler, seed=seed, max_trials=n, **settings)
    at = 0.0
    for _ in range(n):
        trial = study.ask()
        try:
            study.tell(trial, loss(trial.params))
        except ArithmeticError as error:
            study.tell(trial, failed=repr(error))
        took = 1.0 if seconds is None else seconds(trial.params)
        ended = study._search.trials[trial.id]
        study._search.trials[trial.id] = replace(ended, started_at=at, ended_at=at + took)
        at += took
    return study


def told(losses, space=None):
    """A study with these losses, in this order, at points drawn at random."""
    values = iter(losses)
    return searched(space or {"x": mh.Float(-1, 1), "y": mh.Float(-1, 1)}, lambda _: next(values), len(losses))


def before(space, **setup):
    return advise(Facts(mh.Space(space), setup=Setup(**setup)))


def only(found, code):
    """The one piece of advice with that code."""
    matching = [advice for advice in found if advice.code == code]
    assert len(matching) == 1, [str(advice) for advice in found]
    return matching[0]


def codes(found):
    return {advice.code for advice in found}


def bowl(params):
    return sum((value - 0.5) ** 2 for value in params.values())


# -- before a search ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "proposed"),
    [
        ([10, 20, 30, 40], "Int(10, 40, step=10)"),
        ([1, 2, 3], "Int(1, 3)"),
        ([16, 32, 64, 128, 256], "Int(16, 256, log=True)"),
        ([0.001, 0.01, 0.1], "Float(0.001, 0.1, log=True)"),
        ([0.3, 0.2, 0.1], "Float(0.1, 0.3, step=0.1)"),
    ],
)
def test_a_choice_of_numbers_in_order_should_be_a_range(options, proposed):
    found = only(before({"n": mh.Choice(options)}), "numeric-choice")

    assert proposed in found.change
    assert found.figures == {"options": len(options), "low": min(options), "high": max(options)}


@pytest.mark.parametrize(
    "choice",
    [
        mh.Choice([1, 2, 3], ordered=True),
        mh.Choice([3, 1, 2]),
        mh.Choice([True, False]),
        mh.Choice([None, 5, 10]),
        mh.Choice(["a", "b", "c"]),
        mh.Choice([1, 2, 2]),
        mh.Choice([0, 1]),
    ],
)
def test_other_choices_stay_choices(choice):
    assert before({"n": choice}) == []


def test_a_linear_range_over_decades_should_be_logarithmic():
    found = only(before({"rate": mh.Float(1e-5, 1e-1), "x": mh.Float(0, 1)}), "linear-over-decades")

    assert "Float(1e-05, 0.1, log=True)" in found.change
    assert found.figures["decades"] == pytest.approx(4)


@pytest.mark.parametrize(
    "parameter",
    [mh.Float(1e-5, 1, log=True), mh.Float(0.1, 10), mh.Int(1, 1000), mh.Float(-1e6, 1e6), mh.Float(0, 1e6)],
)
def test_ranges_that_may_well_be_linear_are_left_alone(parameter):
    assert before({"x": parameter}) == []


def test_few_trials_for_many_parameters():
    space = {**{f"x{i}": mh.Float(0, 1) for i in range(8)}, "kind": mh.Choice(["a", "b", "c", "d"])}

    found = only(before(space, max_trials=50), "too-few-trials")

    assert found.figures == {"trials": 50, "fewest": 140, "most": 220, "parameters": 9}
    assert "max_trials=140" in found.change


def test_more_workers_ask_for_more_trials():
    space = {f"x{i}": mh.Float(0, 1) for i in range(8)}

    found = only(before(space, max_trials=35, n_workers=16, learns=True), "too-few-trials")

    assert found.figures["fewest"] == 120  # 8 * 10 * (1 + 16 / 32)
    assert "too-few-trials" not in codes(before(space, max_trials=35, n_workers=1, learns=True))


def test_a_small_space_needs_no_more_trials_than_it_has_points():
    assert before({"x": mh.Choice(["a", "b", "c"]), "y": mh.Choice(["a", "b"])}, max_trials=6) == []


def test_few_trials_are_seen_afterwards_if_there_was_no_limit():
    study = searched({f"x{i}": mh.Float(0, 1) for i in range(8)}, bowl, 20)
    facts = Facts(study.space, "minimize", study.trials, has_ended=True)

    assert only(advise(facts), "too-few-trials").figures["trials"] == 20


def test_workers_that_use_the_budget_up_in_a_few_rounds():
    found = only(before({"x": mh.Float(0, 1)}, max_trials=64, n_workers=32, learns=True), "parallelism-over-budget")

    assert found.figures == {"at_a_time": 32, "trials": 64, "rounds": 2, "most": 12}
    assert "workers=12" in found.change


def test_splits_of_a_trial_are_no_trials_of_their_own():
    assert before({"x": mh.Float(0, 1)}, max_trials=40, n_workers=40, n_splits=10, learns=True) == []


def test_more_trials_at_a_time_than_the_parameters_are_good_for():
    found = only(
        before({"x": mh.Float(0, 1)}, max_trials=5000, n_workers=64, learns=True), "parallelism-over-parameters"
    )

    assert found.figures == {"at_a_time": 64, "parameters": 1, "most": 8}


def test_a_sampler_that_does_not_learn_may_have_any_number_of_workers():
    assert before({"x": mh.Float(0, 1)}, max_trials=64, n_workers=64, learns=False) == []


def test_more_workers_than_cores():
    found = only(before({"x": mh.Float(0, 1)}, n_workers=16, cores=4), "workers-over-cores")

    assert found.figures == {"workers": 16, "cores": 4}
    assert "workers=4" in found.change


# -- objectives ---------------------------------------------------------------------------------------------------


def of(objective, **known):
    return list(about_objective(objective, **known))


def test_a_large_array_in_a_closure_is_named():
    data = np.zeros((2000, 1000))

    found = only(of(lambda params: data.sum() * params["x"]), "large-closure")

    assert "'data'" in found.sentence
    assert found.figures["bytes"] == data.nbytes


def test_large_things_are_found_wherever_an_objective_keeps_them():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"a": np.zeros(2_000_000)})

    class Model:
        def __init__(self):
            self.rows = [[float(i)] * 100 for i in range(20_000)]

        def __call__(self, params):
            return len(self.rows)

    assert "'rows'" in only(of(Model()), "large-closure").sentence
    assert "'rows'" in only(of(Model().__call__), "large-closure").sentence
    assert "'table'" in only(of(functools.partial(lambda params, table: 0, table=table)), "large-closure").sentence
    assert "default of 'table'" in only(of(lambda params, table=table: 0), "large-closure").sentence


def test_small_data_and_data_that_stay_at_home_are_nobodys_concern():
    small, large = np.zeros(1000), np.zeros(2_000_000)

    assert of(lambda params: small.sum()) == []
    assert of(lambda params: large.sum(), travels=False) == []


def test_cross_validation_inside_an_objective():
    def objective(params):
        from sklearn.model_selection import KFold, cross_val_score

        return cross_val_score(params["model"], cv=KFold(5)).mean()

    found = only(of(objective), "cross-validation-inside")

    assert "KFold, cross_val_score" in found.sentence
    assert "splits=" in found.change
    assert of(objective, n_splits=5) == []


def test_cross_validation_is_also_seen_in_a_function_that_the_objective_calls():
    def score(model):
        return cross_validate(model)  # noqa: F821 - it is never run

    def outer(params):
        return score(params["model"])

    assert codes(of(outer)) == {"cross-validation-inside"}
    assert of(lambda params: params["x"]) == []


def test_an_objective_that_asks_for_all_cores_in_each_of_several_workers():
    def objective(params):
        model = Forest(n_estimators=params["n"] + 1, n_jobs=-1, depth=dict(a=len(params)))  # noqa: F821, C408
        return model.score()

    found = only(of(objective, n_workers=4, cores=8), "threads-over-cores")

    assert found.figures == {"workers": 4, "asked": -1, "threads": 32, "cores": 8}
    assert of(objective, n_workers=1, cores=8) == []


def test_threads_are_counted_from_code_dicts_and_estimators():
    def by_dict(params):
        return {"nthread": 4, "x": params}

    def by_key(params):
        params["num_threads"] = 4
        return params

    class Estimator:
        def __init__(self):
            self.n_jobs = 4

    estimator = Estimator()
    objectives = [by_dict, by_key, lambda params: estimator]

    for objective in objectives:
        assert only(of(objective, n_workers=4, cores=8), "threads-over-cores").figures["threads"] == 16
        assert of(objective, n_workers=2, cores=8) == []


def test_one_thread_and_other_numbers_are_no_threads():
    def objective(params):
        model = Forest(n_jobs=1, depth=-1)  # noqa: F821
        return [model][-1]

    assert of(objective, n_workers=4, cores=2) == []


# -- outcomes -----------------------------------------------------------------------------------------------------


def test_nan_losses_are_counted():
    study = searched({"x": mh.Float(-1, 1)}, lambda p: math.nan if p["x"] > 0.5 else p["x"] ** 2, 60)
    n = sum(trial.state is mh.TrialState.FAILED for trial in study.trials)

    found = only(study.advice(), "nan-losses")

    assert n > 5
    assert found.figures == {"trials": n, "ended": 60, "share": n / 60}


def diverges(params):
    if params["rate"] > 0.5:
        raise ArithmeticError("diverged")
    return (params["x"] - 0.3) ** 2


def test_the_end_of_a_range_where_all_trials_fail():
    study = searched({"rate": mh.Float(0.01, 1), "x": mh.Float(0, 1)}, diverges, 60)
    failed = [t.params["rate"] for t in study.trials if t.state is mh.TrialState.FAILED]
    fine = [t.params["rate"] for t in study.trials if t.state is mh.TrialState.FINISHED]

    found = only(study.advice(), "failing-region")

    assert f"rate >= {min(failed):.4g}" in found.sentence
    assert f"End the range of 'rate' at {max(fine):.4g}" in found.change
    assert found.figures["failed_inside"] == found.figures["inside"] == len(failed)
    assert found.figures["failed_outside"] == 0
    assert found.figures["chance"] < 1e-3


def test_an_option_that_always_fails():
    def objective(params):
        if params["solver"] == "newton":
            raise ArithmeticError("singular")
        return params["x"]

    study = searched({"solver": mh.Choice(["sgd", "newton", "adam"]), "x": mh.Float(0, 1)}, objective, 60)

    found = only(study.advice(), "failing-region")

    assert "solver = newton" in found.sentence
    assert "Leave newton out" in found.change


def test_failures_all_over_the_space_make_no_region():
    rng = np.random.default_rng(0)

    def objective(params):
        if rng.random() < 0.3:
            raise ArithmeticError("out of memory")
        return bowl(params)

    for seed in range(20):
        study = searched({f"x{i}": mh.Float(0, 1) for i in range(5)}, objective, 100, seed=seed)

        assert "failing-region" not in codes(study.advice())


def test_an_option_that_takes_long_and_is_no_good():
    space = {"kernel": mh.Choice(["linear", "rbf"]), "x": mh.Float(0, 1)}
    study = searched(
        space,
        lambda p: (p["x"] - 0.4) ** 2 + 0.5 * (p["kernel"] == "rbf"),
        60,
        seconds=lambda p: (100 if p["kernel"] == "rbf" else 10) * (1 + p["x"]),
    )
    slow = [t.duration_s for t in study.trials if t.params["kernel"] == "rbf"]

    found = only(study.advice(), "slow-region")

    assert "kernel = rbf" in found.sentence
    assert found.figures["inside"] == len(slow)
    assert found.figures["seconds_inside"] == pytest.approx(np.median(slow))
    assert found.figures["share_of_time"] == pytest.approx(sum(slow) / sum(t.duration_s for t in study.trials))


def test_what_takes_long_and_is_good_is_worth_it():
    study = searched(
        {"size": mh.Int(1, 1000, log=True)},
        lambda p: 1 / p["size"],
        80,
        seconds=lambda p: p["size"],
    )

    assert "slow-region" not in codes(study.advice())


def test_the_long_end_of_a_range_that_is_no_good():
    study = searched(
        {"size": mh.Int(2, 1000, log=True), "x": mh.Float(0, 1)},
        lambda p: math.log(p["size"] / 10) ** 2 + (p["x"] - 0.4) ** 2,
        100,
        seconds=lambda p: p["size"],
    )

    found = only(study.advice(), "slow-region")

    assert "size >=" in found.sentence
    assert found.figures["seconds_inside"] > 3 * found.figures["seconds_outside"]


# -- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp", "auto"])
@pytest.mark.parametrize(
    ("parameter", "target", "proposed"),
    [
        (mh.Float(-5, 5), 8.0, "Float(-5, 10.0)"),
        (mh.Float(-5, 5), -8.0, "Float(-10.0, 5)"),
        (mh.Float(1e-4, 1e-2, log=True), 1.0, "Float(0.0001, 0.1, log=True)"),
        (mh.Int(2, 10), 14, "Int(2, 14)"),
    ],
)
def test_a_range_whose_end_the_best_trials_push_against_should_be_wider(sampler, parameter, target, proposed):
    log = math.log if parameter.log else float
    scale = log(parameter.high) - log(parameter.low)
    space = {"p": parameter, "y": mh.Float(-1, 1), "z": mh.Float(-1, 1)}

    def loss(params):
        away = (log(params["p"]) - log(target)) / scale
        return away**2 + 0.2 * (params["y"] - 0.1) ** 2 + 0.2 * (params["z"] + 0.2) ** 2

    found = only(searched(space, loss, 90, sampler=sampler).advice(), "best-at-edge")

    assert proposed in found.change
    assert found.figures["at_edge"] >= 0.6 * found.figures["best"]
    assert found.figures["edge"] in (parameter.low, parameter.high)


def test_the_best_values_near_an_end_of_a_range_are_not_pushed_against_it():
    for seed in range(6):
        for sampler in ("random", "tpe", "gp"):
            study = searched(
                {"x": mh.Float(-5, 5), "y": mh.Float(-5, 5)},
                lambda p: (p["x"] - 4.2) ** 2 + p["y"] ** 2,
                60,
                sampler=sampler,
                seed=seed,
            )

            assert "best-at-edge" not in codes(study.advice()), (sampler, seed)


def test_ends_beyond_which_there_is_nothing_are_left_alone():
    space = {"share": mh.Float(0, 1), "n": mh.Int(1, 50), "x": mh.Float(-1, 1)}

    study = searched(space, lambda p: -p["share"] + p["n"] / 50 + 0.1 * p["x"] ** 2, 80)

    assert "best-at-edge" not in codes(study.advice())


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_a_parameter_without_influence_is_named(sampler):
    space = {name: mh.Float(-1, 1) for name in "abcd"} | {"idle": mh.Float(-1, 1)}

    study = searched(space, lambda p: sum((p[name] - 0.2) ** 2 for name in "abcd"), 120, sampler=sampler)

    found = only(study.advice(), "no-influence")
    assert "'idle'" in found.sentence
    assert found.figures["share"] < 0.02
    assert found.figures["explained"] > 0.9


def test_a_parameter_that_matters_only_together_with_another_has_influence():
    space = {"a": mh.Float(-1, 1), "b": mh.Float(-1, 1), "c": mh.Float(-1, 1)}

    study = searched(space, lambda p: p["a"] * p["b"] + 0.3 * p["c"] ** 2, 120)

    assert "no-influence" not in codes(study.advice())


def test_a_choice_whose_options_have_parameters_of_their_own_is_judged_with_them():
    space = {
        "x": mh.Float(-1, 1),
        "branch": mh.Choice([{"name": "a"}, {"name": "b", "y": mh.Float(-1, 1)}]),
    }

    study = searched(space, lambda p: (p["x"] - 0.2) ** 2 + (p["branch"].get("y", 0.0)) ** 2, 120)

    assert "no-influence" not in codes(study.advice())


def test_a_default_that_beats_the_search():
    space = {name: mh.Float(-1, 1) for name in "abc"}
    study = searched(space, lambda p: sum(v**2 for v in p.values()), 60, start_with=[dict.fromkeys("abc", 0.0)])

    found = only(study.advice(), "default-is-best")

    assert found.figures["default"] == 0
    assert found.figures["searched"] == 59
    assert found.figures["best_searched"] == sorted(trial.value for trial in study.trials)[1]


def test_of_trials_that_agree_with_a_partial_default_only_the_first_is_it():
    space = {"kind": mh.Choice(["a", "b"]), "x": mh.Float(-1, 1)}
    study = searched(space, lambda p: p["x"] ** 2 + (p["kind"] == "b"), 60, start_with=[{"kind": "a"}])

    assert "default-is-best" not in codes(study.advice())
    assert study.best_params["kind"] == "a"


def test_a_default_that_the_search_beats_is_no_news():
    space = {name: mh.Float(-1, 1) for name in "abc"}
    study = searched(space, lambda p: sum(v**2 for v in p.values()), 60, start_with=[dict.fromkeys("abc", 0.6)])

    assert "default-is-best" not in codes(study.advice())


# -- when to end ---------------------------------------------------------------------------------------------------


def test_a_search_that_learned_and_then_improved_no_more():
    rng = np.random.default_rng(0)
    study = told(
        [*(1 - i / 20 + 0.1 * rng.random() for i in range(20)), *(0.1 + 0.3 * rng.random() for _ in range(180))]
    )
    best = min(trial.value for trial in study.trials[:20])
    study = told([*(trial.value for trial in study.trials[:20]), *(best + 0.3 * rng.random() for _ in range(180))])
    reached = next(trial.id for trial in study.trials if trial.value == best)

    found = only(study.advice(), "stopped-improving")

    assert found.figures == {"since": 199 - reached, "trials": 200, "best": best, "reached": best}


def test_a_search_that_stands_on_a_plateau():
    study = searched({"x": mh.Float(-1, 1)}, lambda p: max(0.0, p["x"]), 100)

    assert only(study.advice(), "stopped-improving").figures["best"] == 0


def test_a_random_search_whose_best_trial_came_early_had_luck_and_nothing_more():
    rng = np.random.default_rng(3)

    study = told([0.0, *(0.1 + rng.random(199))])

    assert "stopped-improving" not in codes(study.advice())


def test_a_search_that_is_still_improving():
    rng = np.random.default_rng(0)
    losses = [1 - i / 100 + 0.05 * rng.random() for i in range(80)]
    study = told(losses)

    found = only(study.advice(), "still-improving")

    gained = np.median(losses[:20]) - min(losses)
    assert found.figures["share_of_gain"] == pytest.approx((min(losses[:60]) - min(losses)) / gained)
    assert found.figures["last"] == 20
    assert 20 <= found.figures["more"] <= 160
    assert f"{found.figures['more']} more trials" in found.change


# -- how far to believe it -----------------------------------------------------------------------------------------


def optimism_of(noise, n, *, splits):
    rng = np.random.default_rng(1)
    study = mh.Study({"x": mh.Float(0, 1)}, sampler="random", max_trials=n)
    gaps = []
    for _ in range(n):
        trial = study.ask()
        true = 0.1 * (trial.params["x"] - 0.4) ** 2
        folds = true + noise * rng.standard_normal(splits) + np.linspace(0, 5, splits)  # hard folds are no noise
        study.tell(trial, {"value": float(folds.mean()), "variance": float(folds.var(ddof=1) / splits)})
        ended = study._search.trials[trial.id]
        study._search.trials[trial.id] = replace(ended, split_values=tuple(folds.tolist()))
        gaps.append(true + 2.5 - folds.mean())
    best = study.best_trial.id
    return study, gaps[best]


def test_the_best_of_many_noisy_values_is_too_good_by_about_so_much():
    study, gap = optimism_of(0.5, 150, splits=5)

    found = only(study.advice(), "optimistic-best")

    assert found.figures["noise"] == pytest.approx(0.5 / math.sqrt(5), rel=0.15)
    assert found.figures["optimism"] == pytest.approx(gap, rel=0.4)
    assert found.figures["expected"] == pytest.approx(found.figures["best"] + found.figures["optimism"])


def test_a_little_noise_makes_nobody_an_optimist():
    study, _ = optimism_of(0.001, 150, splits=5)

    assert "optimistic-best" not in codes(study.advice())


def test_the_variance_that_an_objective_tells_is_believed():
    rng = np.random.default_rng(0)
    study = searched({"x": mh.Float(0, 1)}, lambda p: {"value": 1 + 0.2 * rng.standard_normal(), "variance": 0.04}, 100)

    assert only(study.advice(), "optimistic-best").figures["noise"] == pytest.approx(0.2)


# -- how it is given -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def healthy():
    return [healthy_study(seed) for seed in range(N_HEALTHY)]


def test_healthy_studies_get_no_advice(healthy):
    given = []
    for i, study in enumerate(healthy):
        setup = replace(study._setup, n_workers=2, cores=4)
        found = advise(Facts(study.space, study.direction, study.trials, setup, has_ended=True))
        given += [(i, str(advice)) for advice in found]

    assert given == []


def test_healthy_studies_to_be_maximised_get_none_either(healthy):
    for study in healthy[:10]:
        trials = [replace(t, value=None if t.value is None else -t.value) for t in study.trials]

        assert advise(Facts(study.space, "maximize", trials, study._setup, has_ended=True)) == []


def test_advice_can_be_silenced():
    study = mh.tune(
        lambda p: p["x"],
        {"x": mh.Float(1e-6, 1), "n": mh.Choice([1, 2, 3])},
        max_trials=30,
        executor="inline",
        progress=False,
        silence=["numeric-choice"],
    )

    assert codes(study.advice()) == {"linear-over-decades"}
    assert study.advice(silence=["linear-over-decades"]) == []


def test_codes_that_do_not_exist_cannot_be_silenced():
    study = mh.Study({"x": mh.Float(0, 1)})

    with pytest.raises(mh.SettingsError, match=r"'too-few'.*too-few-trials"):
        study.advice(silence=["too-few"])
    with pytest.raises(mh.SettingsError, match="must be a list"):
        mh.tune(bowl, {"x": mh.Float(0, 1)}, max_trials=1, silence="too-few-trials")


def test_the_console_begins_with_advice_and_the_summary_ends_with_it(capfd):
    study = mh.tune(lambda p: (p["x"] - 0.5) ** 2, {"x": mh.Float(1e-6, 1)}, max_trials=20, executor="inline")

    assert "Advice (linear-over-decades): 'x' is searched evenly" in capfd.readouterr().err
    assert study.summary().splitlines()[-1].startswith("Advice (linear-over-decades): 'x' is searched evenly")


def test_what_tune_knew_of_the_objective_is_remembered_also_by_a_pickled_study():
    def objective(params):
        if params["x"] > 2:
            return cross_val_score(params)  # noqa: F821
        return params["x"] ** 2

    study = mh.tune(objective, {"x": mh.Float(-1, 1)}, max_trials=10, executor="inline", progress=False)
    copied = pickle.loads(pickle.dumps(study))  # noqa: S301

    assert codes(study.advice()) == {"cross-validation-inside"}
    assert copied.advice() == study.advice()


def test_every_code_is_documented_and_given_by_some_rule():
    import inspect
    from pathlib import Path

    import manyhands.advice as package

    source = "".join(path.read_text() for path in Path(package.__file__).parent.glob("*.py") if path.name != "base.py")
    docs = (Path(__file__).parents[2] / "docs" / "advice.md").read_text()

    assert [code for code in CODES if f'"{code}"' not in source] == []
    assert [code for code in CODES if f"`{code}`" not in docs] == []
    assert inspect.isclass(mh.Advice)


def odd_studies():
    flat = {"x": mh.Float(-1, 1), "kind": mh.Choice([{"a": mh.Int(1, 5)}, {"b": mh.Normal(0, 1)}, "none"])}
    yield mh.Study(flat)
    yield searched(flat, lambda p: 1.0, 40)
    yield searched(flat, lambda p: [p["x"], -p["x"]], 40, direction=["minimize", "maximize"])
    yield searched(flat, lambda p: {"value": p["x"], "constraints": [p["x"]]}, 60)
    yield searched(flat, lambda p: {"value": p["x"], "constraints": [1.0]}, 30)
    yield searched(flat, lambda p: 1 / 0, 30)
    yield searched(flat, lambda p: math.nan, 30)
    yield searched(flat, lambda p: 10.0 ** (300 * p["x"]), 60)
    yield searched(flat, lambda p: -1e308 if p["x"] < 0 else 1e308, 60)
    yield searched({"only": mh.Choice(["one"])}, lambda p: 1.0, 1)
    yield searched({"x": mh.Float(1, 1), "y": mh.Int(3, 3), "z": mh.Float(0, 1)}, lambda p: p["z"], 60)
    yield searched({f"x{i}": mh.Float(0, 1) for i in range(40)}, bowl, 220)
    running = searched(flat, lambda p: p["x"] ** 2, 30)
    states = [mh.TrialState.RUNNING, mh.TrialState.INTERRUPTED, mh.TrialState.PAUSED, mh.TrialState.STOPPED]
    for trial, state in zip(running.trials, states * 5, strict=False):
        running._search.trials[trial.id] = replace(trial, state=state, ended_at=None)
    yield running


@pytest.mark.parametrize("number", range(13))
def test_no_study_is_too_odd_for_advice(number):
    study = list(odd_studies())[number]

    for advice in advise(Facts(study.space, study.direction, study.trials, study._setup, has_ended=True)):
        assert advice.code in CODES
        assert all(math.isfinite(figure) for figure in advice.figures.values())
        assert str(advice) == f"{advice.sentence} {advice.change}"


def test_a_stopped_search_with_a_scheduler_can_be_advised():
    def train(params):
        for step in range(1, 10):
            yield 60.0, params["x"] ** 2 + 1 / step

    study = mh.simulate(train, {"x": mh.Float(-1, 1)}, scheduler="asha", sampler="random", max_trials=60, workers=4)

    assert codes(study.advice()) <= {"still-improving"}


def test_advice_on_a_thousand_trials_takes_no_time():
    study = searched({f"x{i}": mh.Float(-1, 1) for i in range(8)}, bowl, 1000)
    facts = [Facts(study.space, study.direction, study.trials, study._setup, has_ended=True) for _ in range(31)]
    advise(facts.pop())
    times = []
    for each in facts:
        began = time.process_time()  # what others do on this machine does not count
        advise(each)
        times.append(time.process_time() - began)

    assert min(times) < 0.05
