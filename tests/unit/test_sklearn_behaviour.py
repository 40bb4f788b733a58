"""What our searches do beyond scikit-learn's, with fits in this process."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris, make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import manyhands as mh
from manyhands.errors import NoResultError, SettingsError, StudyMismatchError
from manyhands.sklearn import GridSearchCV, RandomizedSearchCV, SearchCV

X, Y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)


class Table(ClassifierMixin, BaseEstimator):
    """Scores what the table ``SCORES`` says for its ``row`` in each fold; a row that is not there cannot be fitted."""

    def __init__(self, row=0):
        self.row = row

    def fit(self, X, y):  # noqa: N803
        FITS.append(self.row)
        if self.row not in SCORES:
            raise ValueError(f"no row {self.row}")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):  # noqa: N803
        return np.zeros(len(X))


FITS: list[int] = []
SCORES: dict[int, list[float]] = {}


def in_table(estimator, X, y):  # noqa: N803
    return SCORES[estimator.row][int(X[0, 0])]


@pytest.fixture
def table():
    """Sets the scores, and returns a search over them, of which each fold's samples hold its number."""

    def call(scores, **settings):
        SCORES.clear()
        SCORES.update(scores)
        rows = settings.pop("rows", list(scores))
        n = len(next(iter(scores.values())))
        search = SearchCV(Table(), param_grid={"row": rows}, cv=KFold(n), scoring=in_table, refit=True, **settings)
        samples = np.repeat(np.arange(n), 2)[:, None]
        return search, samples, np.tile([0, 1], n)

    FITS.clear()
    return call


# -- what is searched ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["auto", "gp", "tpe", "sobol"])
@pytest.mark.parametrize(
    "space",
    [
        {"C": mh.Float(0.01, 100, log=True), "kernel": mh.Choice(["linear", "rbf"])},
        {"C": stats.loguniform(0.01, 100), "kernel": ["linear", "rbf"]},
    ],
    ids=["our space", "scikit-learn's"],
)
def test_a_directed_search_finds_values_of_any_form_of_space(space, sampler):
    search = SearchCV(SVC(), space, sampler=sampler, n_iter=8, random_state=0, cv=3).fit(X, Y)

    tried = search.cv_results_["param_C"]
    assert len(set(tried)) == 8
    assert all(0.01 <= value <= 100 for value in tried)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    assert search.best_score_ > 0.95


def test_conditional_spaces_mask_what_is_not_there():
    pipe = Pipeline([("scale", "passthrough"), ("clf", SVC())])
    space = {
        "scale": mh.Choice([StandardScaler(), MinMaxScaler()]),
        "model": mh.Choice(
            [
                {"clf": SVC(), "clf__C": mh.Float(0.1, 10, log=True)},
                {"clf": DecisionTreeClassifier(random_state=0), "clf__max_depth": mh.Int(1, 5)},
            ]
        ),
    }

    search = SearchCV(pipe, space, n_iter=12, sampler="random", random_state=1, cv=3).fit(X, Y)

    results = search.cv_results_
    is_svc = np.array([isinstance(params["clf"], SVC) for params in results["params"]])
    assert 0 < is_svc.sum() < 12
    np.testing.assert_array_equal(results["param_clf__C"].mask, ~is_svc)
    np.testing.assert_array_equal(results["param_clf__max_depth"].mask, is_svc)
    assert set(search.best_params_) < {"scale", "clf", "clf__C", "clf__max_depth"}
    assert type(search.best_estimator_["clf"]) is type(search.best_params_["clf"])


def test_the_default_space_is_searched_if_none_is_given():
    search = SearchCV(TREE, n_iter=5, random_state=0, cv=3).fit(X, Y)

    assert len(search.cv_results_["params"]) == 5
    assert set(search.best_params_) <= set(TREE.get_params())
    assert search.best_params_


def test_the_same_seed_finds_the_same():
    space = {"max_depth": mh.Int(1, 9), "ccp_alpha": mh.Float(1e-4, 0.1, log=True)}
    found = [SearchCV(TREE, space, n_iter=12, random_state=seed, cv=5).fit(X, Y).cv_results_ for seed in (4, 4, 5)]

    assert found[0]["params"] == found[1]["params"] != found[2]["params"]
    np.testing.assert_array_equal(found[0]["mean_test_score"], found[1]["mean_test_score"])


