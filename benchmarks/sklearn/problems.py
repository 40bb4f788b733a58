"""Small searches of equal fits, of some milliseconds each, as scikit-learn's random search takes them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import loguniform, uniform
from sklearn.datasets import make_friedman1
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

N_FOLDS = 5


class Problem(NamedTuple):
    """What is searched.

    Attributes:
        estimator: Not fitted.
        distributions: Of its parameters.
        load: Makes X and y.
    """

    estimator: Any
    distributions: Mapping[str, Any]
    load: Callable[[], tuple[Any, Any]]


def _long() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 50))  # noqa: N806
    return X, X @ rng.standard_normal(50) + 3 * rng.standard_normal(20_000)


def _curved() -> tuple[Any, Any]:
    return make_friedman1(400, noise=1.0, random_state=0)


#: In the first the slices of 6.4 MB are what costs, and its one parameter hardly matters. In the second there are two,
#: for which 200 random candidates are many, so that a directed search has little to gain. In the third there are five.
PROBLEMS = {
    "Ridge, 20,000 x 50": Problem(Ridge(), {"alpha": loguniform(1e-3, 1e5)}, _long),
    "KernelRidge, rbf, 400 x 10": Problem(
        KernelRidge(kernel="rbf"), {"alpha": loguniform(1e-6, 1e2), "gamma": loguniform(1e-4, 10)}, _curved
    ),
    "KernelRidge, 400 x 10": Problem(
        KernelRidge(),
        {
            "kernel": ["rbf", "laplacian", "poly", "sigmoid"],
            "alpha": loguniform(1e-4, 1e2),
            "gamma": loguniform(1e-4, 10),
            "degree": [1, 2, 3, 4, 5],
            "coef0": uniform(0, 4),
        },
        _curved,
    ),
}
