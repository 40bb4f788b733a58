"""What the schedulers of this folder have in common: which reports count, and that a decision stands."""

import math

from manyhands.ports import Pause
from manyhands.trial import Report, Trial


class StoppingScheduler:
    """Judges each step of a trial once; its decision stands, for a pause until the trial goes on.

    Everything it knows comes from the reports and beginnings of trials, in their order. So a resumed search, which
    tells them again, decides as if it had never been interrupted. Three kinds of report change nothing:

    - A step that is not beyond the trial's last one. A trial that lost its worker, or went on without a checkpoint,
      begins again and reports the same steps again, and they must not count twice.
    - What a trial reports after it was told to leave. A search does not pass that on.
    - What a trial reports at a step at which the algorithm does not judge.

    A loss that is not finite is that of a diverged trial, and counts as infinite.

    Subclasses say what they do at a step in ``_judge``, and make their state anew in ``_reset``.
    """

    def __init__(self) -> None:
        self.start("minimize")

    def start(self, direction: str) -> None:
        """Forget all trials, and learn which way values go.

        Args:
            direction: ``"minimize"`` or ``"maximize"``, for the values in reasons.
        """
        self._sign = 1.0 if direction == "minimize" else -1.0
        self._last_steps: dict[int, int] = {}
        self._verdicts: dict[int, str | Pause] = {}
        self._reset()

    def judge(self, trial_id: int, report: Report, loss: float) -> str | Pause | None:
        """Return why the trial should stop or pause, or None; see ``manyhands.ports.Scheduler``."""
        if trial_id in self._verdicts:
            return self._verdicts[trial_id]
        step = report.step
        if step <= self._last_steps.get(trial_id, -math.inf):
            return None
        self._last_steps[trial_id] = step
        verdict = self._judge(trial_id, step, loss if math.isfinite(loss) else math.inf)
        if verdict is not None:
            self._verdicts[trial_id] = verdict
        return verdict

    def began(self, trial: Trial) -> None:
        """A trial begins, or goes on after a pause: it may be judged again."""
        self._verdicts.pop(trial.id, None)

    def observe(self, trial: Trial, loss: float | None) -> None:
        """Nothing to learn: reports say it all."""

    def _reset(self) -> None:
        """Forget all trials."""
        raise NotImplementedError

    def _judge(self, trial_id: int, step: int, loss: float) -> str | Pause | None:
        """Return why a trial should stop or pause, or None.

        Args:
            trial_id: The trial, which runs.
            step: Later than all its former ones.
            loss: Finite, or infinity for a diverged trial.
        """
        raise NotImplementedError

    def _show(self, loss: float) -> str:
        """A loss as the value that people know."""
        return "no finite value" if math.isinf(loss) else f"{self._sign * loss + 0.0:.6g}"  # no minus before 0
