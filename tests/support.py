"""What the tests of several folders share: waiting, scripts in processes of their own, and a look at processes."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil

GIVE_UP_S = 30.0


def wait_until(condition, what, timeout_s=GIVE_UP_S):
    """Return what the condition returns, as soon as that is true."""
    give_up_at = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < give_up_at, f"waited {timeout_s:g} s in vain until {what}"
        time.sleep(0.01)
    return found


def marked(name, mark):
    """All processes that were started, directly or not, with this mark in their environment, under this name."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            if process.environ().get(name) == mark:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


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


class Scripts:
    """Starts scripts in a folder, and kills those that are left at the end.

    Args:
        folder: Where they are written, and run.
    """

    def __init__(self, folder):
        self._folder = folder
        self._started = []

    def start(self, text, *args, prepare=None):
        path = self._folder / f"script_{len(self._started)}.py"
        path.write_text(textwrap.dedent(text))
        self._started.append(Script(path, args, prepare))
        return self._started[-1]

    def kill(self):
        for script in self._started:
            if script.process.poll() is None:
                script.kill()
