"""``tpe.suggest``: tree-structured Parzen estimators, as in ``manyhands.samplers.tpe``."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from manyhands.hyperopt.documents import Document
from manyhands.hyperopt.proposing import propose
from manyhands.samplers import make_sampler
from manyhands.samplers.tpe.sampler import TPESampler

logger = logging.getLogger(__name__)

#: What Hyperopt's settings are there. Ours are found by the sampler itself, unless a script assigns others here.
_default_prior_weight = 1.0
_default_n_startup_jobs = _N_STARTUP = 20
_default_n_EI_candidates = _N_CANDIDATES = 24  # noqa: N816 - scripts know it by this name
_default_gamma = 0.25
_default_linear_forgetting = 25


def suggest(
    new_ids: Sequence[Any],
    domain: Any,
    trials: Any,
    seed: Any,
    prior_weight: float | None = None,
    n_startup_jobs: int | None = None,
    n_EI_candidates: int | None = None,  # noqa: N803
    gamma: float | None = None,
    verbose: bool = True,
) -> list[Document]:
    """Propose trials by tree-structured Parzen estimators.

    Args:
        new_ids: The new trials' ids.
        domain: What is searched.
        trials: What is known.
        seed: Of the search.
        prior_weight: Unused: how much the prior counts follows from how many trials there are.
        n_startup_jobs: After how many outcomes there is a model; 10 if not given.
        n_EI_candidates: How many candidates are compared, if more than the 64 that there are anyway.
        gamma: Unused: the share of trials that are taken for good ones is fixed.
        verbose: Unused.

    Returns:
        Trial documents.
    """
    n_startup_jobs = _assigned(n_startup_jobs, _default_n_startup_jobs, _N_STARTUP)
    n_EI_candidates = _assigned(n_EI_candidates, _default_n_EI_candidates, _N_CANDIDATES)  # noqa: N806
    n_startup = None if n_startup_jobs is None else max(1, int(n_startup_jobs))
    n_candidates = None if n_EI_candidates is None else int(n_EI_candidates)
    make = partial(_make, n_startup, n_candidates)
    return propose(new_ids, domain, trials, seed, make, ("tpe", n_startup, n_candidates))


def _make(n_startup: int | None, n_candidates: int | None) -> Any:
    if n_startup is None and n_candidates is None:
        return make_sampler("tpe")
    return TPESampler(n_startup=n_startup or 10, n_candidates=max(64, n_candidates or 64))


def _assigned(given: int | None, default: int, untouched: int) -> int | None:
    """A setting: as given, or as a script has assigned it to this module; None if neither."""
    return default if given is None and default != untouched else given
