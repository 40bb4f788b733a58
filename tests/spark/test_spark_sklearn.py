"""scikit-learn's search with its fits on a real cluster."""

import os
import warnings

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import manyhands as mh
from manyhands.sklearn import GridSearchCV, SearchCV

X, Y = make_classification(200, 8, n_informative=5, random_state=0)
PIPE = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0))
GRID = [
    {"decisiontreeclassifier__max_depth": [1, 3, None]},
    {"decisiontreeclassifier": [LogisticRegression(C=0.5)], "standardscaler": ["passthrough"]},
]


def test_a_search_on_the_cluster_finds_what_scikit_learn_finds(spark):
    settings = {"cv": 3, "scoring": ["f1", "accuracy"], "refit": "f1", "return_train_score": True}
    theirs = model_selection.GridSearchCV(PIPE, GRID, **settings).fit(X, Y)

    mine = GridSearchCV(PIPE, GRID, executor=mh.Spark(spark, workers=2), **settings).fit(X, Y)

    assert list(mine.cv_results_) == list(theirs.cv_results_)
    for key, column in theirs.cv_results_.items():
        if not key.endswith("_time") and not key.startswith("param"):
            np.testing.assert_array_equal(mine.cv_results_[key], column, err_msg=key)
    assert str(mine.cv_results_["params"]) == str(theirs.cv_results_["params"])
    assert mine.best_index_ == theirs.best_index_
    np.testing.assert_array_equal(mine.predict(X), theirs.predict(X))
    assert mine.parallelism_ == "2 fits at a time by Spark"


def right_and_where(estimator, X, y):  # noqa: N803
    return {"right": float(estimator.score(X, y)), "pid": os.getpid()}


def test_a_clone_searches_on_the_same_session(spark):
    space = {"max_depth": mh.Int(1, 9), "min_samples_leaf": mh.Int(1, 30, log=True)}
    settings = {"n_iter": 8, "cv": 5, "random_state": 0, "scoring": right_and_where, "refit": "right"}
    search = SearchCV(DecisionTreeClassifier(random_state=0), space, executor=mh.Spark(spark, workers=2), **settings)

    search = clone(search).fit(X, Y)

    assert len(search.cv_results_["params"]) == 8
    assert search.best_score_ > 0.6
    pids = {search.cv_results_[f"split{split}_test_pid"][i] for split in range(5) for i in range(8)}
    assert os.getpid() not in pids


def test_what_a_fit_raises_on_the_cluster_is_raised_here(spark):
    search = GridSearchCV(PIPE, {"no_step": [1]}, cv=2, executor=mh.Spark(spark, workers=1))

    with warnings.catch_warnings(), pytest.raises(ValueError, match="Invalid parameter 'no_step'"):
        search.fit(X, Y)
