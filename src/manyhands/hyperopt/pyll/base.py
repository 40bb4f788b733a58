"""Expressions, under the names that scripts import from here."""

from manyhands.hyperopt.pyll.evaluate import (
    GarbageCollected,
    UndefinedValue,
    clone,
    clone_merge,
    dfs,
    rec_eval,
    toposort,
)
from manyhands.hyperopt.pyll.functions import Lambda, bincount, p0, partial
from manyhands.hyperopt.pyll.nodes import (
    Apply,
    Literal,
    MissingArgument,
    PyllImportError,
    SymbolTable,
    SymbolTableEntry,
    apply,
    as_apply,
    scope,
)

__all__ = [
    "Apply",
    "GarbageCollected",
    "Lambda",
    "Literal",
    "MissingArgument",
    "PyllImportError",
    "SymbolTable",
    "SymbolTableEntry",
    "UndefinedValue",
    "apply",
    "as_apply",
    "bincount",
    "clone",
    "clone_merge",
    "dfs",
    "p0",
    "partial",
    "rec_eval",
    "scope",
    "toposort",
]
