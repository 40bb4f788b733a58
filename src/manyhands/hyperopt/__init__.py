"""Hyperopt's interface on Manyhands' engine: scripts run with one import changed.

    import manyhands.hyperopt as hyperopt
    from manyhands.hyperopt import STATUS_OK, Trials, fmin, hp, tpe

Everything is loaded when it is first used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_HOMES = {
    "FMinIter": "fmin",
    "fmin_pass_expr_memo_ctrl": "fmin",
    "partial": "fmin",
    "space_eval": "pyll_utils",
    "load_trials": "saving",
    "to_space": "convert",
    "SparkTrials": "spark",
    "ProcessTrials": "processes",
    **dict.fromkeys(("Ctrl", "Domain", "Trials", "trials_from_docs"), "base"),
    **dict.fromkeys(("JOB_STATES", "JOB_STATE_NEW", "JOB_STATE_RUNNING", "JOB_STATE_DONE", "JOB_STATE_ERROR"), "base"),
    **dict.fromkeys(("STATUS_STRINGS", "STATUS_NEW", "STATUS_RUNNING", "STATUS_SUSPENDED"), "base"),
    **dict.fromkeys(("STATUS_OK", "STATUS_FAIL"), "base"),
}

_MODULES = {"anneal", "atpe", "base", "early_stop", "exceptions", "hp", "mix", "mongoexp", "plotting", "progress"} | {
    *("pyll", "pyll_utils", "rand", "spark", "tpe", "utils"),
}

__all__ = ["fmin", *_HOMES, *sorted(_MODULES)]


class _Package(ModuleType):
    """This package, in which ``fmin`` is a function and a module at once.

    Scripts say both ``hyperopt.fmin(...)`` and ``from hyperopt.fmin import ...``. As an attribute it is the function,
    also after the import system has put the module there.
    """

    @property
    def fmin(self) -> Any:
        return import_module("manyhands.hyperopt.fmin").fmin

    @fmin.setter
    def fmin(self, module: object) -> None:
        """Leave it as it is."""


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"manyhands.hyperopt.{name}")
    if name == "__version__":
        from manyhands import __version__

        return __version__
    if name not in _HOMES:
        raise AttributeError(f"module 'manyhands.hyperopt' has no attribute {name!r}")
    value = getattr(import_module(f"manyhands.hyperopt.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
