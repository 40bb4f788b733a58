"""``anneal.suggest``: simulated annealing."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from manyhands.hyperopt import rand
from manyhands.hyperopt.annealing import AnnealSampler
from manyhands.hyperopt.documents import STATUS_OK, Document
from manyhands.hyperopt.proposing import propose


def suggest(
    new_ids: Sequence[Any],
    domain: Any,
    trials: Any,
    seed: Any,
    avg_best_idx: float = 2.0,
    shrink_coef: float = 0.1,
) -> list[Document]:
    """Propose trials near good ones; as long as no trial has a result, as ``rand.suggest`` does.

    Args:
        new_ids: The new trials' ids.
        domain: What is searched.
        trials: What is known.
        seed: Of the search.
        avg_best_idx: Near which trial on average, the best one being the first.
        shrink_coef: How fast neighbourhoods shrink.

    Returns:
        Trial documents.
    """
    if not any(result["status"] == STATUS_OK for result in trials.results):
        return rand.suggest(new_ids, domain, trials, seed)
    make = partial(AnnealSampler, avg_best_idx, shrink_coef)
    return propose(new_ids, domain, trials, seed, make, ("anneal", avg_best_idx, shrink_coef))
