"""A pytest plugin that puts our searches in the place of scikit-learn's, for its own tests to run against them.

With ``MANYHANDS_ALIAS_WORKERS`` in the environment, a search that was told nothing of jobs runs on so many processes.
"""

import os

import sklearn.model_selection
import sklearn.model_selection._search

from manyhands.sklearn import GridSearchCV, RandomizedSearchCV
from manyhands.sklearn import search as ours

_N_WORKERS = int(os.environ.get("MANYHANDS_ALIAS_WORKERS", "0"))


def _without_boosting(set_params):
    """``sklearn.tests.test_common`` takes whatever has a parameter ``early_stopping`` for gradient boosting."""

    def call(self, **params):
        if "n_iter_no_change" in params:
            params = {key: params[key] for key in params if key not in ("early_stopping", "n_iter_no_change")}
        return set_params(self, **params)

    return call


def _on_workers(place):
    def call(executor, n_jobs, *rest):
        return place(executor, _N_WORKERS if n_jobs is None else n_jobs, *rest)

    return call


if _N_WORKERS:
    ours.place = _on_workers(ours.place)
ours.SearchCV.set_params = _without_boosting(ours.SearchCV.set_params)
for module in (sklearn.model_selection, sklearn.model_selection._search):
    module.GridSearchCV = GridSearchCV
    module.RandomizedSearchCV = RandomizedSearchCV
