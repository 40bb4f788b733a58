"""Our searches with fits on other processes: the same tables, and nothing lost when something dies."""

import os
import signal
import threading
import warnings

import numpy as np
import pytest
from sklearn import config_context, model_selection
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import manyhands as mh
from manyhands.errors import ObjectiveError, PayloadError
from manyhands.sklearn import GridSearchCV, SearchCV

X, Y = make_classification(120, 8, n_informative=5, random_state=0)
TREE = DecisionTreeClassifier(random_state=0)


def tables(search_of, X=X, y=Y, **params):  # noqa: N803
    """What scikit-learn's search and ours on two processes found, without times."""
    found = []
    for home, settings in ((model_selection, {}), (mh.sklearn, {"n_jobs": 2})):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = search_of(home).set_params(**settings).fit(X, y, **params).cv_results_
        found.append({key: column for key, column in results.items() if not key.endswith("_time")})
    return found


def check_same(theirs, mine):
    assert list(theirs) == list(mine)
    for key in theirs:
        if key == "params" or key.startswith("param_"):
            assert str(theirs[key]) == str(mine[key]), key
        else:
            assert theirs[key].dtype == mine[key].dtype
            np.testing.assert_array_equal(theirs[key], mine[key], err_msg=key)


def depth(estimator, X, y):  # noqa: N803
    return {"depth": float(estimator.get_depth()), "right": estimator.score(X, y)}


class Moody(DecisionTreeClassifier):
    def fit(self, X, y, **more):  # noqa: N803
        if self.max_depth == 2:
            raise ValueError("in no mood")
        return super().fit(X, y, **more)


CASES = {
    "several scores": lambda home: home.GridSearchCV(
        TREE, {"max_depth": [1, 2, None]}, scoring=["f1", "accuracy"], refit="f1", return_train_score=True
    ),
    "a function of several scores": lambda home: home.GridSearchCV(
        TREE, {"max_depth": [1, 2]}, scoring=depth, refit="right"
    ),
    "drawn": lambda home: home.RandomizedSearchCV(
        TREE, [{"max_depth": range(1, 9), "splitter": ["best", "random"]}, {}], n_iter=6, random_state=2
    ),
    "estimators as values": lambda home: home.GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("fit", TREE)]),
        [{"fit": [LogisticRegression(), KNeighborsClassifier()], "scale": ["passthrough", PCA(3)]}, {"fit": [TREE]}],
    ),
    "failing fits": lambda home: home.GridSearchCV(
        Moody(), {"max_depth": [1, 2]}, scoring=["f1", "accuracy"], refit="f1"
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_fits_on_processes_find_the_same_as_scikit_learn(case):
    check_same(*tables(CASES[case]))


def test_weights_groups_and_global_settings_reach_the_workers():
    import pandas

    frame = pandas.DataFrame(X, columns=[f"x{i}" for i in range(8)])
    steps = Pipeline([("scale", StandardScaler()), ("tree", OnlyFrames(random_state=0))])
    weight = np.random.RandomState(0).uniform(size=len(Y))

    def search(home):
        return home.GridSearchCV(steps, {"tree__max_depth": [1, 3]}, cv=model_selection.GroupKFold(3))

    with config_context(transform_output="pandas"):
        check_same(*tables(search, frame, Y, groups=np.arange(len(Y)) % 5, tree__sample_weight=weight))


class OnlyFrames(DecisionTreeClassifier):
    def fit(self, X, y, sample_weight=None):  # noqa: N803
        assert list(X.columns) == [f"x{i}" for i in range(8)]
        return super().fit(X, y, sample_weight=sample_weight)


# -- what goes wrong -------------------------------------------------------------------------------------------


class Deadly(ClassifierMixin, BaseEstimator):
    def __init__(self, row=0):
        self.row = row

    def fit(self, X, y):  # noqa: N803
        if self.row == 1:
            os._exit(7)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):  # noqa: N803
        return np.full(len(X), self.row == 2)


@pytest.mark.parametrize("scoring", [None, ["f1", "accuracy"]], ids=["one score", "several"])
def test_a_worker_that_dies_costs_one_candidate(scoring):
    search = GridSearchCV(
        Deadly(), {"row": [1, 0, 2]}, cv=2, n_jobs=2, scoring=scoring, refit="f1" if scoring else True
    )

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        search.fit(X, Y)

    key = "mean_test_f1" if scoring else "mean_test_score"
    assert list(np.isnan(search.cv_results_[key])) == [True, False, False]
    assert search.best_index_ > 0
    told = [str(w.message) for w in said if w.category is FitFailedWarning]
    assert len(told) == 1
    assert "exit code 7" in told[0]


def test_a_worker_that_dies_ends_a_search_that_is_to_raise_and_not_the_driver():
    search = GridSearchCV(Deadly(), {"row": [0, 1]}, cv=2, n_jobs=2, error_score="raise")

    with pytest.raises(ObjectiveError, match="exit code 7"):
        search.fit(X, Y)


class OfItsOwnError(Exception):
    pass


class Raising(DecisionTreeClassifier):
    def fit(self, X, y):  # noqa: N803
        if self.max_depth == 2:
            raise OfItsOwnError("depth 2")
        return super().fit(X, y)


