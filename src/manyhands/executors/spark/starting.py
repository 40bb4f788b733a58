"""Finds the Spark session that is there, or starts one."""

import os
import shutil
import sys
from typing import Any

from manyhands.errors import ExecutorError, SettingsError


def find_session(master: str | None) -> Any:
    """Return a ``SparkSession``.

    Args:
        master: What it has to run on, such as ``local[4]``, ``spark://host:7077``, or ``sc://host`` for Spark Connect.
            If it is None the active session is taken, and ``local[*]`` is started if there is none.

    Raises:
        ExecutorError: PySpark or Java is not there, or the session cannot be started.
        SettingsError: There is a session on another master.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ExecutorError('Spark needs PySpark: pip install "manyhands[spark]".') from error
    active = _active(SparkSession)
    if active is None:
        return _start(SparkSession.builder, master)
    if master is not None and not master.startswith("sc://") and active.conf.get("spark.master", "") != master:
        raise SettingsError(
            f"There is a Spark session on {active.conf.get('spark.master', '')} already, so none can be started on "
            f"{master}. Stop it first, or give it as session=."
        )
    return active


def _active(kind: Any) -> Any:
    try:
        return kind.getActiveSession()
    except Exception:  # it is one of Spark Connect that has gone
        return None


def _start(builder: Any, master: str | None) -> Any:
    builder = builder.appName("manyhands")
    if master is not None and master.startswith("sc://"):
        builder = builder.remote(master)
    else:
        _find_java()
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else Spark takes the first python3 on the path
        # It shows a bar of its own and warnings about itself, in the middle of what a search shows.
        builder = builder.config("spark.ui.showConsoleProgress", "false").config("spark.log.level", "ERROR")
        if master is not None:
            builder = builder.master(master)
            if "//127.0.0.1:" in master:
                builder = builder.config("spark.driver.host", "127.0.0.1")
    try:
        return builder.getOrCreate()
    except Exception as error:  # Java's, gRPC's, Spark's
        where = "" if master is None else f" on {master}"
        raise ExecutorError(f"No Spark session can be started{where}: {error}") from error


def _find_java() -> None:
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        from manyhands.java import use_java

        use_java()
