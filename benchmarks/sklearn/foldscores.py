"""What each candidate of a case scores on each fold, and how long that takes: fitted once, whoever asks how often."""

import json
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sklearn.metrics import get_scorer

from benchmarks.sklearn.cases import SOURCES, Case, material_of, model_of

_FOLDER = Path(__file__).parent / ".results"


class Fit(NamedTuple):
    """One fit.

    Attributes:
        score: On what it was not fitted on.
        seconds: What fitting and scoring took.
    """

    score: float
    seconds: float


class FoldScores:
    """The scores of a case, kept in a file between runs.

    Args:
        case: Which.
        folder: Where the file is.
    """

    def __init__(self, case: Case, folder: Path = _FOLDER):
        self._case = case
        self._material = material_of(case)
        self._scorer = get_scorer(SOURCES[case.source].scoring)
        self._path = folder / f"{case.source}-{case.model}-{case.n_folds}-{case.seed}.json".replace(" ", "-")
        self._fits: dict[str, Fit] = {}
        if self._path.exists():
            found = json.loads(self._path.read_text(encoding="utf-8"))
            self._fits = {key: Fit(*fit) for key, fit in found.items()}
        self._n_known = len(self._fits)

    def fold(self, params: Mapping[str, Any], split: int) -> Fit:
        """A candidate on a fold."""
        train, test = self._material.splits[split]
        X, y = self._material.X, self._material.y  # noqa: N806
        return self._fit(params, str(split), (X[train], y[train]), (X[test], y[test]))

    def held_out(self, params: Mapping[str, Any]) -> float:
        """A candidate, fitted on all that searches see, on what they do not see."""
        return self._fit(params, "held out", (self._material.X, self._material.y), self._material.held_out).score

    def mean(self, params: Mapping[str, Any]) -> float:
        """A candidate over all folds."""
        return sum(self.fold(params, split).score for split in range(self._case.n_folds)) / self._case.n_folds

    def save(self) -> None:
        """Keep what is new for the next run."""
        if len(self._fits) == self._n_known:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        ignore = self._path.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        new = self._path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(self._fits), encoding="utf-8")
        new.replace(self._path)
        self._n_known = len(self._fits)

    def _fit(self, params: Mapping[str, Any], where: str, train: tuple[Any, Any], test: tuple[Any, Any]) -> Fit:
        key = json.dumps([sorted(params.items()), where])
        if key not in self._fits:
            estimator = model_of(self._case).make().set_params(**params)
            began = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of candidates that do not converge; they are poor ones, and count
                score = float(self._scorer(estimator.fit(*train), *test))
            self._fits[key] = Fit(score, time.perf_counter() - began)
        return self._fits[key]
