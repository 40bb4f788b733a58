"""Random search of 200 candidates in 5 folds of small fits, two at a time, and a directed search for the same score.

Both keep their workers from one search to the next: cold is the first search in a process, warm the second. Imports in
the main process are in nobody's time. When a directed search has the same score as the other is told twice: when it is
no less to the last bit, and when it is within 0.0001, a hundredth of what scores vary by between folds.
"""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.measuring import Figure, in_fresh_process, interleave, number, ratio, spread
from benchmarks.sklearn.problems import N_FOLDS, PROBLEMS

_JOBS = 2
_MOST = 1.15  # times what scikit-learn takes
_SAME = 1e-4  # of R squared


def measure(*, quick: bool) -> list[Figure]:
    """Each round has a fresh process for either side."""
    n_candidates, repeats = (10, 1) if quick else (200, 3)
    return [figure for name in PROBLEMS for figure in _of(name, n_candidates, repeats)]


def _of(name: str, n_candidates: int, repeats: int) -> list[Figure]:
    runs: dict[str, list[dict[str, Any]]] = {"theirs": [], "ours": []}

    def noted(side: str, run: dict[str, Any]) -> float:
        runs[side].append(run)
        return float(run["first"])

    interleave(
        {
            "theirs": lambda: noted("theirs", in_fresh_process(theirs, name, n_candidates, len(runs["theirs"]))),
            "ours": lambda: noted("ours", in_fresh_process(ours, name, n_candidates, len(runs["ours"]))),
        },
        repeats,
    )
    return _figures(name, runs["theirs"], runs["ours"], n_candidates)


def theirs(name: str, n_candidates: int, seed: int) -> dict[str, float]:
    """Two searches by ``RandomizedSearchCV``: their seconds, and the best score."""
    from sklearn.model_selection import RandomizedSearchCV

    problem = PROBLEMS[name]
    X, y = problem.load()  # noqa: N806
    search = RandomizedSearchCV(
        problem.estimator, problem.distributions, n_iter=n_candidates, cv=N_FOLDS, n_jobs=_JOBS, random_state=seed
    )
    times = [_seconds_of(search, X, y) for _ in range(2)]
    return {"first": times[0], "second": times[1], "score": float(search.best_score_), "busy": _busy(search)}


def ours(name: str, n_candidates: int, seed: int) -> dict[str, Any]:
    """Two random searches and a directed one by ``SearchCV``: seconds, and when which score was reached."""
    from manyhands.sklearn import SearchCV

    problem = PROBLEMS[name]
    X, y = problem.load()  # noqa: N806
    how = {"n_iter": n_candidates, "cv": N_FOLDS, "n_jobs": _JOBS, "random_state": seed}
    search = SearchCV(problem.estimator, problem.distributions, sampler="random", **how)
    times = [_seconds_of(search, X, y) for _ in range(2)]
    ready = min(trial.started_at for trial in search.study_.trials) - search.study_began
    directed = SearchCV(problem.estimator, problem.distributions, **how)
    called = time.time()
    whole = _seconds_of(directed, X, y)
    ended = [(trial.ended_at - called, trial.value) for trial in directed.study_.trials if trial.state == "finished"]
    return {
        "first": times[0],
        "second": times[1],
        "busy": _busy(search),
        "ready": ready,
        "directed": whole,
        "reached": sorted(ended),
    }


def _seconds_of(search: Any, X: Any, y: Any) -> float:  # noqa: N803
    search.study_began = time.time()
    began = time.perf_counter()
    search.fit(X, y)
    return time.perf_counter() - began


def _busy(search: Any) -> float:
    """Seconds in which fits and scores ran, shared out among the workers."""
    found = search.cv_results_
    return float(sum(found["mean_fit_time"] + found["mean_score_time"])) * N_FOLDS / _JOBS


def seconds_until(reached: Sequence[Sequence[float]], score: float, tolerance: float = 0.0) -> float:
    """When a search had that score, or one that is so much less; infinity if never."""
    return min((at for at, value in reached if value >= score - tolerance), default=float("inf"))


def _figures(name: str, peer: list[dict[str, Any]], own: list[dict[str, Any]], n_candidates: int) -> list[Figure]:
    cold, warm = ([run[key] for run in peer] for key in ("first", "second"))
    first, second, directed = ([run[key] for run in own] for key in ("first", "second", "directed"))
    exact, close = (
        [seconds_until(run["reached"], other["score"], by) for run, other in zip(own, peer, strict=True)]
        for by in (0, _SAME)
    )

    def note(times: Sequence[float], runs: list[dict[str, Any]]) -> str:
        fit_s = median(run["busy"] for run in runs) * _JOBS / N_FOLDS / n_candidates
        return f"{spread(times)}; a fit and its score take {number(1000 * fit_s)} ms"

    ready = f"{number(median(run['ready'] for run in own))} s until the first worker is there"
    return [
        Figure(f"{name}: random / RandomizedSearchCV, both cold", ratio(first, cold), "x", at_most=_MOST),
        Figure(f"{name}: random / RandomizedSearchCV, warm", ratio(second, warm), "x", at_most=_MOST),
        Figure(f"{name}: auto until its best score / all of it, warm", ratio(exact, warm), "x", at_most=1),
        Figure(
            f"{name}: auto until all but 0.0001 of that score / all of it, warm", ratio(close, warm), "x", at_most=1
        ),
        Figure(f"{name}: manyhands, random, first in its process", median(first), "s", note=spread(first)),
        Figure(f"{name}: manyhands, random, second", median(second), "s", note=f"{note(second, own)}; {ready}"),
        Figure(f"{name}: manyhands, auto", median(directed), "s", note=spread(directed)),
        Figure(f"{name}: RandomizedSearchCV, cold", median(cold), "s", ours=ratio(first, cold), note=spread(cold)),
        Figure(f"{name}: RandomizedSearchCV, warm", median(warm), "s", ours=ratio(second, warm), note=note(warm, peer)),
    ]
