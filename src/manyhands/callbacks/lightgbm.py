"""Reports from ``lightgbm.train``, ``lightgbm.cv`` and LightGBM's estimators; needs nothing of LightGBM itself."""

from typing import Any

from manyhands.callbacks.reporter import Reporter
from manyhands.worker.handle import TrialHandle


class LightGBMCallback:
    """Reports a metric after boosting rounds; the step is the number of rounds of the model, as it is then.

        lightgbm.train(..., valid_sets=[held_out], callbacks=[mh.callbacks.LightGBMCallback(trial, "valid_0-l2")])

    Rounds of a model that training began with (``init_model``) count. With ``lightgbm.cv`` the means over the folds are
    reported, of ``"valid-l2"`` for instance (``"cv_agg-valid l2"`` before LightGBM 4.6).

    ``TrialStopped`` leaves the training at once if the trial need not go on: LightGBM has nothing to clean up after a
    round. Callbacks of your own, and those that log and record, are called before it in the same round, wherever they
    are in the list. What follows the training in the objective is not done, except ``finally`` clauses and context
    managers.

    Args:
        trial: As the objective received it.
        metric: The name of the validation set and the metric's own, with a hyphen between them. Sets without a name are
            called ``"valid_0"`` and so on.
        every: How many rounds lie between two reports.

    Attributes:
        order: When LightGBM calls it: after those that log and record, and before ``early_stopping``, so that the last
            round is reported, too.
        before_iteration: LightGBM calls it after each round.

    Raises:
        SettingsError: An argument makes no sense.
    """

    def __init__(self, trial: TrialHandle, metric: str, every: int = 1):
        self._reporter = Reporter(trial, metric, every)
        self.order = 25  # here, as LightGBM overlooks an attribute of the class
        self.before_iteration = False

    def __call__(self, env: Any) -> None:
        """Report, and end the objective if the trial need not go on."""
        # of 4 items from train, and of 5 from cv, with the deviation over the folds
        metrics = {f"{data}-{name}": value for data, name, value, *_ in env.evaluation_result_list or ()}
        self._reporter.report(env.iteration + 1, metrics)
        self._reporter.leave()
