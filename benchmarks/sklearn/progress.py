"""How a search came on: a scorer that notes each fit's score and time, whoever calls it, and what follows from that."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple


class Progress(NamedTuple):
    """A search that is over.

    Attributes:
        seconds: What it took, the fit of the winner on all samples included.
        n_fits: How many fits were scored.
        steps: Seconds, and the best mean over all folds by then, each time that it rose.
        best: The last of these means.
        held_out: The winner's F1 on samples that no search has seen.
    """

    seconds: float
    n_fits: int
    steps: Sequence[Sequence[float]]
    best: float
    held_out: float

    def at(self, seconds: float) -> float:
        """The best mean after so many seconds; 0 before there is any."""
        return max((best for at, best in self.steps if at <= seconds), default=0.0)

    def until(self, best: float) -> float:
        """Seconds until a mean so good was there, to within rounding; infinity if never."""
        return min((at for at, reached in self.steps if reached >= best - 1e-12), default=float("inf"))


def noting_scorer(folder: str, names: Sequence[str]) -> Callable[[Any, Any, Any], float]:
    """F1, noted in a file of the process that computes it.

    Args:
        folder: Where the files are; on this machine.
        names: Of the parameters that tell candidates apart.
    """

    # A function within a function travels by value: Spark's workers cannot import this module.
    def score(estimator: Any, X: Any, y: Any) -> float:  # noqa: N803
        from sklearn.metrics import f1_score

        found = float(f1_score(y, estimator.predict(X), zero_division=0))
        params = estimator.get_params()
        line = json.dumps([time.time(), [float(params[name]) for name in names], found])
        with Path(folder, str(os.getpid())).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return found

    return score


def steps_of(folder: str, n_folds: int, began: float) -> tuple[int, list[tuple[float, float]]]:
    """How many fits were noted, and when the best mean over all folds rose, to what; in seconds since ``began``."""
    lines = [json.loads(line) for path in Path(folder).iterdir() for line in path.read_text("utf-8").splitlines()]
    scores: dict[tuple[float, ...], list[float]] = defaultdict(list)
    steps: list[tuple[float, float]] = []
    for at, params, score in sorted(lines):
        known = scores[tuple(params)]
        known.append(score)
        if len(known) == n_folds and (not steps or fmean(known) > steps[-1][1]):
            steps.append((at - began, fmean(known)))
    return len(lines), steps
