"""The best candidates once more, on splits that did not choose them.

The best of many noisy means is best by luck in part, so its mean promises too much, and the more so the more candidates
there were ("winner's curse"; Cawley, Talbot 2010, https://jmlr.org/papers/v11/cawley10a.html). On fresh splits the luck
that lay in the splits is gone. What lay in the samples themselves is not: only data that the search never
saw tell that.
"""

from collections.abc import Sequence
from copy import copy
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, StratifiedKFold, check_cv
from sklearn.utils import check_random_state

from manyhands.api import tune
from manyhands.errors import AllTrialsFailedError, ObjectiveError, SettingsError
from manyhands.parameters import Choice
from manyhands.ports import Executor
from manyhands.samplers.listed import ListedSampler
from manyhands.sklearn.folds import FoldObjective
from manyhands.sklearn.records import Record, lost_record
from manyhands.sklearn.results import candidates_of
from manyhands.sklearn.stopping import FirstError
from manyhands.space import Space
from manyhands.study import Study
from manyhands.trial import Trial
from manyhands.worker.handle import TrialHandle

_REPEATS = 2  # of folds that are made here: there are few candidates, and each mean should be worth more than before


def fresh_splits(search: Any, X: Any, y: Any, split_params: dict[str, Any]) -> list[tuple[Any, Any]]:  # noqa: N803
    """The splits of the second scoring, as a search's settings have it; empty if there is none.

    Args:
        search: A ``SearchCV`` that has checked its ``cv``.
        X: Its samples.
        y: Its targets, or None.
        split_params: For the splitter.

    Raises:
        SettingsError: Its settings make no sense together; or see ``fresh_splitter``.
    """
    if not search.rescore_top:
        if search.rescore_cv is not None:
            raise SettingsError(f"rescore_cv={search.rescore_cv!r} is for the best candidates. Give rescore_top=, too.")
        return []
    if callable(search.refit):
        raise SettingsError(
            f"rescore_top={search.rescore_top} names the best candidate by its fresh scores, and so would the function "
            f"refit={search.refit!r}. Give one of the two."
        )
    seed = 0 if search.random_state is None and search.name is not None else search.random_state
    splitter = fresh_splitter(search.cv, search._checked_cv_orig, search.rescore_cv, seed)
    return list(splitter.split(X, y, **split_params))


def fresh_splitter(cv: Any, checked_cv: Any, rescore_cv: Any, random_state: Any) -> Any:
    """A splitter for the second scoring.

    Args:
        cv: What the search was given.
        checked_cv: The splitter that it stands for.
        rescore_cv: What the second scoring was given: a number of folds, which are shuffled, a splitter, an iterable of
            splits; or None, for the same kind as ``cv`` with another shuffle.
        random_state: Of the search.

    Raises:
        SettingsError: There is no other shuffle, and ``rescore_cv`` is not given.
    """
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    given = cv if rescore_cv is None else rescore_cv
    if given is None or isinstance(given, Integral):
        kind = RepeatedStratifiedKFold if isinstance(checked_cv, StratifiedKFold) else RepeatedKFold
        return kind(n_splits=5 if given is None else int(given), n_repeats=_REPEATS, random_state=seed)
    if rescore_cv is not None:
        return check_cv(rescore_cv)
    if not hasattr(cv, "random_state") or not getattr(cv, "shuffle", True):
        raise SettingsError(
            f"rescore_top needs splits other than those of cv={cv!r}, which has no shuffle to be changed. "
            "Give rescore_cv=, a splitter that is right for your data."
        )
    other = copy(cv)
    other.random_state = seed + 1 if seed == cv.random_state else seed
    return other


class RescoreObjective:
    """A candidate's score on a fresh fold.

    Args:
        objective: Of the search, on the fresh folds.
        candidates: Their parameters.
    """

    def __init__(self, objective: FoldObjective, candidates: Sequence[dict[str, Any]]):
        self._objective = objective
        self._candidates = list(candidates)
        self.__name__ = f"{objective.__name__} again"

    def __call__(self, params: Any, trial: TrialHandle) -> dict[str, Any]:
        """Fit and score on one fold."""
        return self._objective.of_fold(self._candidates[params["candidate"]], trial)


def rescore(
    objective: FoldObjective,
    candidates: Sequence[dict[str, Any]],
    n_splits: int,
    executor: Executor,
    error_score: Any,
    *,
    progress: bool = False,
) -> list[list[Record]]:
    """The records of all fresh folds of some candidates, shape (n_candidates, n_splits).

    Args:
        objective: Of the search, on the fresh folds.
        candidates: Their parameters.
        n_splits: How many fresh folds there are.
        executor: Runs them, each candidate on each fold as a task of its own.
        error_score: The score of what failed, or ``"raise"``.
        progress: Whether to show how it goes.

    Raises:
        Exception: What a fit raised, if ``error_score`` is ``"raise"``.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    first_error = FirstError(raises=error_score == "raise")
    space = Space({"candidate": Choice(list(range(len(candidates))))})
    points = [space.find({"candidate": i}) for i in range(len(candidates))]
    try:
        study = tune(
            RescoreObjective(objective, candidates),
            space,
            max_trials=len(candidates),
            direction="maximize",
            sampler=ListedSampler(points),
            executor=executor,
            stop=first_error,
            splits=n_splits,
            store=None,
            progress=progress,
        )
    except AllTrialsFailedError as error:
        if not isinstance(error.study, Study):
            raise
        study = error.study
    if study.was_interrupted:
        raise KeyboardInterrupt
    if first_error.trial is not None:
        _raise_again(first_error.trial, objective, candidates, n_splits)
    score = float("nan") if error_score == "raise" else float(error_score)
    found = candidates_of(study.trials, lambda trial: candidates[trial.id])
    return [
        [one.records.get(split) or lost_record(one.trial.reason, score, with_train=False) for split in range(n_splits)]
        for one in sorted(found, key=lambda one: one.trial.id)
    ]


def _raise_again(trial: Trial, objective: FoldObjective, candidates: Sequence[dict[str, Any]], n_splits: int) -> None:
    """Raise what a fit raised, here: workers send words, and no exceptions."""
    for split in range(n_splits):
        objective.fit_and_score(candidates[trial.id], split, trial.id)
    raise ObjectiveError(f"A candidate failed when it was scored again, because {trial.reason}.\n{trial.traceback}")


def best_by_rank(results: dict[str, Any], metric: str, k: int) -> list[int]:
    """The places of the k best candidates that have a score, the best first."""
    order = np.argsort(results[f"rank_test_{metric}"], kind="stable")
    return [int(i) for i in order if np.isfinite(results[f"mean_test_{metric}"][i])][:k]


def add_rescores(results: dict[str, Any], places: Sequence[int], rows: Sequence[Sequence[Record]]) -> None:
    """Put ``mean_rescore_<metric>`` and ``std_rescore_<metric>`` into the table; NaN for all other candidates."""
    for name in [key.removeprefix("mean_test_") for key in results if key.startswith("mean_test_")]:
        scores = np.array([[_score(record, name) for record in row] for row in rows])
        for kind, column in (("mean", scores.mean(axis=1)), ("std", scores.std(axis=1))):
            whole = np.full(len(results["params"]), np.nan)
            whole[list(places)] = column
            results[f"{kind}_rescore_{name}"] = whole


def _score(record: Record, name: str) -> float:
    scores = record.test_scores
    return scores.get(name, float("nan")) if isinstance(scores, dict) else scores
