"""Stands in for what Hyperopt's own tests import and is none of its interface: tests that use it are skipped.

It is copied to ``conftest.py`` beside them.
"""

import importlib
import sys
import types

import pytest

#: Internals, by module.
INTERNALS = {
    "tpe": ["GMM1", "GMM1_lpdf", "LGMM1", "LGMM1_lpdf", "adaptive_parzen_normal_orig"],
    "pyll_utils": ["EQ", "expr_to_config", "validate_distribution_range"],
}
CONSTANTS = {"tpe": {"_default_gamma": 0.25, "_default_prior_weight": 1.0, "_default_n_EI_candidates": 24}}
ALGORITHMS = ["anneal", "atpe", "tpe"]


def skipping(reason):
    def skip(*args, **kwargs):
        pytest.skip(reason)

    return skip


def ours(name):
    """Our module, or where there is none, one whose algorithm skips the test."""
    full = f"hyperopt.{name}"
    if full not in sys.modules:
        module = types.ModuleType(full)
        module.suggest = skipping(f"missing: {name}.suggest")
        sys.modules[full] = module
        setattr(importlib.import_module("hyperopt"), name, module)
    return sys.modules[full]


def pytest_configure():
    importlib.import_module("hyperopt")
    for name in ALGORITHMS:
        ours(name)
    for name, internals in INTERNALS.items():
        for internal in internals:
            if not hasattr(ours(name), internal):
                setattr(ours(name), internal, skipping(f"internal: {name}.{internal}"))
    for name, constants in CONSTANTS.items():
        for constant, value in constants.items():
            if not hasattr(ours(name), constant):
                setattr(ours(name), constant, value)
