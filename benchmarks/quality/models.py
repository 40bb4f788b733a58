"""Real models of scikit-learn on data that comes with it: errors over three splits, some milliseconds each.

Four problems choose between five kinds of model, each kind with parameters of its own; two tune one kind alone. Small
data sets are cross-validated. Of larger ones, each split learns from 200 rows and is tested on many others, so that
errors are fine-grained and yet quickly found.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import manyhands as mh
from benchmarks.quality.problems import Problem

_N_REFERENCE = 1000  # these are dear
_CANCER = "breast_cancer"
_N_SPLITS = 3
_N_LEARNED, _N_TESTED = 200, 600  # rows of a large data set


def problems() -> list[Problem]:
    """Four conditional ones and two that are not."""
    return [
        _problem("digits200", mh.Choice([svm(), trees(), neighbours(), perceptron(), linear()]), holdouts("digits")),
        _problem("cancer200", mh.Choice([svm(), trees(), neighbours(), perceptron(), boosting()]), holdouts(_CANCER)),
        _problem("wine", mh.Choice([svm(), trees(), neighbours(), linear(), boosting()]), folds("wine")),
        _problem("diabetes", mh.Choice([svm(), trees(), neighbours(), ridge(), boosting()]), folds("diabetes")),
        _problem("digits200-svm", svm(), holdouts("digits")),
        _problem("cancer200-boosting", boosting(), holdouts(_CANCER)),
    ]


def _problem(name: str, tree: object, splits: "Splits") -> Problem:
    def loss(params: Mapping[str, Any]) -> float:
        return splits.error(make_model(params, splits.is_regression))

    return Problem(f"models/{name}", tree, loss, _N_REFERENCE)


# -- spaces --------------------------------------------------------------------------------------------------------


def svm() -> dict[str, Any]:
    """A support vector machine; the degree counts only with a polynomial kernel."""
    kernel = mh.Choice([{"kernel": "rbf"}, {"kernel": "poly", "degree": mh.Int(2, 4), "coef0": mh.Float(0, 2)}])
    return {
        "model": "svm",
        "C": mh.Float(1e-3, 1e3, log=True),
        "gamma": mh.Float(1e-5, 10, log=True),
        "kernel": kernel,
        "shrinking": mh.Choice([True, False]),
    }


def trees() -> dict[str, Any]:
    """Extremely randomised trees."""
    return {
        "model": "trees",
        "n_estimators": mh.Int(2, 24, log=True),
        "max_depth": mh.Int(1, 20),
        "max_features": mh.Float(0.05, 1),
        "min_samples_leaf": mh.Int(1, 30, log=True),
        "bootstrap": mh.Choice([True, False]),
    }


def neighbours() -> dict[str, Any]:
    """Nearest neighbours."""
    return {
        "model": "neighbours",
        "n_neighbors": mh.Int(1, 60, log=True),
        "weights": mh.Choice(["uniform", "distance"]),
        "p": mh.Choice([1, 2, 3], ordered=True),
    }


def perceptron() -> dict[str, Any]:
    """A small neural network that is trained for a few epochs."""
    return {
        "model": "perceptron",
        "hidden_layer_sizes": [mh.Int(4, 64, log=True)],
        "alpha": mh.Float(1e-6, 10, log=True),
        "learning_rate_init": mh.Float(1e-4, 0.3, log=True),
        "batch_size": mh.Choice([16, 32, 64, 128], ordered=True),
        "activation": mh.Choice(["relu", "tanh", "logistic"]),
    }


def linear() -> dict[str, Any]:
    """Logistic regression."""
    return {"model": "linear", "C": mh.Float(1e-5, 1e3, log=True), "class_weight": mh.Choice([None, "balanced"])}


def ridge() -> dict[str, Any]:
    """Linear regression, with either of two penalties or a mixture."""
    return {"model": "ridge", "alpha": mh.Float(1e-4, 10, log=True), "l1_ratio": mh.Float(0, 1)}


def boosting() -> dict[str, Any]:
    """Gradient boosting."""
    return {
        "model": "boosting",
        "n_estimators": mh.Int(2, 24, log=True),
        "learning_rate": mh.Float(0.01, 1, log=True),
        "max_depth": mh.Int(1, 6),
        "subsample": mh.Float(0.3, 1),
        "max_features": mh.Float(0.05, 1),
        "min_samples_leaf": mh.Int(1, 30, log=True),
    }


# -- errors --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Splits:
    """Scaled data, split into what is learned and what is tested in several ways.

    Attributes:
        x: Shape (n, n_features).
        y: Classes or numbers, shape (n,).
        parts: The rows to learn from and those to be tested on.
        is_regression: Whether ``y`` are numbers.
    """

    x: NDArray[np.float64]
    y: NDArray[Any]
    parts: list[tuple[NDArray[np.intp], NDArray[np.intp]]]
    is_regression: bool = False

    def error(self, model: Any) -> float:
        """The share that is classified wrongly, or one minus the explained variance (2 at most); the mean of splits."""
        errors = []
        for train, test in self.parts:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a model that has not converged is as good as its error says
                score = model.fit(self.x[train], self.y[train]).score(self.x[test], self.y[test])
            errors.append(1 - score)
        return min(2.0, float(np.mean(errors)))


@cache
def folds(name: str) -> Splits:
    """Cross-validation of 300 rows, or as many as there are, of a data set by the end of its loader's name."""
    from sklearn.model_selection import KFold, StratifiedKFold

    x, y = _load(name)
    chosen = np.random.default_rng(0).permutation(len(y))[:300]
    x, y = x[chosen], y[chosen]
    if name == "wine":  # too easy as it is: half of all models make no error
        x = np.hstack([x, np.random.default_rng(1).normal(size=(len(y), 20))])
    is_regression = name == "diabetes"
    kind = KFold if is_regression else StratifiedKFold
    parts = kind(_N_SPLITS, shuffle=True, random_state=0).split(x, y)
    return Splits(_scaled(x), y, list(parts), is_regression)


