"""A candidate in one piece: fitted on all folds with more and more of a resource, until a scheduler has seen enough."""

import inspect
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import sklearn
from msgspec import Struct
from msgspec.structs import replace
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning

from manyhands.sklearn.folds import FOLD, FoldObjective
from manyhands.sklearn.records import Record, record_of, unpacked
from manyhands.sklearn.stages import N_SAMPLES, PARTIAL_FIT, Stages
from manyhands.worker.handle import TrialHandle

#: The metric under which it is kept how much of the resource a candidate got.
N_RESOURCES = "n_resources"

#: Parameters of which scikit-learn's glossary says what they mean to an estimator that goes on (warm_start).
_CONTINUED = ("n_estimators", "max_iter")


class Progress(Struct, frozen=True):
    """How far a candidate has come.

    Attributes:
        amount: Of the resource; 0 before the first stage.
        records: Of all folds, at that amount.
        models: Of all folds, fitted; None for one that is fitted anew at each stage.
    """

    amount: int
    records: Sequence[Record]
    models: Sequence[Any]


class StagedObjective(FoldObjective):
    """The objective of a search with a scheduler: a candidate's mean score over all folds, stage by stage.

    Args:
        stages: How much of which resource.
        *args: As ``FoldObjective`` has them.
        **settings: The same.
    """

    def __init__(self, stages: Stages, *args: Any, **settings: Any):
        super().__init__(*args, **settings)
        self._stages = stages
        self._classes = None
        if stages.resource == PARTIAL_FIT and is_classifier(self._estimator):
            self._classes = np.unique(self._data.y)

    def __call__(self, params: Any, trial: TrialHandle) -> dict[str, Any]:
        """Go through the stages, and report each; see ``manyhands.tune`` for what is returned."""
        with sklearn.config_context(**self._config):
            reached = self._restored(trial)
            if reached.amount:  # it may have been lost before anybody heard of it
                self._report(trial, reached)
            for amount in self._stages.amounts:
                if amount > reached.amount:
                    reached = self._next(reached, params, amount, trial.id)
                    self._save(trial, reached)
                    self._report(trial, reached)
        return {**self.outcome(reached.records), **_kept(reached)}

    def fit_and_score(self, params: Any, split: int, candidate: int) -> Record:
        """Go through all stages on one fold, and return the last one's record; see ``FoldObjective``."""
        record, model = None, None
        for amount, before in zip(self._stages.amounts, (0, *self._stages.amounts), strict=False):
            record, model = self._fit(model, params, split, candidate, amount, before, record)
        assert record is not None  # noqa: S101 - there is one stage at least
        return record

    def on_splits(self, splits: Sequence[tuple[Any, Any]]) -> "StagedObjective":
        """The same on other folds, with all of the resource at once, for params as ``set_params`` takes them."""
        other = super().on_splits(splits)
        assert isinstance(other, StagedObjective)  # noqa: S101 - a copy of this one
        other._stages = Stages(self._stages.resource, self._stages.amounts[-1:])
        return other

    def works_on(self) -> dict[str, Any]:
        """What decides on a candidate's score; see ``FoldObjective``."""
        return {**super().works_on(), "resource": [self._stages.resource, *self._stages.amounts]}

    def refit(self, estimator: Any) -> None:
        """Fit an estimator on all data, with all of the resource."""
        most = self._stages.amounts[-1]
        if self._stages.is_parameter:
            estimator.set_params(**{self._stages.resource: most})
        if self._stages.resource != PARTIAL_FIT:
            super().refit(estimator)
            return
        estimator.fit = partial(_passes, estimator, most, self._classes)
        try:
            super().refit(estimator)
        finally:
            del estimator.fit

    # -- stages ------------------------------------------------------------------------------------------------

    def _next(self, reached: Progress, params: Any, amount: int, candidate: int) -> Progress:
        pairs = [
            self._fit(reached.models[split], params, split, candidate, amount, reached.amount, reached.records[split])
            for split in range(len(self._data.splits))
        ]
        return Progress(amount, [record for record, _ in pairs], [model for _, model in pairs])

    def _fit(
        self, model: Any, params: Any, split: int, candidate: int, amount: int, before: int, last: Record | None
    ) -> tuple[Record, Any]:
        """Fit on one fold with some amount of the resource; return the record, and the model if it can go on."""
        with warnings.catch_warnings():
            if amount < self._stages.amounts[-1]:
                warnings.simplefilter("ignore", ConvergenceWarning)  # it is not meant to converge yet
            warnings.filterwarnings("ignore", "class_weight presets")  # the data are the same at each stage
            if self._stages.resource == N_SAMPLES:
                return self._fit_on_samples(params, split, candidate, amount), None
            if self._stages.resource == PARTIAL_FIT:
                found = self._fit_passes(model, params, split, candidate, amount - (before if model is not None else 0))
            else:
                found = self._fit_with_parameter(model, params, split, candidate, amount, before)
        record = record_of(found)
        if model is not None and last is not None:
            record = replace(record, fit_time=record.fit_time + last.fit_time)
        return record, None if record.error else found.get("estimator")

    def _fit_on_samples(self, params: Any, split: int, candidate: int, amount: int) -> Record:
        train = self._stages.training_part(split, self._data.splits[split][0], amount)
        estimator, parameters = self.prepared(params)
        return record_of(self.run(estimator, parameters, split, candidate, train))

    def _fit_passes(self, model: Any, params: Any, split: int, candidate: int, n: int) -> dict[str, Any]:
        """Let ``fit`` be some passes of ``partial_fit`` for once, and all else be as ever."""
        estimator, parameters = self.prepared(params) if model is None else (model, {})
        estimator.fit = partial(_passes, estimator, n, self._classes)
        try:
            return self.run(estimator, parameters, split, candidate, return_estimator=True)
        finally:
            del estimator.fit

    def _fit_with_parameter(
        self, model: Any, params: Any, split: int, candidate: int, amount: int, before: int
    ) -> dict[str, Any]:
        resource = self._stages.resource
        if model is not None:
            more = amount if _counts_all(model, resource) else amount - before
            return self.run(model, {resource: more}, split, candidate, return_estimator=True)
        estimator, parameters = self.prepared(params)
        parameters = {**parameters, resource: amount}
        switch = _warm_start(estimator, parameters, resource)
        if switch is None or amount == self._stages.amounts[-1]:  # there is nothing to go on to
            return self.run(estimator, parameters, split, candidate)
        return self.run(estimator, {**parameters, switch: True}, split, candidate, return_estimator=True)

    # -- what others hear --------------------------------------------------------------------------------------

    def _restored(self, trial: TrialHandle) -> Progress:
        n = len(self._data.splits)
        found = trial.restore()
        if found is None:
            return Progress(0, [None] * n, [None] * n)  # type: ignore[list-item]
        return Progress(found["amount"], [unpacked(record) for record in found["records"]], found["models"])

    def _save(self, trial: TrialHandle, reached: Progress) -> None:
        if reached.amount == self._stages.amounts[-1]:
            return
        records = [record.packed() for record in reached.records]
        try:
            trial.save({"amount": reached.amount, "records": records, "models": list(reached.models)})
        except OSError:
            raise
        except Exception:  # a model that cannot be pickled; a trial that is interrupted then begins anew
            return

    def _report(self, trial: TrialHandle, reached: Progress) -> None:
        trial.report(self.outcome(reached.records).get("value", np.nan), step=reached.amount, **_kept(reached))