@pytest.mark.parametrize("estimator", [TREE, SVC()])
def test_spaces_that_are_given_twice_are_refused(estimator):
    with pytest.raises(SettingsError, match="space and param_grid"):
        SearchCV(estimator, {"C": [1]}, param_grid={"C": [1]}).fit(X, Y)
    with pytest.raises(SettingsError, match="n_iter=3 and max_trials=4"):
        SearchCV(estimator, {"C": [1]}, n_iter=3, max_trials=4).fit(X, Y)
    with pytest.raises(SettingsError, match="executor='spork'"):
        SearchCV(estimator, {"C": [1]}, executor="spork").fit(X, Y)


# -- fold racing -----------------------------------------------------------------------------------------------


GOOD, BAD = [0.9, 0.8, 0.9, 0.8, 0.9, 0.8], [0.5, 0.41, 0.5, 0.4, 0.49, 0.4]
RACE = {0: [s - 0.01 for s in GOOD], 1: [s - 0.02 for s in GOOD], 2: [s - 0.015 for s in GOOD], 3: GOOD, 4: BAD, 5: BAD}


def test_early_stopping_leaves_folds_out_and_finds_the_same_best(table):
    search, samples, targets = table(RACE, early_stopping=True)
    raced = search.fit(samples, targets)
    n_fits = len(FITS)
    search, samples, targets = table(RACE)
    whole = search.fit(samples, targets)

    assert n_fits < len(FITS) - n_fits
    results = raced.cv_results_
    assert list(results["n_splits_run"][:4]) == [6] * 4
    assert max(results["n_splits_run"][4:]) < 6
    assert sum(results["n_splits_run"]) == n_fits - 1  # one is the refit
    assert (raced.best_index_, raced.best_score_) == (whole.best_index_, whole.best_score_) == (3, np.mean(GOOD))
    np.testing.assert_array_equal(results["mean_test_score"][:4], whole.cv_results_["mean_test_score"][:4])
    assert min(results["rank_test_score"][4:]) > max(results["rank_test_score"][:4])


def test_folds_that_were_left_out_are_nan_and_the_mean_is_what_it_probably_would_be(table):
    search, samples, targets = table(RACE, early_stopping=True)
    results = search.fit(samples, targets).cv_results_

    for i, n in enumerate(results["n_splits_run"]):
        scores = np.array([results[f"split{split}_test_score"][i] for split in range(6)])
        assert sum(np.isfinite(scores)) == n
        np.testing.assert_array_equal(scores[np.isfinite(scores)], np.array(RACE[i])[np.isfinite(scores)])
        np.testing.assert_allclose(results["mean_test_score"][i], np.mean(RACE[i]), atol=0.02)


def test_without_early_stopping_nothing_is_marked(table):
    search, samples, targets = table(RACE)
    search.fit(samples, targets)

    assert "n_splits_run" not in search.cv_results_
    assert len(FITS) == 6 * 6 + 1


def test_a_candidate_that_fails_in_one_fold_costs_no_more_folds_and_is_told_once(table):
    search, samples, targets = table(RACE, early_stopping=True, rows=[0, 99])

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        search.fit(samples, targets)

    assert FITS.count(99) == 1
    assert [w.category for w in said] == [FitFailedWarning, UserWarning]
    assert str(said[0].message).count("no row 99") == 1
    assert list(search.cv_results_["n_splits_run"]) == [6, 1]
    assert search.best_index_ == 0


@pytest.mark.parametrize(("sampler", "folds", "races"), [("gp", 6, True), ("gp", 3, False), ("random", 6, False)])
def test_auto_races_in_directed_search_with_enough_folds(table, sampler, folds, races):
    scores = {row: values[:folds] for row, values in {**RACE, **dict.fromkeys(range(6, 20), BAD)}.items()}
    search, samples, targets = table(scores, sampler=sampler, n_iter=16, random_state=0)

    search.fit(samples, targets)

    assert ("n_splits_run" in search.cv_results_) is races


