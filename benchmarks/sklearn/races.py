"""One search in simulated time, on scores that are known, with a rule that leaves folds out."""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import manyhands as mh
from benchmarks.sklearn.cases import Case, space_of
from benchmarks.sklearn.foldscores import FoldScores
from benchmarks.sklearn.rules import in_force


class Outcome(NamedTuple):
    """What came of a search.

    Attributes:
        params: Of the best candidate.
        mean: Its mean over all folds.
        held_out: Its score on samples that no search has seen.
        n_fits: How many fits were begun.
        seconds: Until the last of them was over.
        means: Of every candidate, in the order in which they were proposed; over the folds that were run.
    """

    params: dict[str, Any]
    mean: float
    held_out: float
    n_fits: int
    seconds: float
    means: Sequence[float]

    def best_after(self, n_fits: int, n_folds: int) -> float:
        """The best mean of the candidates that so many fits were enough for, if nothing is left out; at least one."""
        return max(self.means[: max(1, n_fits // n_folds)])


def race(case: Case, scores: FoldScores, rule: str, sampler: str, *, n_candidates: int, n_workers: int = 1) -> Outcome:
    """Search.

    Args:
        case: What.
        scores: Of its candidates.
        rule: The name of a rule.
        sampler: Who proposes candidates.
        n_candidates: How many.
        n_workers: How many fits at a time. A simulated one takes as long as the real one took.
    """
    n_fits = 0

    def objective(params: dict[str, Any], trial: Any) -> Generator[tuple[float, None], None, float]:
        nonlocal n_fits
        n_fits += 1
        fit = scores.fold(params, trial.split)
        yield fit.seconds, None
        return fit.score

    with in_force(rule) as races:
        study = mh.tune(
            objective,
            space_of(case),
            max_trials=n_candidates,
            direction="maximize",
            sampler=sampler,
            seed=case.seed,
            splits=case.n_folds,
            racing=races,
            executor=mh.Simulated(n_workers),
            store=None,
            progress=False,
        )
    best = study.best_trial
    ended = [trial for trial in study.trials if trial.value is not None]
    return Outcome(
        params=best.params,
        mean=scores.mean(best.params),
        held_out=scores.held_out(best.params),
        n_fits=n_fits,
        seconds=max(trial.ended_at or 0.0 for trial in ended),
        means=[trial.value for trial in ended if trial.value is not None],
    )