def _kept(reached: Progress) -> dict[str, Any]:
    """The metrics of a candidate: the records of all folds, and how much of the resource it got."""
    packed = [{"split": split, **record.packed()} for split, record in enumerate(reached.records)]
    return {FOLD: packed, N_RESOURCES: reached.amount}


def _passes(estimator: Any, n: int, classes: Any, X: Any, y: Any = None, **fit_params: Any) -> Any:  # noqa: N803
    """Pass over the data so many times."""
    targets = () if y is None else (y,)
    if classes is not None and "classes" in inspect.signature(estimator.partial_fit).parameters:
        fit_params = {**fit_params, "classes": classes}
    for _ in range(n):
        estimator.partial_fit(X, *targets, **fit_params)
    return estimator


def _warm_start(estimator: Any, parameters: dict[str, Any], resource: str) -> str | None:
    """The parameter that lets an estimator go on from its last fit; None if there is none, or the space sets it."""
    path, _, name = resource.rpartition("__")
    switch = f"{path}__warm_start" if path else "warm_start"
    if name not in _CONTINUED or switch in parameters:
        return None
    # Steps of a pipeline may be searched, too.
    settled = clone(estimator).set_params(**clone(parameters, safe=False)).get_params()
    ignores_it = settled.get(f"{path}__solver" if path else "solver") == "liblinear"
    return switch if switch in settled and not ignores_it else None


def _counts_all(estimator: Any, resource: str) -> bool:
    """Whether a warm start takes the resource for all of it, as ensembles do, or for what comes on top."""
    path, _, name = resource.rpartition("__")
    owner = estimator.get_params()[path] if path else estimator
    return name == "n_estimators" or ".ensemble." in type(owner).__module__
