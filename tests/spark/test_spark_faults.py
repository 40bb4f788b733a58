"""What faults on a real cluster cost: the attempts that ran there, and nothing else."""

import ctypes
import logging
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zmq
from tests.spark import faults
from tests.spark.faults import Stopwatch, tell, value

import manyhands as mh
from manyhands.executors import hub as hub_module

pytestmark = pytest.mark.timeout(300)

SPACE = {"x": mh.Float(0, 1)}


@pytest.fixture
def stage(tmp_path):
    folder = tmp_path / "stage"
    folder.mkdir()
    return faults.Stage(folder)


@pytest.fixture
def search(spark, stage, tmp_path):
    """Runs a search on the cluster while a fault is brought about in another thread; returns its trials and store."""

    def call(objective, fault, *, workers=2, max_trials=6, executor=None, **settings):
        def bring_about():
            try:
                return fault()
            except BaseException:
                stage.open("given up")
                raise

        store = tmp_path / "study.db"
        with ThreadPoolExecutor(1) as pool:
            brought_about = pool.submit(bring_about)
            study = mh.tune(
                objective,
                SPACE,
                max_trials=max_trials,
                executor=executor or mh.Spark(spark, workers=workers),
                store=store,
                name="s",
                seed=1,
                sampler="random",
                progress=False,
                **settings,
            )
            brought_about.result(faults.PATIENCE_S)
        return study.trials, store

    return call


@pytest.fixture
def waiting(stage):
    """An objective whose trials wait until the gate "go" is open."""

    def objective(params, trial):
        stage.enter(trial)
        stage.wait("go")
        return value(trial.id, trial.attempt)

    return objective


def test_a_killed_python_worker_costs_its_trial_one_attempt(search, stage, waiting):
    def fault():
        victim, other = stage.all_of([(0, 1), (1, 1)])
        assert victim.host != other.host
        watch = Stopwatch()
        os.kill(victim.host, signal.SIGKILL)
        again = stage.entry(0, attempt=2)
        tell("`kill -9` of Spark's Python worker", "Spark's retry is the slot's new host", 1, watch.seconds)
        assert again.host not in (victim.host, other.host)
        faults.wait_until_gone(victim.pid)
        assert faults.lives(other.pid)
        stage.open("go")

    trials, store = search(waiting, fault)

    faults.assert_outcomes(trials, store, 6, lost={0: 1})


def test_a_killed_executor_costs_its_own_trials_one_attempt_each(search, stage, waiting):
    """And when its successor is killed, too, they are tried a third time. The other executor is not disturbed."""
    victims = []

    def fault():
        entries = stage.all_of([(i, 1) for i in range(4)])
        for attempt in (1, 2):
            executor = faults.executor_of(entries[0])
            hit = [entry for entry in entries if faults.executor_of(entry) == executor]
            assert len(hit) == 2, "the executor has two cores, and so two slots"
            watch = Stopwatch()
            executor.kill()
            entries = stage.all_of([(entry.trial, attempt + 1) for entry in hit])
            tell("`kill -9` of an executor", "Spark starts another", "1 in each of its slots", watch.seconds)
            assert executor.pid not in {faults.executor_of(entry).pid for entry in entries}
        victims.extend(entry.trial for entry in entries)
        stage.open("go")

    trials, store = search(waiting, fault, workers=4, max_trials=8)

    faults.assert_outcomes(trials, store, 8, lost=dict.fromkeys(victims, 2))
    assert len(victims) == 2


def test_a_killed_worker_daemon_takes_its_executors_trials_with_it(search, stage, waiting, cluster):
    """They wait in Spark's queue until the cluster has room for them again."""
    victims = []

    def fault():
        entries = stage.all_of([(i, 1) for i in range(4)])
        daemon = faults.executor_of(entries[0]).parent()
        assert daemon.pid in cluster.worker_pids
        hit = [entry for entry in entries if faults.executor_of(entry).parent() == daemon]
        victims.extend(entry.trial for entry in hit)
        watch = Stopwatch()
        daemon.kill()
        try:
            faults.wait_until_gone(*[pid for entry in hit for pid in (entry.pid, entry.host)])
        finally:
            cluster.add_worker()
        stage.all_of([(entry.trial, 2) for entry in hit])
        happened = "its executor ends; its slots wait for a new machine, which was started at once"
        tell("`kill -9` of a Worker daemon", happened, "1 in each of its slots", watch.seconds)
        stage.open("go")

    trials, store = search(waiting, fault, workers=4, max_trials=8)

    faults.assert_outcomes(trials, store, 8, lost=dict.fromkeys(victims, 1))
    assert len(victims) == 2
    assert len(cluster.worker_pids) == 2


