"""What scikit-learn's searches find, ours find: the same tables but for the times, to the last bit."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn import config_context, model_selection
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer, recall_score
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from manyhands import sklearn as ours
from manyhands.sklearn import SearchCV

X, Y = make_classification(90, 6, n_classes=3, n_informative=4, random_state=0)
TREE = DecisionTreeClassifier(random_state=0)


class Moody(DecisionTreeClassifier):
    """Cannot be fitted with some depths, on some folds."""

    def fit(self, X, y, **more):  # noqa: N803
        if self.max_depth == 2 or (self.max_depth == 3 and X[0, 0] > X[1, 0]):
            raise ValueError("in no mood")
        return super().fit(X, y, **more)


def fitted(search, X=X, y=Y, **params):  # noqa: N803
    """The search fitted, and the warnings that it gave."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        search.fit(X, y, **params)
    return SimpleNamespace(search=search, said=[(w.category, without_lines(str(w.message))) for w in said])


def without_lines(text):
    """A warning without the tracebacks in it, of which the line numbers are of no interest."""
    return [line for line in text.splitlines() if line[:1] not in (" ", "")]


def check_same(theirs, mine):
    """Everything fitted is equal, but for times."""
    check_same_results(theirs.search.cv_results_, mine.search.cv_results_)
    for name in ("best_index_", "best_params_", "best_score_", "n_splits_", "multimetric_"):
        assert hasattr(theirs.search, name) == hasattr(mine.search, name), name
        if hasattr(theirs.search, name):
            assert str(getattr(theirs.search, name)) == str(getattr(mine.search, name)), name
    assert mine.said == theirs.said


def check_same_results(theirs, mine):
    assert list(theirs) == list(mine)
    for key, column in theirs.items():
        assert type(column) is type(mine[key]), key
        if key == "params":
            assert list(map(str, column)) == list(map(str, mine[key]))
            continue
        assert column.dtype == mine[key].dtype, key
        if key.endswith("_time"):
            assert column.shape == mine[key].shape
            assert (mine[key] >= 0).all(), key
        elif isinstance(column, np.ma.MaskedArray):
            np.testing.assert_array_equal(column.mask, mine[key].mask, err_msg=key)
            assert str(column) == str(mine[key])
        else:
            np.testing.assert_array_equal(column, mine[key], err_msg=key)  # NaN equals NaN


def compare(estimator, given, *, X=X, y=Y, fit_params=None, n_iter=None, **settings):  # noqa: N803
    """Both searches, fitted alike; ours is returned."""
    kind = "GridSearchCV" if n_iter is None else "RandomizedSearchCV"
    if n_iter is not None:
        settings = {"n_iter": n_iter, "random_state": 3, **settings}
    theirs, mine = (
        fitted(getattr(home, kind)(estimator, given, **settings), X, y, **(fit_params or {}))
        for home in (model_selection, ours)
    )
    check_same(theirs, mine)
    return mine.search


GRID = {"max_depth": [1, 4, None], "criterion": ["gini", "entropy"]}
SEVERAL = [{"max_depth": [1, 4]}, {"max_depth": [4], "min_samples_leaf": (1, 5, 30)}, {"splitter": ["random"]}]
DRAWN = {"max_depth": stats.randint(1, 9), "ccp_alpha": stats.loguniform(1e-4, 1e-1), "criterion": ["gini", "entropy"]}


@pytest.mark.parametrize("given", [GRID, SEVERAL, {"max_depth": np.arange(1, 4)}, {"max_depth": range(1, 3)}, [{}]])
def test_grids(given):
    compare(TREE, given, cv=3)


@pytest.mark.parametrize("given", [DRAWN, [DRAWN, {"min_samples_leaf": [3, 9]}], {"max_depth": [1, 2, 3, 4, 5]}])
def test_distributions(given):
    compare(TREE, given, cv=3, n_iter=5)


def test_the_same_random_state_as_an_object_gives_the_same_candidates():
    theirs, mine = (
        fitted(
            home.RandomizedSearchCV(
                TREE, DRAWN, n_iter=4, cv=KFold(3, shuffle=True, random_state=state), random_state=state
            )
        )
        for home, state in ((model_selection, np.random.RandomState(5)), (ours, np.random.RandomState(5)))
    )

    check_same(theirs, mine)


