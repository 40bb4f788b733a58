"""What is taken from the inside of scikit-learn, all in this file; checked with 1.5 to 1.9.

The searches of scikit-learn are made of these, and so is ours: the numbers, warnings and messages are then theirs to
the last bit and word.
"""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._search import BaseSearchCV, ParameterGrid, ParameterSampler
from sklearn.model_selection._validation import (
    _fit_and_score as fit_and_score,
)
from sklearn.model_selection._validation import (
    _insert_error_scores as insert_error_scores,
)
from sklearn.model_selection._validation import (
    _warn_or_raise_about_fit_failures as warn_or_raise_about_fit_failures,
)
from sklearn.utils.validation import _check_method_params as check_method_params

try:
    from sklearn.base import _fit_context as fit_context
except ImportError as error:  # pragma: no cover - older than 1.3
    raise ImportError("manyhands.sklearn needs scikit-learn 1.5 or newer: pip install -U scikit-learn") from error

__all__ = [
    "BaseSearchCV",
    "ParameterGrid",
    "ParameterSampler",
    "check_method_params",
    "constraints_of",
    "fit_and_score",
    "fit_context",
    "insert_error_scores",
    "scorer_names",
    "warn_or_raise_about_fit_failures",
]


def constraints_of(init: Callable[..., None], known: Mapping[str, Any]) -> dict[str, Any]:
    """What scikit-learn is to check of a constructor's arguments, in its own convention.

    Args:
        init: The constructor.
        known: What to check, by name. What it does not have is checked by others; what is no argument is left out.
    """
    names = [name for name in signature(init).parameters if name != "self"]
    return {name: known.get(name, "no_validation") for name in names}


def scorer_names(scorers: object) -> list[str]:
    """The names of several scorers in one; none for a single scorer, or a function."""
    return list(scorers._scorers) if isinstance(scorers, _MultimetricScorer) else []