def test_a_slot_whose_job_spark_has_given_up_is_started_anew(search, stage, waiting, caplog):
    """Spark gives a job up at the fourth failure of a task; six are more than that."""
    seconds = []

    def fault():
        victim, other = stage.all_of([(0, 1), (1, 1)])
        for attempt in range(1, 7):
            watch = Stopwatch()
            os.kill(victim.host, signal.SIGKILL)
            victim = stage.entry(0, attempt + 1)
            seconds.append(watch.seconds)
        assert faults.lives(other.pid)
        happened = "Spark gives the job up at the fourth; it is handed in again"
        tell("six times `kill -9` of one slot's Python worker", happened, 6, max(seconds))
        stage.open("go")

    with caplog.at_level(logging.WARNING, logger="manyhands"):
        trials, store = search(waiting, fault, max_attempts=8)

    faults.assert_outcomes(trials, store, 6, lost={0: 6})
    assert re.findall(r"slot \d is started anew, because .*", caplog.text) != []


def test_the_late_result_of_a_frozen_host_does_not_count(search, stage, monkeypatch, caplog):
    """Its trial was given to another one meanwhile; as soon as it is thawed, it learns that and ends its own."""
    monkeypatch.setattr(hub_module, "_LEASE_S", 3.0)

    def objective(params, trial):
        stage.enter(trial)
        stage.wait({(0, 1): "late", (1, 1): "room"}.get((trial.id, trial.attempt), "go"))
        return value(trial.id, trial.attempt)

    def fault():
        frozen, _ = stage.all_of([(0, 1), (1, 1)])
        watch = Stopwatch()
        os.kill(frozen.host, signal.SIGSTOP)
        try:
            stage.open("late")  # its first attempt has a result now, which nobody passes on
            faults.support.wait_until(lambda: "is given up" in caplog.text, "the host is given up")
            stage.open("room")
            again = stage.entry(0, attempt=2)
            tell("`SIGSTOP` of Spark's Python worker", "its trial goes to another slot", 1, watch.seconds)
            assert again.host != frozen.host
        finally:
            watch = Stopwatch()
            os.kill(frozen.host, signal.SIGCONT)
        faults.wait_until_gone(frozen.pid)
        stage.entry(2)  # the other slot is busy, so this one works again
        tell("`SIGCONT` thereafter", "what it still has to say does not count; it ends its trial", 0, watch.seconds)
        stage.open("go")

    with caplog.at_level(logging.WARNING, logger="manyhands"):
        trials, store = search(objective, fault)

    faults.assert_outcomes(trials, store, 6, lost={0: 1})


def test_a_job_that_somebody_cancels_costs_one_attempt(search, stage, waiting, spark):
    """As Spark's web page does it, for one job; and then for all there are."""
    lost = {}

    def fault():
        stage.all_of([(0, 1), (1, 1)])
        context = spark.sparkContext
        watch = Stopwatch()
        context._jsc.sc().cancelJob(min(context.statusTracker().getActiveJobsIds()))
        faults.support.wait_until(lambda: len(stage.entries()) == 3, "the slot works again", faults.PATIENCE_S)
        tell("a job cancelled in Spark's web page", "it is handed in again", 1, watch.seconds)
        (twice,) = {entry.trial for entry in stage.entries() if entry.attempt == 2}
        watch = Stopwatch()
        context.cancelAllJobs()
        stage.all_of([(twice, 3), (1 - twice, 2)])
        tell("all jobs cancelled", "they are handed in again", "1 in each slot", watch.seconds)
        lost.update({twice: 2, 1 - twice: 1})
        stage.open("go")

    trials, store = search(waiting, fault)

    faults.assert_outcomes(trials, store, 6, lost=lost)


def test_data_that_all_executors_have_lost_are_sent_again(search, stage):
    data = np.arange(5_000_000) * 3.0

    def objective(params, trial):
        stage.enter(trial)
        stage.wait("go")
        return {"value": value(trial.id, trial.attempt), "total": float(data.sum()), "last": float(data[-1])}

    def fault():
        entries = stage.all_of([(i, 1) for i in range(4)])
        executors = {faults.executor_of(entry) for entry in entries}
        assert len(executors) == 2
        watch = Stopwatch()
        for executor in executors:
            executor.kill()
        stage.all_of([(i, 2) for i in range(4)])
        happened = "Spark starts others, and the data (40 MB) are sent to them"
        tell("`kill -9` of all executors at once", happened, "1 in each slot", watch.seconds)
        stage.open("go")

    trials, store = search(objective, fault, workers=4, max_trials=8)

    faults.assert_outcomes(trials, store, 8, lost=dict.fromkeys(range(4), 1))
    assert {(t.metrics["total"], t.metrics["last"]) for t in trials} == {(float(data.sum()), float(data[-1]))}