@settings(max_examples=25)
@given(
    grids=st.lists(
        st.dictionaries(
            st.sampled_from(["max_depth", "min_samples_leaf", "criterion", "max_features"]),
            st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=3),
            max_size=3,
        ),
        min_size=1,
        max_size=3,
    ),
    train=st.booleans(),
    scoring=st.sampled_from([None, "f1_macro", ["accuracy", "f1_macro"]]),
)
def test_any_grids(grids, train, scoring):
    words = ["gini", "entropy", "log_loss", "gini"]
    for grid in grids:
        if "criterion" in grid:
            grid["criterion"] = [words[i - 1] for i in grid["criterion"]]
    refit = "f1_macro" if isinstance(scoring, list) else True

    compare(TREE, grids, cv=2, return_train_score=train, scoring=scoring, refit=refit)


def both(estimator, X, y):  # noqa: N803
    found = estimator.predict(X)
    return {"right": accuracy_score(y, found), "seen": recall_score(y, found, average="macro")}


def depth(estimator, X, y):  # noqa: N803
    return float(estimator.get_depth())


def least_deep(results):
    return int(np.argmin([params["max_depth"] or 99 for params in results["params"]]))


@pytest.mark.parametrize(
    "settings",
    [
        {"scoring": ["accuracy", "f1_macro"], "refit": "f1_macro"},
        {"scoring": {"a": "accuracy", "b": make_scorer(recall_score, average="macro")}, "refit": False},
        {"scoring": both, "refit": "seen"},
        {"scoring": both, "refit": False},
        {"scoring": depth, "refit": least_deep},
        {"scoring": "neg_log_loss", "refit": False},
        {"return_train_score": True, "cv": ShuffleSplit(4, random_state=0)},
    ],
    ids=["several", "a dict", "a function of several", "without refit", "a function to refit", "negative", "train"],
)
def test_scoring_and_refit(settings):
    compare(TREE, GRID, **{"cv": 3, **settings})


@pytest.mark.parametrize("error_score", [np.nan, 0.0, -1])
@pytest.mark.parametrize("scoring", [None, ["accuracy", "f1_macro"], both])
def test_fits_that_fail(error_score, scoring):
    refit = {"accuracy": "accuracy"}.get(scoring[0], True) if isinstance(scoring, list) else scoring is None

    compare(
        Moody(random_state=0),
        {"max_depth": [1, 2, 3, 4]},
        cv=KFold(4),
        error_score=error_score,
        scoring=scoring,
        refit=refit,
        return_train_score=True,
    )


@pytest.mark.parametrize("kind", ["all fail", "raise", "bad parameter", "bad scorer", "bad cv", "bad grid", "no grid"])
def test_errors_are_of_the_same_type_and_words(kind):
    estimator, given, settings = {
        "all fail": (Moody(), {"max_depth": [2]}, {}),
        "raise": (Moody(), {"max_depth": [1, 2]}, {"error_score": "raise"}),
        "bad parameter": (TREE, {"depth": [1]}, {}),
        "bad scorer": (TREE, {"max_depth": [1]}, {"scoring": "not one"}),
        "bad cv": (TREE, {"max_depth": [1]}, {"cv": 1000}),
        "bad grid": (TREE, {"max_depth": 1}, {}),
        "no grid": (TREE, 3, {}),
    }[kind]
    errors = []
    for home in (model_selection, ours):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what is compared
            fitted(home.GridSearchCV(estimator, given, **settings))
        errors.append(caught.value)

    assert type(errors[0]) is type(errors[1])
    assert without_lines(str(errors[0])) == without_lines(str(errors[1]))


def test_scorers_that_fail():
    def unwilling(estimator, X, y):  # noqa: N803
        if estimator.max_depth == 1:
            raise ValueError("will not")
        return 0.5

    compare(TREE, GRID, cv=3, scoring=unwilling)


def test_sample_weight():
    weight = np.random.RandomState(0).uniform(size=len(Y))

    compare(TREE, GRID, cv=3, fit_params={"sample_weight": weight})


def test_metadata_routed_to_fit_score_and_splitter():
    weight = np.random.RandomState(0).uniform(size=len(Y))
    with config_context(enable_metadata_routing=True):
        tree = DecisionTreeClassifier(random_state=0).set_fit_request(sample_weight=True)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        params = {"sample_weight": weight, "groups": np.arange(len(Y)) % 7}

        compare(tree, GRID, cv=GroupKFold(3), scoring=scorer, fit_params=params)


