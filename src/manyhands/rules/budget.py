"""End when enough was spent."""

import math

from manyhands.errors import SettingsError
from manyhands.trial import Trial, TrialState


class Budget:
    """Ends the search when its trials have cost as much as was to be spent, all together.

    What a trial costs, in money, energy or seconds of a GPU, is a metric that the objective tells: in what it returns,
    as ``{"value": error, "cost": 3.2}``, or for trials that may be stopped in ``trial.report(error, cost=3.2)``, where
    it is what the trial has cost up to then. Over splits the metric is the mean of a split, so it counts once for each.

    What the trials cost that run when the budget is spent is not known yet, so more may be spent by as many trials as
    there are workers. Costs of earlier runs of the same study count.

    For limits in other units: ``max_trials`` and ``timeout_s`` of ``mh.tune``.

    Args:
        limit: What may be spent, in the unit of the metric.
        metric: The name of the metric.
        missing: What a trial counts that does not tell its cost. Not given: a failed or stopped one counts nothing, as
            nobody knows how far it came, and a finished one is an error, since a budget that is not counted is none.

    Raises:
        SettingsError: ``limit`` is no finite number above 0, ``metric`` is no name, or ``missing`` is no finite number
            from 0 on.
    """

    def __init__(self, limit: float, metric: str = "cost", missing: float | None = None):
        if not _is_cost(limit) or limit <= 0:
            raise SettingsError(f"Budget({limit!r}): give a number above 0, in the unit of the metric {metric!r}.")
        if not isinstance(metric, str) or not metric:
            raise SettingsError(f"Budget(metric={metric!r}): give the name of a metric, such as 'cost'.")
        if missing is not None and not _is_cost(missing):
            raise SettingsError(f"Budget(missing={missing!r}): give a number, 0 or more, or leave it out.")
        self.limit = limit
        self.metric = metric
        self.missing = missing
        self._spent = 0.0

    def observe(self, trial: Trial, is_best: bool, direction: str | tuple[str, ...]) -> str | None:
        """Add up; see ``manyhands.ports.StopRule``.

        Raises:
            SettingsError: A finished trial does not tell what it cost, or a trial tells what is no cost.
        """
        self._spent += self._cost_of(trial)
        if self._spent < self.limit:
            return None
        return f"the budget is spent: {self.metric} came to {self._spent:g} of {self.limit:g}"

    def _cost_of(self, trial: Trial) -> float:
        cost = trial.metrics.get(self.metric)
        if cost is None:
            return self._unknown(trial)
        if not _is_cost(cost):
            raise SettingsError(
                f"The metric {self.metric!r} of trial {trial.id} is {cost!r}, which mh.Budget cannot add up. Return a "
                f"finite number, 0 or more."
            )
        return float(cost) * max(1, len(trial.split_values))

    def _unknown(self, trial: Trial) -> float:
        if self.missing is None and trial.state is TrialState.FINISHED:
            raise SettingsError(
                f"mh.Budget adds up the metric {self.metric!r}, and trial {trial.id} has none: it has "
                f"{sorted(trial.metrics) or 'no metrics at all'}. Return it with the value, as {{'value': ..., "
                f"{self.metric!r}: ...}}, or say with missing= what such a trial counts."
            )
        return self.missing or 0.0


def _is_cost(number: object) -> bool:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return is_number and 0 <= number < math.inf  # type: ignore[operator]
