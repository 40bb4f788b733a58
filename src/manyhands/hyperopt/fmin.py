"""``fmin``: search a space for what makes an objective lowest."""

import functools
import inspect
import logging
import os
from collections.abc import Callable
from typing import Any

from manyhands.hyperopt.base import Trials
from manyhands.hyperopt.documents import Document
from manyhands.hyperopt.exceptions import InvalidAnnotatedParameter
from manyhands.hyperopt.loop import FMinIter, minimize, validate_loss_threshold, validate_timeout
from manyhands.hyperopt.points import add_points, point_documents
from manyhands.hyperopt.pyll.base import Apply
from manyhands.hyperopt.pyll_utils import space_eval
from manyhands.hyperopt.saving import load_trials

__all__ = [
    "FMinIter",
    "fmin",
    "fmin_pass_expr_memo_ctrl",
    "generate_trial",
    "generate_trials_to_calculate",
    "partial",
    "space_eval",
]

logger = logging.getLogger(__name__)


def fmin(
    fn: Callable[..., Any],
    space: Any,
    algo: Any = None,
    max_evals: float | None = None,
    timeout: float | None = None,
    loss_threshold: float | None = None,
    trials: Any = None,
    rstate: Any = None,
    allow_trials_fmin: bool = True,
    pass_expr_memo_ctrl: bool | None = None,
    catch_eval_exceptions: bool = False,
    verbose: bool = True,
    return_argmin: bool = True,
    points_to_evaluate: Any = None,
    max_queue_len: int = 1,
    show_progressbar: Any = True,
    early_stop_fn: Callable[..., Any] | None = None,
    trials_save_file: str = "",
) -> Any:
    """Search a space for what makes an objective lowest.

    Args:
        fn: The objective. It is given a value of the space, and returns its loss, or a dictionary with ``status`` and
            ``loss`` and whatever else should be kept.
        space: Any nesting of hyperparameters, see ``hp``; or "annotated", if the objective's arguments are annotated
            with them.
        algo: What proposes: ``tpe.suggest``, ``rand.suggest``, ... By default the first.
        max_evals: End when ``trials`` has so many trials, those of former searches included.
        timeout: End after so many seconds. The trial that is running then is finished.
        loss_threshold: End with a loss below it.
        trials: Where trials are kept, and those of former searches are.
        rstate: What random numbers are drawn from: a NumPy Generator, or a seed of one. By default a seed in the
            environment's ``HYPEROPT_FMIN_SEED``, or chance.
        allow_trials_fmin: Let the trials search by a method of their own, if they have one.
        pass_expr_memo_ctrl: Call ``fn(expr=..., memo=..., ctrl=...)``; by default, if it was marked so.
        catch_eval_exceptions: Go on when the objective raises. Such trials are in ``trials._dynamic_trials`` only.
        verbose: Whether to show anything.
        return_argmin: Return the raw values by label, with the indices of options; if not so, what the objective was
            given.
        points_to_evaluate: Points to begin with, beyond ``max_evals``: dictionaries of raw values by label. For a
            choice, that is an option or its index.
        max_queue_len: So many trials are proposed ahead.
        show_progressbar: Whether to show a bar; or what to show instead, see ``progress``.
        early_stop_fn: Is asked after each trial whether to stop: ``(trials, *args) -> (stop, args)``, with the ``args``
            that it returned before; or it only returns whether to.
        trials_save_file: A file where trials are kept. If it exists and no ``trials`` are given, they are read from it.

    Returns:
        What was best. None if there are no trials and ``return_argmin`` is not set.

    Raises:
        AllTrialsFailed: There are trials, and none has a loss.
        Exception: There are no trials. Or an argument makes no sense. Or as the objective raised.
    """
    if algo is None:
        logger.warning("TPE is being used as the default algorithm.")
    validate_timeout(timeout)
    validate_loss_threshold(loss_threshold)
    if isinstance(space, str) and space == "annotated":
        space = _annotations(fn)
        fn = functools.partial(_call_with, fn)
    known = trials
    if trials is None:
        is_there = bool(trials_save_file) and os.path.exists(trials_save_file)
        trials = load_trials(trials_save_file) if is_there else Trials()
    if points_to_evaluate is not None:
        add_points(trials, points_to_evaluate, space)
    searches_itself = known is not None or getattr(trials, "asynchronous", False)  # a file may hold SparkTrials
    search = trials.fmin if searches_itself and allow_trials_fmin and hasattr(trials, "fmin") else None
    if getattr(search, "__module__", None) == "hyperopt.base":  # trials that Hyperopt itself made, and unpickled here
        search = None
    return (search or functools.partial(minimize, trials=trials))(
        fn,
        space,
        algo=algo,
        max_evals=max_evals,
        timeout=timeout,
        loss_threshold=loss_threshold,
        max_queue_len=max_queue_len,
        rstate=rstate,
        pass_expr_memo_ctrl=pass_expr_memo_ctrl,
        verbose=verbose,
        catch_eval_exceptions=catch_eval_exceptions,
        return_argmin=return_argmin,
        show_progressbar=show_progressbar,
        early_stop_fn=early_stop_fn,
        trials_save_file=trials_save_file,
    )


def _annotations(fn: Callable[..., Any]) -> dict[str, Any]:
    """The hyperparameters that an objective's arguments are annotated with."""
    space = inspect.get_annotations(fn, eval_str=True)
    space.pop("return", None)
    for name, annotation in space.items():
        if not isinstance(annotation, Apply):
            raise InvalidAnnotatedParameter(
                'With space="annotated", each argument of the objective needs a hyperparameter for an annotation, like '
                f'hp.uniform("{name}", 0, 1). That of {name!r} is {annotation!r}.'
            )
    return space


def _call_with(fn: Callable[..., Any], params: dict[str, Any]) -> Any:
    return fn(**params)


def generate_trial(tid: Any, space: dict[str, Any]) -> Document:
    """The document of a new trial at a point, given by raw values."""
    return point_documents([tid], [space])[0]


def generate_trials_to_calculate(points: list[dict[str, Any]]) -> Trials:
    """Trials to be evaluated before ``fmin`` proposes any.

    Args:
        points: The raw value of each active label.
    """
    trials = Trials()
    trials.insert_trial_docs(point_documents(range(len(points)), points))
    return trials


def fmin_pass_expr_memo_ctrl(f: Any) -> Any:
    """Mark an objective that takes ``expr``, ``memo`` and ``ctrl``, and computes the params itself."""
    f.fmin_pass_expr_memo_ctrl = True
    return f


def partial(fn: Any, **kwargs: Any) -> Any:
    """``functools.partial`` that keeps the mark of ``fmin_pass_expr_memo_ctrl``."""
    bound = functools.partial(fn, **kwargs)
    if hasattr(fn, "fmin_pass_expr_memo_ctrl"):
        bound.fmin_pass_expr_memo_ctrl = fn.fmin_pass_expr_memo_ctrl  # type: ignore[attr-defined]
    return bound
