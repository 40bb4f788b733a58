"""How tests are shared between processes: a file stays whole, and so do all files that use the one Spark cluster."""

import pytest

_LONGEST_FIRST = ("tests/spark/", "tests/integration/", "tests/end_to_end/")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: _place(item.nodeid))  # else what takes longest may come last, for one process alone


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "spark" if nodeid.startswith("tests/spark/") else nodeid.partition("::")[0]

    return ByFile(config, log)


def _place(nodeid):
    return next((i for i, folder in enumerate(_LONGEST_FIRST) if nodeid.startswith(folder)), len(_LONGEST_FIRST))
