"""A real Spark cluster on loopback, two workers of two cores each, and sessions on it; a look at what is left."""

import os
import uuid

import psutil
import pytest
from tests import support

import manyhands as mh

_MARK = "MANYHANDS_SPARK_TEST_MARK"
_SMALL_JAVA = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # starts sooner, and these sessions are short


def pytest_collection_modifyitems(items):
    for item in items:
        if "/tests/spark/" in str(item.path):
            item.add_marker("spark")


@pytest.fixture(scope="session")
def node_temp(tmp_path_factory):
    """The temporary folder of all nodes, where hosts keep the payload and their own folders."""
    return tmp_path_factory.mktemp("node")


@pytest.fixture(scope="session")
def cluster(node_temp):
    """The cluster. It needs Java and PySpark; without them these tests fail, and do not skip."""
    from manyhands.sparkcluster import LoopbackCluster

    mark = uuid.uuid4().hex
    with LoopbackCluster(
        workers=2, cores=2, memory="1500m", environment={"TMPDIR": str(node_temp), _MARK: mark}
    ) as found:
        os.environ.update(found.client_environment())
        found.mark = mark
        yield found


def session_on(cluster, **settings):
    """A classic session on the cluster: two executors with two cores each, unless ``settings`` say otherwise."""
    from pyspark.sql import SparkSession

    defaults = {
        "spark.driver.host": "127.0.0.1",
        "spark.executor.cores": "2",
        "spark.executor.memory": "512m",
        "spark.cores.max": "4",  # what a test adds to the cluster is for another session
        "spark.driver.extraJavaOptions": _SMALL_JAVA,
        "spark.executor.extraJavaOptions": _SMALL_JAVA,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder.master(cluster.url).appName("manyhands-tests")
    for name, value in (defaults | settings).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


@pytest.fixture(scope="session")
def spark(cluster):
    """The session that most tests use. Whoever needs other settings runs a script with a session of its own."""
    session = session_on(cluster)
    yield session
    session.stop()


@pytest.fixture
def tune(spark):
    """``mh.tune`` on the cluster, with a small space, a seed and two workers, unless told otherwise."""

    def call(objective, *, workers=2, options=None, **settings):
        executor = mh.Spark(spark, workers=workers, **(options or {}))
        defaults = {"space": {"x": mh.Float(0, 1)}, "seed": 1, "sampler": "random", "progress": False}
        return mh.tune(objective, executor=executor, **(defaults | settings))

    return call


@pytest.fixture
def wait_until():
    return support.wait_until


@pytest.fixture
def trial_processes(cluster):
    """Tells which processes there are on the nodes beside Spark's own: workers, wardens, and what they started."""

    def call():
        found = []
        for process in support.marked(_MARK, cluster.mark):
            try:
                line = process.cmdline()
            except psutil.NoSuchProcess:
                continue
            if line and not line[0].endswith("java") and "pyspark.daemon" not in line:
                found.append(process)
        return found

    return call


@pytest.fixture(autouse=True)
def nothing_is_left(trial_processes, node_temp):
    """Whatever a test does: soon afterwards no process of a search is left, and no file."""
    yield
    support.wait_until(lambda: not trial_processes(), "all processes of the search are gone", 10)
    support.wait_until(lambda: not [*node_temp.glob("manyhands-*")], "all folders of the search are gone", 10)


@pytest.fixture
def start_script(tmp_path):
    """Starts scripts, and kills those that are left when the test is over."""
    scripts = support.Scripts(tmp_path)
    yield scripts.start
    scripts.kill()
