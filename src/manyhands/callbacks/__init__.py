"""Callbacks that report how a training goes, for trainers that have a loop of their own.

Each is given the trial and the name of a metric, reports that metric as training goes on, and ends the training when
the search decided that the trial need not go on. A step is an epoch, a boosting round or an optimizer step that is
done, so the first one is 1. All other metrics that are there go along with the report.

A callback is loaded, with its library, when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from manyhands.callbacks.keras import KerasCallback
    from manyhands.callbacks.lightgbm import LightGBMCallback
    from manyhands.callbacks.lightning import LightningCallback
    from manyhands.callbacks.transformers import TransformersCallback
    from manyhands.callbacks.xgboost import XGBoostCallback

__all__ = ["KerasCallback", "LightGBMCallback", "LightningCallback", "TransformersCallback", "XGBoostCallback"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    home = import_module(f"{__name__}.{name.removesuffix('Callback').lower()}")
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