@cache
def holdouts(name: str) -> Splits:
    """Few rows to learn from and many to be tested on."""
    from sklearn.model_selection import StratifiedShuffleSplit

    x, y = _load(name)
    n_tested = min(_N_TESTED, len(y) - _N_LEARNED)
    kind = StratifiedShuffleSplit(_N_SPLITS, train_size=_N_LEARNED, test_size=n_tested, random_state=0)
    return Splits(_scaled(x), y, list(kind.split(x, y)))


def _load(name: str) -> tuple[NDArray[np.float64], NDArray[Any]]:
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return x, y


def _scaled(x: NDArray[np.float64]) -> NDArray[np.float64]:
    from sklearn.preprocessing import StandardScaler

    scaled: NDArray[np.float64] = StandardScaler().fit_transform(x)
    return scaled


def make_model(params: Mapping[str, Any], is_regression: bool) -> Any:
    """The estimator that params describe; the same params give the same one."""
    settings = {key: value for key, value in params.items() if key != "model"}
    return _MAKERS[params["model"]](settings, is_regression)


def _svm(settings: dict[str, Any], is_regression: bool) -> Any:
    from sklearn.svm import SVC, SVR

    kernel = settings.pop("kernel")
    return (SVR if is_regression else SVC)(**settings, **kernel, max_iter=2000)


def _trees(settings: dict[str, Any], is_regression: bool) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    return (ExtraTreesRegressor if is_regression else ExtraTreesClassifier)(**settings, random_state=0)


def _neighbours(settings: dict[str, Any], is_regression: bool) -> Any:
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    return (KNeighborsRegressor if is_regression else KNeighborsClassifier)(**settings)


def _perceptron(settings: dict[str, Any], is_regression: bool) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    return (MLPRegressor if is_regression else MLPClassifier)(**settings, max_iter=5, random_state=0)


def _linear(settings: dict[str, Any], is_regression: bool) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**settings, max_iter=30)


def _ridge(settings: dict[str, Any], is_regression: bool) -> Any:
    from sklearn.linear_model import ElasticNet

    return ElasticNet(**settings)


def _boosting(settings: dict[str, Any], is_regression: bool) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    return (GradientBoostingRegressor if is_regression else GradientBoostingClassifier)(**settings, random_state=0)


_MAKERS: dict[str, Callable[[dict[str, Any], bool], Any]] = {
    "svm": _svm,
    "trees": _trees,
    "neighbours": _neighbours,
    "perceptron": _perceptron,
    "linear": _linear,
    "ridge": _ridge,
    "boosting": _boosting,
}
