"""The seeds of an algorithm's proposals."""

import os
from typing import Any

import numpy as np

_BOUND = 2**31 - 1


class Seeds:
    """Draws a seed for each call of an algorithm.

    Whoever goes on with a search and gives the same state again would have the same seeds, and the same trials, again.
    So the seeds of a search are kept with its trials, and those that a former run drew are left out at the beginning.

    Args:
        rstate: A NumPy Generator; or a RandomState, or a whole number to seed a Generator with. By default a number in
            the environment's ``HYPEROPT_FMIN_SEED``, or chance.
        used: The seeds of former runs; those of this one are added.

    Raises:
        TypeError: ``rstate`` is something else.
    """

    def __init__(self, rstate: Any, used: list[int]) -> None:
        self._rng = _generator(rstate)
        self._used = used
        self._former = set(used)

    def next(self) -> int:
        """The next seed."""
        seed = self._draw()
        for _ in range(len(self._former)):
            if seed not in self._former:
                break
            seed = self._draw()
        self._former = set()  # only the beginning can be a repetition; later on it is chance
        self._used.append(seed)
        return seed

    def _draw(self) -> int:
        if isinstance(self._rng, np.random.RandomState):
            return int(self._rng.randint(_BOUND))
        return int(self._rng.integers(_BOUND))


def _generator(rstate: Any) -> Any:
    if rstate is None:
        seed = os.environ.get("HYPEROPT_FMIN_SEED", "")
        return np.random.default_rng(int(seed) if seed else None)
    if isinstance(rstate, int | np.integer) and not isinstance(rstate, bool):
        return np.random.default_rng(int(rstate))
    if hasattr(rstate, "integers") or isinstance(rstate, np.random.RandomState):
        return rstate
    raise TypeError(
        f"rstate={rstate!r} has to be None, a whole number, or NumPy's Generator: numpy.random.default_rng(seed)."
    )
