"""Objectives and spaces out of scripts and modules, for the command line."""

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from manyhands.errors import ObjectiveError


def load_script(path: Path) -> ModuleType:
    """Load a script under a name of its own, so that it cannot be taken for a module that is installed.

    Raises:
        ObjectiveError: There is no such script, or it cannot be loaded.
    """
    if not path.is_file():
        raise ObjectiveError(f"There is no script {path}.")
    path = path.resolve()
    name = f"_script_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ObjectiveError(f"{path} is no Python script.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))  # as Python does for a script
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ObjectiveError(f"{path} could not be loaded.\n{_traceback(error, spec.loader)}") from error
    cloudpickle.register_pickle_by_value(module)  # workers cannot import it
    return module


def load_module(name: str) -> ModuleType:
    """Import a module, from the current folder first.

    Raises:
        ObjectiveError: There is none of that name.
    """
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ObjectiveError(
            f"There is no module {name!r} here or among what is installed. "
            f"For a script, give its file: SCRIPT.py:OBJECTIVE."
        ) from error


def take(module: ModuleType, name: str, where: str) -> Any:
    """What a module defines under a name.

    Args:
        module: The module.
        name: The name.
        where: What to call the module in the error.

    Raises:
        ObjectiveError: It defines nothing of that name.
    """
    try:
        return getattr(module, name)
    except AttributeError:
        known = ", ".join(n for n in vars(module) if not n.startswith("_")) or "nothing"
        raise ObjectiveError(f"{where} defines no {name!r}. It defines: {known}.") from None


def _traceback(error: Exception, loader: object) -> str:
    """The error's traceback from the script on; how the script was loaded is of no interest."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_globals.get("__loader__") is not loader:
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame)).rstrip()
