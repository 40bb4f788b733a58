"""Spark Connect: clients without a JVM, on a server that has the cluster. Spark lets tasks outlive their client."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from tests import support

pytestmark = pytest.mark.timeout(300)

TOKEN = "the-token-of-the-tests"  # noqa: S105 - of a server that lives for seconds

BEGINNING = """
    import json
    import os
    import pathlib
    import sys
    import time

    import numpy as np
    from pyspark.sql import SparkSession

    import manyhands as mh

    url, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    session = SparkSession.builder.remote(url).getOrCreate()

    def wait(condition):
        give_up_at = time.monotonic() + 60
        while not condition():
            if time.monotonic() > give_up_at:
                raise TimeoutError("waited 60 s in vain")
            time.sleep(0.01)

    def tune(objective, **settings):
        defaults = {"sampler": "random", "seed": 1, "progress": False, "executor": mh.Spark(session, workers=2)}
        return mh.tune(objective, {"x": mh.Float(0, 1)}, **(defaults | settings))
"""

SEARCH = """
    data = np.arange(5_000_000, dtype=np.float64)

    def objective(params, trial):
        (folder / f"worker-{os.getpid()}").touch()
        wait(lambda: len([*folder.glob("worker-*")]) == 2)
        print("trial", trial.id)
        trial.report(params["x"], step=0)
        return {"value": float(data.sum()), "threads": os.environ["OMP_NUM_THREADS"]}

    study = tune(objective, max_trials=8)
    print(json.dumps({
        "is connect": ".connect." in type(session).__module__,
        "workers": mh.Spark(session).n_workers,
        "states": [trial.state.value for trial in study.trials],
        "values": [trial.value for trial in study.trials],
        "threads": sorted({trial.metrics["threads"] for trial in study.trials}),
        "log": study.log(3),
        "reports": [report.value for report in study.reports(3)],
        "x": study.trials[3].params["x"],
        "rows": session.range(5).count(),
    }))
"""

HANGING = """
    def objective(params, trial):
        if trial.id >= 2:
            (folder / f"hangs-{trial.id}").touch()
            time.sleep(1000)
        return params["x"]

    study = tune(objective, max_trials=8, store=folder / "s.db", name="s")
    print(json.dumps({"states": [trial.state.value for trial in study.trials], "reason": study.end_reason}))
"""

JOBLIB = """
    from joblib import Parallel, delayed, parallel_config

    data = np.random.default_rng(1).random(2_500_000)

    def work(array, i):
        if i == 99:
            raise KeyError("ninety-nine")
        return float(array[i]), os.getpid()

    mh.register_joblib()
    with parallel_config(backend="manyhands", n_jobs=-1, executor=mh.Spark(session, workers=2)):
        found = Parallel()(delayed(work)(data, i) for i in range(50))
        try:
            Parallel()(delayed(work)(data, i) for i in range(95, 105))
        except KeyError as error:
            raised = str(error)
    print(json.dumps({
        "values": [value for value, _ in found] == [*data[:50]],
        "workers": len({pid for _, pid in found}),
        "here": os.getpid() in {pid for _, pid in found},
        "raised": raised,
    }))
"""

PLAIN_JOB = """
    print(json.dumps(session.range(100).repartition(4).count()))
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def server_url(cluster, tmp_path_factory):
    """A server of Spark Connect whose executors are on the cluster: on a worker of its own, for others hold theirs."""
    import pyspark

    worker = cluster.add_worker()
    home = Path(pyspark.__file__).parent
    port = free_port()
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.connect.authenticate.token": TOKEN,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "512m",
        "spark.executor.cores": 2,
        "spark.executor.memory": "512m",
        "spark.cores.max": 2,
        "spark.ui.enabled": "false",
    }
    options = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    log = tmp_path_factory.mktemp("connect") / "server.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            ["/bin/bash", home / "sbin/start-connect-server.sh", "--master", cluster.url, *options],
            env={
                **os.environ,
                **cluster.client_environment(),
                "SPARK_HOME": str(home),
                "SPARK_NO_DAEMONIZE": "1",
                "SPARK_CONNECT_AUTHENTICATE_TOKEN": TOKEN,
                "SPARK_PID_DIR": str(log.parent),
                "SPARK_LOG_DIR": str(log.parent),
            },
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        support.wait_until(lambda: "Spark Connect server started" in log.read_text(), "the server is up", 90)
        yield f"sc://localhost:{port}/;token={TOKEN}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)
        os.kill(worker, signal.SIGTERM)
        support.wait_until(lambda: worker not in cluster.worker_pids, "the additional worker has ended")


@pytest.fixture
def client(start_script, server_url, tmp_path):
    """Starts a client's script."""
    return lambda text: start_script(BEGINNING + text, server_url, tmp_path)


def assert_a_search_went_well(found):
    assert found["is connect"]
    assert found["states"] == ["finished"] * 8
    assert set(found["values"]) == {float(np.arange(5_000_000, dtype=np.float64).sum())}
    assert found["threads"] == ["1"]
    assert found["log"] == "trial 3\n"
    assert found["reports"] == [found["x"]]
    assert found["workers"] == 2
    assert found["rows"] == 5


def test_a_client_without_a_jvm_searches_on_the_cluster(client):
    assert_a_search_went_well(client(SEARCH).finish(120))


def test_joblib_runs_on_the_cluster_and_its_workers_end_with_the_client(client):
    found = client(JOBLIB).finish(120)

    assert found["values"]
    assert 1 <= found["workers"] <= 2
    assert not found["here"]
    assert found["raised"] == "'ninety-nine'"


def test_a_client_that_is_killed_leaves_nothing_running(client, trial_processes, wait_until, tmp_path):
    script = client(HANGING)
    wait_until(lambda: len([*tmp_path.glob("hangs-*")]) == 2, "two trials hang", 90)
    assert trial_processes()

    script.kill()

    killed_at = time.monotonic()
    wait_until(lambda: not trial_processes(), "no process of the search is left on the nodes", 10)
    print(f"all gone {time.monotonic() - killed_at:.1f} s after the kill")
    assert client(PLAIN_JOB).finish(120) == 100, "the cores are free again"


def test_ctrl_c_at_a_client_ends_its_search_and_frees_its_slots(client, trial_processes, wait_until, tmp_path):
    script = client(HANGING)
    wait_until(lambda: len([*tmp_path.glob("hangs-*")]) == 2, "two trials hang", 90)

    script.send(signal.SIGINT)
    found = script.finish(30)

    assert "Ctrl-C" in found["reason"]
    assert found["states"][:2] == ["finished"] * 2
    assert set(found["states"][2:]) == {"interrupted"}
    assert "Traceback" not in script.errors
    assert trial_processes() == []
    assert client(PLAIN_JOB).finish(120) == 100, "the cores are free again"


def test_a_server_in_the_clients_own_process_will_do(start_script, tmp_path):
    assert_a_search_went_well(start_script(BEGINNING + SEARCH, "local[2]", tmp_path).finish(120))
