"""Several algorithms in one search, each taking its turn by chance."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def suggest(
    new_ids: list[Any], domain: Any, trials: Any, seed: Any, p_suggest: Sequence[tuple[float, Callable[..., Any]]]
) -> Any:
    """Propose trials by one of several algorithms, drawn anew each time.

        fmin(..., algo=partial(mix.suggest, p_suggest=[(0.2, rand.suggest), (0.8, tpe.suggest)]))

    Args:
        new_ids: The new trials' ids.
        domain: What is searched.
        trials: What is known.
        seed: Of the draw, and of the algorithm.
        p_suggest: Pairs of a probability and an algorithm.

    Raises:
        ValueError: The probabilities do not sum to 1.
    """
    chances = [chance for chance, _ in p_suggest]
    if not np.isclose(sum(chances), 1.0):
        raise ValueError("Probabilities should sum to 1", chances)
    rng = np.random.default_rng(seed)
    turn = int(rng.multinomial(1, chances).argmax())
    return p_suggest[turn][1](new_ids, domain, trials, seed=int(rng.integers(2**31)))
