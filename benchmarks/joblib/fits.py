"""72 fits of a decision tree, some milliseconds each: RandomizedSearchCV with 24 candidates and 3 folds, workers up."""

from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.joblib.backends import JOBLIB_SPARK, LOKY, OURS, OURS_ON_SPARK, Backends
from benchmarks.measuring import Figure, interleave, ratio, spread
from benchmarks.spark import sessions

_N_CANDIDATES, _N_FOLDS = 24, 3


def measure(*, quick: bool) -> list[Figure]:
    """Seconds for the whole search; all have to find the same."""
    repeats = 1 if quick else 5
    fit = _make_search()
    best = fit()
    with sessions.local(2) as spark:
        backends = Backends(spark)

        def measured(name: str) -> Callable[[], float]:
            return lambda: backends.seconds(name, lambda: _check(fit(), best))

        found = interleave({name: measured(name) for name in backends.names}, repeats)
    figures = [Figure(name, median(seconds), "s", note=spread(seconds)) for name, seconds in found.items()]
    figures += [
        Figure(f"{name} / {LOKY}", ratio(found[name], found[LOKY]), "x", at_most=2) for name in (OURS, OURS_ON_SPARK)
    ]
    if JOBLIB_SPARK in found:
        figures.append(
            Figure(f"{JOBLIB_SPARK} / {OURS_ON_SPARK}", ratio(found[JOBLIB_SPARK], found[OURS_ON_SPARK]), "x")
        )
    return figures


def _make_search() -> Callable[[], float]:
    from scipy.stats import randint
    from sklearn.datasets import make_classification
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.tree import DecisionTreeClassifier

    features, labels = make_classification(800, 20, random_state=0)
    space: dict[str, Any] = {"max_depth": randint(2, 12), "min_samples_leaf": randint(1, 20)}

    def fit() -> float:
        search = RandomizedSearchCV(
            DecisionTreeClassifier(random_state=0), space, n_iter=_N_CANDIDATES, cv=_N_FOLDS, random_state=0
        )
        return float(search.fit(features, labels).best_score_)

    return fit


def _check(score: float, best: float) -> None:
    if score != best:
        raise RuntimeError(f"the search found {score}, and without workers it finds {best}")
