"""scikit-learn's callbacks (``set_callbacks``, from 1.9 on): what they hear of a search.

The tree of tasks is that of scikit-learn's own searches: a root, below it the search with its evaluations, each of a
candidate on a split, and the refit. Older versions have none of this; then nothing here does anything.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any


class Hooks:
    """Tells the callbacks of a search, and those of the estimators that it fits.

    Args:
        search: The search, which begins to be fitted.
        X: Its samples.
        y: Its targets, or None.
        params: What its ``fit`` was given.
        n_tasks: How many tasks it has: the search, and what comes after it.
    """

    def __init__(self, search: Any, X: Any, y: Any, params: dict[str, Any], n_tasks: int):  # noqa: N803
        self._search = search
        weight = params.get("sample_weight")
        self._told = {"X": X, "y": y, "metadata": None if weight is None else {"sample_weight": weight}}
        self._root: Any = None
        self._parent: Any = None  # of evaluations; None while callbacks do not hear of them
        self._numbers = count()
        if hasattr(search, "_init_callback_context"):
            self._root = search._init_callback_context(max_subtasks=n_tasks)
            self._root.call_on_fit_task_begin(estimator=search, **self._told)

    @contextmanager
    def searching(self, n_evaluations: int | None, *, is_here: bool) -> Iterator[None]:
        """Around the search.

        Args:
            n_evaluations: How many there will be at most, each of a candidate on a split; None if nobody knows.
            is_here: Whether they are in this process. Callbacks do not hear of others, and people are told so.
        """
        if self._root is None:
            yield
            return
        if not is_here and getattr(self._search, "_skl_callbacks", None):
            warnings.warn(
                f"Callbacks hear of the search and the refit of this {type(self._search).__name__}, and of no single "
                "evaluation: those run on workers, which cannot call back. With executor='inline' they hear of all.",
                stacklevel=2,
            )
        context = self._root.subcontext(
            task_name="search", max_subtasks=n_evaluations if is_here else 0, sequential_subtasks=False
        )
        self._parent = context if is_here else None
        context.call_on_fit_task_begin(estimator=self._search)
        try:
            yield
        finally:
            self._parent = None
        context.call_on_fit_task_end(estimator=self._search)

    def of_evaluation(self) -> dict[str, Any]:
        """What scikit-learn's ``_fit_and_score`` needs, to tell the callbacks of the next evaluation."""
        if self._parent is None:
            return {}
        context = self._parent.subcontext(task_name="candidate-split-evaluation", task_id=next(self._numbers))
        return {"caller": self._search, "callback_ctx": context}

    @contextmanager
    def rescoring(self) -> Iterator[None]:
        """Around the second scoring of the best candidates."""
        if self._root is None:
            yield
            return
        context = self._root.subcontext(task_name="rescoring").call_on_fit_task_begin(estimator=self._search)
        yield
        context.call_on_fit_task_end(estimator=self._search)

    @contextmanager
    def refitting(self, estimator: Any) -> Iterator[None]:
        """Around the fit of the best candidate on all data; the estimator gets the callbacks that are propagated."""
        if self._root is None:
            yield
            return
        context = self._root.subcontext(task_name="refit-with-best-params")
        with context.propagate_callback_context(estimator):
            context.call_on_fit_task_begin(estimator=self._search, **self._told)
            yield
        context.call_on_fit_task_end(estimator=self._search, **self._told)

    def end(self) -> None:
        """The search is fitted."""
        if self._root is not None:
            self._root.call_on_fit_task_end(estimator=self._search, **self._told)
