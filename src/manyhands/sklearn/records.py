"""What came of one candidate on one fold: as scikit-learn has it, and as a message and a store can hold it."""

import math
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

#: One scorer's number, or the numbers of several by their names.
Scores = float | dict[str, float]

_NOT_FINITE = ("nan", "inf", "-inf")


class Record(Struct, frozen=True):
    """One fit and its scores.

    Attributes:
        test_scores: On the fold's test samples.
        train_scores: On its training samples; None if nobody asked.
        n_test_samples: How many test samples there are.
        fit_time: Seconds.
        score_time: Seconds.
        error: The traceback of a fit that failed; empty if it did not.
    """

    test_scores: Scores
    train_scores: Scores | None = None
    n_test_samples: int = 0
    fit_time: float = 0.0
    score_time: float = 0.0
    error: str = ""

    def packed(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        return {
            "test": _pack(self.test_scores),
            "train": _pack(self.train_scores),
            "n_test": self.n_test_samples,
            "fit_time": self.fit_time,
            "score_time": self.score_time,
            "error": self.error,
        }

    def as_dict(self) -> dict[str, Any]:
        """The same as scikit-learn's own functions take it."""
        found = {
            "fit_error": self.error or None,
            "test_scores": self.test_scores,
            "n_test_samples": self.n_test_samples,
            "fit_time": self.fit_time,
            "score_time": self.score_time,
        }
        return found if self.train_scores is None else {**found, "train_scores": self.train_scores}


def record_of(out: Mapping[str, Any]) -> Record:
    """The record that is in what scikit-learn's ``_fit_and_score`` returned."""
    return Record(
        test_scores=_read(out["test_scores"]),
        train_scores=_read(out["train_scores"]) if "train_scores" in out else None,
        n_test_samples=int(out["n_test_samples"]),
        fit_time=float(out["fit_time"]),
        score_time=float(out["score_time"]),
        error=out["fit_error"] or "",
    )


def unpacked(packed: Mapping[str, Any]) -> Record:
    """Inverse to ``Record.packed``."""
    return Record(
        _read(packed["test"]),
        None if packed["train"] is None else _read(packed["train"]),
        packed["n_test"],
        packed["fit_time"],
        packed["score_time"],
        packed["error"],
    )


def lost_record(reason: str, scores: Scores, *, with_train: bool) -> Record:
    """That of a fold whose worker was lost."""
    return Record(scores, scores if with_train else None, error=reason)


def _pack(scores: Scores | None) -> Any:
    if isinstance(scores, dict):
        return {name: _pack(score) for name, score in scores.items()}
    return scores if scores is None or math.isfinite(scores) else str(scores)


def _read(scores: Any) -> Scores:
    if isinstance(scores, Mapping):
        return {str(name): float(score) for name, score in scores.items()}
    return float(scores)