def test_early_stopping_needs_one_score():
    search = SearchCV(TREE, {"max_depth": [1, 2]}, scoring=["accuracy", "f1_macro"], refit=False, early_stopping=True)

    with pytest.raises(SettingsError, match="one objective"):
        search.fit(X, Y)


# -- ends ------------------------------------------------------------------------------------------------------


def test_a_stop_rule_ends_the_search():
    search = SearchCV(TREE, {"max_depth": mh.Int(1, 9)}, stop=mh.Target(0.5), cv=3, random_state=0).fit(X, Y)

    assert search.best_score_ >= 0.5
    assert search.cv_results_["mean_test_score"][-1] >= 0.5
    assert (search.cv_results_["mean_test_score"][:-1] < 0.5).all()


class Slow(DecisionTreeClassifier):
    def fit(self, X, y):  # noqa: N803
        import time

        time.sleep(0.05)
        return super().fit(X, y)


def test_timeout_s_ends_the_search_with_what_there_is():
    search = SearchCV(Slow(), {"max_depth": mh.Int(1, 99)}, timeout_s=1.0, sampler="random", cv=2).fit(X, Y)

    assert 1 <= len(search.cv_results_["params"]) < 12
    assert (search.cv_results_["mean_fit_time"] > 0.05).all()


def test_no_time_for_a_single_candidate_is_told():
    with pytest.raises(NoResultError, match="timeout_s"):
        SearchCV(Slow(), {"max_depth": mh.Int(1, 99)}, timeout_s=0.01, cv=5, refit=False).fit(X, Y)


class Interrupted(DecisionTreeClassifier):
    def fit(self, X, y):  # noqa: N803
        if self.max_depth == 3:
            raise KeyboardInterrupt
        return super().fit(X, y)


def test_an_interrupt_is_raised_and_leaves_the_study():
    search = GridSearchCV(Interrupted(), {"max_depth": [1, 2, 3, 4]}, cv=3)

    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)

    assert [trial.state.value for trial in search.study_.trials] == ["finished", "finished", "interrupted"]
    assert not hasattr(search, "cv_results_")


# -- resuming --------------------------------------------------------------------------------------------------


