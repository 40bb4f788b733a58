"""Where the checkpoints of a study are, from what its user said."""

import os
from pathlib import Path
from urllib.parse import quote

from manyhands.errors import SettingsError
from manyhands.ports import StudySpec
from manyhands.worker.storage import is_url, joined, storage_at


def read_place(given: object) -> str | None:
    """Return the path or URL that was given as ``checkpoints=``, once it is clear that it can be used; or None.

    Raises:
        SettingsError: It is neither, or a library is missing that the URL needs.
    """
    if given is None:
        return None
    if not isinstance(given, str | os.PathLike) or not str(given):
        raise SettingsError(f"checkpoints={given!r} must be the path of a folder, or a URL that fsspec knows.")
    place = str(given)
    if not is_url(place):
        if os.path.exists(place) and not os.path.isdir(place):
            raise SettingsError(f"checkpoints={place!r} must be a folder, and there is a file of that name.")
        return os.path.abspath(place)
    try:
        storage_at(place)
    except ModuleNotFoundError as error:
        if error.name != "fsspec":
            raise _unusable(place, error) from error
        raise SettingsError(
            f"checkpoints={place!r} is a URL, and these need fsspec. Install manyhands[fsspec], here and where the "
            f"workers are."
        ) from error
    except Exception as error:  # whatever a file system of the user's choice raises
        raise _unusable(place, error) from error
    return place


def check_reach(place: str | None, *, same_process: bool) -> None:
    """Refuse a place that the workers cannot share.

    Args:
        place: As ``read_place`` returns it.
        same_process: Whether the objective runs in this very process.

    Raises:
        SettingsError: It is a file system of this process alone, and the workers are others.
    """
    if place is not None and place.startswith("memory:") and not same_process:
        raise SettingsError(
            f"checkpoints={place!r} is a file system within one process, and the workers are others. Give a folder or "
            f"a URL that they can all reach, or use executor='inline'."
        )


def study_folder(spec: StudySpec) -> str:
    """The name of a study's own folder; one that was begun anew under an old name must not find the old one's."""
    return f"{quote(spec.name, safe='')}-{int(spec.created_at * 1000)}"


def beside_store(path: str | os.PathLike[str], spec: StudySpec) -> str:
    """The folder for a study in a store's file, so that a resumed study finds it."""
    return str(Path(f"{path}.files").absolute() / study_folder(spec))


def below(place: str, spec: StudySpec, *, in_memory: bool) -> str:
    """The folder or URL for a study below the place that its user gave.

    Args:
        place: As ``read_place`` returns it.
        spec: The study.
        in_memory: Whether it is in no file, so that another one, of another process, may have its name and age.
    """
    name = study_folder(spec)
    return joined(place, f"{name}-{os.getpid()}" if in_memory else name)


def _unusable(place: str, error: Exception) -> SettingsError:
    return SettingsError(f"checkpoints={place!r} cannot be used: {type(error).__name__}: {error}")
