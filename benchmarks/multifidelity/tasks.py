"""What is tuned: neural networks on data sets of LCBench, whose curves of 52 epochs are known to a surrogate.

See ``benchmarks.quality.lcbench`` for where the surrogates are.
"""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np

import manyhands as mh
from benchmarks.multifidelity.world import Curve
from benchmarks.quality import lcbench

N_EPOCHS = 52
#: The budget of every search, in full trainings of mean length.
N_FULL_TRAININGS = 100
_N_FOR_MEAN = 2000  # random configurations whose seconds make the mean


class Task:
    """One data set.

    Args:
        instance: Its number in LCBench.

    Raises:
        LookupError: There is no such data set.
        SuiteMissingError: The surrogates, or what they need, are not here.
    """

    def __init__(self, instance: str):
        self.instance = instance
        self._surrogates = _surrogates()
        try:
            self._surrogate = self._surrogates.LCBench(instance)
        except KeyError:
            raise LookupError(
                f"LCBench has no data set {instance!r}; those to develop on are {', '.join(dev_instances())}."
            ) from None
        self._curves: dict[tuple[float, ...], Curve] = {}

    @property
    def space(self) -> dict[str, mh.Float | mh.Int]:
        """Its parameters, as ``mh.tune`` takes them."""
        return {spec["name"]: _parameter(spec) for spec in self._surrogate.space}

    def curve(self, params: Mapping[str, float]) -> Curve:
        """The curve of a configuration: losses in percent, seconds of the machine that made the data."""
        key = tuple(params.values())
        if key not in self._curves:
            losses, seconds = self._surrogate.curve(params)
            self._curves[key] = Curve(losses.astype(float), seconds.astype(float))
        return self._curves[key]

    @cached_property
    def budget_s(self) -> float:
        """Seconds of all workers together: 100 full trainings of random configurations."""
        rng = np.random.default_rng(0)
        configs = [self._surrogates.random_config(self._surrogate.space, rng) for _ in range(_N_FOR_MEAN)]
        seconds = self._surrogate.query(configs, [N_EPOCHS] * _N_FOR_MEAN)[:, 0]
        return N_FULL_TRAININGS * float(np.mean(np.maximum(seconds, 1e-3)))

    @property
    def reference(self) -> tuple[float, float]:
        """The best and the median loss after 52 epochs of many random configurations."""
        best, median = self._surrogate.reference()
        return best, median


@cache
def task(instance: str) -> Task:
    """The data set of that number; it keeps the curves that were asked for."""
    return Task(instance)


def dev_instances() -> Sequence[str]:
    """The data sets that there are to develop on.

    Raises:
        SuiteMissingError: The surrogates, or what they need, are not here.
    """
    return tuple(_surrogates().DEV_INSTANCES)


@cache
def _surrogates() -> Any:
    return lcbench.load()


def _parameter(spec: Mapping[str, Any]) -> mh.Float | mh.Int:
    kind = mh.Int if spec["type"] == "int" else mh.Float
    return kind(spec["low"], spec["high"], log=spec["log"])
