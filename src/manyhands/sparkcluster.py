"""A Spark standalone cluster on this machine's loopback: for trying things out, and for tests.

    this process ──── master ──┬── worker ── executors of applications
         │                     └── worker ── executors of applications
         └── pipe ─── warden       kills all of them if this process is killed

Master and workers are Java processes that come with the PyPI package ``pyspark``. Each leads a session of its own, so
Ctrl-C in a terminal does not reach them, and what they started can be found. Nothing listens but on 127.0.0.1, at ports
the system picks. There is no password: whoever has an account on this machine can use the cluster while it runs.
"""

import atexit
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from manyhands.checks import check_seconds, check_whole
from manyhands.errors import ExecutorError, SettingsError
from manyhands.executors.folder import RunFolder
from manyhands.executors.wardens import Warden
from manyhands.java import java_home

_LOOPBACK = "127.0.0.1"
_PAGE_TIMEOUT_S = 10.0
_GRACE_S = 5.0  # from asking a process to end to killing it
_TICK_S = 0.05
_SHOWN_LINES = 20

#: They have little to do, so starting soon and staying small counts for more than running fast.
_DAEMON_OPTIONS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
_MASTER_IS_UP = re.compile(
    r"Starting Spark master at (?P<url>spark://\S+)\n.*MasterWebUI .* started at http://[^:\n]+:(?P<ui_port>\d+)\n"
    r".*I have been elected leader",
    re.DOTALL,
)
_MEMORY = re.compile("[1-9][0-9]*[mg]", re.IGNORECASE)
_WORKER_IS_UP = re.compile("Successfully registered with master")


