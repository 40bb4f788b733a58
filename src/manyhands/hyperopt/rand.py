"""Random search: the same seed gives the same points as in Hyperopt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from manyhands.hyperopt.graph import SpaceGraph


def suggest(new_ids: Sequence[int], domain: Any, trials: Any, seed: Any) -> list[Any]:
    """Propose a trial, drawn at random, for each id.

    Args:
        new_ids: Ids of the trials.
        domain: What is searched.
        trials: What was tried; only makes the documents.
        seed: An int, or whatever else ``numpy.random.default_rng`` takes.

    Returns:
        Trial documents.
    """
    rng = np.random.default_rng(seed)
    graph = getattr(domain, "graph", None) or SpaceGraph(domain.expr)
    docs: list[Any] = []
    for tid in new_ids:
        vals = graph.draw(rng)
        misc = {
            "tid": tid,
            "cmd": domain.cmd,
            "workdir": domain.workdir,
            "idxs": {label: [tid] if label in vals else [] for label in graph.nodes},
            "vals": {label: [vals[label]] if label in vals else [] for label in graph.nodes},
        }
        docs.extend(trials.new_trial_docs([tid], [None], [domain.new_result()], [misc]))
    return docs