def test_groups():
    compare(TREE, GRID, cv=GroupKFold(3), fit_params={"groups": np.arange(len(Y)) % 7})


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix])
def test_sparse_samples(make):
    compare(TREE, GRID, cv=3, X=make(np.where(X > 0, X, 0)))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_with_columns_by_name(library):
    frames = pytest.importorskip(library)
    columns = [f"column {i}" for i in range(X.shape[1])]
    frame = frames.DataFrame({name: X[:, i] for i, name in enumerate(columns)})
    target = frames.Series(Y) if library == "pandas" else Y
    steps = [("scale", ColumnTransformer([("some", StandardScaler(), columns[:3])])), ("tree", TREE)]

    search = compare(Pipeline(steps), {"tree__max_depth": [1, 3]}, cv=3, X=frame, y=target)

    assert list(search.feature_names_in_) == columns


def test_several_targets():
    X, y = make_multilabel_classification(80, 5, n_classes=3, random_state=0)  # noqa: N806
    compare(KNeighborsClassifier(), {"n_neighbors": [1, 3, 9]}, X=X, y=y, cv=3)
    X, y = make_regression(60, 5, n_targets=2, random_state=0)  # noqa: N806
    compare(DecisionTreeRegressor(random_state=0), {"max_depth": [1, 3]}, X=X, y=y, cv=3)


def test_no_targets():
    compare(PCA(random_state=0), {"n_components": [1, 2, 3]}, y=None, cv=3)


def test_kernels_and_lists_as_samples():
    from sklearn.svm import SVC

    compare(SVC(kernel="precomputed"), {"C": [0.1, 1]}, X=X @ X.T, cv=3)
    compare(TREE, GRID, X=X.tolist(), y=[f"class {i}" for i in Y], cv=3)


def test_pipelines_that_cache(tmp_path):
    pipe = Pipeline([("pca", PCA(random_state=0)), ("fit", LogisticRegression())], memory=str(tmp_path))

    compare(pipe, {"pca__n_components": [1, 3], "fit__C": [0.1, 1.0]}, cv=3)


def test_estimators_as_values():
    pipe = Pipeline([("scale", StandardScaler()), ("fit", LogisticRegression())])
    grid = [
        {"scale": [StandardScaler(), MinMaxScaler(), "passthrough"], "fit__C": [0.1, 1.0]},
        {"fit": [TREE, KNeighborsClassifier(3)], "scale": ["passthrough", None]},
    ]

    search = compare(pipe, grid, cv=3)

    assert search.best_estimator_.named_steps["fit"] is not search.best_params_.get("fit")


def test_values_of_many_kinds():
    kinds = [None, "sqrt", 0.5, 2, np.float32(0.7), np.int64(1)]
    compare(TREE, {"max_features": kinds, "class_weight": [None, "balanced", {0: 1, 1: 2, 2: 3}]}, cv=2)


def test_ties_share_a_rank():
    search = compare(TREE, {"min_samples_leaf": [20, 1, 1, 1]}, cv=3)

    assert sorted(search.cv_results_["rank_test_score"]) == [1, 1, 1, 4]


def test_ones_own_splits_and_a_single_one():
    splits = [(np.arange(45), np.arange(45, 90)), (np.arange(45, 90), np.arange(45))]
    compare(TREE, GRID, cv=splits)
    compare(TREE, GRID, cv=[splits[0]])


def test_search_cv_itself_tries_the_same():
    theirs = fitted(model_selection.GridSearchCV(TREE, GRID, cv=3))
    check_same(theirs, fitted(SearchCV(TREE, param_grid=GRID, cv=3)))
    check_same(theirs, fitted(SearchCV(TREE, GRID, sampler="grid", cv=3)))
    theirs = fitted(model_selection.RandomizedSearchCV(TREE, DRAWN, n_iter=6, random_state=1, cv=3))
    check_same(theirs, fitted(SearchCV(TREE, DRAWN, sampler="random", n_iter=6, random_state=1, cv=3)))
    check_same(theirs, fitted(SearchCV(TREE, DRAWN, sampler="random", max_trials=6, random_state=1, cv=3)))
