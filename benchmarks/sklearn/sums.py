"""An estimator that costs next to nothing, and notes what memory its process has before and in each fit."""

import gc
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin


class ColumnSums(RegressorMixin, BaseEstimator):
    """Predicts zeros, once it has touched all samples.

    A search sets parameters when a task begins, before it makes its slices; what a process has then is what it has
    between tasks.

    Args:
        folder: Where each process has a file of notes.
        shift: Searched.
    """

    def __init__(self, folder: str = "", shift: float = 0.0):
        self.folder = folder
        self.shift = shift

    def set_params(self, **params: Any) -> "ColumnSums":
        """As of any estimator; a note is taken."""
        super().set_params(**params)
        if self.folder:
            note(self.folder, "between")
        return self

    def fit(self, X: Any, y: Any) -> "ColumnSums":  # noqa: N803
        """Touch all samples."""
        self.sums_ = np.asarray(X).sum(axis=0) + self.shift
        note(self.folder, "within")
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Zeros."""
        return np.zeros(len(X))


def note(folder: str, moment: str) -> None:
    """Add to this process's notes what memory it has now."""
    gc.collect()
    line = json.dumps({"moment": moment, "pid": os.getpid(), **memory()})
    with Path(folder, str(os.getpid())).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def notes(folder: str) -> list[dict[str, Any]]:
    """All notes of all processes, in the order of each."""
    return [json.loads(line) for path in Path(folder).iterdir() for line in path.read_text("utf-8").splitlines()]


def memory() -> dict[str, int]:
    """Bytes that are this process's alone (``unique``), and those that no file holds (``anonymous``)."""
    found = _table("/proc/self/smaps_rollup")
    anonymous = _table("/proc/self/status")["RssAnon"]
    return {"unique": 1024 * (found["Private_Clean"] + found["Private_Dirty"]), "anonymous": 1024 * anonymous}


def _table(path: str) -> dict[str, int]:
    lines = Path(path).read_text(encoding="ascii").splitlines()
    pairs = [line.split(":") for line in lines if line.endswith(" kB")]
    return {name: int(rest.split()[0]) for name, rest in pairs if " " not in name}
