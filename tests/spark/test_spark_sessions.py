"""Sessions that differ from those of most tests: local, wrongly set up, stopped, with GPUs, or of changing size.

A session is one per process, so each group of tests asks a script what happened, and that is run once.
"""

import subprocess
import sys
from pathlib import Path

import cloudpickle
import msgspec
import pytest
import zmq
from tests import support

pytestmark = pytest.mark.timeout(300)

#: What scripts have in common.
BEGINNING = """
    import json
    import os
    import pathlib
    import sys
    import threading
    import time

    from pyspark.sql import SparkSession

    import manyhands as mh

    folder = pathlib.Path(sys.argv[1])
    os.environ["TMPDIR"] = str(folder)  # Spark kills Python when a session is stopped, and what that had there stays
    SPACE = {"x": mh.Float(0, 1)}

    def wait(condition):
        give_up_at = time.monotonic() + 60
        while not condition():
            if time.monotonic() > give_up_at:
                raise TimeoutError("waited 60 s in vain")
            time.sleep(0.01)

    def tune(objective, **settings):
        defaults = {"sampler": "random", "progress": False, "max_trials": 4}
        return mh.tune(objective, SPACE, **(defaults | settings))

    def start_session(master="local[2]", **settings):
        builder = SparkSession.builder.master(master).config("spark.log.level", "OFF")
        defaults = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1"}
        for name, value in (defaults | settings).items():
            builder = builder.config(name, value)
        return builder.getOrCreate()

    def complaint(executor, **settings):
        began = time.monotonic()
        try:
            tune(lambda params: params["x"], executor=executor(), **settings)
        except mh.ManyhandsError as error:
            return {"kind": type(error).__name__, "text": str(error), "seconds": time.monotonic() - began}
        return {"kind": "none", "text": ""}
"""

LOCAL = """
    bare, equipped = sys.argv[2:]
    found = {}

    # -- no session at all: one is started, and stays
    os.environ.pop("PYSPARK_PYTHON")
    study = tune(lambda params: {"value": params["x"], "python": sys.executable}, executor="spark", workers=2)
    session = SparkSession.getActiveSession()
    found["started"] = {
        "states": [trial.state.value for trial in study.trials],
        "pythons": sorted({trial.metrics["python"] for trial in study.trials}),
        "master": session.sparkContext.master,
        "sum": session.sparkContext.parallelize(range(5)).sum(),
        "workers": [mh.Spark().n_workers, mh.Spark(cores_per_worker=os.cpu_count()).n_workers],
    }
    session.stop()

    # -- settings that would break a search
    for name, settings in {
        "idle": {"spark.python.worker.killOnIdleTimeout": "true", "spark.python.worker.idleTimeoutSeconds": "5"},
        "speculation": {"spark.speculation": "true", "spark.speculation.task.duration.threshold": "5s"},
    }.items():
        session = start_session(**settings)
        found[name] = complaint(mh.Spark)
        session.stop()

    # -- executors without what workers need
    os.environ["PYSPARK_PYTHON"] = bare
    session = start_session()
    found["bare"] = complaint(mh.Spark)
    session.stop()

    # -- executors that have it, but not Manyhands
    session = start_session(**{"spark.executorEnv.PYTHONPATH": equipped})
    study = tune(lambda params: {"value": params["x"], "python": sys.executable}, executor=mh.Spark())
    found["equipped"] = {
        "states": [trial.state.value for trial in study.trials],
        "pythons": sorted({trial.metrics["python"] for trial in study.trials}),
    }
    session.stop()

    # -- executors with another Python; as Spark sees it, it is the driver that has another
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = start_session()
    session.sparkContext.pythonVer = "3.9"
    found["other"] = complaint(mh.Spark)
    session.stop()

    os.environ["PYSPARK_PYTHON"] = str(folder / "no-python")
    session = start_session()
    found["none"] = complaint(mh.Spark)
    session.stop()

    # -- a session that is stopped while trials run
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = start_session()

    def stop():
        wait((folder / "begun").exists)
        stop.at = time.monotonic()
        session.stop()

    def begin(params):
        (folder / "begun").touch()
        time.sleep(1000)

    threading.Thread(target=stop).start()
    try:
        tune(begin, executor=mh.Spark(), store=folder / "s.db", name="s")
    except mh.ManyhandsError as error:
        found["stopped"] = {
            "kind": type(error).__name__, "text": str(error), "seconds": time.monotonic() - stop.at,
            "states": [trial.state.value for trial in mh.load_study("s", folder / "s.db").trials],
        }
    found["afterwards"] = complaint(lambda: mh.Spark(session))

    print(json.dumps(found))
"""

