"""Reports from ``xgboost.train``, ``xgboost.cv`` and XGBoost's estimators."""

from typing import Any

import xgboost

from manyhands.callbacks.reporter import Reporter
from manyhands.worker.handle import TrialHandle


class XGBoostCallback(xgboost.callback.TrainingCallback):
    """Reports a metric after boosting rounds; the step is the number of rounds of the model, as it is then.

        xgboost.train(..., evals=[(held_out, "valid")], callbacks=[mh.callbacks.XGBoostCallback(trial, "valid-rmse")])

    Rounds of a model that training began with (``xgb_model``) count. With ``xgboost.cv`` the means over the folds are
    reported, of ``"test-rmse"`` for instance.

    A trial that need not go on ends its training in XGBoost's own way; ``TrialStopped`` is then raised after it, and
    ends the objective. Put this callback behind others: XGBoost does not ask those behind it in the last round. From
    ``xgboost.cv`` it is raised right after the round. What follows the training in the objective is not done, except
    ``finally`` clauses and context managers.

    Args:
        trial: As the objective received it.
        metric: The name in ``evals`` and the metric's own, with a hyphen between them. Those of ``eval_set`` are called
            ``"validation_0-rmse"`` and so on.
        every: How many rounds lie between two reports.

    Raises:
        SettingsError: An argument makes no sense.
    """

    def __init__(self, trial: TrialHandle, metric: str, every: int = 1):
        super().__init__()
        self._reporter = Reporter(trial, metric, every)
        self._n_before = 0

    def before_training(self, model: Any) -> Any:
        """Count the rounds that the model has already."""
        self._n_before = model.num_boosted_rounds()
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, dict[str, list[Any]]]) -> bool:
        """Report, and ask for the end if the trial need not go on."""
        metrics = {f"{data}-{name}": log[-1] for data, logs in evals_log.items() for name, log in logs.items()}
        means = {name: value[0] if isinstance(value, tuple) else value for name, value in metrics.items()}
        is_over = self._reporter.report(self._n_before + epoch + 1, means)
        if not isinstance(model, xgboost.Booster):  # asked for its end, cv looks for the best round, and there is none
            self._reporter.leave()
        return is_over

    def after_training(self, model: Any) -> Any:
        """End the objective if the trial need not go on."""
        self._reporter.leave()
        return model
