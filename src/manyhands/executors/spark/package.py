"""This package as a zip file, to be imported where it is not installed.

Beside the modules that every host and worker needs is their byte code, or each of them would compile it anew.
"""

import io
import marshal
import zipfile
from functools import cache
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

import manyhands

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same package is the same bytes, whenever it was installed


_NEEDED = (
    *("checks.py", "description.py", "errors.py", "events.py", "job.py", "labels.py", "parameters.py", "space.py"),
    *("template.py", "trial.py", "executors", "joblib", "wire", "worker"),
)
_UNCHECKED = 1  # PEP 552: byte code that is taken without a look at its source


@cache
def zipped_package() -> bytes:
    """Return all modules of this package as a zip file."""
    root = Path(manyhands.__file__).parent
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        for path in sorted(root.rglob("*.py")):
            name, source = str(path.relative_to(root.parent)), path.read_bytes()
            archive.writestr(_entry(name), source)
            if path.relative_to(root).parts[0] in _NEEDED:
                archive.writestr(_entry(f"{name}c"), _compiled(source, name))
    return found.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _compiled(source: bytes, name: str) -> bytes:
    code = marshal.dumps(compile(source, name, "exec", dont_inherit=True))
    return MAGIC_NUMBER + _UNCHECKED.to_bytes(4, "little") + source_hash(source) + code
