"""What a search works on, in a few short texts: only with the same is a stored study gone on with."""

from collections.abc import Mapping
from typing import Any

import joblib

from manyhands.sklearn.threads import is_thread_setting

_NO_MATTER = ("verbose", "memory")  # to what comes of an estimator's fit


def fingerprint(things: Mapping[str, Any]) -> dict[str, str]:
    """A short text for each thing, by the same name; the same things have the same texts in another process.

    Of the estimator the class and the parameters count, but for the number of threads, the cache, and how much it says.
    What cannot be pickled by name, such as a lambda as a scorer, has no text, as nobody could tell whether it is the
    same. It takes about 2 s for each GB.
    """
    found = {name: _hash(_described(thing) if name == "estimator" else thing) for name, thing in things.items()}
    return {name: text for name, text in found.items() if text}


def _described(thing: Any) -> Any:
    """An estimator as its class and parameters, whichever version of scikit-learn it is of."""
    if isinstance(thing, dict):
        return {key: _described(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [_described(item) for item in thing]
    if not hasattr(thing, "get_params") or isinstance(thing, type):
        return thing
    params = thing.get_params(deep=False)
    kept = {name: _described(params[name]) for name in params if name not in _NO_MATTER and not is_thread_setting(name)}
    return [f"{type(thing).__module__}.{type(thing).__qualname__}", kept]


def _hash(thing: Any) -> str:
    try:
        return str(joblib.hash(thing))
    except Exception:  # pickling may raise anything
        return ""
