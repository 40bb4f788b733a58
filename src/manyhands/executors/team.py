"""The worker processes of an executor, with what belongs to them: their folder, and their warden."""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from manyhands.errors import ExecutorError
from manyhands.executors.child import Child
from manyhands.executors.folder import RunFolder
from manyhands.executors.wardens import Warden
from manyhands.wire.messages import Quit, Setup

_QUIT_TIMEOUT_S = 2.0


class Team:
    """Worker processes, from the first that is started until all are ended; an executor may take over another's.

    Args:
        env: Their environment.
        folder: Where their output goes; a temporary one if not given. It is removed at the end.

    Attributes:
        children: The processes there are, by name.
        folder: The folder.
    """

    def __init__(self, env: Mapping[str, str], folder: RunFolder | None = None):
        self.children: dict[str, Child] = {}
        self.folder = folder or RunFolder()
        self._env = env
        self._warden: Warden | None = None
        self._n_started = 0
        self._n_jobs = 0
        self._job_folder: Path | None = None

    # -- jobs --------------------------------------------------------------------------------------------------

    def begin_job(self) -> Path:
        """Make a folder that lasts as long as the job."""
        self._n_jobs += 1
        self._job_folder = self.folder.path / f"job{self._n_jobs}"
        self._job_folder.mkdir()
        return self._job_folder

    def rest(self) -> Sequence[Child]:
        """End those that are at work, and return them; the others let go of their job, and wait for the next."""
        busy = [child for child in self.children.values() if not child.is_idle]
        for child in busy:
            child.kill("the search is over")
        for child in busy:
            self.bury(child)
        for child in self.children.values():
            child.send(Setup([], []))
        if self._job_folder is not None:
            shutil.rmtree(self._job_folder, ignore_errors=True)
        return busy

    def recall(self, n_most: int) -> Sequence[Child]:
        """The processes that wait for a job; those above a number are ended, and so are those that died."""
        alive = [child for child in self.children.values() if not child.has_exited()]
        for child in set(self.children.values()).difference(alive[:n_most]):
            self.bury(child)
        return alive[:n_most]

    # -- workers -----------------------------------------------------------------------------------------------

    def hire(self, setup: Setup) -> Child:
        """Start one more process.

        Raises:
            ExecutorError: The system has no room for it.
        """
        self._n_started += 1
        name = f"w{self._n_started}"
        try:
            child = Child(name, self.folder.path, self._env, setup)
        except OSError as error:
            raise ExecutorError(f"No worker process can be started: {error}. Try fewer workers.") from error
        self.children[name] = child
        if self._warden is not None:
            self._warden.watch(child.pid)
        return child

    def bury(self, child: Child) -> str:
        """Make sure that a process is gone, and return how it ended, in words."""
        cause = child.bury()
        if self._warden is not None:
            self._warden.forget(child.pid)
        del self.children[child.name]
        return cause

    def guard(self) -> None:
        """See to it that nothing is left if this process is killed."""
        if self._warden is None:
            self._warden = Warden(self.folder.path, [child.pid for child in self.children.values()])

    def end(self) -> Sequence[Child]:
        """End all processes and whatever they started, at once, and return them; ``leave`` comes next."""
        children = list(self.children.values())
        for child in children:
            if child.is_idle:
                child.send(Quit())  # it has nothing to do, so let its libraries say goodbye properly
            else:
                child.kill("the search is over")
        give_up_at = time.monotonic() + _QUIT_TIMEOUT_S
        for child in children:
            while not child.has_exited() and time.monotonic() < give_up_at:
                time.sleep(0.001)
            child.bury()
        self.children.clear()
        return children

    def leave(self) -> None:
        """Remove what the processes have left behind."""
        if self._warden is not None:
            self._warden.dismiss()
            self._warden = None
        self.folder.remove()
