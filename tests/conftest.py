"""How the tests are shared between processes: a file stays whole, and so do all files that use the Spark cluster."""

from pathlib import Path

import pytest

_LONGEST_FIRST = ("spark", "integration", "end_to_end")  # folders
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    items.sort(key=_place)  # else what takes longest may come last, for one process alone
    for item in items:
        is_on_cluster = item.path.parent == _HERE / "spark"
        item.add_marker(pytest.mark.xdist_group("spark" if is_on_cluster else str(item.path)))


def _place(item):
    folder = item.path.parent.name
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)
