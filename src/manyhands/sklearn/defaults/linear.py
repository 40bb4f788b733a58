"""Linear models."""

from manyhands.parameters import Choice, Float
from manyhands.sklearn.defaults.kinds import Made, Own, Tree

_PENALTY = Float(2**-10, 2**10, log=True)  # Probst et al.: lambda of glmnet
_RATIO = Float(0.0, 1.0)  # Probst et al.: alpha of glmnet


def logistic_regression(own: Own) -> Tree:
    """C as in TabRepo (0.1 to 1000), and two decades below; with penalties that the solver has.

    Solvers that only know l2 are joined by saga with an elastic net. From scikit-learn 1.8 on ``l1_ratio`` alone says
    which penalty is meant.
    """
    strength = {"C": Float(1e-3, 1e3, log=True)}
    if own.get("dual"):
        return strength  # which only liblinear has, and only for l2
    if own.get("penalty", "deprecated") == "deprecated":
        return {**strength, **_by_ratio(own["solver"])}
    return {**strength, **_by_penalty(own["solver"])}


def _by_ratio(solver: str) -> Tree:
    if solver == "saga":
        return {"l1_ratio": _RATIO}
    if solver == "liblinear":
        return {"l1_ratio": Choice([0.0, 1.0])}
    return {"solver": Choice([{"solver": solver, "l1_ratio": 0.0}, {"solver": "saga", "l1_ratio": _RATIO}])}


def _by_penalty(solver: str) -> Tree:
    mixed = {"penalty": "elasticnet", "l1_ratio": _RATIO}
    if solver == "saga":
        return {"penalty": Choice([{"penalty": "l2"}, {"penalty": "l1"}, mixed])}
    if solver == "liblinear":
        return {"penalty": Choice(["l2", "l1"])}
    return {"solver": Choice([{"solver": solver, "penalty": "l2"}, {"solver": "saga", **mixed}])}


def sgd_classifier(own: Own) -> Tree:
    """As auto-sklearn; the share of l1 as Probst et al. (2019).

    Losses without probabilities are left out if the estimator's own has them.
    """
    with_probabilities = ["log_loss", "modified_huber"]
    others = [] if own["loss"] in with_probabilities else ["hinge", "squared_hinge"]
    return {"loss": Choice([*others, *with_probabilities]), **_sgd(own)}


def sgd_regressor(own: Own) -> Tree:
    """As auto-sklearn, whose first step size goes further down, to 1e-7; the share of l1 as Probst et al. (2019)."""
    tree = {"loss": Choice(["squared_error", "huber", "epsilon_insensitive"]), **_sgd(own)}
    return tree if own["learning_rate"] == "optimal" else {**tree, "eta0": Float(1e-4, 1e-1, log=True)}


def _sgd(own: Own) -> Tree:
    mixed = {"penalty": "elasticnet", "l1_ratio": _RATIO}
    return {
        "alpha": Float(1e-7, 1e-1, log=True),
        "penalty": Choice([{"penalty": "l2"}, {"penalty": "l1"}, mixed]),
    }


SPACES: dict[str, Made] = {
    "LogisticRegression": logistic_regression,
    "Ridge": {"alpha": _PENALTY},
    "RidgeClassifier": {"alpha": _PENALTY},
    "Lasso": {"alpha": _PENALTY},
    "ElasticNet": {"alpha": _PENALTY, "l1_ratio": _RATIO},
    "SGDClassifier": sgd_classifier,
    "SGDRegressor": sgd_regressor,
    # no published spaces for these that we know of: alpha as for the others, or around the default
    "HuberRegressor": {"alpha": Float(1e-6, 1e-1, log=True), "epsilon": Float(1.05, 3.0)},
    "PoissonRegressor": {"alpha": _PENALTY},
    "GammaRegressor": {"alpha": _PENALTY},
    "TweedieRegressor": {"alpha": _PENALTY},
}