def test_a_named_fit_that_is_over_gives_the_same_results_without_fits(table, tmp_path):
    search, samples, targets = table(RACE, store=tmp_path / "s.db", name="rows")
    first = search.fit(samples, targets).cv_results_
    FITS.clear()

    again = clone(search).fit(samples, targets).cv_results_

    assert FITS == [3]  # only the refit
    assert list(again) == list(first)
    for key in first:
        np.testing.assert_array_equal(again[key], first[key], err_msg=key)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"X": X[::-1]}, "X"),
        ({"y": 2 - Y}, "y"),
        ({"cv": 4}, "n_splits"),
        ({"cv": KFold(3, shuffle=True, random_state=1)}, "folds"),
        ({"estimator": DecisionTreeClassifier(criterion="entropy", random_state=0)}, "estimator"),
        ({"estimator": SVC()}, "estimator"),
        ({"scoring": "f1_macro"}, "scoring"),
        ({"fit_params": {"sample_weight": np.ones(len(Y))}}, "parameters of fit"),
        ({"return_train_score": True}, "return_train_score"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_name_is_refused_for_other_things(tmp_path, change, named):
    def fit(X=X, y=Y, fit_params=None, estimator=TREE, **settings):  # noqa: N803
        settings = {"cv": 3, "store": tmp_path / "s.db", "name": "iris", **settings}
        return GridSearchCV(estimator, [{}], **settings).fit(X, y, **(fit_params or {}))

    fit()
    fit()  # the same may go on

    with pytest.raises(StudyMismatchError, match=rf"\b{named}\b"):
        fit(**change)


def test_threads_and_talk_are_no_reason_to_refuse(tmp_path):
    from sklearn.ensemble import RandomForestClassifier

    def fit(n_jobs, verbose):
        forest = RandomForestClassifier(5, random_state=0, n_jobs=n_jobs, verbose=verbose)
        settings = {"cv": 2, "store": tmp_path / "s.db", "name": "iris"}
        return GridSearchCV(forest, {"max_depth": [1, 2]}, **settings).fit(X, Y).best_score_

    assert fit(1, 0) == fit(2, 0)


def test_a_name_without_a_seed_tries_the_same_again(tmp_path):
    settings = {"n_iter": 4, "cv": 2, "store": tmp_path / "s.db", "name": "drawn"}
    found = [
        RandomizedSearchCV(TREE, {"ccp_alpha": stats.uniform(0, 1)}, **settings).fit(X, Y).cv_results_["params"]
        for _ in range(2)
    ]

    assert found[0] == found[1]


# -- as an estimator -------------------------------------------------------------------------------------------


def a_search(**settings):
    space = {"C": mh.Float(0.1, 10, log=True)}
    return SearchCV(LogisticRegression(max_iter=2000), space, n_iter=4, random_state=0, cv=3, **settings)


@pytest.mark.parametrize("again", [lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy, copy.copy])  # noqa: S301
def test_a_copy_of_a_fitted_search_is_fitted_alike(again):
    search = a_search().fit(X, Y)

    found = again(search)

    np.testing.assert_array_equal(found.predict_proba(X), search.predict_proba(X))
    assert found.best_params_ == search.best_params_
    assert found.study_.best_value == search.study_.best_value
    assert found.fit(X, Y).best_params_ == search.best_params_


def test_a_fitted_search_keeps_no_data():
    search = a_search().fit(X, Y)
    wide = a_search().fit(np.tile(X, (40, 1)), np.tile(Y, 40))

    assert len(pickle.dumps(wide)) < 1.1 * len(pickle.dumps(search))


def test_clones_share_the_executor_and_pickles_go_without():
    executor = mh.Processes(2)
    search = a_search(executor=executor)

    assert clone(search).executor is executor
    assert search.executor is executor
    assert clone(search).space is not search.space
    assert pickle.loads(pickle.dumps(search)).executor is None  # noqa: S301
    assert pickle.loads(pickle.dumps(a_search(executor="spark"))).executor == "spark"  # noqa: S301


def test_nested_parameters_can_be_set():
    search = GridSearchCV(Pipeline([("clf", SVC())]), {"clf__C": [1.0]}, cv=3)

    search.set_params(estimator__clf__gamma=0.5, cv=2).fit(X, Y)

    assert search.best_estimator_["clf"].gamma == 0.5
    assert search.n_splits_ == 2


def test_a_search_can_be_cross_validated_and_searched():
    assert cross_val_score(a_search(), X, Y, cv=3).mean() > 0.9
    outer = GridSearchCV(a_search(), {"estimator__fit_intercept": [True, False]}, cv=2).fit(X, Y)
    assert set(outer.best_params_) == {"estimator__fit_intercept"}


def test_it_is_shown_as_scikit_learn_shows_its_own():
    search = a_search()
    assert "LogisticRegression" in search._repr_html_()
    assert "best_estimator_" in search.fit(X, Y)._repr_html_()
    assert repr(search).startswith("SearchCV(cv=3, estimator=LogisticRegression(max_iter=2000)")


def test_metadata_is_routed_as_its_parts_request_it():
    with config_context(enable_metadata_routing=True):
        estimator = LogisticRegression().set_fit_request(sample_weight=True)
        routing = GridSearchCV(estimator, {"C": [1.0]}).get_metadata_routing()

        assert routing.consumes("fit", ["sample_weight", "groups"]) == {"sample_weight"}


def test_no_refit_leaves_no_estimator():
    search = a_search(refit=False).fit(X, Y)

    assert not hasattr(search, "best_estimator_")
    assert search.best_params_["C"] > 0
    assert not hasattr(search, "predict")


def test_several_scores_without_refit_search_for_a_front():
    settings = {"scoring": ["accuracy", "f1_macro"], "refit": False, "cv": 3, "n_iter": 5, "random_state": 0}

    search = SearchCV(SVC(), {"C": mh.Float(0.1, 10)}, **settings).fit(X, Y)

    assert search.study_.pareto_front
    assert not hasattr(search, "best_index_")


def test_verbose_says_what_is_coming(capsys):
    X, y = make_classification(30, random_state=0)  # noqa: N806
    GridSearchCV(TREE, {"max_depth": [1, 2]}, cv=3, verbose=1).fit(X, y)

    assert "Fitting 3 folds for each of 2 candidates, totalling 6 fits" in capsys.readouterr().out
