"""Trials as documents: their keys, states and statuses, and the ways to write a point into one and to read it again."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from manyhands.hyperopt.exceptions import InvalidTrial

#: What an objective says of its result.
STATUS_NEW = "new"
STATUS_RUNNING = "running"
STATUS_SUSPENDED = "suspended"
STATUS_OK = "ok"
STATUS_FAIL = "fail"
STATUS_STRINGS = (STATUS_NEW, STATUS_RUNNING, STATUS_SUSPENDED, STATUS_OK, STATUS_FAIL)

#: How far the evaluation of a trial has come. Trials that raised or were cancelled are hidden from ``trials.trials``.
JOB_STATE_NEW = 0
JOB_STATE_RUNNING = 1
JOB_STATE_DONE = 2
JOB_STATE_ERROR = 3
JOB_STATE_CANCEL = 4
JOB_STATES = [JOB_STATE_NEW, JOB_STATE_RUNNING, JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_CANCEL]
JOB_VALID_STATES = {JOB_STATE_NEW, JOB_STATE_RUNNING, JOB_STATE_DONE}

TRIAL_KEYS = ["tid", "spec", "result", "misc", "state", "owner", "book_time", "refresh_time", "exp_key"]
TRIAL_MISC_KEYS = ["tid", "cmd", "idxs", "vals"]

#: Where a worker finds what it has to evaluate. Scripts compare documents, so it stays as it always was.
CMD = ("domain_attachment", "FMinIter_Domain")

Document = dict[str, Any]


def now() -> datetime.datetime:
    """The time of day in UTC, without a time zone and in whole milliseconds, as documents have it."""
    time = datetime.datetime.now(datetime.UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000, tzinfo=None)


def new_document(tid: Any, misc: Document, exp_key: Any = None, spec: Any = None, result: Any = None) -> Document:
    """A document of a trial that nobody has evaluated.

    Args:
        tid: The trial's id.
        misc: Its id again, and its params.
        exp_key: Of which experiment it is.
        spec: Unused by every algorithm; kept.
        result: By default that of a new trial.
    """
    return {
        "state": JOB_STATE_NEW,
        "tid": tid,
        "spec": spec,
        "result": {"status": STATUS_NEW} if result is None else result,
        "misc": misc,
        "exp_key": exp_key,
        "owner": None,
        "version": 0,
        "book_time": None,
        "refresh_time": None,
    }


def point_misc(tid: Any, point: Mapping[str, Any], labels: Iterable[str] = ()) -> Document:
    """The ``misc`` of a trial at a point.

    Args:
        tid: The trial's id.
        point: The raw value of each active label.
        labels: All labels, active or not, in the order in which they are noted.
    """
    names = list(dict.fromkeys([*labels, *point]))
    return {
        "tid": tid,
        "cmd": CMD,
        "workdir": None,
        "idxs": {name: [tid] if name in point else [] for name in names},
        "vals": {name: [plain(point[name])] if name in point else [] for name in names},
    }


def check_document(doc: Any, exp_key: Any) -> None:
    """Refuse a document, unless it has all that one needs.

    Raises:
        InvalidTrial: Something is missing, or it is of another experiment.
    """
    if not isinstance(doc, Mapping) and not (hasattr(doc, "keys") and hasattr(doc, "values")):
        raise InvalidTrial("trial should be dict-like", doc)
    for key in TRIAL_KEYS:
        if key not in doc:
            raise InvalidTrial("trial is missing the key", key)
    misc = doc["misc"]
    for key in TRIAL_MISC_KEYS:
        if key not in misc:
            raise InvalidTrial('trial["misc"] is missing the key', key)
    if doc["tid"] != misc["tid"]:
        raise InvalidTrial("the trial's tid and that in its misc are not the same", doc)
    if doc["exp_key"] != exp_key:
        raise InvalidTrial("wrong exp_key", (doc["exp_key"], exp_key))


def plain(value: Any) -> Any:
    """A NumPy number as Python's; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def make_plain(misc: Document) -> None:
    """Let a trial's params be Python's numbers, in place: NumPy's cannot be written as JSON."""
    for values in misc["vals"].values():
        for index, value in enumerate(values):
            if isinstance(value, np.generic):
                values[index] = value.item()


