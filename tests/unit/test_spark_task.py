"""What runs on a Spark executor: it brings this package along, is a host, and leaves nothing behind."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle
import msgspec
import pytest
import zmq
from msgspec import structs
from tests.support import wait_until

from manyhands.events import PartFinished, StartPart, WorkerJoined
from manyhands.executors.hub import Hub
from manyhands.executors.shipping import Shipment
from manyhands.executors.spark.package import zipped_package
from manyhands.executors.spark.serving import ENDED, MISSING, UNANSWERED, read_end
from manyhands.executors.spark.task import make_task
from manyhands.job import Job
from manyhands.template import Leaf
from manyhands.trial import Part
from manyhands.wire.channel import Listener

#: Stands for the Python process of a Spark executor, that does not have this package.
PROCESS = """
import importlib.util
import json
import os
import pickle
import sys
from pathlib import Path

task_file, out_file, libraries, n_tasks = sys.argv[1:]
sys.path.append(libraries)
assert importlib.util.find_spec("manyhands") is None
task = pickle.loads(Path(task_file).read_bytes())

def state():
    return {
        "path": list(sys.path),
        "modules": sorted(name for name in sys.modules if name.partition(".")[0] == "manyhands"),
        "temporary": os.listdir(os.environ["TMPDIR"]),
    }

before = state()
n_read = 0

def rows():
    global n_read
    for row in range(3):
        n_read += 1
        yield row

said, n_open = [], []
for _ in range(int(n_tasks)):
    said += list(task(rows()))
    n_open.append(len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0)
Path(out_file).write_text(json.dumps(
    {"said": said, "before": before, "after": state(), "n_read": n_read, "n_open": n_open}
))
"""

PYSPARK = """
class TaskContext:
    @staticmethod
    def get():
        return None
"""


def site_of(library):
    return Path(library.__file__).parent.parent


def make_libraries(folder, *libraries):
    """A folder with nothing but these, and as much of PySpark as a task asks for."""
    folder.mkdir()
    for library in libraries:
        name = library.__name__
        (folder / name).symlink_to(site_of(library) / name)
        shared = site_of(library) / f"py{name}.libs"  # what its wheel brought along
        if shared.exists():
            (folder / shared.name).symlink_to(shared)
    (folder / "pyspark.py").write_text(PYSPARK)
    return folder


@pytest.fixture
def temp_folder(tmp_path):
    folder = tmp_path / "temp"
    folder.mkdir()
    return folder


@pytest.fixture
def start(tmp_path, temp_folder):
    """Starts a process with a task, and returns it and the file with what it has to say at its end."""
    started = []

    def call(orders, libraries, n_tasks=1):
        task, out, script = tmp_path / "task", tmp_path / "out", tmp_path / "script.py"
        task.write_bytes(cloudpickle.dumps(make_task(zipped_package(), orders, {})))
        script.write_text(PROCESS)
        command = [sys.executable, "-I", "-S", script, task, out, libraries, n_tasks]
        env = {"PATH": os.environ["PATH"], "TMPDIR": str(temp_folder)}
        started.append(subprocess.Popen([*map(str, command)], env=env, stderr=subprocess.PIPE, text=True))
        return started[-1], out

    yield call
    for process in started:
        process.kill()
        process.communicate(timeout=10)


@pytest.fixture
def run(start):
    """Runs a task to its end."""

    def call(orders, libraries, n_tasks=1):
        process, out = start(orders, libraries, n_tasks)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return json.loads(out.read_text())

    return call


@pytest.fixture
def unheard():
    """How to reach a driver that is not there any more."""
    listener = Listener("tcp://127.0.0.1:*")
    connection = listener.connection
    listener.close()
    return connection


def orders_for(connection, slot=0):
    return {
        "slot": slot,
        "connection": structs.asdict(connection),
        "cores": 1,
        "memory_limit_mb": None,
        "share": {},
    }


def assert_nothing_is_left(found):
    assert found["after"] == found["before"]
    assert found["after"]["temporary"] == []


def test_a_task_whose_driver_is_gone_says_so_and_leaves_nothing(run, unheard, tmp_path):
    libraries = make_libraries(tmp_path / "libraries", cloudpickle, msgspec, zmq)
    began = time.monotonic()

    found = run(orders_for(unheard), libraries)

    ((kind, words),) = map(read_end, found["said"])
    assert kind == UNANSWERED
    assert f"Nobody listens at {unheard.address}" in words
    assert "Seen on" in words
    assert time.monotonic() - began < 15
    assert_nothing_is_left(found)


@pytest.mark.parametrize(
    ("libraries", "missing"),
    [([cloudpickle, zmq], "msgspec"), ([cloudpickle, msgspec], "zmq"), ([cloudpickle], "msgspec and zmq")],
)
def test_a_task_without_its_libraries_says_which_and_leaves_nothing(run, unheard, tmp_path, libraries, missing):
    found = run(orders_for(unheard), make_libraries(tmp_path / "libraries", *libraries))

    ((kind, words),) = map(read_end, found["said"])
    assert kind == MISSING
    assert words.startswith(f"{missing} cannot be imported by {sys.executable} on ")
    assert_nothing_is_left(found)


def test_the_tasks_of_one_python_process_leave_no_file_open(run, unheard, tmp_path):
    """Spark uses a Python process again and again."""
    found = run(orders_for(unheard), make_libraries(tmp_path / "libraries", cloudpickle), n_tasks=4)

    assert found["said"] == [found["said"][0]] * 4
    assert len(set(found["n_open"])) == 1


def test_a_task_reads_all_its_rows(run, unheard, tmp_path):
    """Otherwise Spark would not use its Python process again."""
    found = run(orders_for(unheard), make_libraries(tmp_path / "libraries", cloudpickle))

    assert found["n_read"] == 3


def make_objective():
    """One that is sent as code, since the task cannot import this file."""
    names = {"__name__": "__main__"}
    exec("def objective(params):\n    import manyhands\n    return params['x'] * 2", names)  # noqa: S102
    return names["objective"]


def test_a_task_works_for_its_driver_until_that_ends_the_search(start, tmp_path):
    events = []
    shipment = Shipment(Job(make_objective(), {"x": Leaf("x")}))
    hub = Hub("tcp://127.0.0.1:*", None, shipment, events.append, lambda: 0.0)

    def happened(kind):
        hub.poll(0.05)
        assert process.poll() is None, process.communicate()
        return [event for event in events if isinstance(event, kind)]

    process, out = start(
        orders_for(hub.connection, slot=7), make_libraries(tmp_path / "libraries", cloudpickle, msgspec, zmq)
    )
    try:
        (joined,) = wait_until(lambda: happened(WorkerJoined), "the task has a worker")
        assert hub.slots_at_work == {7}
        hub.perform(StartPart(joined.worker, Part(0), {"x": 21.0}))
        (finished,) = wait_until(lambda: happened(PartFinished), "its trial has ended")
    finally:
        hub.close()
        shipment.close()
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 0, errors
    found = json.loads(out.read_text())
    assert finished.result.value == 42.0
    assert [read_end(said) for said in found["said"]] == [(ENDED, "the search is over")]
    assert_nothing_is_left(found)
