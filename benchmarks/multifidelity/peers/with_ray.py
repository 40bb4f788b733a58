"""Ray Tune's asynchronous successive halving, called as its controller calls it; no cluster is started."""

import os
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")

from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler  # type: ignore[import-not-found]

from benchmarks.multifidelity.controls import RandomConfigs
from benchmarks.multifidelity.tasks import N_EPOCHS
from benchmarks.multifidelity.world import Decision, Suggestion


@dataclass(frozen=True)
class _Trial:
    """All that the scheduler looks at."""

    trial_id: str


class Ray:
    """``AsyncHyperBandScheduler`` with the settings it comes with, on random configurations.

    Args:
        space: What is searched.
        seed: Of the random configurations.
        workers: Of no interest.
    """

    def __init__(self, space: Any, seed: int, workers: int):
        self._configs = RandomConfigs(space, seed)
        self._scheduler = AsyncHyperBandScheduler(metric="loss", mode="min", max_t=N_EPOCHS)

    def suggest(self) -> Suggestion:
        """A new configuration."""
        suggestion = self._configs.new()
        self._scheduler.on_trial_add(None, _of(suggestion.trial))
        return suggestion

    def report(self, trial: Any, epoch: int, loss: float) -> Decision:
        """Pass the report on."""
        result = {"loss": loss, "training_iteration": epoch}
        if self._scheduler.on_trial_result(None, _of(trial), result) != TrialScheduler.STOP:
            return Decision.GO_ON
        self._scheduler.on_trial_remove(None, _of(trial))
        return Decision.STOP

    def finish(self, trial: Any, loss: float) -> None:
        """Nothing: the scheduler has stopped it at its last epoch."""


def _of(trial: Any) -> _Trial:
    return _Trial(str(trial))
