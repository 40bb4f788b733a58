"""What is searched: a space, and the objective on it."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from manyhands.hyperopt.documents import CMD, JOB_STATE_DONE, STATUS_NEW, STATUS_OK, STATUS_STRINGS, Document
from manyhands.hyperopt.exceptions import InvalidLoss, InvalidResultStatus
from manyhands.hyperopt.graph import SpaceGraph
from manyhands.hyperopt.pyll.base import Apply, GarbageCollected, Literal, as_apply, dfs, scope
from manyhands.hyperopt.trials import Attachments, TrialStore

logger = logging.getLogger(__name__)


class Ctrl:
    """What an evaluation may do with the trials of its search.

    Args:
        trials: Of the search; by default, trials of nobody.
        current_trial: The document of the trial that is evaluated.
    """

    info = logger.info
    warn = logger.warning
    error = logger.error
    debug = logger.debug

    def __init__(self, trials: Any, current_trial: Any = None) -> None:
        self.trials = TrialStore() if trials is None else trials
        self.current_trial = current_trial

    def checkpoint(self, r: Document | None = None) -> None:
        """Note a result that is not the last one."""
        if r is not None:
            self.current_trial["result"] = r

    @property
    def attachments(self) -> Attachments:
        """What is attached to this trial, by name."""
        attachments: Attachments = self.trials.trial_attachments(trial=self.current_trial)
        return attachments

    def inject_results(self, specs: Any, results: Any, miscs: Any, new_tids: Any = None) -> list[Any]:
        """Insert finished trials that this one brought along.

        Returns:
            Their ids.

        Raises:
            ValueError: There is no trial that they could go back to, or there are not as many of each.
        """
        if self.current_trial is None:
            raise ValueError("inject_results is for evaluations of a trial, and here is none.")
        tids = self.trials.new_trial_ids(len(specs)) if new_tids is None else new_tids
        # The current trial is running, and these are done.
        docs = self.trials.source_trial_docs(tids, specs, results, miscs, [self.current_trial] * len(specs))
        for doc in docs:
            doc["state"] = JOB_STATE_DONE
        inserted: list[Any] = self.trials.insert_trial_docs(docs)
        return inserted


@scope.define
def idxs_vals_drawn(graph: SpaceGraph, new_ids: list[Any], rng: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Points drawn at random, by label: the ids of the trials that have it, and its values there."""
    idxs: dict[Any, Any] = {label: [] for label in graph.nodes}
    vals: dict[Any, Any] = {label: [] for label in graph.nodes}
    for tid in new_ids:
        for label, value in graph.draw(rng).items():
            idxs[label].append(tid)
            vals[label].append(value)
    return idxs, vals


class Domain:
    """A space, and the objective on it. It can be pickled if these can.

    Args:
        fn: The objective.
        expr: The space: any nesting of hyperparameters.
        workdir: Noted in documents, and used by nobody here.
        pass_expr_memo_ctrl: Call ``fn(expr=..., memo=..., ctrl=...)``; by default, if it was marked so.
        name: For people.
        loss_target: About the lowest loss there is.

    Raises:
        DuplicateLabel: Two hyperparameters have the same label.
    """

    #: A node that stands for the ``Ctrl`` of whichever evaluation it is in.
    pyll_ctrl = as_apply(Ctrl)

    rec_eval_print_node_on_error = False

    def __init__(
        self,
        fn: Any,
        expr: Any,
        workdir: str | None = None,
        pass_expr_memo_ctrl: bool | None = None,
        name: str | None = None,
        loss_target: float | None = None,
    ) -> None:
        self.fn = fn
        self.graph = SpaceGraph(expr)
        self.expr = self.graph.expr
        self.params = self.graph.params
        self.name = name
        self.loss_target = loss_target
        self.workdir = workdir
        self.cmd = CMD
        if pass_expr_memo_ctrl is None:
            pass_expr_memo_ctrl = getattr(fn, "fmin_pass_expr_memo_ctrl", False)
        self.pass_expr_memo_ctrl = pass_expr_memo_ctrl
        self.s_new_ids = Literal("new_ids")
        self.s_rng = Literal("rng")
        self._ctrl_nodes = [node for node in dfs(self.expr) if isinstance(node, Literal) and node.obj is Ctrl]

    @property
    def s_idxs_vals(self) -> Apply:
        """Random points as an expression of ``s_new_ids`` and ``s_rng``: algorithms of users' own begin with it."""
        drawn: Apply = scope.idxs_vals_drawn(Literal(self.graph), self.s_new_ids, self.s_rng)
        return drawn

    def memo_from_config(self, config: Mapping[str, Any]) -> dict[Any, Any]:
        """The raw values by node. What has none is marked: it is an error if it turns out to be needed."""
        return {node: config.get(label, GarbageCollected) for label, node in self.graph.nodes.items()}

    def evaluate(self, config: Mapping[str, Any], ctrl: Any, attach_attachments: bool = True) -> Document:
        """Evaluate the objective at a point.

        Args:
            config: The raw value of each active label.
            ctrl: Of this evaluation.
            attach_attachments: Take ``attachments`` out of the result, and attach them to the trial.

        Returns:
            The trial's result.

        Raises:
            Exception: As the objective, the space or ``as_result`` raised.
        """
        ctrl_memo = dict.fromkeys(self._ctrl_nodes, ctrl)
        if self.pass_expr_memo_ctrl:
            returned = self.fn(expr=self.expr, memo=self.memo_from_config(config) | ctrl_memo, ctrl=ctrl)
        else:
            returned = self.fn(self.graph.build(config, ctrl_memo))
        result = as_result(returned)
        if attach_attachments:
            for name, value in result.pop("attachments", {}).items():
                ctrl.attachments[name] = value
        return result

    def loss(self, result: Document, config: Any = None) -> Any:
        """A result's loss, or None."""
        return result.get("loss")

    def loss_variance(self, result: Document, config: Any = None) -> Any:
        """How uncertain its loss is."""
        return result.get("loss_variance", 0.0)

    def true_loss(self, result: Document, config: Any = None) -> Any:
        """What the loss stands for, where it is not the loss itself."""
        return result["true_loss"] if "true_loss" in result else self.loss(result, config)

    def true_loss_variance(self, config: Any = None) -> Any:
        """Not known by default."""
        raise NotImplementedError

    def status(self, result: Document, config: Any = None) -> Any:
        """A result's status."""
        return result["status"]

    def new_result(self) -> Document:
        """The result of a trial that nobody has evaluated."""
        return {"status": STATUS_NEW}

    def short_str(self) -> str:
        """A few words on it."""
        return f"Domain{{{self.fn}}}"


def as_result(returned: Any) -> Document:
    """What an objective returned, as a trial's result.

    Raises:
        TypeError: It is neither a number nor a mapping.
        KeyError: It has no status.
        InvalidResultStatus: Its status is none.
        InvalidLoss: Its status is ok, and its loss is no number.
    """
    if isinstance(returned, float | int | np.number):
        return {"loss": float(returned), "status": STATUS_OK}
    try:
        result: Document = dict(returned)
    except TypeError:
        raise TypeError(
            f"The objective returned {returned!r}. It has to return its loss, which is a number, "
            "or a dictionary with 'status' and 'loss'."
        ) from None
    if result["status"] not in STATUS_STRINGS:
        raise InvalidResultStatus(result)
    if result["status"] == STATUS_OK:
        try:
            result["loss"] = float(result["loss"])
        except (TypeError, KeyError, ValueError):
            raise InvalidLoss(result) from None
    return result