def SONify(arg: Any, memo: Any = None) -> Any:  # noqa: N802 - scripts know it by this name
    """A copy of a document that JSON and BSON can hold: Python's numbers for NumPy's, lists for arrays.

    Args:
        arg: A document, or a part of one.
        memo: Unused; accepted as it always was.

    Raises:
        TypeError: Something in it is of another kind.
    """
    if isinstance(arg, np.generic):
        return arg.item()
    if arg is None or isinstance(arg, str | bytes | bool | int | float | datetime.datetime):
        return arg
    if isinstance(arg, np.ndarray):
        return arg.tolist()
    if isinstance(arg, list | tuple):
        return type(arg)([SONify(item) for item in arg])
    if isinstance(arg, dict):
        return {SONify(key): SONify(value) for key, value in arg.items()}
    if type(arg).__name__ == "ObjectId":  # of a MongoDB, whose package need not be installed
        return arg
    raise TypeError("SONify", arg)


def spec_from_misc(misc: Document) -> dict[str, Any]:
    """The raw value of each active label.

    Raises:
        NotImplementedError: A label has several values.
    """
    spec = {}
    for label, values in misc["vals"].items():
        if len(values) > 1:
            raise NotImplementedError("multiple values", (label, values))
        if values:
            spec[label] = values[0]
    return spec


def miscs_to_idxs_vals(
    miscs: Sequence[Document], keys: Iterable[str] | None = None
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """The params of many trials by label: the ids of the trials that have it, and its values there.

    Args:
        miscs: The trials' ``misc``.
        keys: The labels. Those of the first trial by default.

    Raises:
        ValueError: There is neither a trial nor a label.
    """
    if keys is None:
        if not miscs:
            raise ValueError("cannot infer keys from empty miscs")
        keys = miscs[0]["idxs"]
    idxs: dict[str, list[Any]] = {key: [] for key in keys}
    vals: dict[str, list[Any]] = {key: [] for key in idxs}
    for misc in miscs:
        for label in idxs:
            ids, values = misc["idxs"].get(label, []), misc["vals"].get(label, [])
            if len(ids) != len(values) or (ids and ids != [misc["tid"]]):
                raise ValueError(f"trial {misc['tid']} says idxs={ids} and vals={values} of {label!r}.")
            idxs[label].extend(ids)
            vals[label].extend(values)
    return idxs, vals


def miscs_update_idxs_vals(
    miscs: Sequence[Document],
    idxs: Mapping[str, Sequence[Any]],
    vals: Mapping[str, Sequence[Any]],
    assert_all_vals_used: bool = True,
    idxs_map: Mapping[Any, Any] | None = None,
) -> Sequence[Document]:
    """Write the params of many trials, given by label, into each trial's ``misc``.

    Args:
        miscs: Of the trials; changed in place.
        idxs: The ids of the trials that have the label.
        vals: Its values there.
        assert_all_vals_used: Whether each id has to be one of these trials.
        idxs_map: Other ids for some of those in ``idxs``.

    Raises:
        ValueError: There are not as many ids as values of a label, or not the same labels.
        KeyError: An id is that of no trial.
    """
    if set(idxs) != set(vals):
        raise ValueError(f"idxs and vals name different labels: {sorted(set(idxs) ^ set(vals))}.")
    by_id = {misc["tid"]: misc for misc in miscs}
    for misc in miscs:
        misc["idxs"] = {label: [] for label in idxs}
        misc["vals"] = {label: [] for label in idxs}
    for label, ids in idxs.items():
        for given, value in zip(ids, vals[label], strict=True):
            tid = (idxs_map or {}).get(given, given)
            if assert_all_vals_used or tid in by_id:
                by_id[tid]["idxs"][label] = [tid]
                by_id[tid]["vals"][label] = [plain(value)]
    return miscs
