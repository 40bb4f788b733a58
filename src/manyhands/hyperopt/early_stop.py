"""Reasons to end a search, for ``fmin(early_stop_fn=...)``: functions of the trials that say whether to stop."""

import datetime
import logging
import math
from collections.abc import Callable
from typing import Any

from manyhands.hyperopt.documents import JOB_STATE_DONE, STATUS_OK, Document

logger = logging.getLogger(__name__)


def no_progress_loss(
    iteration_stop_count: int = 20, percent_increase: float = 0.0
) -> Callable[..., tuple[bool, list[Any]]]:
    """Stop when so many trials in a row brought no lower loss.

    A trial that failed, raised or has no number for a loss brought none. The first trial is one of them, too.

    Args:
        iteration_stop_count: How many trials.
        percent_increase: By how many percent of the best loss another one has to be lower to count.
    """

    def stop(trials: Any, best_loss: float | None = None, iteration_no_progress: int = 0) -> tuple[bool, list[Any]]:
        if getattr(trials, "asynchronous", False):
            # Trials end in any order, some between two calls and none between two others: so all are looked at.
            losses = [_loss(doc) for doc in _by_end(trials.trials)]
            best_loss, iteration_no_progress = None, 0
        elif best_loss is None and iteration_no_progress == 0:
            losses = [_lowest(trials.trials)]
        else:
            losses = [_loss(trials.trials[-1]) if trials.trials else None]
        for loss in losses:
            best_loss, iteration_no_progress = _step(best_loss, iteration_no_progress, loss, percent_increase)
        if iteration_no_progress:
            logger.debug(
                "No progress made: %d of %d trials; best loss %s.",
                iteration_no_progress,
                iteration_stop_count,
                best_loss,
            )
        return iteration_no_progress >= iteration_stop_count, [best_loss, iteration_no_progress]

    return stop


def _step(best: float | None, count: int, loss: float | None, percent: float) -> tuple[float | None, int]:
    if best is None:
        return loss, (0 if loss is not None and count else count + 1)
    if loss is not None and loss < best - abs(best * percent / 100):
        return loss, 0
    return best, count + 1


def _loss(doc: Document) -> float | None:
    result = doc["result"]
    loss = result.get("loss")
    if result.get("status") != STATUS_OK or loss is None or math.isnan(loss):
        return None
    return float(loss)


def _lowest(docs: list[Document]) -> float | None:
    return min((loss for loss in map(_loss, docs) if loss is not None), default=None)


def _by_end(docs: list[Document]) -> list[Document]:
    done = [doc for doc in docs if doc["state"] == JOB_STATE_DONE]
    return sorted(done, key=lambda doc: doc["refresh_time"] or datetime.datetime.min)
