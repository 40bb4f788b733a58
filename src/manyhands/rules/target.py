"""End when a trial is good enough."""

import math

from manyhands.errors import SettingsError
from manyhands.trial import Trial, TrialState


class Target:
    """Ends the search when a feasible trial is at least as good as a given value; for studies of one objective.

    For when it is known what is good enough, so that anything better is not worth its cost.

    Args:
        value: At most this when minimising, at least this when maximising.

    Raises:
        SettingsError: ``value`` is no number.
    """

    def __init__(self, value: float):
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise SettingsError(f"Target({value!r}): give a number.")
        self.value = value
        self._reason: str | None = None

    def observe(self, trial: Trial, is_best: bool, direction: str | tuple[str, ...]) -> str | None:
        """Compare; see ``manyhands.ports.StopRule``. Once reached, a target stays reached."""
        if self._reason is not None or trial.state is not TrialState.FINISHED or trial.value is None:
            return self._reason
        if not trial.is_feasible:
            return None
        if trial.value <= self.value if direction == "minimize" else trial.value >= self.value:
            self._reason = f"the target {self.value:g} was reached by trial {trial.id} with {trial.value:g}"
        return self._reason
