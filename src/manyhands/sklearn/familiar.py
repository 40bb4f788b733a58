"""The names and arguments of scikit-learn's own searches, for scripts in which only the import is to change."""

import os
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from manyhands.ports import Executor, Store
from manyhands.sklearn.search import SearchCV
from manyhands.sklearn.upstream import constraints_of


class GridSearchCV(SearchCV):
    """scikit-learn's ``GridSearchCV``, on every executor: only the import changes.

    Args:
        estimator: What to fit.
        param_grid: A dict from parameter name to values, or a list of such dicts; every combination is tried.
        **settings: As ``SearchCV`` has them.
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        executor: str | Executor | None = None,
        early_stopping: bool | str = "auto",
        store: str | os.PathLike[str] | Store | None = None,
        name: str | None = None,
        timeout_s: float | None = None,
    ):
        super().__init__(
            estimator,
            param_grid=param_grid,
            sampler="grid",
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
            executor=executor,
            early_stopping=early_stopping,
            store=store,
            name=name,
            timeout_s=timeout_s,
        )

    _parameter_constraints = constraints_of(__init__, {**SearchCV._parameter_constraints, "param_grid": [dict, list]})


class RandomizedSearchCV(SearchCV):
    """scikit-learn's ``RandomizedSearchCV``, on every executor: only the import changes.

    Args:
        estimator: What to fit.
        param_distributions: A dict from parameter name to values or a distribution, or a list of such dicts.
        n_iter: How many candidates to draw.
        **settings: As ``SearchCV`` has them.
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        executor: str | Executor | None = None,
        early_stopping: bool | str = "auto",
        store: str | os.PathLike[str] | Store | None = None,
        name: str | None = None,
        timeout_s: float | None = None,
    ):
        super().__init__(
            estimator,
            param_distributions=param_distributions,
            n_iter=n_iter,
            sampler="random",
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
            executor=executor,
            early_stopping=early_stopping,
            store=store,
            name=name,
            timeout_s=timeout_s,
        )

    _parameter_constraints = constraints_of(
        __init__,
        {
            **SearchCV._parameter_constraints,
            "param_distributions": [dict, list],
            "n_iter": [Interval(Integral, 1, None, closed="left")],
        },
    )
