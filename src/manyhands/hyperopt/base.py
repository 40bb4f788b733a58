"""Trials, what is searched, and what documents are made of, under the names that scripts import from here."""

from collections.abc import Iterable
from typing import Any

from manyhands.hyperopt import loop, pyll
from manyhands.hyperopt.documents import (
    JOB_STATE_CANCEL,
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
    JOB_STATES,
    JOB_VALID_STATES,
    STATUS_FAIL,
    STATUS_NEW,
    STATUS_OK,
    STATUS_RUNNING,
    STATUS_STRINGS,
    STATUS_SUSPENDED,
    TRIAL_KEYS,
    TRIAL_MISC_KEYS,
    Document,
    SONify,
    miscs_to_idxs_vals,
    miscs_update_idxs_vals,
    spec_from_misc,
)
from manyhands.hyperopt.domain import Ctrl, Domain
from manyhands.hyperopt.exceptions import (
    AllTrialsFailed,
    DuplicateLabel,
    InvalidLoss,
    InvalidResultStatus,
    InvalidTrial,
)
from manyhands.hyperopt.loop import validate_loss_threshold, validate_timeout
from manyhands.hyperopt.points import add_points
from manyhands.hyperopt.trials import TrialStore
from manyhands.hyperopt.utils import use_obj_for_literal_in_memo

__all__ = [
    "JOB_STATES",
    "JOB_STATE_CANCEL",
    "JOB_STATE_DONE",
    "JOB_STATE_ERROR",
    "JOB_STATE_NEW",
    "JOB_STATE_RUNNING",
    "JOB_VALID_STATES",
    "STATUS_FAIL",
    "STATUS_NEW",
    "STATUS_OK",
    "STATUS_RUNNING",
    "STATUS_STRINGS",
    "STATUS_SUSPENDED",
    "TRIAL_KEYS",
    "TRIAL_MISC_KEYS",
    "AllTrialsFailed",
    "Ctrl",
    "Domain",
    "DuplicateLabel",
    "InvalidLoss",
    "InvalidResultStatus",
    "InvalidTrial",
    "SONify",
    "Trials",
    "miscs_to_idxs_vals",
    "miscs_update_idxs_vals",
    "pyll",
    "spec_from_misc",
    "trials_from_docs",
    "use_obj_for_literal_in_memo",
    "validate_loss_threshold",
    "validate_timeout",
]


class Trials(TrialStore):
    """All trials of a search, one after the other in this process.

    Args:
        exp_key: Show the documents of this experiment only.
        refresh: Whether to refresh at once.
    """

    def fmin(
        self,
        fn: Any,
        space: Any,
        algo: Any = None,
        max_evals: float | None = None,
        timeout: float | None = None,
        loss_threshold: float | None = None,
        max_queue_len: int = 1,
        rstate: Any = None,
        verbose: bool = False,
        pass_expr_memo_ctrl: bool | None = None,
        catch_eval_exceptions: bool = False,
        return_argmin: bool = True,
        show_progressbar: Any = True,
        early_stop_fn: Any = None,
        trials_save_file: str = "",
        points_to_evaluate: Any = None,
    ) -> Any:
        """Search, and keep the trials here. See ``fmin`` for everything else."""
        validate_timeout(timeout)
        validate_loss_threshold(loss_threshold)
        if points_to_evaluate is not None:
            add_points(self, points_to_evaluate, space)
        return loop.minimize(
            fn,
            space,
            self,
            algo=algo,
            max_evals=max_evals,
            timeout=timeout,
            loss_threshold=loss_threshold,
            max_queue_len=max_queue_len,
            rstate=rstate,
            verbose=verbose,
            pass_expr_memo_ctrl=pass_expr_memo_ctrl,
            catch_eval_exceptions=catch_eval_exceptions,
            return_argmin=return_argmin,
            show_progressbar=show_progressbar,
            early_stop_fn=early_stop_fn,
            trials_save_file=trials_save_file,
        )


def trials_from_docs(docs: Iterable[Document], validate: bool = True, **kwargs: Any) -> Trials:
    """Trials with these documents.

    Args:
        docs: The documents; they are not copied.
        validate: Whether to check them.
        **kwargs: As for ``Trials``.

    Raises:
        InvalidTrial: One cannot be a trial's.
    """
    trials = Trials(**kwargs)
    if validate:
        trials.insert_trial_docs(docs)
    else:
        trials._insert_trial_docs(docs)
    trials.refresh()
    return trials
