# ruff: noqa: N803, N806 - what scikit-learn calls samples
"""Candidates that get more and more of a resource, until a scheduler has seen enough of them."""

import threading
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import manyhands as mh
from manyhands.sklearn import SearchCV
from manyhands.sklearn.folds import FOLD, Data
from manyhands.sklearn.plan import Plan
from manyhands.sklearn.staged import N_RESOURCES, StagedObjective
from manyhands.sklearn.stages import Stages, make_stages, ranks
from manyhands.space import Space

IRIS = load_iris(return_X_y=True)
#: Few of one class, in the last rows, and an index as the only feature.
RARE = np.arange(400.0).reshape(-1, 1), (np.arange(400) >= 394).astype(int)


class StopsOdd:
    """Stops candidates with an odd number at their first report."""

    def judge(self, trial_id, report, loss):
        return "it is odd" if trial_id % 2 else None

    def observe(self, trial, loss):
        pass


class Noted(ClassifierMixin, BaseEstimator):
    """Its score is ``value``; notes what it was fitted with."""

    fits: list = []  # noqa: RUF012 - shared by all clones

    def __init__(self, value=0.0, fails_below=0):
        self.value = value
        self.fails_below = fails_below

    def fit(self, X, y):
        if len(X) < self.fails_below:
            raise ValueError(f"{len(X)} samples are too few")
        self.fits.append((self.value, X.ravel().astype(int), y))
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        return self.value


class Iterative(ClassifierMixin, BaseEstimator):
    """Counts its steps; a warm start makes ``max_iter`` more of them, or trees up to ``n_estimators``."""

    steps: list = []  # noqa: RUF012 - shared by all clones: how many each fit did

    def __init__(self, value=0.0, max_iter=10, n_estimators=10, warm_start=False):
        self.value = value
        self.max_iter = max_iter
        self.n_estimators = n_estimators
        self.warm_start = warm_start

    def fit(self, X, y):
        goes_on = self.warm_start and hasattr(self, "n_steps_")
        self.steps.append(self.max_iter)
        self.n_steps_ = self.max_iter + (self.n_steps_ if goes_on else 0)
        self.n_new_trees_ = self.n_estimators - (self.n_trees_ if goes_on else 0)
        self.n_trees_ = self.n_estimators
        return self

    def partial_fit(self, X, y, classes=None):
        assert classes is not None
        self.steps.append(1)
        self.classes_ = classes
        self.n_steps_ = getattr(self, "n_steps_", 0) + 1
        return self

    def score(self, X, y):
        return self.value + self.n_steps_ / 1000


class Unpicklable(Iterative):
    """Has a lock once it is fitted."""

    def fit(self, X, y):
        self.lock_ = threading.Lock()
        return super().fit(X, y)


class Handle:
    """A trial's handle that keeps what is saved."""

    id, split = 0, 0

    def __init__(self, saved=None):
        self.saved, self.reports = saved, []

    def save(self, obj):
        self.saved = obj

    def restore(self):
        return self.saved

    def report(self, value, step, **metrics):
        self.reports.append((step, value))
        self.metrics = metrics


@pytest.fixture(autouse=True)
def forget():
    Noted.fits.clear()
    Iterative.steps.clear()


def search_of(estimator, space=None, **settings):
    settings = {"scheduler": StopsOdd(), "cv": 3, "random_state": 0, "sampler": "grid", "executor": "inline"} | settings
    return SearchCV(estimator, {"value": [0.1, 0.9, 0.5, 0.7]} if space is None else space, **settings)


def stages_for(estimator, X, y, cv, **words):
    words = {"resource": "n_samples", "min_resources": "auto", "max_resources": "auto", "factor": 3} | words
    data = Data(X, y, list(cv.split(X, y)), {}, {})
    return make_stages(estimator, data, Plan(Space({"value": mh.Float(0, 1)}), "random", 0, 3), **words), data


# -- what becomes of candidates --------------------------------------------------------------------------------


def test_only_candidates_with_the_most_resources_can_be_the_best():
    search = search_of(Noted()).fit(*IRIS)

    results = search.cv_results_
    assert results["n_resources"].tolist() == [100, 34, 100, 34]
    assert results["mean_test_score"].tolist() == pytest.approx([0.1, 0.9, 0.5, 0.7])
    assert results["rank_test_score"].tolist() == [2, 3, 1, 4]
    assert search.best_index_ == 2
    assert search.best_params_ == {"value": 0.5}
    assert search.best_score_ == 0.5
    assert Noted.fits[-1][0] == 0.5
    assert Noted.fits[-1][1].size == IRIS[0].size  # refitted on all


