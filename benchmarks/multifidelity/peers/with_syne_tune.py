"""Syne Tune's schedulers, called as its tuner calls them.

Version 0.16 has stopping only; promotion and the models of curves were in it up to 0.14, as ``legacy_baselines``.
"""

import logging
from datetime import datetime
from importlib import import_module
from typing import Any, ClassVar

from syne_tune import config_space as domains  # type: ignore[import-not-found]
from syne_tune.backend.trial_status import Trial  # type: ignore[import-not-found]
from syne_tune.optimizer.scheduler import SchedulerDecision  # type: ignore[import-not-found]

from benchmarks.multifidelity.tasks import N_EPOCHS
from benchmarks.multifidelity.world import Decision, Suggestion
from manyhands import Float, Int, Space

_LOSS, _EPOCH = "loss", "epoch"
_DECISIONS = {
    SchedulerDecision.CONTINUE: Decision.GO_ON,
    SchedulerDecision.STOP: Decision.STOP,
    SchedulerDecision.PAUSE: Decision.PAUSE,
}
_WHEN = datetime(2000, 1, 1)  # nobody looks at a trial's time of creation


class SyneTune:
    """A scheduler of ``syne_tune.optimizer.baselines``.

    Args:
        space: What is searched.
        seed: Of the scheduler.
        workers: Of no interest.
        kind: The name of its class.
        settings: What it is given besides.
    """

    _HOME = "syne_tune.optimizer.baselines"
    _OWN_SETTINGS: ClassVar[dict[str, Any]] = {"time_attr": _EPOCH, "do_minimize": True}

    def __init__(self, space: Any, seed: int, workers: int, *, kind: str, **settings: Any):
        logging.getLogger("syne_tune").setLevel(logging.ERROR)
        self._scheduler = getattr(import_module(self._HOME), kind)(
            translated(space),
            metric=_LOSS,
            max_t=N_EPOCHS,
            random_seed=seed,
            **self._OWN_SETTINGS,
            **settings,
        )
        self._trials: dict[int, Trial] = {}
        self._n_begun = 0

    def suggest(self) -> Suggestion | None:
        """Ask for a new trial, or one to go on."""
        suggestion = self._ask()
        if suggestion is None:
            return None
        if not suggestion.spawn_new_trial_id:
            return Suggestion(suggestion.checkpoint_trial_id)
        trial = Trial(self._n_begun, suggestion.config, _WHEN)
        self._n_begun += 1
        self._trials[trial.trial_id] = trial
        self._scheduler.on_trial_add(trial)
        return Suggestion(trial.trial_id, dict(suggestion.config))

    def report(self, trial: Any, epoch: int, loss: float) -> Decision:
        """Pass the report on; who leaves is taken from the scheduler, as the tuner does it."""
        subject, result = self._trials[trial], {_LOSS: loss, _EPOCH: epoch}
        decision = _DECISIONS[self._scheduler.on_trial_result(subject, result)]
        if decision is not Decision.GO_ON:
            self._scheduler.on_trial_remove(subject)
            if decision is Decision.STOP:
                del self._trials[trial]
        return decision

    def finish(self, trial: Any, loss: float) -> None:
        """Tell of the end, if the scheduler has not stopped the trial at its last epoch."""
        if trial in self._trials:
            self._scheduler.on_trial_complete(self._trials.pop(trial), {_LOSS: loss, _EPOCH: N_EPOCHS})

    def _ask(self) -> Any:
        return self._scheduler.suggest()


class LegacySyneTune(SyneTune):
    """A scheduler of ``syne_tune.optimizer.legacy_baselines``, up to version 0.14."""

    _HOME = "syne_tune.optimizer.legacy_baselines"
    _OWN_SETTINGS: ClassVar[dict[str, Any]] = {
        "resource_attr": _EPOCH,
        "mode": "min",
        "search_options": {"debug_log": False},
    }

    def _ask(self) -> Any:
        return self._scheduler.suggest(self._n_begun)


def translated(space: Any) -> dict[str, Any]:
    """The space as Syne Tune knows it; it has to be flat."""
    return {name: _domain(parameter) for name, parameter in Space(space).parameters.items()}


def _domain(parameter: Any) -> Any:
    match parameter:
        case Float(step=None):
            return (domains.loguniform if parameter.log else domains.uniform)(parameter.low, parameter.high)
        case Int(step=1):
            return (domains.lograndint if parameter.log else domains.randint)(parameter.low, parameter.high)
    raise NotImplementedError(f"{parameter!r} has not been translated for Syne Tune")
