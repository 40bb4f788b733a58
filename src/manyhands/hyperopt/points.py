"""Points that people want evaluated, as documents of new trials."""

import logging
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from manyhands.hyperopt.documents import JOB_STATE_NEW, Document, new_document, point_misc, spec_from_misc
from manyhands.hyperopt.graph import SpaceGraph, label_of
from manyhands.hyperopt.pyll.base import Apply, dfs, rec_eval

_PARAM = "hyperopt_param"

logger = logging.getLogger(__name__)


def point_documents(tids: Sequence[Any], points: Any, exp_key: Any = None) -> list[Document]:
    """New trials at points.

    Args:
        tids: Their ids.
        points: A list of dictionaries: the raw value of each active label.
        exp_key: Of which experiment they are.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(points, list | tuple) or not all(isinstance(point, Mapping) for point in points):
        raise TypeError(f"points_to_evaluate has to be a list of dictionaries by label, not {points!r}.")
    return [new_document(tid, point_misc(tid, point), exp_key) for tid, point in zip(tids, points, strict=True)]


def add_points(trials: Any, points: Any, space: Any) -> None:
    """Let points be evaluated before anything else, but for those that are there already.

    Raises:
        TypeError: ``points`` is no list of dictionaries.
        ValueError: A point gives a choice something that is neither an index nor an option.
    """
    docs = point_documents(trials.new_trial_ids(len(points)), points, trials._exp_key)
    complete(docs, SpaceGraph(space))
    known = [spec_from_misc(doc["misc"]) for doc in trials._dynamic_trials]
    new = [doc for doc in docs if spec_from_misc(doc["misc"]) not in known]
    trials.return_trial_ids({doc["tid"] for doc in docs} - {doc["tid"] for doc in new})
    trials.insert_trial_docs(new)


def complete(docs: Sequence[Document], graph: SpaceGraph) -> None:
    """Give new trials what a space asks of them, in place: all its labels, and indices where options were given.

    Args:
        docs: Documents; those that are not of new trials stay as they are.
        graph: The space.

    Raises:
        ValueError: A point gives a choice something that is neither an index nor an option.
    """
    docs = [doc for doc in docs if doc["state"] == JOB_STATE_NEW]
    if not docs:
        return
    labels, options = graph.params, dict(_choices(graph.expr))
    for doc in docs:
        idxs, vals = doc["misc"]["idxs"], doc["misc"]["vals"]
        for label in labels:
            idxs.setdefault(label, [])
            vals.setdefault(label, [])
        strangers = sorted(label for label in vals if label not in labels)
        if strangers:
            logger.warning(
                "The point of trial %s has values for %s, which the space does not have.", doc["tid"], strangers
            )
        for label, choices in options.items():
            vals[label] = [_index(label, value, choices) for value in vals[label]]


def _choices(expr: Apply) -> Iterator[tuple[str, list[Any]]]:
    """The options of each choice, None for those that hold hyperparameters themselves."""
    for node in dfs(expr):
        if node.name == "switch" and node.pos_args[0].name == _PARAM:
            yield label_of(node.pos_args[0]), [_constant(option) for option in node.pos_args[1:]]


def _constant(option: Apply) -> Any:
    return None if any(node.name == _PARAM for node in dfs(option)) else rec_eval(option)


def _index(label: str, value: Any, options: list[Any]) -> int:
    """The index of an option, which is what a trial notes. A number that can be an index is one."""
    if not isinstance(value, bool | np.bool_):
        try:
            index = operator.index(int(value) if isinstance(value, float) and value.is_integer() else value)
        except TypeError:
            pass
        else:
            if 0 <= index < len(options):
                return index
    for index, option in enumerate(options):
        if _is_same(value, option):
            return index
    raise ValueError(
        f"A point has {label}={value!r}, which is neither an index from 0 to {len(options) - 1} nor one of {options}."
    )


def _is_same(value: Any, option: Any) -> bool:
    try:
        return bool(value == option) and isinstance(value, bool) == isinstance(option, bool)
    except ValueError:  # arrays are not simply equal or different
        return False