@pytest.mark.parametrize("scheduler", ["auto", "asha", "asha-promotion", "hyperband", "median", "forecast"])
def test_every_scheduler_leads_to_a_best_candidate_with_all_samples(scheduler):
    space = {"max_depth": mh.Int(1, 8), "min_samples_leaf": mh.Int(1, 40)}
    search = search_of(
        DecisionTreeClassifier(random_state=0), space, scheduler=scheduler, sampler="random", n_iter=9, cv=2
    )

    search.fit(*IRIS)

    assert len(search.cv_results_["params"]) == 9
    assert search.cv_results_["n_resources"][search.best_index_] == 75
    assert search.best_score_ > 0.8


def test_a_candidate_that_got_all_samples_has_the_scores_of_an_ordinary_search():
    space = {"max_depth": [1, 2, 3, 4]}
    tree = DecisionTreeClassifier(random_state=0)

    ordinary = search_of(tree, space, scheduler=None, return_train_score=True).fit(*IRIS).cv_results_
    staged = search_of(tree, space, return_train_score=True).fit(*IRIS).cv_results_

    for key in ("split0_test_score", "split2_test_score", "mean_test_score", "std_test_score", "mean_train_score"):
        assert staged[key][::2].tolist() == ordinary[key][::2].tolist()
    assert (staged["mean_test_score"] != ordinary["mean_test_score"]).any()


def test_asha_saves_most_of_the_samples():
    values = np.random.default_rng(0).permutation(30) / 30

    got = search_of(Noted(), {"value": values}, scheduler="asha", min_resources=4).fit(*IRIS).cv_results_["n_resources"]

    assert set(got) == {4, 12, 36, 100}
    assert got.mean() < 40


def test_stages_run_on_processes_too():
    space = {"max_depth": [1, 2, 3, 4]}
    tree = DecisionTreeClassifier(random_state=0)

    here = search_of(tree, space, scheduler=None).fit(*IRIS)
    there = search_of(tree, space, scheduler="median", executor="processes", n_jobs=2).fit(*IRIS)

    assert there.cv_results_["mean_test_score"].tolist() == here.cv_results_["mean_test_score"].tolist()
    assert there.cv_results_["n_resources"].tolist() == [100] * 4


def test_a_fit_that_fails_with_few_samples_fails_as_in_scikit_learn():
    search = search_of(Noted(fails_below=60), scheduler="asha")

    with pytest.raises(ValueError, match="All the 12 fits failed"):
        search.fit(*IRIS)


def test_a_candidate_without_a_score_ranks_after_all_others():
    search = search_of(Noted(), {"value": [0.1, 0.2], "fails_below": [0, 1000]}, scheduler="median")

    with pytest.warns(FitFailedWarning, match="6 fits failed"), pytest.warns(UserWarning, match="non-finite"):
        results = search.fit(*IRIS).cv_results_

    assert results["rank_test_score"].tolist() == [2, 1, 3, 3]


def test_what_a_fit_raises_is_raised_if_people_want_that():
    with pytest.raises(ValueError, match="34 samples are too few"):
        search_of(Noted(fails_below=60), scheduler="asha", error_score="raise").fit(*IRIS)


def test_ranks_go_by_resources_first():
    assert ranks([0.9, 0.7, float("nan"), 0.8, 0.8], [3, 9, 9, 9, 9]).tolist() == [4, 3, 5, 1, 1]
    assert ranks([float("nan"), float("nan")], [1, 9]).tolist() == [1, 1]


# -- samples ---------------------------------------------------------------------------------------------------


def test_samples_are_nested_and_keep_every_class():
    X, y = RARE
    stages, data = stages_for(Noted(), X, y, StratifiedKFold(2), min_resources=4)
    amounts = [*stages.amounts[:-1], 200]

    assert amounts == [4, 12, 36, 108, 200]
    for split, (train, _) in enumerate(data.splits):
        before: set[int] = set()
        for amount in amounts:
            part = stages.training_part(split, train, amount)
            assert len(part) == amount
            assert set(y[part]) == {0, 1}
            assert before < set(part)
            before = set(part)
        assert part.tolist() == train.tolist()


