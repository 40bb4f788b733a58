"""The same search of a random forest by several systems, each in words of its own."""

import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import randint, uniform
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold, cross_val_score, train_test_split

from benchmarks.sklearn.progress import noting_scorer, steps_of
from benchmarks.spark import sessions
from manyhands.sklearn import SearchCV

_JOBS, _FOLDS = 2, 5
_N_HELD_OUT = 100_000
_SHARE, _N_POSITIVE = 0.0017, 120
_ESTIMATOR = RandomForestClassifier(random_state=0)
_TREES, _DEPTHS, _FEATURES, _LEAVES = (3, 12), (2, 20), (0.03, 0.35), (1, 15)
_DISTRIBUTIONS = {
    "n_estimators": randint(_TREES[0], _TREES[1] + 1),
    "max_depth": randint(_DEPTHS[0], _DEPTHS[1] + 1),
    "max_features": uniform(_FEATURES[0], _FEATURES[1] - _FEATURES[0]),
    "min_samples_leaf": randint(_LEAVES[0], _LEAVES[1] + 1),
}


class Task(NamedTuple):
    """What a system is given.

    Attributes:
        X: Samples.
        y: Whether each is positive.
        scoring: The scorer.
        n_candidates: How many to try.
        seed: Of the system.
        spark: A session, if the system needs one.
    """

    X: Any
    y: Any
    scoring: Callable[[Any, Any, Any], float]
    n_candidates: int
    seed: int
    spark: Any

    @property
    def common(self) -> dict[str, Any]:
        """What scikit-learn's search and ours take alike."""
        return {
            "n_iter": self.n_candidates,
            "scoring": self.scoring,
            "cv": _splitter(self.seed),
            "random_state": self.seed,
            "verbose": 0,
        }


def _hyperopt(task: Task) -> Any:
    import hyperopt

    logging.getLogger("hyperopt").setLevel(logging.ERROR)
    hp = hyperopt.hp
    space = {
        "n_estimators": hp.uniformint("n_estimators", *_TREES),
        "max_depth": hp.uniformint("max_depth", *_DEPTHS),
        "max_features": hp.uniform("max_features", *_FEATURES),
        "min_samples_leaf": hp.uniformint("min_samples_leaf", *_LEAVES),
    }

    def objective(params: dict[str, Any]) -> float:
        estimator = clone(_ESTIMATOR).set_params(**_whole(params))
        scores = cross_val_score(estimator, task.X, task.y, scoring=task.scoring, cv=_splitter(task.seed))
        return -float(scores.mean())

    rng = np.random.default_rng(task.seed)
    best = hyperopt.fmin(
        objective, space, hyperopt.tpe.suggest, task.n_candidates, rstate=rng, show_progressbar=False, verbose=False
    )
    return clone(_ESTIMATOR).set_params(**_whole(best)).fit(task.X, task.y)


def _random(task: Task) -> Any:
    return RandomizedSearchCV(_ESTIMATOR, _DISTRIBUTIONS, n_jobs=_JOBS, **task.common).fit(task.X, task.y)


def _joblib_spark(task: Task) -> Any:
    from joblib import parallel_config
    from joblibspark import register_spark

    warnings.filterwarnings("ignore", message=".*stage-level scheduling")
    warnings.filterwarnings("ignore", message="Spark session is not provided")
    register_spark()
    with parallel_config("spark", n_jobs=_JOBS):
        return RandomizedSearchCV(_ESTIMATOR, _DISTRIBUTIONS, **task.common).fit(task.X, task.y)


def _ours(task: Task) -> Any:
    return SearchCV(_ESTIMATOR, _DISTRIBUTIONS, n_jobs=_JOBS, **task.common).fit(task.X, task.y)


def _ours_on_spark(task: Task) -> Any:
    import manyhands as mh

    executor = mh.Spark(task.spark, workers=_JOBS)
    return SearchCV(_ESTIMATOR, _DISTRIBUTIONS, executor=executor, **task.common).fit(task.X, task.y)


class System(NamedTuple):
    """One that is compared.

    Attributes:
        search: Returns something fitted that predicts.
        packages: What must be installed.
    """

    search: Callable[[Task], Any]
    packages: str = ""

    @property
    def needs_spark(self) -> bool:
        """Whether a session has to be there."""
        return "pyspark" in self.packages


OURS = "manyhands, auto, 2 processes"
SYSTEMS = {
    OURS: System(_ours),
    "manyhands, auto, Spark, local[2]": System(_ours_on_spark, "pyspark"),
    "RandomizedSearchCV, loky, 2 jobs": System(_random),
    "RandomizedSearchCV, joblib-spark, local[2]": System(_joblib_spark, "pyspark joblibspark"),
    "Hyperopt, TPE, one after another": System(_hyperopt, "hyperopt"),
}


def is_installed(name: str) -> bool:
    """Whether what a system needs can be imported."""
    return all(find_spec(package) is not None for package in SYSTEMS[name].packages.split())


def run(name: str, rows: int, n_candidates: int, seed: int) -> dict[str, Any]:
    """Search, and return the fields of a ``Progress``."""
    system = SYSTEMS[name]
    X, X_out, y, y_out = _data(rows, seed)  # noqa: N806
    with ExitStack() as stack:
        spark = stack.enter_context(sessions.local(_JOBS)) if system.needs_spark else None
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        scoring = noting_scorer(folder, list(_DISTRIBUTIONS))
        began = time.time()
        fitted = system.search(Task(X, y, scoring, n_candidates, seed, spark))
        seconds = time.time() - began
        n_fits, steps = steps_of(folder, _FOLDS, began)
    held_out = float(f1_score(y_out, fitted.predict(X_out), zero_division=0))
    return {"seconds": seconds, "n_fits": n_fits, "steps": steps, "best": steps[-1][1], "held_out": held_out}


def _data(rows: int, seed: int) -> tuple[Any, Any, Any, Any]:
    share = max(_SHARE, _N_POSITIVE / rows)
    X, y = make_classification(  # noqa: N806
        rows + _N_HELD_OUT,
        30,
        n_informative=8,
        n_redundant=6,
        n_clusters_per_class=3,
        weights=[1 - share],
        flip_y=share / 10,
        class_sep=1.5,
        random_state=seed,
    )
    X, X_out, y, y_out = train_test_split(X, y, train_size=rows, stratify=y, random_state=seed)  # noqa: N806
    return X, X_out, y, y_out


def _splitter(seed: int) -> StratifiedKFold:
    return StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)


def _whole(params: dict[str, Any]) -> dict[str, Any]:
    """The best of ``fmin`` are floats, also where whole numbers were meant."""
    return {name: value if name == "max_features" else int(value) for name, value in params.items()}
