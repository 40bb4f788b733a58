"""``anneal.suggest``: where scripts ask for simulated annealing, they get tree-structured Parzen estimators.

Both propose points near good ones, from a neighbourhood that shrinks; these also learn how wide it should be.
"""

from collections.abc import Sequence
from typing import Any

from manyhands.hyperopt.documents import Document
from manyhands.hyperopt.proposing import propose
from manyhands.samplers import make_sampler


def suggest(
    new_ids: Sequence[Any],
    domain: Any,
    trials: Any,
    seed: Any,
    avg_best_idx: float = 2.0,
    shrink_coef: float = 0.1,
) -> list[Document]:
    """Propose trials near good ones.

    Args:
        new_ids: The new trials' ids.
        domain: What is searched.
        trials: What is known.
        seed: Of the search.
        avg_best_idx: Unused: which trials are good ones follows from their number.
        shrink_coef: Unused: how wide a neighbourhood is follows from where the good ones lie.

    Returns:
        Trial documents.
    """
    return propose(new_ids, domain, trials, seed, lambda: make_sampler("tpe"), "anneal")
