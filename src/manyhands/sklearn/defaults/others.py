"""Neighbours, naive Bayes, discriminants and neural networks."""

from manyhands.parameters import Choice, Float, Int
from manyhands.sklearn.defaults.kinds import Made, Own, Tree


def neighbors(own: Own) -> Tree:
    """The number as Probst et al. (2019) for kknn, the rest as auto-sklearn."""
    powers = {"p": Choice([1, 2])} if own["metric"] == "minkowski" else {}
    return {"n_neighbors": Int(1, 30, log=True), "weights": Choice(["uniform", "distance"]), **powers}


def linear_discriminant(own: Own) -> Tree:
    """Shrinkage as auto-sklearn, by a solver that has it."""
    if own["covariance_estimator"] is not None:
        return {}
    solver = "lsqr" if own["solver"] == "svd" else own["solver"]
    shrunk = {"solver": solver, "shrinkage": Choice([None, "auto", Float(0.0, 1.0)])}
    return {"solver": Choice([{"solver": "svd", "shrinkage": None}, shrunk])}


def quadratic_discriminant(own: Own) -> Tree:
    """As auto-sklearn."""
    return {"reg_param": Float(0.0, 1.0)} if own.get("solver", "svd") == "svd" else {}


def perceptron(own: Own) -> Tree:
    """As auto-sklearn, which has one to three layers of 16 to 264 units each, all of one size."""
    units = Int(16, 264, log=True)
    steps = {} if own["solver"] == "lbfgs" else {"learning_rate_init": Float(1e-4, 0.5, log=True)}
    return {
        "hidden_layer_sizes": Choice([(units,), (units, units), (units, units, units)]),
        "activation": Choice(["relu", "tanh"]),
        "alpha": Float(1e-7, 1e-1, log=True),
        **steps,
    }


#: auto-sklearn; priors that are given are kept.
_COUNTS = {"alpha": Float(1e-2, 100.0, log=True), "fit_prior": Choice([True, False])}

SPACES: dict[str, Made] = {
    "KNeighborsClassifier": neighbors,
    "KNeighborsRegressor": neighbors,
    "GaussianNB": {"var_smoothing": Float(1e-12, 1e-1, log=True)},  # no published space known: around the default
    "MultinomialNB": _COUNTS,
    "BernoulliNB": _COUNTS,
    "ComplementNB": {"alpha": Float(1e-2, 100.0, log=True), "norm": Choice([False, True])},
    "LinearDiscriminantAnalysis": linear_discriminant,
    "QuadraticDiscriminantAnalysis": quadratic_discriminant,
    "MLPClassifier": perceptron,
    "MLPRegressor": perceptron,
}