def test_what_a_fit_raises_on_a_worker_is_raised_here():
    with pytest.raises(OfItsOwnError, match="depth 2"):
        GridSearchCV(Raising(), {"max_depth": [1, 2]}, cv=2, n_jobs=2, error_score="raise").fit(X, Y)


def test_parameters_that_do_not_exist_are_told_as_scikit_learn_does():
    with pytest.raises(ValueError, match="Invalid parameter 'depth' for estimator DecisionTreeClassifier"):
        GridSearchCV(TREE, {"depth": [1, 2]}, cv=2, n_jobs=2).fit(X, Y)


def test_an_estimator_that_cannot_be_sent_is_named():
    lock = threading.Lock()

    class Locked(DecisionTreeClassifier):
        def fit(self, X, y):  # noqa: N803
            with lock:
                return super().fit(X, y)

    with pytest.raises(PayloadError, match=r"Locked.*lock"):
        GridSearchCV(Locked(), {"max_depth": [1]}, cv=2, n_jobs=2).fit(X, Y)


# -- cores -----------------------------------------------------------------------------------------------------


class TellsThreads(RandomForestClassifier):
    def fit(self, X, y):  # noqa: N803
        self.asked_ = self.n_jobs
        return super().fit(X, y)


def threads(estimator, X, y):  # noqa: N803
    return float(estimator.asked_)


@pytest.mark.parametrize(("workers", "cores"), [(2, 1), (1, 3)])
def test_an_estimator_with_threads_of_its_own_gets_its_share(workers, cores):
    executor = mh.Processes(workers, cores_per_worker=cores)
    search = GridSearchCV(TellsThreads(4, n_jobs=-1), {"max_depth": [1, 2]}, cv=2, scoring=threads, executor=executor)

    search.fit(X, Y)

    assert list(search.cv_results_["mean_test_score"]) == [cores, cores]
    assert search.best_estimator_.n_jobs == -1


def test_a_search_on_workers_within_workers_ends():
    search = GridSearchCV(TREE, {"max_depth": [1, 2]}, cv=2, n_jobs=2)

    within = cross_val_score(search, X, Y, cv=2)

    assert list(within) == list(cross_val_score(search.set_params(n_jobs=1), X, Y, cv=2))


# -- interrupted and killed ------------------------------------------------------------------------------------


SCRIPT = """
    import json
    import sys
    import time
    from pathlib import Path

    import numpy as np
    from sklearn.datasets import make_classification
    from sklearn.tree import DecisionTreeClassifier

    from manyhands.sklearn import GridSearchCV

    store, calls, pace, n_jobs = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])

    class Slow(DecisionTreeClassifier):
        def fit(self, X, y):
            with open(calls, "a") as file:
                file.write(f"{self.max_depth}\\n")
            time.sleep(pace)
            return super().fit(X, y)

        __module__ = "slow"  # the same in a rerun

    X, y = make_classification(120, 8, n_informative=5, random_state=0)
    search = GridSearchCV(Slow(random_state=0), {"max_depth": list(range(1, 11))}, cv=3, n_jobs=n_jobs,
                          store=store, name="slow", return_train_score=True)
    try:
        search.fit(X, y)
    except KeyboardInterrupt:
        print(json.dumps([trial.state.value for trial in search.study_.trials]))
    else:
        results = {key: np.asarray(column).tolist() for key, column in search.cv_results_.items()}
        print(json.dumps({key: column for key, column in results.items() if not key.endswith("_time")}))
"""


def n_calls(calls):
    return calls.read_text().count("\n") if calls.exists() else 0


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.usefixtures("folders_may_stay")
def test_a_killed_fit_goes_on_and_ends_as_if_it_had_not_been(start_script, tmp_path, wait_until, n_jobs):
    store, calls = tmp_path / "s.db", tmp_path / "calls"
    for n in (6, 14):
        script = start_script(SCRIPT, store, calls, 0.05, n_jobs)
        wait_until(lambda n=n: n_calls(calls) >= n, "some fits have begun", 60)
        script.kill()
    done = n_calls(calls)

    found = start_script(SCRIPT, store, calls, 0, n_jobs).finish()

    whole = start_script(SCRIPT, tmp_path / "other.db", tmp_path / "other", 0, 1).finish()
    assert found == whole
    assert done < n_calls(calls) - 1 <= 30 + 2 * 3 * n_jobs, "it began anew"  # and one is the refit


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_raises_and_a_rerun_goes_on(start_script, tmp_path, wait_until, n_jobs, left_over):
    store, calls = tmp_path / "s.db", tmp_path / "calls"
    script = start_script(SCRIPT, store, calls, 0.05, n_jobs)
    wait_until(lambda: n_calls(calls) >= 8, "some fits have begun", 60)

    script.send(signal.SIGINT)

    states = script.finish(20)
    assert set(states) == {"finished", "interrupted"}
    assert left_over() == []
    found = start_script(SCRIPT, store, calls, 0, n_jobs).finish()
    assert len(found["params"]) == 10
    assert n_calls(calls) - 1 < 30 + 8


def test_a_directed_search_on_workers_finds_a_good_model():
    search = SearchCV(TREE, {"max_depth": mh.Int(1, 12)}, n_iter=8, n_jobs=2, cv=5, random_state=0).fit(X, Y)

    assert len(search.cv_results_["params"]) == 8
    assert search.best_score_ == np.max(search.cv_results_["mean_test_score"])
    assert "2 fits at a time" in search.parallelism_
