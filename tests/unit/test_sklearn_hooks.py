# ruff: noqa: N803 - what scikit-learn calls samples
"""What scikit-learn's callbacks hear of a search."""

import warnings
from collections import Counter

import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris

from manyhands.sklearn import GridSearchCV, SearchCV
from manyhands.sklearn.hooks import Hooks

IRIS = load_iris(return_X_y=True)


class Simple(ClassifierMixin, BaseEstimator):
    """Knows nothing of callbacks."""

    def __init__(self, value=0.0, fails=False):
        self.value = value
        self.fails = fails

    def fit(self, X, y):
        if self.fails:
            raise ValueError("it fails")
        self.classes_ = [0, 1, 2]
        return self

    def score(self, X, y):
        return self.value


class Recording:
    """Notes what it hears."""

    def __init__(self):
        self.heard = []

    def setup(self, estimator, context):
        self.heard.append(("setup", context.task_name, None))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        assert isinstance(estimator, SearchCV)
        self.heard.append(("begin", context.task_name, metadata))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None):
        self.heard.append(("end", context.task_name, metadata))

    def teardown(self, estimator, context):
        self.heard.append(("teardown", context.task_name, None))

    def tasks(self, what):
        return Counter(task for kind, task, _ in self.heard if kind == what)


def fitted(search, **params):
    pytest.importorskip("sklearn.callback")
    callback = Recording()
    search.set_callbacks(callback).fit(*IRIS, **params)
    return callback


def test_callbacks_hear_of_every_evaluation_in_this_process():
    heard = fitted(GridSearchCV(Simple(), {"value": [0.1, 0.2]}, cv=3))

    expected = {"fit": 1, "search": 1, "candidate-split-evaluation": 6, "refit-with-best-params": 1}
    assert heard.tasks("begin") == heard.tasks("end") == expected
    assert heard.heard[0] == ("setup", "fit", None)
    assert heard.heard[-1] == ("teardown", "fit", None)


def test_callbacks_hear_of_search_and_refit_alone_if_workers_evaluate():
    search = GridSearchCV(Simple(), {"value": [0.1, 0.2]}, cv=3, executor="processes", n_jobs=2)

    with pytest.warns(UserWarning, match="those run on workers, which cannot call back") as warned:
        heard = fitted(search)

    assert len(warned) == 1
    assert heard.tasks("begin") == heard.tasks("end") == {"fit": 1, "search": 1, "refit-with-best-params": 1}


def test_nobody_is_warned_without_callbacks():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GridSearchCV(Simple(), {"value": [0.1]}, cv=3, executor="processes", n_jobs=2).fit(*IRIS)


def test_callbacks_hear_of_each_stage_of_a_search_with_a_scheduler():
    heard = fitted(SearchCV(Simple(), {"value": [0.1, 0.2]}, cv=3, scheduler="median"))

    assert heard.tasks("begin")["candidate-split-evaluation"] == 2 * 3 * 2
    assert heard.tasks("begin") == heard.tasks("end")


def test_the_second_scoring_of_the_best_is_a_task_of_its_own():
    search = SearchCV(Simple(), {"value": [0.1, 0.2]}, cv=3, rescore_top=1, random_state=0, refit=False)

    heard = fitted(search)

    assert heard.tasks("begin") == heard.tasks("end")
    assert heard.tasks("begin") == {"fit": 1, "search": 1, "candidate-split-evaluation": 6, "rescoring": 1}


def test_callbacks_are_torn_down_when_a_fit_raises():
    pytest.importorskip("sklearn.callback")
    callback = Recording()
    search = GridSearchCV(Simple(fails=True), {"value": [0.1]}, cv=3, error_score="raise").set_callbacks(callback)

    with pytest.raises(ValueError, match="it fails"):
        search.fit(*IRIS)

    assert callback.heard[-1] == ("teardown", "fit", None)
    assert callback.tasks("begin")["candidate-split-evaluation"] >= 1


def test_an_older_scikit_learn_has_nobody_to_tell():
    hooks = Hooks(object(), *IRIS, {}, 2)

    with hooks.searching(3, is_here=True):
        assert hooks.of_evaluation() == {}
    with hooks.rescoring(), hooks.refitting(Simple()):
        pass
    hooks.end()
