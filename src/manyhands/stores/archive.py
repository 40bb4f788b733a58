"""What a study looks up in its store, once its search is over or while it runs elsewhere."""

import os

from manyhands.ports import Store
from manyhands.stores.reading import load_log, load_reports
from manyhands.trial import Report


class StoredStudy:
    """A study in a file, which is opened for each question.

    Args:
        path: The file.
        name: The study's name.
    """

    def __init__(self, path: str | os.PathLike[str], name: str):
        self._path = path
        self._name = name

    def log(self, trial_id: int) -> str:
        """Everything the trial printed."""
        return load_log(self._path, self._name, trial_id)

    def reports_of(self, trial_id: int) -> list[Report]:
        """The trial's intermediate values."""
        return load_reports(self._path, self._name, trial_id)


class OpenStudy:
    """The study of a store that answers even after it was closed.

    Args:
        store: The store.
    """

    def __init__(self, store: Store):
        self._store = store

    def log(self, trial_id: int) -> str:
        """Everything the trial printed."""
        return self._store.log(trial_id)

    def reports_of(self, trial_id: int) -> list[Report]:
        """The trial's intermediate values."""
        return [report for part, report in self._store.reports() if part.trial_id == trial_id]