def test_classes_have_their_shares():
    y = np.repeat([0, 1, 2], [600, 300, 100])
    stages, data = stages_for(Noted(), np.zeros((1000, 1)), y, StratifiedKFold(2), min_resources=50)

    part = stages.training_part(0, data.splits[0][0], 50)

    assert np.bincount(y[part]) == pytest.approx([30, 15, 5], abs=1)


def test_only_training_samples_of_the_fold_are_taken_and_the_test_samples_stay_whole():
    X, y = RARE
    groups = np.arange(400) // 2
    folds = list(GroupKFold(2).split(X, y, groups))

    search = search_of(Noted(), {"value": [0.5]}, cv=GroupKFold(2)).fit(X, y, groups=groups)

    sizes = [len(samples) for _, samples, _ in Noted.fits[:-1]]
    assert sizes == [23, 23, 69, 69, 200, 200]
    for (_, samples, _), (train, _) in zip(Noted.fits[:-1], folds * 3, strict=True):
        assert set(samples) <= set(train)
    assert [record["n_test"] for record in search.study_.trials[0].metrics[FOLD]] == [200, 200]


def test_subsamples_are_those_of_regressors_and_of_series_too():
    X, y = load_diabetes(return_X_y=True)
    search = SearchCV(Ridge(), {"alpha": [0.1, 1.0]}, scheduler="asha", cv=TimeSeriesSplit(3), executor="inline").fit(
        X, y
    )

    longest = max(len(train) for train, _ in TimeSeriesSplit(3).split(X))
    assert search.cv_results_["n_resources"].max() == longest


@pytest.mark.parametrize(
    ("words", "amounts"),
    [
        ({}, (23, 69, 200)),
        ({"min_resources": 2, "factor": 10}, (2, 20, 200)),
        ({"max_resources": 100}, (34, 100)),
        ({"max_resources": 50}, (20, 50)),
        ({"max_resources": 10}, (10,)),
        ({"min_resources": 200}, (200,)),
    ],
)
def test_amounts_grow_by_the_factor_and_end_with_the_most(words, amounts):
    stages, _ = stages_for(Noted(), *RARE, StratifiedKFold(2), **words)

    assert stages.amounts == amounts


# -- parameters ------------------------------------------------------------------------------------------------


def test_a_warm_start_makes_only_the_iterations_that_are_missing():
    search = search_of(Iterative(), {"value": [0.1]}, resource="max_iter", max_resources=27).fit(*IRIS)

    assert Iterative.steps == [1, 1, 1, 2, 2, 2, 6, 6, 6, 18, 18, 18, 27]
    assert search.best_score_ == pytest.approx(0.1 + 0.027)
    assert search.best_params_ == {"value": 0.1, "max_iter": 27}
    assert search.best_estimator_.warm_start is False


def test_a_warm_start_of_trees_counts_all_of_them():
    stages = Stages("n_estimators", (1, 3, 9))
    objective = objective_of(Iterative(), stages)

    record, model = objective._fit(None, {"value": 0.1}, 0, 0, 1, 0, None)
    record, model = objective._fit(model, {"value": 0.1}, 0, 0, 3, 1, record)
    _, model = objective._fit(model, {"value": 0.1}, 0, 0, 9, 3, record)

    assert (model.n_trees_, model.n_new_trees_) == (9, 6)


@pytest.mark.parametrize("kind", [RandomForestClassifier, HistGradientBoostingClassifier])
def test_an_ensemble_that_went_on_is_the_one_that_would_have_been_fitted_at_once(kind):
    resource = "n_estimators" if kind is RandomForestClassifier else "max_iter"
    space = {"max_depth": [1, 3]}
    ordinary = search_of(kind(random_state=0).set_params(**{resource: 9}), space, scheduler=None, cv=2)
    staged = search_of(kind(random_state=0), space, scheduler="median", cv=2, resource=resource, max_resources=9)

    expected = ordinary.fit(*IRIS).cv_results_["mean_test_score"]

    assert staged.fit(*IRIS).cv_results_["mean_test_score"].tolist() == expected.tolist()
    assert staged.cv_results_[f"param_{resource}"].tolist() == [9, 9]


def test_a_parameter_within_a_pipeline_grows_too():
    pipeline = make_pipeline(StandardScaler(), Iterative())
    search = search_of(
        pipeline, {"iterative__value": [0.1]}, resource="iterative__max_iter", max_resources=9, scheduler="asha"
    ).fit(*IRIS)

    assert Iterative.steps == [1] * 3 + [2] * 3 + [6] * 3 + [9]
    assert search.best_estimator_[-1].n_steps_ == 9


