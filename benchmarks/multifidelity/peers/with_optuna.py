"""Optuna: any of its samplers with any of its pruners, by ask-and-tell."""

import warnings
from typing import Any

import optuna

from benchmarks.multifidelity.tasks import N_EPOCHS
from benchmarks.multifidelity.world import Decision, Suggestion
from benchmarks.quality.peers.with_optuna import distribution
from manyhands import Space

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

_SETTINGS: dict[str, dict[str, Any]] = {"HyperbandPruner": {"max_resource": N_EPOCHS}}


class Optuna:
    """A study in memory, with the settings that samplers and pruners come with.

    Args:
        space: What is searched.
        seed: Of the sampler.
        workers: Of no interest to Optuna.
        sampler: A class of ``optuna.samplers``.
        pruner: A class of ``optuna.pruners``.
    """

    def __init__(self, space: Any, seed: int, workers: int, *, sampler: str, pruner: str):
        if sampler == "GPSampler":
            import torch

            torch.set_num_threads(1)
        self._distributions = {name: distribution(p) for name, p in Space(space).parameters.items()}
        self._study = optuna.create_study(
            sampler=getattr(optuna.samplers, sampler)(seed=seed),
            pruner=getattr(optuna.pruners, pruner)(**_SETTINGS.get(pruner, {})),
            study_name=f"{sampler}-{seed}",  # Hyperband takes a trial's bracket from it
        )
        self._trials: dict[int, optuna.Trial] = {}

    def suggest(self) -> Suggestion:
        """Ask for a trial."""
        trial = self._study.ask(self._distributions)
        self._trials[trial.number] = trial
        return Suggestion(trial.number, dict(trial.params))

    def report(self, trial: Any, epoch: int, loss: float) -> Decision:
        """Report, and ask the pruner."""
        self._trials[trial].report(loss, epoch)
        if epoch == N_EPOCHS or not self._trials[trial].should_prune():
            return Decision.GO_ON
        self._study.tell(self._trials.pop(trial), state=optuna.trial.TrialState.PRUNED)
        return Decision.STOP

    def finish(self, trial: Any, loss: float) -> None:
        """Tell the loss of the last epoch."""
        self._study.tell(self._trials.pop(trial), loss)
