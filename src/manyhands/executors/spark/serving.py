"""What a Spark task does once this package is there: be a host for the driver until the search is over."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec

TYPE_CHECKING = False  # this file is the first that is imported on an executor, whatever it has
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_NEEDED = ("msgspec", "zmq", "cloudpickle")
_CONNECT_TIMEOUT_S = 20.0

#: How a task ended: told to, for want of something, without an answer, or for another reason that its words tell.
ENDED, MISSING, UNANSWERED, FAILED = "ended", "missing", "unanswered", "failed"


def serve(orders: dict[str, Any], broadcasts: Mapping[str, Sequence[Any]], folder: str, lock: int) -> str:
    """Be a host for the driver, and say how it ended.

    Args:
        orders: ``slot``, ``connection``, and what its workers may use: ``cores``, ``memory_limit_mb``, ``share``.
        broadcasts: The larger pieces of the payload.
        folder: A run's folder, and its lock, which is held.
        lock: The lock's file descriptor.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        return json.dumps([MISSING, f"{' and '.join(missing)} cannot be imported by {sys.executable} {_where()}"])
    from pathlib import Path

    from manyhands.errors import ManyhandsError
    from manyhands.executors.folder import RunFolder
    from manyhands.executors.host import Host
    from manyhands.executors.processes import Processes
    from manyhands.executors.spark.share import sources_of
    from manyhands.wire.channel import Connection

    host = None
    try:
        pool = Processes(
            1,
            cores_per_worker=orders["cores"],
            memory_limit_mb=orders["memory_limit_mb"],
            env=_gpu_env(),
            folder=RunFolder.adopt(Path(folder), lock),
        )
        sources = sources_of(broadcasts, orders["share"])
        host = Host(Connection(**orders["connection"]), pool, slot=orders["slot"], sources=sources)
        return json.dumps([ENDED, host.serve(_CONNECT_TIMEOUT_S)])
    except ManyhandsError as error:
        kind = FAILED if host is None or host.was_welcome else UNANSWERED
        return json.dumps([kind, f"{error} (Seen {_where()})"])


def read_end(said: str) -> tuple[str, str]:
    """How a task ended: ``ENDED``, ``MISSING``, ``UNANSWERED`` or ``FAILED``, and words for people."""
    kind, words = json.loads(said)
    return kind, words


def _gpu_env() -> dict[str, str]:
    from pyspark import TaskContext

    context = TaskContext.get()
    resources = context.resources() if context is not None else {}
    return {"CUDA_VISIBLE_DEVICES": ",".join(resources["gpu"].addresses)} if "gpu" in resources else {}


def _where() -> str:
    import socket

    return f"on {socket.gethostname()}"
