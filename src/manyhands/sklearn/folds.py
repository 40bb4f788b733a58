"""What a worker does for a search: fit one candidate on one fold, and score it there."""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import sklearn
from sklearn.base import clone

from manyhands.sklearn.groups import flatten
from manyhands.sklearn.records import Record, record_of
from manyhands.sklearn.threads import within_cores, worker_cores
from manyhands.sklearn.upstream import fit_and_score
from manyhands.worker.handle import TrialHandle

#: The metric under which a fold's record travels; over all folds of a candidate the list of them.
FOLD = "fold"


class Data:
    """What all candidates are fitted and scored on; one copy for each machine.

    Attributes:
        X: The samples.
        y: The targets, or None.
        splits: For each fold the indices of its training and its test samples.
        fit_params: For the estimator's ``fit``.
        score_params: For the scorer.
    """

    def __init__(
        self,
        X: Any,  # noqa: N803 - what scikit-learn calls it
        y: Any,
        splits: Sequence[tuple[Any, Any]],
        fit_params: Mapping[str, Any],
        score_params: Mapping[str, Any],
    ):
        self.X = X
        self.y = y
        self.splits = splits
        self.fit_params = fit_params
        self.score_params = score_params


class FoldObjective:
    """The objective of a search: a candidate's score on the fold that the trial's split says.

    Args:
        estimator: Not fitted; each fit has a clone.
        data: To fit and score on.
        scorer: One of scikit-learn's, or a function that returns a number or a dict of them.
        metrics: Which of the scorer's dict is optimised, one or several; empty if it returns a number, or for the first
            of its dict.
        in_worker: Whether this runs on a worker, whose cores a fit must keep to.
        is_flat: Whether params are what ``set_params`` takes; else they are made that.
        options: ``return_train_score``, ``error_score`` and ``verbose``, as scikit-learn's searches have them.
        n_candidates: How many there will be, if that is known.
        of_evaluation: Gives what scikit-learn's callbacks need of each evaluation, if they are to hear of it; see
            ``hooks``.
    """

    def __init__(
        self,
        estimator: Any,
        data: Data,
        scorer: Callable[..., Any],
        *,
        metrics: Sequence[str] = (),
        in_worker: bool = True,
        is_flat: bool = False,
        options: Mapping[str, Any],
        n_candidates: int | None = None,
        of_evaluation: Callable[[], dict[str, Any]] | None = None,
    ):
        self._estimator = estimator
        self._data = data
        self._scorer = scorer
        self._metrics = tuple(metrics)
        self._in_worker = in_worker
        self._is_flat = is_flat
        self._options = dict(options)
        self._n_candidates = n_candidates
        self._of_evaluation = of_evaluation
        self._config = sklearn.get_config()  # a worker has another process's
        self.__name__ = type(estimator).__name__  # what the study is called, if nobody says

    def __call__(self, params: Any, trial: TrialHandle) -> dict[str, Any]:
        """Fit and score; see ``manyhands.tune`` for what is returned."""
        return self.of_fold(params, trial)

    def of_fold(self, params: Any, trial: TrialHandle) -> dict[str, Any]:
        """Fit and score on the fold that the trial's split says."""
        with sklearn.config_context(**self._config):
            found = self.fit_and_score(params, trial.split, trial.id)
        return {**self.outcome([found]), FOLD: {"split": trial.split, **found.packed()}}

    def fit_and_score(self, params: Any, split: int, candidate: int) -> Record:
        """Fit a candidate on a fold, and score it there.

        Raises:
            Exception: What the estimator raises, if ``error_score`` is ``"raise"``; and what setting its parameters
                raises in any case.
        """
        estimator, parameters = self.prepared(params)
        return record_of(self.run(estimator, parameters, split, candidate))

    def works_on(self) -> dict[str, Any]:
        """What decides on a candidate's score, beside its parameters and the scorer; by names for people."""
        data = self._data
        return {
            "estimator": self._estimator,
            "X": data.X,
            "y": data.y,
            "folds": data.splits,
            "parameters of fit": data.fit_params,
            "parameters of score": data.score_params,
            "return_train_score": self._options.get("return_train_score"),
            "error_score": self._options.get("error_score"),
            "optimised scores": self._metrics,
        }

    def prepared(self, params: Any) -> tuple[Any, dict[str, Any]]:
        """A new estimator, and the parameters of a candidate to set on it."""
        estimator, parameters = clone(self._estimator), self.flat(params)
        if self._in_worker:
            estimator, parameters = within_cores(estimator, parameters, worker_cores())
        return estimator, parameters

    def run(
        self, estimator: Any, parameters: dict[str, Any], split: int, candidate: int, train: Any = None, **options: Any
    ) -> dict[str, Any]:
        """What scikit-learn's ``_fit_and_score`` returns for an estimator on a fold.

        Args:
            estimator: Is fitted.
            parameters: To set on it.
            split: The fold.
            candidate: Its number, for messages.
            train: What to fit on in the place of the fold's training samples.
            **options: For ``_fit_and_score``.
        """
        data = self._data
        whole, test = data.splits[split]
        progress = None if self._n_candidates is None else (candidate, self._n_candidates)
        found: dict[str, Any] = fit_and_score(
            estimator,
            data.X,
            data.y,
            scorer=self._scorer,
            train=whole if train is None else train,
            test=test,
            parameters=parameters,
            fit_params=data.fit_params,
            score_params=data.score_params,
            split_progress=(split, len(data.splits)),
            candidate_progress=progress,
            return_n_test_samples=True,
            return_times=True,
            **self._options,
            **options,
            **({} if self._of_evaluation is None else self._of_evaluation()),
        )
        return found

    def on_splits(self, splits: Sequence[tuple[Any, Any]]) -> "FoldObjective":
        """The same on other folds, for params as ``set_params`` takes them."""
        data = self._data
        other = copy(self)
        other._data = Data(data.X, data.y, splits, data.fit_params, data.score_params)
        other._is_flat = True
        other._n_candidates = None
        other._of_evaluation = None
        return other

    @property
    def n_objectives(self) -> int:
        """How many scores are optimised."""
        return max(1, len(self._metrics))

    def refit(self, estimator: Any) -> None:
        """Fit an estimator on all data."""
        targets = () if self._data.y is None else (self._data.y,)
        estimator.fit(self._data.X, *targets, **self._data.fit_params)

    def flat(self, params: Any) -> dict[str, Any]:
        """A trial's params as ``set_params`` takes them."""
        return params if self._is_flat else flatten(params, self._estimator)

    def outcome(self, records: Sequence[Record]) -> dict[str, Any]:
        """What the search is to optimise: the mean over some folds, or that it cannot be told."""
        values = [self._values(record) for record in records]
        means = [math.fsum(column) / len(column) for column in zip(*values, strict=True)]
        if not all(map(math.isfinite, means)):
            error = next((record.error for record in records if record.error), "")
            return {"failed": _last_line(error) or f"its score is {means[0]}"}
        return {"value": means[0]} if len(means) == 1 else {"values": means}

    def _values(self, record: Record) -> list[float]:
        scores = record.test_scores
        if not isinstance(scores, dict):
            return [float(scores)] * max(1, len(self._metrics))
        return [float(scores.get(name, math.nan)) for name in self._metrics or list(scores)[:1]]


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
