"""scikit-learn: the search estimator people know, on every executor.

    from manyhands.sklearn import SearchCV

    search = SearchCV(RandomForestClassifier(), n_jobs=-1).fit(X, y)

Everything is loaded when it is first used: a worker needs only what fits and scores.
"""

from importlib import import_module

_HOMES = {
    "SearchCV": "search",
    "GridSearchCV": "familiar",
    "RandomizedSearchCV": "familiar",
    "default_space": "defaults",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'manyhands.sklearn' has no attribute {name!r}")
    value = getattr(import_module(f"manyhands.sklearn.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
