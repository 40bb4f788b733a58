"""End when trials have stopped to get better."""

import math

from manyhands.errors import SettingsError
from manyhands.objectives import check_one_objective, losses_of, values_of
from manyhands.ports import Problem
from manyhands.trial import Trial


class NoProgress:
    """Ends the search when the best value has not improved for a number of trials.

    The rule to begin with: it believes nothing of the objective, and costs nothing. It cannot tell a search that has
    found the best from one that has bad luck, so give it a few times as many trials as there are parameters. With
    several objectives it ends when no trial has brought new values to the Pareto front.

    Args:
        n: How many trials with an outcome may pass without progress; failed, stopped and infeasible ones count.
        min_improvement: What counts as progress: a best value that is better than the one at the last progress by more
            than this, in the unit of the value. Small improvements count once they add up to it. Only for one
            objective.

    Raises:
        SettingsError: ``n`` is no whole number from 1 on, or ``min_improvement`` no finite number from 0 on.
    """

    def __init__(self, n: int, min_improvement: float = 0.0):
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise SettingsError(f"NoProgress({n!r}): give a number of trials, 1 or more.")
        is_number = isinstance(min_improvement, int | float) and not isinstance(min_improvement, bool)
        if not is_number or not 0 <= min_improvement < math.inf:
            raise SettingsError(
                f"NoProgress(min_improvement={min_improvement!r}): give a number, 0 or more, in the unit of the value."
            )
        self.n = n
        self.min_improvement = min_improvement
        self._n_since_best = 0
        self._loss_to_beat = math.inf

    def start(self, problem: Problem) -> None:
        """Refuse several objectives, if an improvement has to have a size; see ``manyhands.ports.StopRule``.

        Raises:
            SettingsError: As said.
        """
        if problem.n_objectives > 1 and self.min_improvement:
            raise SettingsError(
                f"mh.NoProgress(min_improvement={self.min_improvement!r}) is for one objective, and this study has "
                f"{problem.n_objectives}. Leave min_improvement out: new values on the Pareto front are progress."
            )

    def observe(self, trial: Trial, is_best: bool, direction: str | tuple[str, ...]) -> str | None:
        """Count; see ``manyhands.ports.StopRule``."""
        self._n_since_best = 0 if is_best and self._is_progress(trial, direction) else self._n_since_best + 1
        if self._n_since_best < self.n:
            return None
        least = f" of more than {self.min_improvement:g}" if self.min_improvement else ""
        return f"there was no progress{least} for {self._n_since_best} trials"

    def _is_progress(self, trial: Trial, direction: str | tuple[str, ...]) -> bool:
        if not self.min_improvement:
            return True
        check_one_objective(direction, f"mh.NoProgress(min_improvement={self.min_improvement!r})")
        loss = losses_of(values_of(trial), direction)[0]
        if self._loss_to_beat - loss <= self.min_improvement:
            return False
        self._loss_to_beat = loss
        return True