def test_a_rogue_at_the_drivers_port_leaves_a_line_in_the_log(search, stage, waiting, spark, caplog):
    executor = mh.Spark(spark, workers=2)

    def fault():
        stage.all_of([(0, 1), (1, 1)])
        knock_with_other_keys(executor._hub.connection)
        faults.support.wait_until(lambda: "was refused" in caplog.text, "the rogue is refused")
        stage.open("go")

    with caplog.at_level(logging.WARNING, logger="manyhands"):
        trials, store = search(waiting, fault, executor=executor)

    faults.assert_outcomes(trials, store, 6, lost={})
    warnings = [record.getMessage() for record in caplog.records if record.name == "manyhands"]
    assert all(text.startswith("an attempt to connect was refused") for text in warnings), warnings
    tell("a stranger at the driver's port", "it is refused, and logged", 0)


def knock_with_other_keys(connection):
    """Try to get a message through with a key pair of one's own; gives up once the handshake was refused."""
    public, secret = zmq.curve_keypair()
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.curve_serverkey = connection.driver_key.encode()
        dealer.curve_publickey, dealer.curve_secretkey = public, secret
        monitor = dealer.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        dealer.connect(connection.address)
        dealer.send(b"let me in")
        assert monitor.poll(10_000), "the driver has not refused a key that it does not know"
        dealer.disable_monitor()
        monitor.close(linger=0)


def test_a_killed_trial_process_takes_what_it_started_with_it(search, stage, tmp_path):
    def objective(params, trial):
        if trial.id == 0 and trial.attempt == 1:
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
            (tmp_path / "child").write_text(str(child.pid))
        stage.enter(trial)
        stage.wait("go")
        return value(trial.id, trial.attempt)

    def fault():
        victim, other = stage.all_of([(0, 1), (1, 1)])
        child = int((tmp_path / "child").read_text())
        assert faults.lives(child)
        watch = Stopwatch()
        os.kill(victim.pid, signal.SIGKILL)
        again = stage.entry(0, attempt=2)
        tell("`kill -9` of a trial's own process", "its host starts another", 1, watch.seconds)
        faults.wait_until_gone(child, timeout_s=5)
        assert again.host == victim.host, "the slot itself was not hit"
        assert faults.lives(other.pid)
        stage.open("go")

    trials, store = search(objective, fault)

    faults.assert_outcomes(trials, store, 6, lost={0: 1})
    assert "SIGKILL" in trials[0].lost[0]


def test_a_trial_that_cannot_be_asked_to_end_is_gone_soon_after_the_search(spark, stage, trial_processes):
    """It ignores SIGTERM, and holds the interpreter, so no code of ours runs in its process any more."""

    def objective(params, trial):
        if trial.id == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            stage.enter(trial)
            ctypes.PyDLL(None).sleep(1000)
        stage.wait("go")
        raise RuntimeError("so the search is over")

    def let_the_other_fail():
        stage.entry(0)
        stage.open("go")
        return Stopwatch()

    with ThreadPoolExecutor(1) as pool:
        began = pool.submit(let_the_other_fail)
        study = mh.tune(
            objective,
            SPACE,
            executor=mh.Spark(spark, workers=2),
            max_trials=6,
            max_failures=1,
            sampler="random",
            seed=1,
            progress=False,
        )
    faults.wait_until_gone(stage.entry(0).pid)
    faults.support.wait_until(lambda: not trial_processes(), "the host is gone as well", 10)
    watch = began.result()

    assert watch.seconds < 5
    tell("a trial that holds the interpreter, at the end", "it is killed", 0, watch.seconds)
    assert [trial.state.value for trial in study.trials[:2]] == ["interrupted", "failed"]
    assert {trial.state.value for trial in study.trials[2:]} <= {"interrupted"}, "begun while the failure was saved"


# -- drivers that die: scripts with sessions of their own, on a cluster of their own -----------------------------------

