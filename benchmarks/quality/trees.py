"""Forests that stand in for tuning: piecewise constant losses, fitted to real cross-validation errors.

For each of four learners ``trees.npz`` has the errors of 1,500 random points. When the suite is loaded, a random forest
is fitted to each, and answers from then on; where the learner has a wide plateau, so has the forest.

    python -m benchmarks.quality.trees        evaluates the points again, which takes some minutes
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import manyhands as mh
from benchmarks.quality.models import folds
from benchmarks.quality.problems import Problem
from manyhands.space import Point, Space

LOSSES = Path(__file__).with_suffix(".npz")
_N_POINTS = 1500
_N_TREES = 20


def problems() -> list[Problem]:
    """A tree, a forest, boosting and a support vector machine, 6 to 10 parameters each."""
    losses = np.load(LOSSES)
    return [
        Problem(f"trees/{name}", scenario.tree, Surrogate(scenario, losses[name]).loss)
        for name, scenario in scenarios().items()
    ]


@dataclass(frozen=True)
class Scenario:
    """A learner to be tuned on some data.

    Attributes:
        tree: What is searched.
        data: The end of the name of scikit-learn's loader.
        make: The estimator, from params and whether it is to predict numbers.
    """

    tree: Any
    data: str
    make: Callable[[Mapping[str, Any], bool], Any]

    @cached_property
    def space(self) -> Space:
        """The space with its points."""
        return Space(self.tree)

    def points(self) -> list[Point]:
        """The random points that stand for the landscape; always the same."""
        return [self.space.decode(u) for u in np.random.default_rng(0).random((_N_POINTS, len(self.space.parameters)))]

    def losses(self) -> NDArray[np.float32]:
        """The learner's error at each of the points, shape (n,)."""
        data = folds(self.data)
        models = (self.make(self.space.build(point), data.is_regression) for point in self.points())
        return np.array([data.error(model) for model in models], np.float32)


class Surrogate:
    """A random forest over the points of a scenario.

    Args:
        scenario: Whose.
        losses: At each of its points, shape (n,).
    """

    def __init__(self, scenario: Scenario, losses: NDArray[np.float32]):
        self._scenario = scenario
        self._losses = losses

    def loss(self, params: Mapping[str, Any]) -> float:
        """What the forest predicts."""
        row = self._rows([self._scenario.space.find(params)])
        return float(np.mean([tree.tree_.predict(row)[0, 0] for tree in self._forest.estimators_]))

    @cached_property
    def _forest(self) -> Any:
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(_N_TREES, max_features=0.7, random_state=0)
        return forest.fit(self._rows(self._scenario.points()), self._losses)

    def _rows(self, points: list[Point]) -> NDArray[np.float32]:
        rows = np.array([self._scenario.space.encode(point) for point in points], np.float32)
        return np.nan_to_num(rows, nan=-1)


# -- what is tuned -------------------------------------------------------------------------------------------------


def scenarios() -> dict[str, Scenario]:
    """By name."""
    return {
        "rpart": Scenario(_rpart_space(), "digits", _rpart),
        "ranger": Scenario(_ranger_space(), "digits", _ranger),
        "boost": Scenario(_boost_space(), "diabetes", _boost),
        "svm": Scenario(_svm_space(), "digits", _svm),
    }


def _rpart_space() -> dict[str, Any]:
    return {
        "criterion": mh.Choice(["gini", "entropy"]),
        "max_depth": mh.Int(1, 30),
        "min_samples_split": mh.Int(2, 100, log=True),
        "min_samples_leaf": mh.Int(1, 100, log=True),
        "ccp_alpha": mh.Float(1e-4, 0.3, log=True),
        "max_features": mh.Float(0.1, 1),
    }


def _rpart(params: Mapping[str, Any], is_regression: bool) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(**params, random_state=0)


def _ranger_space() -> dict[str, Any]:
    return {
        "n_estimators": mh.Int(1, 32, log=True),
        "sampling": mh.Choice([{"bootstrap": False}, {"bootstrap": True, "max_samples": mh.Float(0.1, 1)}]),
        "splits": mh.Choice(["best", "random"]),
        "criterion": mh.Choice(["gini", "entropy"]),
        "max_features": mh.Float(0.02, 1, log=True),
        "min_samples_leaf": mh.Int(1, 60, log=True),
        "max_leaf_nodes": mh.Int(4, 256, log=True),
        "min_impurity_decrease": mh.Float(1e-6, 0.1, log=True),
    }


def _ranger(params: Mapping[str, Any], is_regression: bool) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    settings = dict(params)
    kind = {"best": RandomForestClassifier, "random": ExtraTreesClassifier}[settings.pop("splits")]
    return kind(**settings.pop("sampling"), **settings, random_state=0)


def _boost_space() -> dict[str, Any]:
    loss = mh.Choice([{"loss": "squared_error"}, {"loss": "huber", "alpha": mh.Float(0.5, 0.99)}])
    stopping = mh.Choice([{}, {"n_iter_no_change": mh.Int(1, 10), "validation_fraction": mh.Float(0.05, 0.4)}])
    return {
        "loss": loss,
        "n_estimators": mh.Int(3, 40, log=True),
        "learning_rate": mh.Float(1e-3, 1, log=True),
        "max_depth": mh.Int(1, 8),
        "subsample": mh.Float(0.1, 1),
        "max_features": mh.Float(0.1, 1),
        "min_samples_leaf": mh.Int(1, 50, log=True),
        "stopping": stopping,
    }


def _boost(params: Mapping[str, Any], is_regression: bool) -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    settings = dict(params)
    return GradientBoostingRegressor(**settings.pop("loss"), **settings.pop("stopping"), **settings, random_state=0)


def _svm_space() -> dict[str, Any]:
    gamma = mh.Float(1e-6, 10, log=True)
    return {
        "kernel": mh.Choice(
            [
                {"kernel": "linear"},
                {"kernel": "poly", "gamma": gamma, "degree": mh.Int(2, 5), "coef0": mh.Float(0, 3)},
                {"kernel": "rbf", "gamma": gamma},
                {"kernel": "sigmoid", "gamma": gamma, "coef0": mh.Float(-2, 2)},
            ]
        ),
        "C": mh.Float(1e-4, 1e4, log=True),
        "tol": mh.Float(1e-5, 1, log=True),
        "shrinking": mh.Choice([True, False]),
    }


def _svm(params: Mapping[str, Any], is_regression: bool) -> Any:
    from sklearn.svm import SVC

    settings = dict(params)
    return SVC(**settings.pop("kernel"), **settings, max_iter=2000)


if __name__ == "__main__":
    found = {name: scenario.losses() for name, scenario in scenarios().items()}
    np.savez_compressed(LOSSES, allow_pickle=False, **found)
