"""What these tests share: small searches, scripts in processes of their own, and a look at what is left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid

import psutil
import pytest

import manyhands as mh

_MARK = "MANYHANDS_TEST_MARK"
_GIVE_UP_S = 30.0


def _wait_until(condition, what, timeout_s=_GIVE_UP_S):
    """Return what the condition returns, as soon as that is true."""
    give_up_at = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < give_up_at, f"waited {timeout_s:g} s in vain until {what}"
        time.sleep(0.01)
    return found


def _marked(mark):
    """All processes that were started, directly or not, with this mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            if process.environ().get(_MARK) == mark:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.fixture
def wait_until():
    return _wait_until


@pytest.fixture
def temp_folder(tmp_path):
    """Where Manyhands keeps its temporary folders during this test."""
    folder = tmp_path / "temp"
    folder.mkdir()
    return folder


@pytest.fixture
def left_over(temp_folder):
    """Tells which processes and temporary folders of this test there are now."""
    return lambda: [*_marked(os.environ[_MARK]), *temp_folder.glob("manyhands-*")]


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch, temp_folder):
    """Whatever a test does: afterwards no process and no temporary folder of it is left."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv(_MARK, mark)
    monkeypatch.setenv("TMPDIR", str(temp_folder))
    monkeypatch.setattr(tempfile, "tempdir", str(temp_folder))
    yield
    try:
        _wait_until(lambda: not _marked(mark), "all processes are gone", 5)
        _wait_until(lambda: not [*temp_folder.glob("manyhands-*")], "all temporary folders are gone", 5)
    finally:
        for process in _marked(mark):
            process.kill()


@pytest.fixture
def folders_may_stay(nothing_is_left, temp_folder):
    """For tests that kill drivers within half a second: their temporary folders have nobody to remove them."""
    yield
    for folder in temp_folder.glob("manyhands-*"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def lives():
    """Tells whether there is a process of this id that is more than a zombie."""

    def call(pid):
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return call


@pytest.fixture
def tune():
    """``mh.tune`` with a small space, a seed and two workers, unless told otherwise."""

    def call(objective, **settings):
        defaults = {"space": {"x": mh.Float(0, 1)}, "seed": 1, "progress": False}
        if "executor" not in settings:
            defaults["workers"] = 2
        return mh.tune(objective, **(defaults | settings))

    return call


class Script:
    """A Python script that runs as a process of its own.

    Args:
        path: The script.
        args: Its arguments.
        prepare: Called in the new process before the script.
    """

    def __init__(self, path, args, prepare=None):
        self._out = path.with_suffix(".stdout")
        self._err = path.with_suffix(".stderr")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, str(path), *map(str, args)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=path.parent,
                preexec_fn=prepare,
            )

    @property
    def pid(self):
        return self.process.pid

    @property
    def output(self):
        return self._out.read_text()

    @property
    def errors(self):
        return self._err.read_text()

    def send(self, number):
        self.process.send_signal(number)

    def ends_within(self, timeout_s):
        """Whether the script ends by itself in so many seconds."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def finish(self, timeout_s=60):
        """Wait for its end and return what it printed as JSON in its last line."""
        assert self.ends_within(timeout_s), f"the script hangs\n{self.errors}"
        assert self.process.returncode == 0, self.errors
        return json.loads(self.output.splitlines()[-1])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def start_script(tmp_path, nothing_is_left):
    """Starts scripts, and kills those that are left when the test is over."""
    started = []

    def start(text, *args, prepare=None):
        path = tmp_path / f"script_{len(started)}.py"
        path.write_text(textwrap.dedent(text))
        started.append(Script(path, args, prepare))
        return started[-1]

    yield start
    for script in started:
        if script.process.poll() is None:
            script.kill()
