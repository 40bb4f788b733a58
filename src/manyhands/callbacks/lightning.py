"""Reports from the ``Trainer`` of PyTorch Lightning, under either of its names."""

from typing import Any

try:
    from lightning.pytorch import Callback
except ImportError:
    from pytorch_lightning import Callback

from manyhands.callbacks.reporter import Reporter
from manyhands.worker.handle import TrialHandle


class LightningCallback(Callback):
    """Reports a metric after each epoch, or after each validation if it is not done once an epoch.

        Trainer(..., callbacks=[mh.callbacks.LightningCallback(trial, "val_loss")]).fit(model, data)

    The step is the number of epochs done, those before a checkpoint included. If there are several validations in an
    epoch, or ``check_val_every_n_epoch=None``, it is the number of optimizer steps instead, which is
    ``trainer.global_step``. Sanity checks are not reported.

    A trial that need not go on ends its training by ``trainer.should_stop``, as ``EarlyStopping`` does: checkpoints of
    the same epoch are written, ``min_epochs`` is respected, and all hooks of the end are called. Callbacks are torn
    down last; there ``TrialStopped`` is raised and ends the objective. So, as after an exception, the ``teardown`` of
    the model and of callbacks behind this one is not called, ``on_exception`` is, and loggers finish with "failed".
    What follows ``fit`` in the objective is not done, except ``finally`` clauses and context managers.

    If several processes train a model together, the one of global rank 0 reports, and all stop. It has to be the
    objective's own process, so that strategies which fork or spawn all of theirs cannot be used.

    Args:
        trial: As the objective received it; None in processes of other ranks.
        metric: A name in ``trainer.callback_metrics``: what the model logs in its ``validation_step``, for instance.

    Raises:
        SettingsError: An argument makes no sense.
    """

    def __init__(self, trial: TrialHandle | None, metric: str):
        super().__init__()
        self._reporter = Reporter(trial, metric)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Report, if a validation is done once an epoch, or there is none."""
        if _once_an_epoch(trainer) or not trainer.enable_validation:
            self._report(trainer, trainer.current_epoch + 1)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Report, if validations are rarer than epochs, or more frequent."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking and not _once_an_epoch(trainer):
            counts_epochs = _at_ends(trainer) and trainer.check_val_every_n_epoch is not None
            self._report(trainer, trainer.current_epoch + 1 if counts_epochs else trainer.global_step)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """End the objective if the trial need not go on."""
        self._reporter.leave()

    def _report(self, trainer: Any, step: int) -> None:
        if trainer.is_global_zero:
            self._reporter.report(step, {name: value.item() for name, value in trainer.callback_metrics.items()})
        self._reporter.reason = trainer.strategy.broadcast(self._reporter.reason)  # or the other processes would hang
        trainer.should_stop = trainer.should_stop or self._reporter.reason is not None


def _at_ends(trainer: Any) -> bool:
    """Whether validations are at ends of epochs; 1 would be after every batch, and 1.0 is after all of them."""
    return isinstance(trainer.val_check_interval, float) and trainer.val_check_interval == 1.0


def _once_an_epoch(trainer: Any) -> bool:
    return _at_ends(trainer) and trainer.check_val_every_n_epoch == 1