CHANGING = """
    from manyhands.sparkcluster import LoopbackCluster

    def executors(session):
        return len(session.sparkContext._jsc.sc().statusTracker().getExecutorInfos()) - 1  # one is the driver

    def pair(params):
        (folder / f"pair-{os.getpid()}").touch()
        wait(lambda: len([*folder.glob("pair-*")]) == 2)
        return params["x"]

    def gpus(params):
        (folder / f"gpu-{os.getpid()}").touch()
        wait(lambda: len([*folder.glob("gpu-*")]) == 2)
        return {"value": params["x"], "gpus": os.environ["CUDA_VISIBLE_DEVICES"]}

    def crowd(params):
        (folder / f"crowd-{os.getpid()}").touch()
        wait(lambda: len([*folder.glob("crowd-*")]) == 4)
        return params["x"]

    class AddsWorker(mh.Tracker):
        thread = None

        def tick(self, at):
            if self.thread is None and len([*folder.glob("crowd-*")]) == 2:
                self.thread = threading.Thread(target=cluster.add_worker)
                self.thread.start()

    found = {}
    size = {"workers": 1, "cores": 2, "memory": "1100m", "gpus_per_worker": 2}
    with LoopbackCluster(**size, environment={"TMPDIR": str(folder)}) as cluster:
        os.environ.update(cluster.client_environment())
        small = {"spark.executor.memory": "512m"}

        session = start_session(
            cluster.url,
            **small,
            **{
                "spark.dynamicAllocation.enabled": "true",
                "spark.dynamicAllocation.shuffleTracking.enabled": "true",
                "spark.dynamicAllocation.minExecutors": "0",
                "spark.dynamicAllocation.maxExecutors": "2",
                "spark.dynamicAllocation.executorIdleTimeout": "3s",
                "spark.executor.cores": "1",
            },
        )
        sizes = [executors(session)]
        executor = mh.Spark(session)

        study = tune(pair, executor=executor)
        sizes.append(executors(session))
        wait(lambda: executors(session) == 0)
        found["dynamic"] = {
            "sizes": sizes, "workers": executor.n_workers, "states": [trial.state.value for trial in study.trials]
        }
        session.stop()

        session = start_session(
            cluster.url,
            **small,
            **{
                "spark.dynamicAllocation.enabled": "false",  # the first session's settings are its successors' defaults
                "spark.executor.cores": "2",
                "spark.executor.resource.gpu.amount": "2",
            },
        )
        study = tune(gpus, executor=mh.Spark(session, workers=2, gpus_per_worker=1))
        found["gpus"] = sorted({trial.metrics["gpus"] for trial in study.trials})

        study = tune(crowd, executor=mh.Spark(session, workers=4), trackers=[AddsWorker()], max_trials=8)
        found["crowd"] = {
            "states": [trial.state.value for trial in study.trials],
            "workers": len([*folder.glob("crowd-*")]),
            "executors": executors(session),
        }
        session.stop()

    print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Runs a script to its end, and returns what it printed last."""
    scripts = support.Scripts(tmp_path_factory.mktemp("scripts"))
    yield lambda text, *args: scripts.start(BEGINNING + text, *args).finish(240)
    scripts.kill()


# -- local sessions --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def local(ask, tmp_path_factory):
    """What happened in local sessions."""
    folder = tmp_path_factory.mktemp("local")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "bare"], check=True)
    equipped = folder / "equipped"
    equipped.mkdir()
    for module in (msgspec, zmq, cloudpickle):
        home = Path(module.__file__).parent
        for path in [home, *home.parent.glob(f"*{home.name}*.libs")]:
            (equipped / path.name).symlink_to(path)
    return ask(LOCAL, folder, folder / "bare/bin/python", equipped)


def test_without_any_session_a_local_one_is_started_and_stays(local):
    assert local["started"]["states"] == ["finished"] * 4
    assert local["started"]["pythons"] == [sys.executable]
    assert local["started"]["master"] == "local[*]"
    assert local["started"]["sum"] == 10


def test_a_local_session_has_fewer_workers_if_each_has_more_cores(local):
    many, one = local["started"]["workers"]

    assert one == 1
    assert many >= one


@pytest.mark.parametrize(
    ("name", "setting"),
    [("idle", "spark.python.worker.killOnIdleTimeout"), ("speculation", "spark.speculation.task.duration.threshold")],
)
def test_settings_that_break_a_search_are_refused_at_once(local, name, setting):
    assert local[name]["kind"] == "SettingsError"
    assert setting in local[name]["text"]
    assert local[name]["seconds"] < 5


def test_executors_that_lack_what_workers_need_are_told_of_by_its_name(local):
    assert local["bare"]["kind"] == "ExecutorError"
    assert "msgspec and zmq and cloudpickle cannot be imported" in local["bare"]["text"]
    assert "bare/bin/python" in local["bare"]["text"]


def test_executors_need_not_have_this_package(local):
    assert local["equipped"]["states"] == ["finished"] * 4
    assert all(python.endswith("bare/bin/python") for python in local["equipped"]["pythons"])


def test_executors_with_another_python_are_told_of(local):
    assert local["other"]["kind"] == "ExecutorError"
    assert "PYSPARK_PYTHON" in local["other"]["text"]
    assert "3.9" in local["other"]["text"], "what Spark itself says is there too"


def test_executors_without_the_python_that_was_set_are_told_of(local):
    assert local["none"]["kind"] == "ExecutorError"
    assert "no-python" in local["none"]["text"]


def test_a_session_that_is_stopped_ends_the_search_at_once(local):
    assert local["stopped"]["kind"] == "ExecutorError"
    assert "was stopped" in local["stopped"]["text"]
    assert local["stopped"]["seconds"] < 15
    assert local["afterwards"]["kind"] == "SettingsError"
    assert "was it stopped?" in local["afterwards"]["text"]


# -- clusters that change --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def changing(ask, tmp_path_factory):
    """What happened on a cluster with GPUs, and with workers that come and go."""
    return ask(CHANGING, tmp_path_factory.mktemp("changing"))


def test_each_slot_sees_its_own_gpu(changing):
    assert changing["gpus"] == ["0", "1"]


def test_slots_that_wait_are_filled_when_a_machine_joins(changing):
    assert changing["crowd"] == {"states": ["finished"] * 8, "workers": 4, "executors": 2}


def test_dynamic_allocation_brings_executors_for_the_slots_and_takes_them_back(changing):
    assert changing["dynamic"]["sizes"][0] == 0
    assert changing["dynamic"]["sizes"][1] == changing["dynamic"]["workers"] == 2
    assert changing["dynamic"]["states"] == ["finished"] * 4
