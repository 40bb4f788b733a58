"""Every error Manyhands raises on purpose: what is wrong, what would be right, where to look."""


class ManyhandsError(Exception):
    """The root of all errors this library raises on purpose."""


class SpaceError(ManyhandsError, ValueError):
    """A search space, or a point given for one, makes no sense."""


class SettingsError(ManyhandsError, ValueError):
    """An argument has a value that cannot work."""


class ObjectiveError(ManyhandsError):
    """The objective cannot be used as it is, whatever the parameters."""


class PayloadError(ObjectiveError):
    """The objective, or something it refers to, cannot be sent to the workers."""


class AllTrialsFailedError(ManyhandsError):
    """Not one trial of the search has a value.

    Attributes:
        study: The study, with what each trial failed of.
    """

    study: object = None


class ExecutorError(ManyhandsError):
    """Workers cannot be started, or keep dying before they can do any work."""


class StoreError(ManyhandsError):
    """The store's file cannot be used: damaged, locked, full, or of another version."""


class StudyNotFoundError(StoreError, LookupError):
    """The store has no study of that name."""


class StudyMismatchError(StoreError, ValueError):
    """A stored study differs from the one asked for."""


class StudyOwnedError(StoreError):
    """Another driver owns the study, or has taken it over from this one."""


class TrialStopped(BaseException):
    """Leaves the objective when its trial was stopped from outside.

    Raised by ``trial.report`` once the search has decided that the trial need
    not go on. Like ``KeyboardInterrupt`` it is no ``Exception``, so that an
    ``except Exception`` in training code does not swallow it; ``finally``
    clauses and context managers run as usual.
    """


class NoResultError(ManyhandsError, ValueError):
    """A best trial was asked of a study that has none: no feasible one is finished, or there are several objectives."""


class SearchEndedError(ManyhandsError):
    """A trial was asked of a search that is over."""
