"""The function that a Spark task runs: it unpacks this package and goes on with ``serving.py`` there.

The package need not be installed where the task runs, so this function has to carry all it needs: it is defined inside
another one, which makes cloudpickle send its code and not its name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

Broadcasts = Mapping[str, Sequence[Any]]  # digest of a piece of the payload -> its chunks, as broadcast variables


def make_task(
    package: bytes, orders: dict[str, Any], broadcasts: Broadcasts
) -> Callable[[Iterable[object]], Iterator[str]]:
    """Return the function that a task runs on its partition; it yields one text, for ``serving.read_end``.

    Args:
        package: This package, as a zip file.
        orders: What ``serve`` is to know.
        broadcasts: The larger pieces of the payload.
    """

    def task(rows: Iterable[object]) -> Iterator[str]:
        import fcntl
        import os
        import shutil
        import sys
        import tempfile

        def forget() -> None:
            """The Python process may have served a former search, with another copy of the package."""
            for name in [name for name in sys.modules if name.partition(".")[0] == "manyhands"]:
                del sys.modules[name]

        # This is a run's folder (manyhands.executors.folder): whoever comes next removes it, should we be killed. Its
        # lock has its name only once it is held.
        folder = tempfile.mkdtemp(prefix="manyhands-")
        new = os.path.join(folder, "new")
        lock = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.rename(new, os.path.join(folder, "lock"))
        archive = os.path.join(folder, "manyhands.zip")
        with open(archive, "wb") as file:
            file.write(package)
        for _ in rows:  # Spark keeps a Python process for the next task only if this one has read all of its input
            pass
        forget()
        sys.path.insert(0, archive)
        try:
            from manyhands.executors.spark.serving import serve

            yield serve(orders, broadcasts, folder, lock)
        finally:
            sys.path[:] = [entry for entry in sys.path if entry != archive]
            for entry in [entry for entry in sys.path_importer_cache if entry.startswith(archive)]:
                del sys.path_importer_cache[entry]
            forget()
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    return task


def make_arrow_task(task: Callable[[Iterable[object]], Iterator[str]]) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """The same for ``mapInArrow``, whose functions take and yield record batches."""

    def arrow_task(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow

        for _ in batches:
            pass
        for text in task(()):
            yield pyarrow.RecordBatch.from_pydict({"said": [text]})

    return arrow_task