def test_an_estimator_that_ignores_a_warm_start_begins_anew():
    search = search_of(
        LogisticRegression(solver="liblinear"), {"C": [1.0]}, resource="max_iter", max_resources=27, scheduler="asha"
    ).fit(*IRIS[:1], IRIS[1] > 0)
    whole = search_of(LogisticRegression(solver="liblinear", max_iter=27), {"C": [1.0]}, scheduler=None)

    assert search.best_score_ == whole.fit(*IRIS[:1], IRIS[1] > 0).best_score_


def test_the_most_is_the_estimators_own_parameter():
    search = search_of(Iterative(max_iter=9), {"value": [0.1]}, resource="max_iter").fit(*IRIS)

    assert search.cv_results_["n_resources"].tolist() == [9]


def test_early_stages_do_not_warn_that_they_have_not_converged():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search_of(
            LogisticRegression(), {"C": [1e-4, 1e-3]}, resource="max_iter", max_resources=100, scheduler="median"
        ).fit(*IRIS)


# -- passes ----------------------------------------------------------------------------------------------------


def test_passes_go_on_and_the_best_is_refitted_with_all_of_them():
    search = search_of(Iterative(), {"value": [0.1]}, resource="partial_fit", max_resources=9).fit(*IRIS)

    assert len(Iterative.steps) == 3 * 9 + 9
    assert search.best_estimator_.n_steps_ == 9
    assert search.best_score_ == pytest.approx(0.1 + 0.009)
    assert search.best_estimator_.classes_.tolist() == [0, 1, 2]
    assert "fit" not in vars(search.best_estimator_)


@pytest.mark.parametrize("estimator", [SGDClassifier(random_state=0), GaussianNB()])
def test_estimators_of_scikit_learn_pass_over_the_data(estimator):
    space = {"alpha": [1e-4, 1e-2]} if isinstance(estimator, SGDClassifier) else {"var_smoothing": [1e-9, 1e-3]}
    search = search_of(estimator, space, resource="partial_fit", max_resources=9, scheduler="asha")

    weights = np.ones(len(IRIS[1]))

    assert search.fit(*IRIS, sample_weight=weights).best_score_ > 0.6


# -- going on --------------------------------------------------------------------------------------------------


def objective_of(estimator, stages, n_splits=2):
    X, y = IRIS
    data = Data(X, y, list(KFold(n_splits, shuffle=True, random_state=0).split(X)), {}, {})
    options = {"return_train_score": False, "error_score": np.nan, "verbose": 0}
    scorer = lambda estimator, X, y: estimator.score(X, y)  # noqa: E731
    return StagedObjective(stages, estimator, data, scorer, in_worker=False, is_flat=True, options=options)


def test_a_candidate_that_was_interrupted_goes_on_from_its_last_stage():
    stages = Stages("partial_fit", (1, 3, 9))
    whole, cut = Handle(), Handle()
    expected = objective_of(Iterative(), stages)({"value": 0.1}, whole)

    class CutError(Exception):
        pass

    def cut_at_three(value, step, **metrics):
        if step == 3:
            raise CutError

    cut.report = cut_at_three
    with pytest.raises(CutError):
        objective_of(Iterative(), stages)({"value": 0.1}, cut)
    Iterative.steps.clear()
    later = Handle(cut.saved)
    found = objective_of(Iterative(), stages)({"value": 0.1}, later)

    assert len(Iterative.steps) == 2 * 6
    assert [step for step, _ in later.reports] == [3, 9]  # nobody may have heard of 3
    assert later.reports == whole.reports[1:]
    assert found["value"] == expected["value"]
    assert found[N_RESOURCES] == 9
    assert [record["split"] for record in found[FOLD]] == [0, 1]


def test_paused_candidates_go_on_and_repeat_nothing():
    values = {"value": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}
    search = search_of(Iterative(), values, scheduler="asha-promotion", resource="partial_fit", max_resources=27)

    results = search.fit(*IRIS).cv_results_

    assert results["n_resources"].max() == 27
    assert len(Iterative.steps) == 3 * results["n_resources"].sum() + 27


def test_a_model_that_cannot_be_pickled_is_only_not_saved():
    handle = Handle()
    handle.save = lambda obj: (_ for _ in ()).throw(TypeError("cannot pickle a lock"))

    found = objective_of(Unpicklable(), Stages("max_iter", (1, 3)))({"value": 0.1}, handle)

    assert found[N_RESOURCES] == 3
    assert search_of(Unpicklable(), {"value": [0.1, 0.2]}, resource="max_iter", scheduler="asha").fit(*IRIS)


