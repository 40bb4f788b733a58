"""``atpe.suggest``: an algorithm that adapts itself to the search, which is what ``"auto"`` does, without LightGBM."""

from collections.abc import Sequence
from typing import Any

from manyhands.hyperopt.documents import Document
from manyhands.hyperopt.proposing import propose
from manyhands.samplers import make_sampler


def suggest(new_ids: Sequence[Any], domain: Any, trials: Any, seed: Any) -> list[Document]:
    """Propose trials by the method that suits the search as it stands.

    Args:
        new_ids: The new trials' ids.
        domain: What is searched.
        trials: What is known.
        seed: Of the search.

    Returns:
        Trial documents.
    """
    return propose(new_ids, domain, trials, seed, lambda: make_sampler("auto"), "atpe")
