"""Trials as child runs in MLflow, if the program has a run under way there."""

import logging
import math
import sys
from typing import Any

from manyhands.hyperopt.documents import (
    JOB_STATE_CANCEL,
    JOB_STATE_DONE,
    STATUS_OK,
    Document,
    spec_from_misc,
)
from manyhands.hyperopt.pyll_utils import space_eval

logger = logging.getLogger(__name__)

_LONGEST = 500  # characters of a parameter, which MLflow has limits for


class ChildRuns:
    """Logs trials as child runs of the run that is active where the search begins; does nothing if there is none.

    A run cannot be active unless the program has imported MLflow; so it is never imported here for nothing.

    Args:
        space: What is searched: params are logged as the values that the objective gets, and not as indices.
    """

    def __init__(self, space: Any) -> None:
        self._space = space
        self._client: Any = None
        mlflow = sys.modules.get("mlflow")
        run = mlflow.active_run() if mlflow is not None else None
        if mlflow is not None and run is not None:
            self._client = mlflow.MlflowClient()
            self._parent = run.info

    def log(self, doc: Document) -> None:
        """Log a trial that has ended. What goes wrong with that is logged, and no more."""
        if self._client is None:
            return
        try:
            self._log(doc)
        except Exception as error:  # an unreachable server is no reason to lose a search
            logger.warning("Trial %s is not in MLflow: %s: %s", doc["tid"], type(error).__name__, error)

    def _log(self, doc: Document) -> None:
        tags = {"mlflow.parentRunId": self._parent.run_id, "mlflow.runName": f"trial {doc['tid']}"}
        began = _milliseconds(doc["book_time"])
        run = self._client.create_run(self._parent.experiment_id, start_time=began, tags=tags)
        run_id = run.info.run_id
        result = doc["result"]
        for name, value in flat_params(self._space, doc).items():
            self._client.log_param(run_id, name, str(value)[:_LONGEST])
        for name, value in result.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                self._client.log_metric(run_id, name, float(value))
        self._client.set_tag(run_id, "trial_status", _status(doc))
        if "error" in doc["misc"]:
            self._client.set_tag(run_id, "error", doc["misc"]["error"][1][-_LONGEST:])
        is_ok = doc["state"] == JOB_STATE_DONE and result.get("status") == STATUS_OK
        ending = "FINISHED" if is_ok else "KILLED" if doc["state"] == JOB_STATE_CANCEL else "FAILED"
        self._client.set_terminated(run_id, ending, end_time=_milliseconds(doc["refresh_time"]))


def flat_params(space: Any, doc: Document) -> dict[str, Any]:
    """A trial's params by name, as the objective gets them; those within others have dotted names.

    Args:
        space: What is searched.
        doc: The trial's document.
    """
    found: dict[str, Any] = {}
    _flatten(space_eval(space, spec_from_misc(doc["misc"])), "", found)
    return found


def _flatten(value: Any, name: str, found: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(inner, f"{name}.{key}" if name else str(key), found)
    elif isinstance(value, list | tuple) and any(isinstance(inner, dict | list | tuple) for inner in value):
        for i, inner in enumerate(value):
            _flatten(inner, f"{name}.{i}" if name else str(i), found)
    else:
        found[name or "value"] = value


def _status(doc: Document) -> str:
    if doc["state"] == JOB_STATE_CANCEL:
        return "cancelled"
    return str(doc["result"].get("status")) if doc["state"] == JOB_STATE_DONE else "error"


def _milliseconds(time: Any) -> int | None:
    import datetime

    return None if time is None else int(time.replace(tzinfo=datetime.UTC).timestamp() * 1000)
