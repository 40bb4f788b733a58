"""The schedulers by name, each loaded when it is first made."""

from importlib import import_module

from manyhands.ports import Scheduler

_HOMES = {
    "auto": ("auto", "AutoScheduler"),
    "forecast": ("forecast", "ForecastScheduler"),
    "median": ("median", "MedianScheduler"),
    "asha": ("asha", "ASHAScheduler"),
    "asha-promotion": ("promotion", "ASHAPromotionScheduler"),
    "hyperband": ("hyperband", "HyperbandScheduler"),
    "pbt": ("pbt", "PBTScheduler"),
    "pb2": ("pb2", "PB2Scheduler"),
}
NAMES = tuple(_HOMES)


def make(name: str) -> Scheduler:
    """A new scheduler of one of ``NAMES``."""
    module, kind = _HOMES[name]
    scheduler: Scheduler = getattr(import_module(f"manyhands.schedulers.{module}"), kind)()
    return scheduler
