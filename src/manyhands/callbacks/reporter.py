"""What all callbacks do: report one metric, and keep in mind that the trial need not go on."""

import os
from collections.abc import Mapping

from manyhands.checks import check_whole
from manyhands.errors import ObjectiveError, SettingsError, TrialStopped
from manyhands.worker.handle import TrialHandle

_TAKEN = ("self", "value", "step")  # arguments of trial.report


class Reporter:
    """Reports for one trial, and keeps the answer until the library has left its loop.

    ``TrialStopped`` is not raised in the middle of somebody else's loop: what comes after the callback there, such as
    the library's own checkpoint of the same epoch, would be left out.

    Args:
        trial: As the objective received it; None in a process that does not report.
        metric: What is optimised, by the name that the library has for it.
        every: How many steps lie between two reports.

    Attributes:
        metric: As given.
        reason: Why the trial need not go on; None while it should.

    Raises:
        SettingsError: An argument makes no sense.
    """

    def __init__(self, trial: TrialHandle | None, metric: str, every: int = 1):
        if trial is not None and not callable(getattr(trial, "report", None)):
            raise SettingsError(
                f"trial={trial!r} must be the trial that the objective is given: def objective(p, trial)."
            )
        if not isinstance(metric, str) or not metric:
            raise SettingsError(f"metric={metric!r} must be the name of the metric to report, such as 'val_loss'.")
        check_whole(every=every)
        self.metric = metric
        self.reason: str | None = None
        self._trial = trial
        self._every = every
        self._pid = os.getpid()

    def report(self, step: int, metrics: Mapping[str, object]) -> bool:
        """Report the metric, with the others beside it.

        Args:
            step: How many epochs or rounds are done. Nothing is reported between two multiples of ``every``.
            metrics: By name. Others than the reported one are left out if they are called like an argument of
                ``trial.report``.

        Returns:
            Whether the trial need not go on.

        Raises:
            ObjectiveError: The metric is not there, or this process cannot report.
        """
        if self.metric not in metrics:
            raise self.missing(metrics)
        if step % self._every == 0:
            self._send(step, metrics)
        return self.reason is not None

    def leave(self) -> None:
        """End the objective, if the trial need not go on; to be called once the library has left its loop.

        Raises:
            TrialStopped: It need not.
        """
        if self.reason is not None:
            raise TrialStopped(self.reason)

    def missing(self, metrics: Mapping[str, object]) -> ObjectiveError:
        """An error that says which metrics there are."""
        if not metrics:
            return ObjectiveError(
                f"There is no metric {self.metric!r} to report, and no other. Is there validation data?"
            )
        there = ", ".join(map(repr, metrics))
        return ObjectiveError(f"There is no metric {self.metric!r} to report. There are {there}.")

    def _send(self, step: int, metrics: Mapping[str, object]) -> None:
        if self._trial is None or os.getpid() != self._pid:
            raise ObjectiveError(
                f"Process {os.getpid()} has no way to report, as the objective runs in process {self._pid}. "
                f"Train in the objective's own process, and not in ones that are spawned or forked from it."
            )
        others = {name: value for name, value in metrics.items() if name != self.metric and name not in _TAKEN}
        try:
            self._trial.report(metrics[self.metric], step, **others)  # type: ignore[arg-type] # it checks
        except TrialStopped as stopped:
            self.reason = str(stopped)
