"""Reasons to end a search before all its trials are done."""

import math

from manyhands.errors import SettingsError
from manyhands.trial import Trial, TrialState


class NoProgress:
    """Ends the search when the best value has not improved for a number of trials.

    With several objectives that is when no trial has brought new values to the Pareto front.

    Args:
        n: How many trials with an outcome may pass without a new best; failed and infeasible ones count.

    Raises:
        SettingsError: ``n`` is no whole number from 1 on.
    """

    def __init__(self, n: int):
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise SettingsError(f"NoProgress({n!r}): give a number of trials, 1 or more.")
        self.n = n
        self._n_since_best = 0

    def observe(self, trial: Trial, is_best: bool, direction: str | tuple[str, ...]) -> str | None:
        """Count; see ``manyhands.ports.StopRule``."""
        self._n_since_best = 0 if is_best else self._n_since_best + 1
        if self._n_since_best >= self.n:
            return f"there was no progress for {self._n_since_best} trials"
        return None


class Target:
    """Ends the search when a feasible trial is at least as good as a given value; for studies of one objective.

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
