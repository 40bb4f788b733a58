"""Our own searches: ``mh.simulate``, so the real driver, search, sampler and scheduler, in virtual time."""

import importlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import manyhands as mh
from benchmarks.multifidelity.tasks import N_EPOCHS, Task
from benchmarks.multifidelity.world import Told, Trace
from manyhands.schedulers import registry
from manyhands.trial import TrialState

PREFIX = "mh:"
#: Sampler and scheduler; those whose scheduler is not in this version are left out.
_KNOWN = (
    "random",
    "auto",
    "random+asha",
    "random+asha-promotion",
    "auto+asha",
    "auto+asha-promotion",
    "auto+hyperband",
    "auto+median",
    "auto+auto",
)


def names() -> list[str]:
    """What is compared if nothing else is said: ``"mh:SAMPLER"`` or ``"mh:SAMPLER+SCHEDULER"``."""
    return [PREFIX + name for name in _KNOWN if "+" not in name or name.partition("+")[2] in registry.NAMES]


def search(name: str, task: Task, *, workers: int, seed: int) -> Trace:
    """Search a task until the budget is spent.

    Args:
        name: As in ``names``; in the place of the scheduler's name there may be ``module:Class`` or ``module:function``
            of one without arguments.
        task: What is searched.
        workers: How many there are.
        seed: Of the sampler.
    """
    sampler, _, scheduler = name.removeprefix(PREFIX).partition("+")
    training = _Training(task)
    began = time.process_time()
    study = mh.simulate(
        training,
        task.space,
        workers=workers,
        timeout_s=task.budget_s / workers,
        sampler=sampler,
        scheduler=_scheduler(scheduler),
        seed=seed,
    )
    took_s = time.process_time() - began - training.queried_s
    reports = [report for trial in study.trials for report in study.reports(trial)]
    return Trace(
        reports=sorted(Told(report.at, math.inf if report.value is None else report.value) for report in reports),
        n_trials=len(study.trials),
        n_finished=sum(trial.state is TrialState.FINISHED for trial in study.trials),
        busy_s=sum(report.metrics["seconds"] for report in reports),
        thinks_s=took_s,
    )


class _Training:
    """The simulated objective: goes through a curve, from its checkpoint on if it has one.

    Args:
        task: Whose curves these are.

    Attributes:
        queried_s: Seconds that looking the curves up took.
    """

    def __init__(self, task: Task):
        self._task = task
        self.queried_s = 0.0

    def __call__(self, params: Any, trial: Any) -> Iterator[tuple[Any, ...]]:
        """One report for each epoch, which is its step."""
        began = time.process_time()
        curve = self._task.curve(params)
        self.queried_s += time.process_time() - began
        for epoch in range(trial.restore(0) + 1, len(curve.losses) + 1):
            trial.save(epoch)
            takes_s = curve.epoch_s(epoch)
            yield takes_s, float(curve.losses[epoch - 1]), {"step": epoch, "seconds": takes_s}


def _scheduler(name: str) -> Any:
    if ":" in name:
        module, _, kind = name.partition(":")
        return getattr(importlib.import_module(module), kind)()
    known: dict[str, Callable[[], Any]] = {
        "": lambda: None,
        "hyperband": lambda: mh.HyperbandScheduler(max_steps=N_EPOCHS),  # it is made for 81 otherwise
    }
    return known.get(name, lambda: name)()
