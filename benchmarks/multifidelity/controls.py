"""Simple rules that every scheduler has to beat. All of them try the same random configurations, in the same order."""

import heapq
import math
from collections.abc import Hashable
from typing import Any

import manyhands as mh
from benchmarks.multifidelity.tasks import N_EPOCHS
from benchmarks.multifidelity.world import Decision, Suggestion

_N_FIRST = 150  # 3 % of the epochs of the budget


class RandomConfigs:
    """The configurations that our random sampler draws.

    Args:
        space: What is searched.
        seed: Of the sampler.
    """

    def __init__(self, space: Any, seed: int):
        self._study = mh.Study(space, sampler="random", seed=seed)

    def new(self) -> Suggestion:
        """The next one, as a new trial."""
        trial = self._study.ask()
        return Suggestion(trial.id, trial.params)


class ManyOnceThenBest:
    """One epoch for many configurations, and then the best of them in full, one after another.

    150 configurations have their first epoch, and some 97 of them can go on; what was best after it goes on first.

    Args:
        space: What is searched.
        seed: Of the random configurations.
        workers: Of no interest.
    """

    def __init__(self, space: Any, seed: int, workers: int):
        self._configs = RandomConfigs(space, seed)
        self._n_left = _N_FIRST
        self._paused: list[tuple[float, int]] = []

    def suggest(self) -> Suggestion | None:
        """A new configuration as long as there should be some, then the best that is paused."""
        if self._n_left:
            self._n_left -= 1
            return self._configs.new()
        return Suggestion(heapq.heappop(self._paused)[1]) if self._paused else None

    def report(self, trial: Any, epoch: int, loss: float) -> Decision:
        """Pause after the first epoch."""
        if epoch > 1:
            return Decision.GO_ON
        heapq.heappush(self._paused, (loss, trial))
        return Decision.PAUSE

    def finish(self, trial: Hashable, loss: float) -> None:
        """Nothing to learn."""


class HalvingInStages:
    """Successive halving as it was first described: each stage begins when all trials of the last one have ended.

    81 configurations have 1 epoch; the best third of them goes on to 3, of these the best third to 9, then to 27 and 52
    epochs. Then the next 81 begin. Free workers wait for the end of the stage.

    Args:
        space: What is searched.
        seed: Of the random configurations.
        workers: Of no interest.
    """

    _SIZE = 81
    _REDUCTION = 3

    def __init__(self, space: Any, seed: int, workers: int):
        self._configs = RandomConfigs(space, seed)
        self._begin()

    def _begin(self) -> None:
        self._epochs = 1  # at which the stage ends
        self._n_new = self._n_open = self._SIZE
        self._to_resume: list[Any] = []
        self._results: list[tuple[float, int]] = []

    def suggest(self) -> Suggestion | None:
        """A trial of this stage; None if all have begun."""
        if self._n_new:
            self._n_new -= 1
            return self._configs.new()
        return Suggestion(self._to_resume.pop()) if self._to_resume else None

    def report(self, trial: Any, epoch: int, loss: float) -> Decision:
        """Pause at the end of the stage; the last of them begins the next one."""
        if epoch < self._epochs:
            return Decision.GO_ON
        heapq.heappush(self._results, (loss if math.isfinite(loss) else math.inf, trial))
        self._n_open -= 1
        if not self._n_open:
            self._end_stage()
        return Decision.PAUSE

    def finish(self, trial: Hashable, loss: float) -> None:
        """Its report was all there was to learn."""

    def _end_stage(self) -> None:
        n_best = len(self._results) // self._REDUCTION
        if self._epochs == N_EPOCHS or not n_best:
            self._begin()
            return
        self._to_resume = [trial for _, trial in heapq.nsmallest(n_best, self._results)][::-1]
        self._n_open = n_best
        self._results = []
        self._epochs = min(self._epochs * self._REDUCTION, N_EPOCHS)
