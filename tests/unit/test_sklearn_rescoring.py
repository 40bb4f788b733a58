# ruff: noqa: N803 - what scikit-learn calls samples
"""The best candidates are scored once more, on splits that did not choose them."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneOut,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    check_cv,
    cross_val_score,
)
from sklearn.tree import DecisionTreeClassifier

import manyhands as mh
from manyhands.sklearn import SearchCV
from manyhands.sklearn.rescoring import fresh_splitter

IRIS = load_iris(return_X_y=True)
EVERY = np.arange(100)
X, Y = EVERY.reshape(-1, 1).astype(float), EVERY % 2
#: The search's test samples are the first half, the fresh ones the second.
CV, FRESH = [(EVERY, EVERY[:50])], [(EVERY, EVERY[50:75]), (EVERY, EVERY[75:])]


class Lucky(ClassifierMixin, BaseEstimator):
    """Its score is ``early`` on samples of the first half, and ``late`` on others."""

    n_fits = 0

    def __init__(self, candidate=0, fails_late=False):
        self.candidate = candidate
        self.fails_late = fails_late

    def fit(self, X, y):
        type(self).n_fits += 1
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        early, late, last = [(0.9, 0.5, 0.7), (0.8, 0.7, 0.9), (0.7, 0.65, 0.65), (0.6, 1.0, 1.0)][self.candidate]
        if X[0, 0] < 50:
            return early
        if self.fails_late:
            raise ValueError("no luck")
        return late if X[0, 0] < 75 else last


class Noise(ClassifierMixin, BaseEstimator):
    """Its score depends on the test samples and the candidate only, and is random."""

    def __init__(self, seed=0):
        self.seed = seed

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        return np.random.default_rng([self.seed, int(X.sum() * 1000)]).random()


@pytest.fixture(autouse=True)
def forget():
    Lucky.n_fits = 0


def search_of(estimator=None, space=None, **settings):
    settings = {"cv": CV, "rescore_top": 3, "rescore_cv": FRESH, "executor": "inline", "sampler": "grid"} | settings
    space = {"candidate": [0, 1, 2, 3]} if space is None else space
    return SearchCV(Lucky() if estimator is None else estimator, space, **settings)


def test_the_winner_is_the_best_by_its_fresh_scores():
    search = search_of().fit(X, Y)

    assert search.best_index_ == 1
    assert search.best_params_ == {"candidate": 1}
    assert search.best_score_ == pytest.approx(0.8)
    assert search.optimism_ == pytest.approx(0.0)
    assert search.best_estimator_.candidate == 1
    assert search.cv_results_["rank_test_score"].tolist() == [1, 2, 3, 4]


def test_only_the_best_are_scored_again():
    search = search_of().fit(X, Y)

    mean, std = search.cv_results_["mean_rescore_score"], search.cv_results_["std_rescore_score"]
    assert mean[:3].tolist() == pytest.approx([0.6, 0.8, 0.65])
    assert std[:3].tolist() == pytest.approx([0.1, 0.1, 0.0])
    assert np.isnan(mean[3])
    assert np.isnan(std[3])
    assert Lucky.n_fits == 4 + 3 * 2 + 1


def test_the_score_of_a_single_best_one_is_honest():
    search = search_of(rescore_top=1).fit(X, Y)

    assert search.best_index_ == 0
    assert search.best_score_ == pytest.approx(0.6)
    assert search.optimism_ == pytest.approx(0.3)


def test_more_than_there_are_is_all_of_them():
    assert search_of(rescore_top=100).fit(X, Y).best_index_ == 3


def test_without_it_there_are_no_fresh_scores():
    search = search_of(rescore_top=0, rescore_cv=None).fit(X, Y)

    assert search.best_index_ == 0
    assert not [key for key in search.cv_results_ if "rescore" in key]
    assert not hasattr(search, "optimism_")


def test_the_best_of_many_noisy_means_is_found_to_be_optimistic():
    search = search_of(Noise(), {"seed": list(range(60))}, cv=5, rescore_cv=None, rescore_top=1, random_state=0)

    search.fit(*IRIS)

    first = search.cv_results_["mean_test_score"].max()
    assert first > 0.65  # of candidates that are all worth 0.5
    assert search.best_score_ < first - 0.05
    assert search.optimism_ == first - search.best_score_


def test_fresh_scores_are_those_of_a_cross_validation_on_these_splits():
    tree = DecisionTreeClassifier(random_state=0)
    search = search_of(tree, {"max_depth": [1, 2, 3]}, cv=3, rescore_cv=None, rescore_top=2, random_state=0).fit(*IRIS)

    splitter = fresh_splitter(3, StratifiedKFold(3), None, 0)
    expected = cross_val_score(tree.set_params(**search.best_params_), *IRIS, cv=splitter)

    assert len(expected) == 6
    assert search.best_score_ == pytest.approx(expected.mean())
    assert search.cv_results_["std_rescore_score"][search.best_index_] == pytest.approx(expected.std())


@pytest.mark.parametrize("settings", [{"executor": "processes", "n_jobs": 2}, {"executor": "inline"}])
def test_they_are_the_same_wherever_they_run(settings):
    tree = DecisionTreeClassifier(random_state=0)
    search = search_of(tree, {"max_depth": [1, 2, 3]}, cv=3, rescore_cv=4, random_state=0, **settings).fit(*IRIS)

    assert search.best_score_ == pytest.approx(
        cross_val_score(search.best_estimator_, *IRIS, cv=fresh_splitter(3, StratifiedKFold(3), 4, 0)).mean()
    )


def test_several_scores_all_have_fresh_ones():
    search = search_of(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [1, 2]},
        cv=3,
        rescore_cv=None,
        scoring=["accuracy", "f1_macro"],
        refit="f1_macro",
    ).fit(*IRIS)

    assert search.best_score_ == search.cv_results_["mean_rescore_f1_macro"].max()
    assert np.isfinite(search.cv_results_["mean_rescore_accuracy"]).all()


def test_after_a_scheduler_they_have_all_of_the_resource():
    search = search_of(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [1, 2, 3, 4], "min_samples_leaf": [1, 40]},
        cv=3,
        rescore_cv=None,
        rescore_top=2,
        random_state=0,
        scheduler="asha",
    ).fit(*IRIS)

    splitter = fresh_splitter(3, StratifiedKFold(3), None, 0)
    assert search.best_score_ == pytest.approx(cross_val_score(search.best_estimator_, *IRIS, cv=splitter).mean())


def test_candidates_that_fail_on_fresh_splits_do_not_win():
    with pytest.warns(UserWarning, match="no luck"):
        search = search_of(space=[{"candidate": [0], "fails_late": [True]}, {"candidate": [2]}]).fit(X, Y)

    assert search.best_index_ == 1
    assert np.isnan(search.cv_results_["mean_rescore_score"][0])


def test_if_all_fail_the_first_choice_stands():
    with pytest.warns(UserWarning, match="no luck"):
        search = search_of(space={"candidate": [0, 1], "fails_late": [True]}).fit(X, Y)

    assert search.best_index_ == 0
    assert search.best_score_ == 0.9
    assert not hasattr(search, "optimism_")


@pytest.mark.parametrize("settings", [{"executor": "processes", "n_jobs": 2}, {"executor": "inline"}])
def test_what_a_fit_raises_is_raised_if_people_want_that(settings):
    with pytest.raises(ValueError, match="no luck"):
        search_of(Lucky(fails_late=True), error_score="raise", **settings).fit(X, Y)


def test_candidates_that_failed_are_not_scored_again():
    class Fails(Lucky):
        def fit(self, X, y):
            if self.candidate == 0:
                raise ValueError("never")
            return super().fit(X, y)

    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        search = search_of(Fails(), rescore_top=4).fit(X, Y)

    assert search.best_index_ == 3
    assert np.isnan(search.cv_results_["mean_rescore_score"][0])


# -- fresh splits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cv", [ShuffleSplit(3, random_state=0), KFold(3, shuffle=True, random_state=0)])
def test_a_shuffled_splitter_shuffles_otherwise_and_is_left_as_it_is(cv):
    fresh = fresh_splitter(cv, cv, None, 0)

    assert type(fresh) is type(cv)
    assert cv.random_state == 0
    before, after = ([set(test) for _, test in one.split(X)] for one in (cv, fresh))
    assert not any(one in before for one in after)


@pytest.mark.parametrize("seed", range(3))
def test_the_fresh_seed_is_never_that_of_the_search(seed):
    drawn = fresh_splitter(None, check_cv(None), None, seed).random_state
    cv = ShuffleSplit(3, random_state=drawn)

    assert fresh_splitter(cv, cv, None, seed).random_state != drawn


def test_numbers_of_folds_are_shuffled_and_stratified_as_those_of_the_search():
    classes = fresh_splitter(None, check_cv(None, Y, classifier=True), None, 0)
    numbers = fresh_splitter(4, check_cv(4), None, 0)

    assert len(list(classes.split(X, Y))) == 10
    assert all(Y[test].mean() == 0.5 for _, test in classes.split(X, Y))
    assert len(list(numbers.split(X, Y))) == 8
    assert isinstance(numbers, RepeatedKFold)
    assert numbers.random_state == fresh_splitter(4, check_cv(4), None, 0).random_state
    assert numbers.random_state != fresh_splitter(4, check_cv(4), None, 1).random_state


def test_groups_stay_together_on_fresh_splits():
    search = search_of(
        cv=GroupShuffleSplit(3, random_state=0), rescore_cv=None, space={"candidate": [0]}, random_state=0
    )

    assert search.fit(X, Y, groups=EVERY // 10).cv_results_["mean_rescore_score"].shape == (1,)


@pytest.mark.parametrize("cv", [KFold(3), TimeSeriesSplit(3), LeaveOneOut(), GroupKFold(3), CV])
def test_splits_that_cannot_be_shuffled_have_to_be_given(cv):
    groups = EVERY // 10 if isinstance(cv, GroupKFold) else None

    with pytest.raises(mh.SettingsError, match="Give rescore_cv=, a splitter that is right for your data"):
        search_of(cv=cv, rescore_cv=None).fit(X, Y, groups=groups)

    assert Lucky.n_fits == 0


# -- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"refit": lambda results: 0}, "Give one of the two"),
        ({"rescore_top": 0}, "Give rescore_top=, too"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_fitted(settings, message):
    with pytest.raises(mh.SettingsError, match=message):
        search_of(**settings).fit(X, Y)

    assert Lucky.n_fits == 0


def test_a_negative_number_is_refused_as_scikit_learn_does():
    with pytest.raises(ValueError, match="The 'rescore_top' parameter of SearchCV must be"):
        search_of(rescore_top=-1).fit(X, Y)


def test_several_scores_without_a_name_are_refused():
    with pytest.raises(mh.SettingsError, match="which of several scores"):
        search_of(DecisionTreeClassifier(), {"max_depth": [1]}, scoring=["accuracy", "f1"], refit=False).fit(X, Y)


def test_regression_has_fresh_splits_too():
    data = load_diabetes(return_X_y=True)

    search = SearchCV(Ridge(), {"alpha": [0.1, 1.0]}, rescore_top=2, executor="inline", random_state=0).fit(*data)

    assert search.best_score_ == search.cv_results_["mean_rescore_score"].max()
