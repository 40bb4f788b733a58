"""Manyhands: distributed hyperparameter search that keeps every worker busy."""

from importlib import import_module

#: Public name -> the module it lives in. Loaded when first used: a worker process that imports this package, or a
#: script that only wants a parameter, should not pay for the rest.
_HOMES = {
    "tune": "api",
    "load_study": "api",
    "Study": "study",
    "Advice": "advice.base",
    "Float": "parameters",
    "Int": "parameters",
    "Choice": "parameters",
    "Normal": "parameters",
    "Space": "space",
    "Trial": "trial",
    "TrialState": "trial",
    "TrialHandle": "worker.handle",
    "GPSampler": "samplers.gp.sampler",
    "TPESampler": "samplers.tpe.sampler",
    "RandomSampler": "samplers.random",
    "GridSampler": "samplers.grid",
    "SobolSampler": "samplers.sobol",
    "ASHAScheduler": "schedulers.asha",
    "ASHAPromotionScheduler": "schedulers.promotion",
    "AutoScheduler": "schedulers.auto",
    "ForecastScheduler": "schedulers.forecast",
    "HyperbandScheduler": "schedulers.hyperband",
    "MedianScheduler": "schedulers.median",
    "PBTScheduler": "schedulers.pbt",
    "PB2Scheduler": "schedulers.pb2",
    "PatienceScheduler": "schedulers.patience",
    "ThresholdScheduler": "schedulers.threshold",
    "NoProgress": "rules.progress",
    "Target": "rules.target",
    "Budget": "rules.budget",
    "RegretBound": "rules.regret",
    "Processes": "executors.processes",
    "Inline": "executors.inline",
    "Remote": "executors.remote",
    "Spark": "executors.spark.executor",
    "Simulated": "executors.simulated",
    "Fault": "executors.simulated",
    "simulate": "simulation",
    "register_joblib": "joblib",
    "SqliteStore": "stores.sqlite",
    "MemoryStore": "stores.memory",
    "Tracker": "ports",
    "Sampler": "ports",
    "Scheduler": "ports",
    "Pause": "ports",
    "Resume": "ports",
    "Fork": "ports",
    "Wait": "ports",
    "StopRule": "ports",
    "ManyhandsError": "errors",
    "SpaceError": "errors",
    "SettingsError": "errors",
    "ObjectiveError": "errors",
    "PayloadError": "errors",
    "AllTrialsFailedError": "errors",
    "ExecutorError": "errors",
    "StoreError": "errors",
    "StudyNotFoundError": "errors",
    "StudyMismatchError": "errors",
    "StudyOwnedError": "errors",
    "NoResultError": "errors",
    "SearchEndedError": "errors",
    "TrialStopped": "errors",
}

__version__ = "0.1.0"
__all__ = [*_HOMES]

#: Packages of their own, for other libraries: ``mh.sklearn.SearchCV``.
_PACKAGES = ("callbacks", "sklearn")


def __getattr__(name: str) -> object:
    if name in _PACKAGES:
        return import_module(f"manyhands.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'manyhands' has no attribute {name!r}")
    value = getattr(import_module(f"manyhands.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_PACKAGES})
