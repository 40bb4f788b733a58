"""Reports from the ``Trainer`` of Hugging Face Transformers."""

import math
from typing import Any

from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback

from manyhands.callbacks.reporter import Reporter
from manyhands.worker.handle import TrialHandle


class TransformersCallback(TrainerCallback):
    """Reports a metric after each evaluation during training.

        Trainer(..., callbacks=[mh.callbacks.TransformersCallback(trial, "eval_loss")]).train()

    The step is the number of epochs done with ``eval_strategy="epoch"``, else the number of optimizer steps, which is
    ``state.global_step``. Those before a checkpoint that training resumes from count.

    A trial that need not go on ends its training by ``control.should_training_stop``: the checkpoint of the same step
    is written, and the best model loaded if you asked for it. At the end of training ``TrialStopped`` is raised and
    ends the objective; callbacks behind this one are not told of it. What follows ``train`` in the objective is not
    done, except ``finally`` clauses and context managers.

    If several processes train a model together, the one of rank 0 reports, and all stop. It has to be the objective's
    own process.

    Args:
        trial: As the objective received it; None in processes of other ranks.
        metric: What the metric is called after an evaluation, such as ``"eval_loss"``; if there are several evaluation
            sets, that of one of them, such as ``"eval_german_loss"``.

    Raises:
        SettingsError: An argument makes no sense.
    """

    def __init__(self, trial: TrialHandle | None, metric: str):
        self._reporter = Reporter(trial, metric)
        self._is_training = False
        self._forget()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Only what comes from now on is of the training."""
        self._is_training = True
        self._forget()

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, Any], **kwargs: Any) -> Any:
        """Report, and ask for the end if the trial need not go on. Each of several evaluation sets is told of alone."""
        if not self._is_training:
            return control
        self._seen.update(metrics)
        if self._reporter.metric not in metrics:
            return control
        self._was_there = True
        if state.is_world_process_zero:
            self._reporter.report(_step(args, state), self._seen)
        if args.world_size > 1:  # the other processes would go on, and hang
            (self._reporter.reason,) = broadcast_object_list([self._reporter.reason])
        control.should_training_stop = control.should_training_stop or self._reporter.reason is not None
        return control

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """All sets were evaluated: one of them should have had the metric."""
        self._check()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the objective if the trial need not go on."""
        self._is_training = False
        self._check()
        self._reporter.leave()

    def _check(self) -> None:
        if self._seen and not self._was_there:
            raise self._reporter.missing(self._seen)
        self._forget()

    def _forget(self) -> None:
        self._seen: dict[str, Any] = {}  # of the evaluations since the last step
        self._was_there = False


def _step(args: Any, state: Any) -> int:
    if args.eval_strategy == "epoch":
        return math.ceil(
            round(float(state.epoch), 6)
        )  # a sum of fractions; the last epoch may be cut short by max_steps
    return int(state.global_step)
