"""A threshold: stops a trial that is worse than it may be, whatever the others do."""

import math

from manyhands.errors import SettingsError
from manyhands.schedulers.base import StoppingScheduler


class ThresholdScheduler(StoppingScheduler):
    """Stops a trial that is worse than a given value from some step on, or has no finite value there.

    Args:
        value: The worst that goes on, as the objective reports it: the largest value when minimising, the smallest when
            maximising.
        step: Reports at earlier steps may be worse.

    Raises:
        SettingsError: ``value`` is no finite number, or ``step`` no whole number.
    """

    def __init__(self, value: float, step: int = 0):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise SettingsError(f"value={value!r} must be a finite number: the worst one that goes on.")
        if isinstance(step, bool) or not isinstance(step, int):
            raise SettingsError(f"step={step!r} must be a whole number.")
        self.value = value
        self.step = step
        super().__init__()

    def _reset(self) -> None:
        """Each report is judged by itself."""

    def _judge(self, trial_id: int, step: int, loss: float) -> str | None:
        if step < self.step or loss <= self._sign * self.value:
            return None
        return f"{self._show(loss)} at step {step} is worse than the threshold {self.value:g}"
