"""Patience: stops a trial that gets no better, whatever the others do."""

import math

from msgspec import Struct

from manyhands.checks import check_whole
from manyhands.errors import SettingsError
from manyhands.schedulers.base import StoppingScheduler


class _Best(Struct, frozen=True):
    loss: float
    step: int


class PatienceScheduler(StoppingScheduler):
    """Stops a trial that has had no new best value for so many steps.

    Args:
        patience: How many steps may pass, in the unit of the reports' steps, which need not be without gaps.
        min_delta: By how much a value must beat the best one so far to be a new best; in the value's unit.

    Raises:
        SettingsError: ``patience`` is no whole number from 1 on, or ``min_delta`` no number from 0 on.
    """

    def __init__(self, patience: int, min_delta: float = 0.0):
        if patience is None:
            raise SettingsError("patience=None must be a whole number from 1 on.")
        check_whole(patience=patience)
        if isinstance(min_delta, bool) or not isinstance(min_delta, int | float) or not 0 <= min_delta < math.inf:
            raise SettingsError(f"min_delta={min_delta!r} must be a number from 0 on.")
        self.patience = patience
        self.min_delta = min_delta
        super().__init__()

    def _reset(self) -> None:
        self._bests: dict[int, _Best] = {}

    def _judge(self, trial_id: int, step: int, loss: float) -> str | None:
        best = self._bests.get(trial_id)
        if best is None or loss < best.loss - self.min_delta:
            self._bests[trial_id] = _Best(loss, step)
            return None
        waited = step - best.step
        if waited < self.patience:
            return None
        if math.isinf(best.loss):
            return f"it has had no finite value since step {best.step}, for {waited} steps"
        return f"it has had {self._show(best.loss)} as its best value since step {best.step}, for {waited} steps"