#: Trials from the fifth on wait until the folder has a file "go". ``begun`` has a line for each attempt.
SCRIPT = """
    import json
    import os
    import sys
    import time

    from pyspark.sql import SparkSession

    import manyhands as mh

    url, store, folder, run = sys.argv[1:]
    settings = {
        "spark.driver.host": "127.0.0.1", "spark.executor.cores": "2", "spark.executor.memory": "512m",
        "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR",
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",  # starting soon is all that counts
        "spark.executor.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }
    builder = SparkSession.builder.master(url)
    for name, setting in settings.items():
        builder = builder.config(name, setting)
    spark = builder.getOrCreate()

    def objective(params, trial):
        file = os.open(os.path.join(folder, "begun"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, f"{trial.id}\\n".encode())
        os.close(file)
        give_up_at = time.monotonic() + 120
        while trial.id >= 4 and not os.path.exists(os.path.join(folder, "go")):
            assert time.monotonic() < give_up_at
            time.sleep(0.01)
        return 1000 * int(run) + 10 * trial.id + trial.attempt

    # With max_failures no worker is given a trial before it is free, so it is certain which trials hang.
    study = mh.tune(objective, {"x": mh.Float(0, 1)}, executor=mh.Spark(spark, workers=2), max_trials=10, store=store,
                    name="s", seed=1, sampler="random", progress=False, max_failures=10)
    jobs = len(spark.sparkContext.statusTracker().getActiveJobsIds())
    spark.stop()
    print(json.dumps({"states": [t.state.value for t in study.trials], "reason": study.end_reason, "jobs": jobs}))
"""


@pytest.fixture(scope="module")
def second_cluster(cluster, node_temp):
    """One with nobody on it: the session that other tests use has all cores of the first."""
    from tests.spark.conftest import _MARK

    from manyhands.sparkcluster import LoopbackCluster

    with LoopbackCluster(
        workers=1, cores=2, memory="1g", environment={"TMPDIR": str(node_temp), _MARK: cluster.mark}
    ) as found:
        yield found


class Driver:
    """Runs the script, and tells which attempts have begun."""

    def __init__(self, cluster, start_script, folder):
        self._cluster, self._start, self._folder = cluster, start_script, folder
        self.store = folder / "study.db"

    def begin(self, run):
        return self._start(SCRIPT, self._cluster.url, self.store, self._folder, run)

    def wait_until_two_trials_hang(self):
        faults.support.wait_until(lambda: {4, 5} <= {*self.begun}, "two trials hang", faults.PATIENCE_S)

    def let_trials_end(self):
        (self._folder / "go").touch()

    @property
    def begun(self):
        path = self._folder / "begun"
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []

    def check_what_was_resumed(self):
        """Only what was missing was done, and it tells by its values that the second run did it."""
        trials = mh.load_study("s", self.store).trials
        faults.assert_outcomes(trials, self.store, 10, lost={}, run=lambda trial_id: 1 if trial_id < 4 else 2)
        assert sorted(self.begun) == [0, 1, 2, 3, 4, 4, 5, 5, 6, 7, 8, 9]


@pytest.fixture
def driver(second_cluster, start_script, tmp_path):
    return Driver(second_cluster, start_script, tmp_path)


def test_a_killed_driver_leaves_nothing_behind_and_is_resumed(driver, trial_processes):
    script = driver.begin(run=1)
    driver.wait_until_two_trials_hang()
    watch = Stopwatch()
    script.kill()

    faults.support.wait_until(lambda: not trial_processes(), "all processes of the search are gone", 10)
    tell("`kill -9` of the driver", "its hosts end themselves; a resumed search goes on", 0, watch.seconds)

    at_kill = mh.load_study("s", driver.store).trials
    assert [trial.state.value for trial in at_kill] == ["finished"] * 4 + ["running"] * 2
    driver.let_trials_end()
    assert driver.begin(run=2).finish(2 * faults.PATIENCE_S)["states"] == ["finished"] * 10
    driver.check_what_was_resumed()


def test_ctrl_c_frees_the_slots_and_the_search_is_resumed(driver, trial_processes, tune, tmp_path):
    script = driver.begin(run=1)
    driver.wait_until_two_trials_hang()
    watch = Stopwatch()
    script.send(signal.SIGINT)

    faults.support.wait_until(lambda: not trial_processes(), "all processes of the search are gone", 10)
    tell("Ctrl-C", "running trials are interrupted; a resumed search goes on", 0, watch.seconds)

    ended = script.finish(30)
    assert ended["states"] == ["finished"] * 4 + ["interrupted"] * 2
    assert "Ctrl-C" in ended["reason"]
    assert ended["jobs"] == 0
    assert "Traceback" not in script.errors

    def objective(params, trial):
        with (tmp_path / "begun").open("a") as file:
            file.write(f"{trial.id}\n")
        return value(trial.id, trial.attempt, run=2)

    tune(objective, max_trials=10, max_failures=10, store=driver.store, name="s")
    driver.check_what_was_resumed()
