"""Trials as child runs in MLflow, if the program has a run under way there."""

import datetime
import logging
import math
import sys
import time
from typing import Any

from manyhands.hyperopt.documents import JOB_STATE_CANCEL, JOB_STATE_DONE, STATUS_OK, Document, spec_from_misc
from manyhands.hyperopt.pyll_utils import space_eval

logger = logging.getLogger(__name__)

_LONGEST = 500  # characters of a parameter or a tag, which MLflow has limits for
_PARENT = "mlflow.parentRunId"
_OURS = "manyhands.tid"
_MOST_SHOWN = 5  # warnings, when no trial can be logged


class ChildRuns:
    """Logs trials as child runs of the run that is active where the search begins; does nothing if there is none.

    An objective that logs child runs by itself, as scripts for Hyperopt do, has the say: then nothing is added to them.
    A run cannot be active unless the program has imported MLflow, so it is never imported here for nothing.

    Args:
        space: What is searched: params are logged as the values that the objective gets, and not as indices.
    """

    def __init__(self, space: Any) -> None:
        self._space = space
        self._client: Any = None
        self._n_warned = 0
        self._has_looked = False
        self._since_ms = int(time.time() * 1000)
        mlflow = sys.modules.get("mlflow")
        try:
            run = mlflow.active_run() if mlflow is not None else None
            if mlflow is not None and run is not None:
                self._client = mlflow.MlflowClient()
                self._parent = run.info
        except Exception as error:
            self._warn("The search", error)

    def log(self, doc: Document) -> None:
        """Log a trial that has ended. What goes wrong with that is a warning, and no more."""
        if self._client is None:
            return
        try:
            if not self._has_looked and self._objective_logs():
                self._client = None
                return
            self._has_looked = True
            self._log(doc)
        except Exception as error:  # an unreachable server is no reason to lose a search
            self._warn(f"Trial {doc['tid']}", error)

    def _objective_logs(self) -> bool:
        """Whether there are child runs of this search that somebody else has begun."""
        wanted = f"tags.`{_PARENT}` = '{self._parent.run_id}' and attributes.start_time >= {self._since_ms}"
        found = self._client.search_runs([self._parent.experiment_id], filter_string=wanted, max_results=100)
        return any(_OURS not in run.data.tags for run in found)

    def _log(self, doc: Document) -> None:
        client, result = self._client, doc["result"]
        tags = {_PARENT: self._parent.run_id, "mlflow.runName": f"trial {doc['tid']}", _OURS: str(doc["tid"])}
        began = _milliseconds(doc["book_time"])
        run_id = client.create_run(self._parent.experiment_id, start_time=began, tags=tags).info.run_id
        for name, value in flat_params(self._space, doc).items():
            client.log_param(run_id, name, str(value)[:_LONGEST])
        for name, value in result.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                client.log_metric(run_id, name, float(value))
        client.set_tag(run_id, "status", _status(doc))
        if "error" in doc["misc"]:
            client.set_tag(run_id, "error", doc["misc"]["error"][1][-_LONGEST:])
        is_ok = doc["state"] == JOB_STATE_DONE and result.get("status") == STATUS_OK
        ending = "FINISHED" if is_ok else "KILLED" if doc["state"] == JOB_STATE_CANCEL else "FAILED"
        client.set_terminated(run_id, ending, end_time=_milliseconds(doc["refresh_time"]))

    def _warn(self, what: str, error: Exception) -> None:
        self._n_warned += 1
        if self._n_warned <= _MOST_SHOWN:
            logger.warning("%s is not in MLflow: %s: %s", what, type(error).__name__, error)


def flat_params(space: Any, doc: Document) -> dict[str, Any]:
    """A trial's params by name, as the objective gets them; those within others have dotted names.

    Args:
        space: What is searched.
        doc: The trial's document.
    """
    found: dict[str, Any] = {}
    vals = spec_from_misc(doc["misc"])
    value = space_eval(space, vals)
    _flatten(value, "" if isinstance(value, dict | list | tuple) else next(iter(vals), "value"), found)
    return found


def _flatten(value: Any, name: str, found: dict[str, Any]) -> None:
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list | tuple) and (not name or any(isinstance(v, dict | list | tuple) for v in value)):
        items = list(enumerate(value))
    else:
        found[name] = value
        return
    for key, inner in items:
        _flatten(inner, f"{name}.{key}" if name else str(key), found)


def _status(doc: Document) -> str:
    if doc["state"] == JOB_STATE_CANCEL:
        return "cancelled"
    return str(doc["result"].get("status")) if doc["state"] == JOB_STATE_DONE else "error"


def _milliseconds(when: Any) -> int | None:
    return None if when is None else int(when.replace(tzinfo=datetime.UTC).timestamp() * 1000)
