"""From a study's trials to what scikit-learn's ``cv_results_`` is made of."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from manyhands.sklearn.folds import FOLD
from manyhands.sklearn.records import Record, Scores, lost_record, unpacked
from manyhands.trial import Trial, TrialState


class Candidate(Struct, frozen=True):
    """A candidate and what came of it.

    Attributes:
        trial: Its trial.
        params: As ``set_params`` takes them.
        records: Of the folds that were run.
    """

    trial: Trial
    params: dict[str, Any]
    records: dict[int, Record]


def candidates_of(trials: Sequence[Trial], params_of: Callable[[Trial], dict[str, Any]]) -> list[Candidate]:
    """The candidates that have an outcome, in the order in which they were proposed.

    Args:
        trials: Of the study.
        params_of: What ``set_params`` takes for a trial.
    """
    ended = [trial for trial in trials if trial.state.is_end]
    return [Candidate(trial, params_of(trial), _records(trial)) for trial in ended]


def _records(trial: Trial) -> dict[int, Record]:
    packed = trial.metrics.get(FOLD, [])
    return {int(one["split"]): unpacked(one) for one in packed}


def whole(candidates: Sequence[Candidate], n_splits: int, metric: str | None, error_score: float) -> list[list[Record]]:
    """The records of all folds of all candidates, shape (n_candidates, n_splits).

    A fold that was left out, as its candidate would hardly have become the best, gets the scores that make the
    candidate's mean what it probably would have been: those of the best candidate in that fold, and as much worse as
    the candidate was in its other folds. A fold whose worker was lost gets ``error_score``.

    Args:
        candidates: At least one.
        n_splits: How many folds there are.
        metric: Which of several scores decided what was left out; None if there is one.
        error_score: Of failed fits.
    """
    complete = [c for c in candidates if len(c.records) == n_splits and c.trial.state is TrialState.FINISHED]
    best = max(complete, key=lambda c: c.trial.value if c.trial.value is not None else -math.inf, default=None)
    with_train = any(record.train_scores is not None for c in candidates for record in c.records.values())
    rows = []
    for candidate in candidates:
        records = dict(candidate.records)
        missing = [split for split in range(n_splits) if split not in records]
        if missing and records and best is not None and candidate.trial.state is TrialState.STOPPED:
            records |= _imagined(candidate, best, missing, metric)
        for split in missing:
            if split not in records:
                records[split] = lost_record(_error_of(candidate), error_score, with_train=with_train)
        rows.append([records[split] for split in range(n_splits)])
    return rows


def _error_of(candidate: Candidate) -> str:
    """What is to be said of a fold that has no record: what another one failed of, or why there is none at all."""
    if candidate.records:
        return next((record.error for record in candidate.records.values() if record.error), "")
    return candidate.trial.traceback or candidate.trial.reason


def n_splits_run(candidates: Sequence[Candidate]) -> list[int]:
    """How many folds of each candidate were run."""
    return [len(candidate.records) for candidate in candidates]


def blank_what_was_not_run(results: dict[str, Any], candidates: Sequence[Candidate], n_splits: int) -> None:
    """Put NaN in the place of each fold's score that was only imagined."""
    for split in range(n_splits):
        left_out = np.array([split not in candidate.records for candidate in candidates])
        stopped = np.array([candidate.trial.state is TrialState.STOPPED for candidate in candidates])
        for key, column in results.items():
            if key.startswith((f"split{split}_test_", f"split{split}_train_")):
                results[key] = np.where(left_out & stopped, np.nan, column)


def _imagined(candidate: Candidate, best: Candidate, missing: Sequence[int], metric: str | None) -> dict[int, Record]:
    ran = candidate.records
    times = fmean(r.fit_time for r in ran.values()), fmean(r.score_time for r in ran.values())

    def shift(part: str, name: str | None) -> float:
        mine = [_score(getattr(record, part), name) for record in ran.values()]
        if part == "test_scores" and name == metric and candidate.trial.value is not None:
            rest = [_score(best.records[split].test_scores, name) for split in missing]
            n = len(mine) + len(rest)
            return (candidate.trial.value * n - math.fsum(mine) - math.fsum(rest)) / len(rest)
        return fmean(mine) - fmean(_score(getattr(best.records[split], part), name) for split in ran)

    def scores(part: str, split: int) -> Scores | None:
        found = getattr(best.records[split], part)
        if found is None:
            return None
        if isinstance(found, Mapping):
            return {name: score + shift(part, name) for name, score in found.items()}
        return float(found + shift(part, None))

    return {
        split: replace(
            best.records[split],
            test_scores=scores("test_scores", split),
            train_scores=scores("train_scores", split),
            fit_time=times[0],
            score_time=times[1],
        )
        for split in missing
    }


def _score(scores: Any, name: str | None) -> float:
    return float(scores if name is None else scores[name])
