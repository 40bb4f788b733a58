"""One search: every epoch that was trained in it, what it cost, and the model that came of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import manyhands as mh
from benchmarks.earlystopping.digits import SPACE, make_objective
from manyhands.schedulers import make_scheduler


class Epoch(NamedTuple):
    """One epoch of a trial.

    Attributes:
        trial: Whose.
        attempt: The trial's, from 1: one more each time that it goes on after a pause.
        step: Which of its epochs, from 1.
        accuracy: On the validation set, after it.
        cost_s: Seconds of CPU.
        at: When it was over; seconds since 1970.
    """

    trial: int
    attempt: int
    step: int
    accuracy: float
    cost_s: float
    at: float


class Run(NamedTuple):
    """A search that is over.

    Attributes:
        epochs: All that were trained, in the order in which they were over.
        valid: The validation accuracy of the best model that was trained to its end.
        test: The same model's test accuracy, which nobody searched for.
        states: How many trials ended in which state.
        n_told: How often the scheduler said that a trial should leave, to stop or to pause.
        n_late: How many epochs came after that in their attempt.
    """

    epochs: Sequence[Epoch]
    valid: float
    test: float
    states: Mapping[str, int]
    n_told: int = 0
    n_late: int = 0

    @property
    def n_epochs(self) -> int:
        """What the search cost, in epochs."""
        return len(self.epochs)

    @property
    def cpu_s(self) -> float:
        """What it cost in seconds of CPU."""
        return sum(epoch.cost_s for epoch in self.epochs)

    @property
    def n_again(self) -> int:
        """How many epochs were trained that the same trial had been through before."""
        return len(self.epochs) - len({(epoch.trial, epoch.step) for epoch in self.epochs})

    def reached(self, n_epochs: float) -> float:
        """The best validation accuracy of any model, when so many epochs were trained; all, if there are fewer."""
        return max(epoch.accuracy for epoch in self.epochs[: max(1, int(n_epochs))])


class Watched:
    """A scheduler whose decisions are noted.

    Args:
        scheduler: Who decides; whatever else it can do, this one can, too.

    Attributes:
        decided: By trial, the steps at which it was told to leave; the n-th belongs to its n-th attempt.
    """

    def __init__(self, scheduler: Any):
        self._scheduler = scheduler
        self.decided: dict[int, list[int]] = defaultdict(list)

    def judge(self, trial_id: int, report: Any, loss: float) -> Any:
        """Ask, and note the answer."""
        verdict = self._scheduler.judge(trial_id, report, loss)
        if verdict is not None:
            self.decided[trial_id].append(report.step)
        return verdict

    def observe(self, trial: Any, loss: float | None) -> None:
        """Pass the outcome on."""
        self._scheduler.observe(trial, loss)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scheduler, name)


def search(scheduler: Any, sampler: str, seed: int, *, n_trials: int, n_epochs: int, where: Mapping[str, Any]) -> Run:
    """Search with real models.

    Args:
        scheduler: Its name, or a scheduler; None lets all trials run to their end.
        sampler: Its name.
        seed: Of the sampler, of the models, and of the images' division.
        n_trials: How many models begin.
        n_epochs: How many epochs each has at most.
        where: The arguments of ``mh.tune`` that say where workers run.

    Raises:
        RuntimeError: A worker was lost, so that nobody can say which epochs were late.
    """
    watched = None if scheduler is None else Watched(make_scheduler(scheduler, "maximize"))
    study = mh.tune(
        make_objective(seed, n_epochs),
        SPACE,
        max_trials=n_trials,
        direction="maximize",
        sampler=sampler,
        scheduler=watched,
        seed=seed,
        progress=False,
        **where,
    )
    lost = [cause for trial in study.trials for cause in trial.lost]
    if lost:
        raise RuntimeError(f"a worker was lost, so this run says nothing: {lost[0]}")
    epochs = epochs_of(study)
    decided = {} if watched is None else watched.decided
    return Run(
        epochs=epochs,
        valid=study.best_value,
        test=study.best_trial.metrics["test"],
        states=Counter(str(trial.state) for trial in study.trials),
        n_told=sum(map(len, decided.values())),
        n_late=count_late(epochs, decided),
    )


def epochs_of(study: Any) -> list[Epoch]:
    """All epochs of a study, in the order in which they were over."""
    found = [
        Epoch(trial.id, report.metrics["attempt"], report.step, report.value, report.metrics["cost"], report.at)
        for trial in study.trials
        for report in study.reports(trial)
    ]
    return sorted(found, key=lambda epoch: epoch.at)


def count_late(epochs: Iterable[Epoch], decided: Mapping[int, Sequence[int]]) -> int:
    """How many epochs came after their attempt had been told to leave.

    Args:
        epochs: Of all trials.
        decided: By trial, the step at which each of its attempts was told to leave; the last need not have been.
    """
    n = 0
    for epoch in epochs:
        steps = decided.get(epoch.trial, ())
        n += epoch.attempt <= len(steps) and epoch.step > steps[epoch.attempt - 1]
    return n
