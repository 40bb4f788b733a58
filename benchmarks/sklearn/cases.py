"""Searches to race in: a data set, a model with a list of values for each of its parameters, folds, and a seed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_classification,
    make_friedman1,
)
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

import manyhands as mh

_HITS = "accuracy"
_HELD_OUT = 0.4  # of the samples, to score winners on


class Source(NamedTuple):
    """A data set.

    Attributes:
        load: Returns X and y.
        scoring: What is maximised.
        is_real: Whether it was measured; else it was made.
    """

    load: Callable[[], tuple[Any, Any]]
    scoring: str
    is_real: bool

    @property
    def is_regression(self) -> bool:
        """Whether its targets are numbers, not classes."""
        return self.scoring == "r2"


class Model(NamedTuple):
    """Something to fit.

    Attributes:
        make: Makes one that is not fitted.
        values: Parameter name to what may be tried, in order. A list, so that searches meet the same candidates again.
    """

    make: Callable[[], Any]
    values: Mapping[str, Sequence[Any]]


class Case(NamedTuple):
    """One search.

    Attributes:
        source: The name of the data set.
        model: The name of the model.
        n_folds: How many folds there are.
        seed: Of the folds, of what is held out, and of the sampler.
    """

    source: str
    model: str
    n_folds: int
    seed: int


def _few_digits() -> tuple[Any, Any]:
    X, y = load_digits(return_X_y=True)  # noqa: N806
    return X[:1000], y[:1000]


SOURCES = {
    "digits": Source(_few_digits, _HITS, True),
    "breast cancer": Source(lambda: load_breast_cancer(return_X_y=True), _HITS, True),
    "wine": Source(lambda: load_wine(return_X_y=True), _HITS, True),
    "diabetes": Source(lambda: load_diabetes(return_X_y=True), "r2", True),
    "noisy": Source(lambda: make_classification(800, 20, n_informative=6, flip_y=0.1, random_state=0), _HITS, False),
    "rare": Source(
        lambda: make_classification(800, 15, n_informative=6, weights=[0.9], class_sep=0.8, random_state=0), "f1", False
    ),
    "friedman": Source(lambda: make_friedman1(600, noise=1.0, random_state=0), "r2", False),
}

_WIDTHS = np.geomspace(1e-5, 1, 16).tolist()
_STRENGTHS = np.geomspace(0.01, 1000, 16).tolist()
_PENALTIES = np.geomspace(1e-4, 1e4, 60).tolist()
_FOREST = {
    "max_depth": list(range(1, 13)),
    "max_features": [0.1, 0.2, 0.35, 0.5, 0.7, 1.0],
    "min_samples_leaf": [1, 2, 4, 8, 16],
}
_BOOSTING = {
    "learning_rate": np.geomspace(0.01, 1, 10).tolist(),
    "max_leaf_nodes": [2, 4, 8, 16, 31],
    "min_samples_leaf": [2, 5, 10, 20, 40],
    "l2_regularization": [0.0, 0.1, 1.0, 10.0],
}
_NEIGHBOURS = {"n_neighbors": list(range(1, 41)), "weights": ["uniform", "distance"], "p": [1, 1.5, 2]}
_N_TREES, _N_STEPS = 8, 12


def _scaled(estimator: Any, values: Mapping[str, Sequence[Any]]) -> Model:
    """A pipeline of the estimator behind a scaler."""
    pipeline = make_pipeline(StandardScaler(), estimator)
    name = pipeline.steps[-1][0]
    return Model(lambda: clone(pipeline), {f"{name}__{key}": given for key, given in values.items()})


CLASSIFIERS = {
    "svm": _scaled(SVC(), {"C": _STRENGTHS, "gamma": _WIDTHS}),
    "forest": Model(lambda: RandomForestClassifier(_N_TREES, random_state=0), _FOREST),
    "linear": _scaled(LogisticRegression(max_iter=300), {"C": _PENALTIES}),
    "boosting": Model(
        lambda: HistGradientBoostingClassifier(max_iter=_N_STEPS, early_stopping=False, random_state=0), _BOOSTING
    ),
    "neighbours": _scaled(KNeighborsClassifier(), _NEIGHBOURS),
}
REGRESSORS = {
    "svm": _scaled(SVR(), {"C": _STRENGTHS, "gamma": _WIDTHS}),
    "forest": Model(lambda: RandomForestRegressor(_N_TREES, random_state=0), _FOREST),
    "linear": _scaled(Ridge(), {"alpha": _PENALTIES}),
    "boosting": Model(
        lambda: HistGradientBoostingRegressor(max_iter=_N_STEPS, early_stopping=False, random_state=0), _BOOSTING
    ),
    "neighbours": _scaled(KNeighborsRegressor(), _NEIGHBOURS),
}


def cases(fold_numbers: Sequence[int], seeds: Sequence[int]) -> list[Case]:
    """All data sets with all models. Boosting of ten classes is left out: it takes longer than all others."""
    return [
        Case(source, model, n_folds, seed)
        for n_folds in fold_numbers
        for seed in seeds
        for source in SOURCES
        for model in CLASSIFIERS
        if (source, model) != ("digits", "boosting")
    ]


def space_of(case: Case) -> dict[str, Any]:
    """What is searched: choices, ordered where their values are numbers."""
    values = model_of(case).values
    return {name: mh.Choice(list(given), ordered=not isinstance(given[0], str)) for name, given in values.items()}


class Material(NamedTuple):
    """What the candidates of a case are fitted and scored on.

    Attributes:
        X: Samples to search on.
        y: Their targets.
        held_out: Others, and their targets.
        splits: Of the former, for each fold.
    """

    X: Any
    y: Any
    held_out: tuple[Any, Any]
    splits: list[tuple[Any, Any]]


def material_of(case: Case) -> Material:
    """Load and split."""
    source = SOURCES[case.source]
    X, y = source.load()  # noqa: N806
    stratify = None if source.is_regression else y
    X, X_out, y, y_out = train_test_split(  # noqa: N806
        X, y, test_size=_HELD_OUT, stratify=stratify, random_state=case.seed
    )
    kind = KFold if source.is_regression else StratifiedKFold
    splits = list(kind(case.n_folds, shuffle=True, random_state=case.seed).split(X, y))
    return Material(X, y, (X_out, y_out), splits)


def model_of(case: Case) -> Model:
    """Of a case, for its kind of targets."""
    return (REGRESSORS if SOURCES[case.source].is_regression else CLASSIFIERS)[case.model]
