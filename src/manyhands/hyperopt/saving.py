"""Trials in a file: always whole, also if the process is killed while it writes."""

import contextlib
import os
import pickle
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import cloudpickle

from manyhands.hyperopt.documents import make_plain

#: Saving takes at most this share of a search's time: with many trials of a fast objective, it is done less often.
_SHARE = 0.1


class _Unpickler(pickle.Unpickler):
    """Reads trials that Hyperopt itself wrote as ours; it need not be installed."""

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle refers to."""
        if module.partition(".")[0] == "hyperopt":
            with contextlib.suppress(ImportError, AttributeError):
                return getattr(import_module(f"manyhands.{module}"), name)
        return super().find_class(module, name)


def load_trials(path: str | os.PathLike[str]) -> Any:
    """The trials in a file: a ``trials_save_file``, or any other that ``pickle.dump`` wrote, here or with Hyperopt.

    Args:
        path: The file.

    Raises:
        ValueError: The file does not hold trials.
    """
    with Path(path).open("rb") as file:
        try:
            trials = _Unpickler(file).load()  # a file of the user's own, as it always was
        except (pickle.UnpicklingError, EOFError) as error:
            raise ValueError(
                f"trials_save_file={os.fspath(path)!r} holds no trials ({error}). Remove it to begin anew."
            ) from error
    for doc in getattr(trials, "_dynamic_trials", ()):
        make_plain(doc["misc"])
    return trials


def packed(thing: Any) -> bytes:
    """A pickle for another process, with what that cannot import."""
    pickled: bytes = cloudpickle.dumps(thing)
    return pickled


class Saver:
    """Keeps a file that holds the trials of a search.

    Args:
        path: The file. Empty for none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path) if os.fspath(path) else None
        self._not_before = 0.0
        self._is_old = False

    def save(self, trials: Any) -> None:
        """Note that there is something new, and save it unless that was done a moment ago."""
        if self._path is None:
            return
        self._is_old = True
        began = time.monotonic()
        if began >= self._not_before:
            self._write(self._path, trials)
            ended = time.monotonic()
            self._not_before = ended + (ended - began) / _SHARE

    def finish(self, trials: Any) -> None:
        """Save what was not."""
        if self._path is not None and self._is_old:
            self._write(self._path, trials)

    def _write(self, path: Path, trials: Any) -> None:
        beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            with beside.open("wb") as file:
                cloudpickle.dump(trials, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        self._is_old = False
