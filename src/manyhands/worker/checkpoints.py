"""The checkpoints of one part: an object that was saved, or a folder of files, or both.

    root/trial-00007/split-0            its own folder, if the root is on a disk of this machine
    root/trial-00007/split-0-saved/     what was saved: object-00000003, folder-00000001 (see ``generations.py``)

Nothing here is imported before an objective asks for it.
"""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from typing import TYPE_CHECKING, cast

from manyhands.worker.generations import Draft, Generations
from manyhands.worker.storage import is_url, joined, storage_at

if TYPE_CHECKING:
    from typing import BinaryIO

_NONE = object()
_TRIAL = "trial-"


def trial_folder(trial_id: int) -> str:
    """The name of the folder, below the root, that has all checkpoints of a trial."""
    return f"{_TRIAL}{trial_id:05d}"


def trial_of_folder(name: str) -> int | None:
    """Whose folder this is; None if it is no trial's."""
    number = name.removeprefix(_TRIAL)
    return int(number) if name.startswith(_TRIAL) and number.isdigit() else None


class Checkpoints:
    """What a part saves, and what it begins with.

    Args:
        root: The path or URL below which all trials of the search have their checkpoints.
        trial_id: The trial.
        split: Which of its splits.
        parent: The trial whose checkpoint this one begins with if it has none of its own.
        scratch: A folder of this machine that is removed when the search is over; only needed if the root is a URL.
    """

    def __init__(self, root: str, trial_id: int, split: int, parent: int | None = None, scratch: str = ""):
        self._root = root
        self._trial_id = trial_id
        self._split = f"split-{split}"
        self._parent = parent
        self._scratch = scratch
        self._folder: str | None = None
        self._made_scratch = False
        self._objects = self._generations(trial_id, "object")
        self._folders = self._generations(trial_id, "folder")

    # -- objects -----------------------------------------------------------------------------------------------

    def save(self, obj: object) -> None:
        """Save an object."""
        self._objects.save(lambda draft: _pickle(obj, draft))

    def restore(self, default: object) -> object:
        """Return what was saved last, else what the parent saved last, else the default."""
        found = self._objects.newest(_unpickle, _NONE)
        if found is _NONE and self._parent is not None:
            found = self._generations(self._parent, "object").newest(_unpickle, _NONE)
        return default if found is _NONE else found

    # -- folders -----------------------------------------------------------------------------------------------

    def folder(self) -> str:
        """The folder for files, with what it is to begin with in it."""
        if self._folder is None:
            self._folder = self._make_folder()
        return self._folder

    def save_folder(self) -> None:
        """Save the folder as it stands."""
        folder = self.folder()
        self._folders.save(lambda draft: _pack(folder, draft))

    def close(self) -> None:
        """Remove the folder, if it was only a copy of what is elsewhere."""
        if self._folder is not None and is_url(self._root):
            shutil.rmtree(self._scratch if self._made_scratch else self._folder, ignore_errors=True)
        self._folder = None

    def _make_folder(self) -> str:
        place = self._place()
        parent, name = os.path.split(place)
        os.makedirs(parent, exist_ok=True)
        for other in os.listdir(parent):
            if other.startswith(f"{name}-draft-"):  # of a worker that was killed
                shutil.rmtree(os.path.join(parent, other), ignore_errors=True)
        content = self._content(place)
        if content is None:
            os.makedirs(place, exist_ok=True)
        else:
            _replace(place, content)
        return place

    def _place(self) -> str:
        if not is_url(self._root):
            return self._own_folder(self._trial_id)
        if not self._scratch:
            self._scratch, self._made_scratch = tempfile.mkdtemp(prefix="manyhands-files-"), True
        place = os.path.join(self._scratch, f"{trial_folder(self._trial_id)}-{self._split}")
        shutil.rmtree(place, ignore_errors=True)  # an attempt that was lost on this machine
        return place

    def _content(self, place: str) -> str | None:
        """A new folder beside ``place`` with what is to be in it; None if it is to stay as it is."""

        def unpack(file: BinaryIO) -> str | None:
            return _unpack(file, _draft(place))

        content = self._folders.newest(unpack, None)
        if content is not None or _has_files(place) or self._parent is None:
            return content
        content = self._generations(self._parent, "folder").newest(unpack, None)
        if content is None and not is_url(self._root) and _has_files(theirs := self._own_folder(self._parent)):
            content = _draft(place)
            shutil.copytree(theirs, content, symlinks=True, dirs_exist_ok=True)
        return content

    # -- where they are ----------------------------------------------------------------------------------------

    def _own_folder(self, trial_id: int) -> str:
        return os.path.join(self._root, trial_folder(trial_id), self._split)

    def _generations(self, trial_id: int, kind: str) -> Generations:
        saved = joined(self._root, trial_folder(trial_id), f"{self._split}-saved")
        return Generations(storage_at(saved, self._scratch), kind, f"trial {trial_id}")


def _pickle(obj: object, draft: Draft) -> None:
    try:
        pickle.dump(obj, draft, protocol=5)
        return
    except (OSError, MemoryError):  # a full disk is not overcome in another way
        raise
    except Exception:
        try:
            import cloudpickle  # it can do more, such as classes of a notebook
        except ImportError:
            cloudpickle = None
        if cloudpickle is None:
            raise
    draft.restart()
    cloudpickle.dump(obj, draft, protocol=5)


def _unpickle(file: BinaryIO) -> object:
    return pickle.load(file)  # noqa: S301 - written by a worker of this search, and read by another one


def _pack(folder: str, draft: Draft) -> None:
    import tarfile

    with tarfile.open(fileobj=cast("BinaryIO", draft), mode="w|", bufsize=1 << 20) as archive:
        archive.add(folder, arcname=".")


def _unpack(file: BinaryIO, folder: str) -> str:
    import tarfile

    try:
        with tarfile.open(fileobj=file, mode="r|", bufsize=1 << 20) as archive:
            # Links may lead anywhere, as in the folder that was saved. Older releases of 3.11 know no filters.
            archive.extraction_filter = getattr(tarfile, "tar_filter", lambda member, _: member)
            archive.extractall(folder)  # noqa: S202 - written by a worker of this search
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _draft(place: str) -> str:
    parent, name = os.path.split(place)
    return tempfile.mkdtemp(prefix=f"{name}-draft-", dir=parent)


def _replace(place: str, content: str) -> None:
    """Let a folder take another's place: never is there a part of either. What comes in its way is removed."""
    if os.path.isdir(place):
        old = _draft(place)
        os.rename(place, old)
        os.rename(content, place)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.rename(content, place)


def _has_files(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except FileNotFoundError:
        return False