def _spark_home() -> Path:
    """Find the folder of the PyPI package without importing it, which takes a second."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise ExecutorError('Spark is not installed. Run: pip install "manyhands[spark]"')
    home = Path(spec.origin).parent
    if not (home / "bin" / "spark-class").exists():
        raise ExecutorError(
            f"{home} has no bin/spark-class: it is a client of Spark, not all of it. "
            f'Uninstall it, then run: pip install "manyhands[spark]"'
        )
    return home


class _Daemon:
    """A master or a worker: a Java process that leads a session and process group of its own.

    Args:
        name: What it is called in errors.
        command: Program and arguments.
        log: The file for its output.
        environment: All its environment variables.
        folder: Where it runs.
    """

    def __init__(self, name: str, command: list[str], log: Path, environment: Mapping[str, str], folder: Path):
        self._name = name
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(  # noqa: S603 - Spark's own script
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id; its process group and its session have the same number."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_for(self, line: re.Pattern[str], timeout_s: float) -> re.Match[str]:
        """Wait until its log has what is looked for, and return that.

        Raises:
            ExecutorError: It has ended, or is too slow.
        """
        give_up_at = time.monotonic() + timeout_s
        while True:
            runs = self.runs  # asked first, so that an end cannot hide its last lines
            found = line.search(self._log.read_text(encoding="utf-8", errors="replace"))
            if found is not None:
                return found
            if not runs:
                raise self.ended()
            if time.monotonic() > give_up_at:
                raise ExecutorError(f"{self._name} is not ready after {timeout_s:g} seconds. {self._last_lines()}")
            time.sleep(_TICK_S)

    def ended(self) -> ExecutorError:
        """Wait until it has ended, and return the error to raise."""
        return ExecutorError(f"{self._name} has ended, with status {self._process.wait()}. {self._last_lines()}")

    def signal_group(self, number: int) -> None:
        """Send a signal to it and, if it is a worker, to its executors."""
        with suppress(ProcessLookupError, PermissionError):  # macOS forbids it if only zombies are left
            os.killpg(self.pid, number)

    def reap(self) -> None:
        """Collect its status, for it has been killed."""
        with suppress(subprocess.TimeoutExpired):  # not even a kill ends a process that hangs in the kernel
            self._process.wait(_GRACE_S)

    def _last_lines(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join([f"The end of its log {self._log}:", *lines[-_SHOWN_LINES:]])


class LoopbackCluster:
    """A Spark master and workers on 127.0.0.1, for as long as the ``with`` statement lasts.

    Settings of other Spark installations, such as ``SPARK_CONF_DIR``, do not reach it. It ends with this process,
    however that ends.

    Args:
        workers: How many workers to start with.
        cores: How many cores each worker offers. They may be more than there are.
        memory: The memory each worker offers, such as "600m" or "2g". Spark gives an executor 1g unless told otherwise.
        folder: Where logs and the files of applications are kept; a temporary folder if not given.
        gpus_per_worker: How many GPUs each worker says it has, numbered from 0. There need not be any.
        environment: More environment variables for master, workers and executors.
        timeout_s: How many seconds each of them may take to start.

    Raises:
        SettingsError: An argument makes no sense.

    Attributes:
        url: The master's address, for ``SparkSession.builder.master``. Empty while it does not run.
        ui_url: The address of the master's web page. Empty while it does not run.
    """

    def __init__(
        self,
        workers: int = 2,
        cores: int = 1,
        memory: str = "1g",
        folder: Path | None = None,
        *,
        gpus_per_worker: int = 0,
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 90.0,
    ):
        check_whole(workers=workers, cores=cores)
        check_seconds(timeout_s=timeout_s)
        if isinstance(gpus_per_worker, bool) or not isinstance(gpus_per_worker, int) or gpus_per_worker < 0:
            raise SettingsError(f"gpus_per_worker={gpus_per_worker!r} must be a whole number from 0 on.")
        if not isinstance(memory, str) or not _MEMORY.fullmatch(memory):
            raise SettingsError(f'memory={memory!r} must be a number with a unit, such as "600m" or "2g".')
        self._n_workers = workers
        self._worker_options = ["--cores", str(cores), "--memory", memory]
        self._wanted_folder = folder
        self._gpus = gpus_per_worker
        self._extra = dict(environment or {})
        self._timeout_s = timeout_s
        self._scratch: RunFolder | None = None
        self._warden: Warden | None = None
        self._daemons: list[_Daemon] = []
        self.url = ""
        self.ui_url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers that run, oldest first."""
        return [worker.pid for worker in self._daemons[1:] if worker.runs]

    def start(self) -> None:
        """Start master and workers, and return once all workers have joined.

        Raises:
            ExecutorError: Spark or Java is missing, the cluster runs already, or something in it does not start.
        """
        if self._scratch is not None:
            raise ExecutorError(f"The cluster runs already, at {self.url}. Stop it first, or make another.")
        atexit.register(self.stop)
        try:
            self._prepare()
            self._start_master()
            for worker in [self._start_worker() for _ in range(self._n_workers)]:
                worker.wait_for(_WORKER_IS_UP, self._timeout_s)
        except BaseException:
            self.stop()
            raise

    def add_worker(self) -> int:
        """Start one more worker, and return its process id once it has joined.

        Raises:
            ExecutorError: The cluster does not run, or the worker does not start.
        """
        if not self.url:
            raise ExecutorError("The cluster does not run, so no worker can join it. Call start() first.")
        worker = self._start_worker()
        worker.wait_for(_WORKER_IS_UP, self._timeout_s)
        return worker.pid

    def state(self) -> dict[str, Any]:
        """Return what the master says of itself: ``aliveworkers``, ``workers``, ``activeapps`` and more.

        Raises:
            ExecutorError: It does not run, or does not answer.
        """
        if not self.ui_url:
            raise ExecutorError("The cluster does not run, so it has no state. Call start() first.")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy's loopback is not ours
        try:
            with opener.open(f"{self.ui_url}/json/", timeout=_PAGE_TIMEOUT_S) as page:
                found: dict[str, Any] = json.load(page)
        except (OSError, ValueError) as error:
            raise ExecutorError(f"The master's page {self.ui_url}/json/ cannot be read: {error}") from error
        return found

    def client_environment(self) -> dict[str, str]:
        """Return the environment variables that a program needs to use the cluster as its Spark driver."""
        return {"JAVA_HOME": java_home(), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": _LOOPBACK}

    def wait(self) -> None:
        """Stay here until the master ends. It does not do that by itself, so this is left by Ctrl-C or an error.

        Raises:
            ExecutorError: The master has ended, or was never started.
        """
        if not self._daemons:
            raise ExecutorError("The cluster does not run. Call start() first.")
        raise self._daemons[0].ended()

    def stop(self) -> None:
        """End master, workers and executors, and remove what was temporary. A second call does nothing."""
        self.url = self.ui_url = ""
        _end(self._daemons)
        self._daemons = []  # only now, so that a stop that was interrupted can be made again
        if self._warden is not None:
            self._warden.dismiss()
            self._warden = None
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None
        atexit.unregister(self.stop)

    def _prepare(self) -> None:
        self._spark_class = str(_spark_home() / "bin" / "spark-class")
        self._scratch = RunFolder()
        self._warden = Warden(self._scratch.path, [])
        self._folder = (self._wanted_folder or self._scratch.path).absolute()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._environment = self._make_environment(self._scratch.path)
        self._write_settings(self._scratch.path)

    def _make_environment(self, scratch: Path) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
        ours = {
            "SPARK_HOME": str(_spark_home()),
            "SPARK_CONF_DIR": str(scratch),
            "SPARK_LOCAL_DIRS": str(scratch),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": _DAEMON_OPTIONS,
        }
        return {**inherited, **ours, **self.client_environment(), **self._extra}

    def _write_settings(self, scratch: Path) -> None:
        # Otherwise the master takes the fixed port 6066 as well, for submissions by HTTP.
        lines = ["spark.master.rest.enabled false"]
        if self._gpus:
            resource = json.dumps({"name": "gpu", "addresses": [str(i) for i in range(self._gpus)]})
            discovery = scratch / "discover-gpus"
            discovery.write_text(f"#!/usr/bin/env bash\necho {shlex.quote(resource)}\n", encoding="utf-8")
            discovery.chmod(0o700)
            lines.append(f"spark.worker.resource.gpu.amount {self._gpus}")
            lines.append(f"spark.worker.resource.gpu.discoveryScript {discovery}")
        (scratch / "spark-defaults.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _start_master(self) -> None:
        master = self._launch("master", "master.Master", ["--port", "0"])
        found = master.wait_for(_MASTER_IS_UP, self._timeout_s)
        self.url = found["url"]
        self.ui_url = f"http://{_LOOPBACK}:{found['ui_port']}"

    def _start_worker(self) -> _Daemon:
        name = f"worker-{len(self._daemons)}"
        return self._launch(
            name, "worker.Worker", [*self._worker_options, "--work-dir", str(self._folder / name), self.url]
        )

    def _launch(self, name: str, main_class: str, options: list[str]) -> _Daemon:
        command = [self._spark_class, f"org.apache.spark.deploy.{main_class}"]
        command += ["--host", _LOOPBACK, "--webui-port", "0", *options]
        log = self._folder / f"{name}.log"
        daemon = _Daemon(f"The Spark cluster's {name}", command, log, self._environment, self._folder)
        self._daemons.append(daemon)
        if self._warden is not None:
            self._warden.watch(daemon.pid)
        return daemon


def _end(daemons: list[_Daemon]) -> None:
    """Ask master, workers and executors to end, and kill those that have not done so after a few seconds."""
    sessions = {daemon.pid for daemon in daemons}
    for daemon in daemons:
        daemon.signal_group(signal.SIGTERM)
    give_up_at = time.monotonic() + _GRACE_S
    while time.monotonic() < give_up_at and (any(daemon.runs for daemon in daemons) or _members(sessions)):
        time.sleep(_TICK_S)
    for pid in _members(sessions):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for daemon in daemons:
        daemon.signal_group(signal.SIGKILL)
        daemon.reap()


def _members(sessions: set[int]) -> list[int]:
    """Find what still runs in these sessions: executors, and their Python workers, which lead groups of their own.

    Only Linux tells. Elsewhere executors die with the group of their worker, and Python workers of their closed pipe.
    """
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it is just gone
            # pid (name, which may have spaces and brackets) state parent group session ...
            state, _, _, session = stat.read_text(errors="replace").rpartition(")")[2].split()[:4]
            if int(session) in sessions and state != "Z":
                found.append(int(stat.parent.name))
    return found
