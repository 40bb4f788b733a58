"""What the workers of one search have to do. Part of the payload, so it needs nothing but the standard library."""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Job:
    """An objective and how to call it.

    Attributes:
        objective: The user's function.
        template: The shape of its params; see ``manyhands.template``.
        takes_trial: Whether the objective wants the trial as its second argument.
        metric: The key of an objective's dict that is optimised; None for ``"value"`` or ``"loss"``. With several
            objectives one key each, or None for ``"values"``.
        n_objectives: How many values the objective returns.
        checkpoints: The folder, or fsspec URL, below which trials keep their checkpoints.
        is_judged: Whether a scheduler judges what trials report, so that its answer is worth a moment's wait.
    """

    def __init__(
        self,
        objective: Callable[..., Any],
        template: object,
        *,
        takes_trial: bool = False,
        metric: str | tuple[str, ...] | None = None,
        n_objectives: int = 1,
        checkpoints: str = "",
        is_judged: bool = False,
    ):
        self.objective = objective
        self.template = template
        self.takes_trial = takes_trial
        self.metric = metric
        self.n_objectives = n_objectives
        self.checkpoints = checkpoints
        self.is_judged = is_judged
