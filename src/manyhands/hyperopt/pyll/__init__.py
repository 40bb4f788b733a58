"""Lazy expressions on hyperparameters: arithmetic, calls, choices, computed when values are known."""

import manyhands.hyperopt.pyll.base as base
import manyhands.hyperopt.pyll.stochastic as stochastic
from manyhands.hyperopt.pyll.base import Apply, Literal, as_apply, clone, clone_merge, dfs, rec_eval, scope, toposort

__all__ = [
    "Apply",
    "Literal",
    "as_apply",
    "base",
    "clone",
    "clone_merge",
    "dfs",
    "rec_eval",
    "scope",
    "stochastic",
    "toposort",
]