def test_a_checkpoint_that_cannot_be_written_is_an_error():
    handle = Handle()
    handle.save = lambda obj: (_ for _ in ()).throw(OSError("no space left"))

    with pytest.raises(OSError, match="no space left"):
        objective_of(Iterative(), Stages("max_iter", (1, 3)))({"value": 0.1}, handle)


def test_a_stored_search_goes_on_as_if_it_had_never_ended(tmp_path):
    settings = {"scheduler": "asha", "sampler": "random", "min_resources": 4}
    space = {"value": mh.Float(0, 1)}
    unbroken = search_of(Noted(), space, max_trials=12, **settings).fit(*IRIS)
    n_fits = len(Noted.fits)

    for max_trials in (5, 12):
        kept = {"store": tmp_path / "searches.db", "name": "halving", "max_trials": max_trials}
        search = search_of(Noted(), space, **settings, **kept).fit(*IRIS)

    assert search.cv_results_["n_resources"].tolist() == unbroken.cv_results_["n_resources"].tolist()
    assert search.best_params_ == unbroken.best_params_
    assert len(Noted.fits) == 2 * n_fits + 1  # both parts of it refit their best


def test_a_stored_search_goes_on_with_the_same_amounts_only(tmp_path):
    kept = {"store": tmp_path / "searches.db", "name": "halving"}
    search_of(Noted(), min_resources=4, **kept).fit(*IRIS)

    with pytest.raises(mh.StudyMismatchError, match="resource"):
        search_of(Noted(), min_resources=10, **kept).fit(*IRIS)


# -- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "settings", "message"),
    [
        (Noted(), {"early_stopping": True}, "Give one of the two"),
        (Noted(), {"scheduler": None, "factor": 2}, "factor=2 is for a scheduler"),
        (Noted(), {"resource": "n_trees"}, "resource='n_trees' is no parameter of Noted"),
        (Noted(), {"resource": "value"}, "resource='value' is set by the space"),
        (Noted(), {"resource": "partial_fit", "max_resources": 3}, "Noted has none"),
        (Iterative(), {"resource": "partial_fit"}, "needs max_resources=, the number of passes"),
        (Iterative(max_iter=None), {"resource": "max_iter"}, "None is no whole number"),
        (Noted(), {"max_resources": 101}, "max_resources=101 samples cannot be had: the largest training part has 100"),
        (Noted(), {"min_resources": 50, "max_resources": 40}, "min_resources=50 is more than the max_resources of 40"),
        (Noted(), {"scheduler": "pbt"}, "changes the params of a trial on its way"),
        (Noted(), {"scheduler": mh.PBTScheduler()}, "changes the params of a trial on its way"),
        (Noted(), {"scheduler": "halving"}, "There is no scheduler 'halving'"),
        (Noted(), {"scoring": ["accuracy", "f1"], "refit": False}, "refit='accuracy'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_fitted(estimator, settings, message):
    with pytest.raises(mh.SettingsError, match=message):
        search_of(estimator, **settings).fit(*IRIS)

    assert Noted.fits == []
    assert Iterative.steps == []


def test_a_pipeline_has_no_partial_fit():
    pipeline = make_pipeline(StandardScaler(), SGDClassifier())

    with pytest.raises(mh.SettingsError, match="Pipeline has none"):
        search_of(pipeline, {"sgdclassifier__alpha": [1.0]}, resource="partial_fit").fit(*IRIS)


@pytest.mark.parametrize(
    "space", [{"a": {"value": 1.0}, "fails_below": mh.Int(0, 3)}, mh.Choice([{"value": 1}, {"value": 2}])]
)
def test_a_resource_is_found_anywhere_in_the_space(space):
    with pytest.raises(mh.SettingsError, match="set by the space"):
        search_of(Noted(), space, resource="value", max_resources=3).fit(*IRIS)


@pytest.mark.parametrize("words", [{"factor": 1}, {"min_resources": 0}, {"max_resources": "all"}, {"resource": 3}])
def test_words_of_the_wrong_kind_are_refused_as_scikit_learn_does(words):
    with pytest.raises(ValueError, match=f"The '{next(iter(words))}' parameter of SearchCV must be"):
        search_of(Noted(), **words).fit(*IRIS)
