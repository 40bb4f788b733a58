"""Reports from ``model.fit`` of Keras 3."""

from typing import Any

import keras

from manyhands.callbacks.reporter import Reporter
from manyhands.worker.handle import TrialHandle


class KerasCallback(keras.callbacks.Callback):
    """Reports a metric after each epoch.

        model.fit(..., validation_data=..., callbacks=[..., mh.callbacks.KerasCallback(trial, "val_loss")])

    The step is the number of epochs done, those before ``initial_epoch`` included.

    A trial that need not go on leaves ``fit`` after its epoch, by ``model.stop_training``; when ``fit`` is over,
    ``TrialStopped`` is raised and ends the objective. So other callbacks see the end of the epoch and of the training:
    put this one behind them, as those behind it are not told that training has ended. What follows ``fit`` in the
    objective is not done, except ``finally`` clauses and context managers.

    To go on after a pause or a lost worker, write checkpoints into ``trial.checkpoint_dir``. ``BackupAndRestore`` needs
    ``delete_checkpoint=False`` for that, since it takes the end of a paused trial for the end of its training.

    Args:
        trial: As the objective received it.
        metric: A name in the ``logs`` of Keras, such as ``"val_loss"``.

    Raises:
        SettingsError: An argument makes no sense.
    """

    def __init__(self, trial: TrialHandle, metric: str):
        super().__init__()
        self._reporter = Reporter(trial, metric)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report, and ask for the end if the trial need not go on."""
        if self._reporter.report(epoch + 1, logs or {}):
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """End the objective if the trial need not go on."""
        self._reporter.leave()
