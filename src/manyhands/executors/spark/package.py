"""This package as a zip file, to be imported where it is not installed."""

import io
import zipfile
from functools import cache
from pathlib import Path

import manyhands

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same package is the same bytes, whenever it was installed


@cache
def zipped_package() -> bytes:
    """Return all modules of this package as a zip file."""
    root = Path(manyhands.__file__).parent
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*.py")):
            name = zipfile.ZipInfo(str(path.relative_to(root.parent)), _EPOCH)
            name.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(name, path.read_bytes())
    return found.getvalue()
