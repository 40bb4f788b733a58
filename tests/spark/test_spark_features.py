"""What people do with a search on a cluster: limits, stops, output, data, modules of their own, and Spark beside it."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from tests import support

import manyhands as mh
from manyhands.executors.spark import executor as executor_module
from manyhands.executors.spark import spreading
from manyhands.executors.spark.package import zipped_package

GIVE_UP_S = 60.0


class Listener(mh.Tracker):
    """Writes a file when it hears of something: the first half of a handshake with a trial."""

    def __init__(self, **files):
        self._files = files

    def logged(self, trial_id, text):
        self._note("logged", text)

    def reported(self, trial, reports):
        self._note("reported", str([report.value for report in reports]))

    def _note(self, kind, text):
        if kind in self._files:
            self._files[kind].write_text(text)


class StopsTheFirst:
    """A scheduler that has seen enough of trial 0 at its first report."""

    def judge(self, trial_id, report, loss):
        return "it is the first" if trial_id == 0 else None

    def observe(self, trial, loss):
        pass


def active_jobs(spark):
    return list(spark.sparkContext.statusTracker().getActiveJobsIds())


def assert_all_slots_are_free(spark):
    """No job of a search is left, and a plain job has all four cores to itself."""
    support.wait_until(lambda: active_jobs(spark) == [], "no job is left", 10)
    assert spark.sparkContext.parallelize(range(8), 4).map(lambda x: x * x).sum() == 140


def states(study):
    return [str(trial.state) for trial in study.trials]


def lives(pid_file):
    try:
        return psutil.Process(int(pid_file.read_text())).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def make_wait():
    """Return a function that plain Spark tasks can use too: they have no way to this file, and so are sent its code."""

    def wait(condition):
        give_up_at = time.monotonic() + GIVE_UP_S
        while not condition():
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"waited {GIVE_UP_S:g} s in vain")
            time.sleep(0.01)

    return wait


wait = make_wait()


# -- failures, limits and stops --------------------------------------------------------------------------------------


def test_an_objective_that_raises_fails_its_trial_and_the_search_goes_on(tune):
    def objective(params, trial):
        if trial.id == 3:
            raise ValueError("the third is no good: é")
        return params["x"]

    study = tune(objective, max_trials=10)

    assert states(study) == ["finished"] * 3 + ["failed"] + ["finished"] * 6
    assert "the third is no good: é" in study.trials[3].traceback
    assert study.trials[3].attempts == 1


def test_a_trial_that_hangs_ends_at_its_limit_with_all_it_started_and_its_slot_works_on(tune, tmp_path):
    child = tmp_path / "child"

    def objective(params, trial):
        if trial.id == 0:
            child.write_text(str(subprocess.Popen(["/bin/sleep", "1000"]).pid))
            time.sleep(1000)
        return {"value": params["x"], "host": os.getppid()}

    study = tune(objective, max_trials=6, workers=1, trial_timeout_s=3)

    assert states(study) == ["failed"] + ["finished"] * 5
    assert "3" in study.trials[0].reason
    assert len({trial.metrics["host"] for trial in study.trials[1:]}) == 1
    assert not lives(child)


def test_a_scheduler_stops_a_trial_at_its_next_report(tune):
    def objective(params, trial):
        for _ in range(6000):
            trial.report(params["x"])
            if trial.id != 0:
                break
            time.sleep(0.01)
        return params["x"]

    study = tune(objective, max_trials=4, scheduler=StopsTheFirst())

    assert states(study) == ["stopped"] + ["finished"] * 3
    assert study.trials[0].reason == "it is the first"
    assert study.trials[0].attempts == 1


def test_a_stop_rule_ends_the_search_while_trials_run(tune, spark, tmp_path):
    begun = tmp_path / "begun"

    def objective(params, trial):
        if trial.id == 0:
            wait(begun.exists)
            return 0.0
        begun.touch()
        time.sleep(1000)
        return 1.0

    study = tune(objective, max_trials=50, stop=mh.Target(0.0))

    assert "target" in study.end_reason
    assert states(study)[0] == "finished"
    assert set(states(study)[1:]) == {"interrupted"}
    assert_all_slots_are_free(spark)


def test_a_search_whose_time_is_up_frees_its_slots_and_goes_on_another_time(tune, spark, tmp_path):
    settings = {"store": tmp_path / "s.db", "name": "s", "max_trials": 8}

    def objective(params, trial):
        if trial.id >= 2 and not (tmp_path / "again").exists():
            time.sleep(1000)
        return params["x"]

    study = tune(objective, timeout_s=8, **settings)

    assert "8" in study.end_reason
    assert states(study)[:2] == ["finished"] * 2
    assert set(states(study)[2:]) == {"interrupted"}
    assert_all_slots_are_free(spark)

    (tmp_path / "again").touch()
    again = tune(objective, **settings)

    assert states(again) == ["finished"] * 8
    assert [trial.value for trial in again.trials[:2]] == [trial.value for trial in study.trials[:2]]
    assert again.trials[1].ended_at == study.trials[1].ended_at


# -- what is seen while it runs --------------------------------------------------------------------------------------


def test_output_and_reports_arrive_while_their_trial_runs(tune, tmp_path):
    printed, reported = tmp_path / "printed", tmp_path / "reported"

    def objective(params, trial):
        print("first line")
        wait(printed.exists)
        trial.report(0.25)
        wait(reported.exists)
        print("last line")
        return params["x"]

    study = tune(objective, max_trials=1, workers=1, trackers=[Listener(logged=printed, reported=reported)])

    assert states(study) == ["finished"]
    assert reported.read_text() == "[0.25]"
    assert study.log(0) == "first line\nlast line\n"


def test_sparks_ui_shows_what_the_slots_are_for(tune, spark):
    seen = {}

    class Looks(mh.Tracker):
        def logged(self, trial_id, text):
            store = spark.sparkContext._jsc.sc().statusStore()
            for i in active_jobs(spark):
                job = store.job(i)
                seen[job.description().get()] = job.jobGroup().get()

    def forest(params):
        print("I run")
        return params["x"]

    tune(forest, max_trials=4, trackers=[Looks()])

    assert set(seen) == {"manyhands: forest, slot 0", "manyhands: forest, slot 1"}
    assert all(group.startswith("manyhands-") for group in seen.values())


# -- slots -----------------------------------------------------------------------------------------------------------


def test_numeric_libraries_use_as_many_threads_as_a_slot_has_cores(tune, spark):
    def objective(params):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        return {"value": params["x"], "threads": [os.environ.get(name) for name in names]}

    study = tune(objective, max_trials=4, options={"cores_per_worker": 2})

    assert [trial.metrics["threads"] for trial in study.trials] == [["2"] * 3] * 4
    assert mh.Spark(spark, cores_per_worker=2).n_workers == 2


def test_slots_for_which_there_is_no_room_wait_and_hold_up_nothing(tune, spark, tmp_path):
    def objective(params):
        (tmp_path / f"worker-{os.getpid()}").touch()
        wait(lambda: len([*tmp_path.glob("worker-*")]) == 4)
        return params["x"]

    study = tune(objective, max_trials=40, workers=6)

    assert states(study) == ["finished"] * 40
    assert len([*tmp_path.glob("worker-*")]) == 4
    assert_all_slots_are_free(spark)


def test_the_splits_of_a_trial_run_side_by_side(tune, tmp_path):
    def objective(params, trial):
        (tmp_path / f"{trial.id}-{trial.split}").touch()
        for split in range(3):
            wait((tmp_path / f"{trial.id}-{split}").exists)
        return trial.split

    study = tune(objective, max_trials=1, workers=3, splits=3)  # of more, some would be given ahead, one behind another

    assert study.trials[0].split_values == (0.0, 1.0, 2.0)


def test_the_name_spark_takes_the_active_session(spark):
    study = mh.tune(
        lambda params: {"value": params["x"], "executor": os.environ.get("SPARK_HOME", "")},
        {"x": mh.Float(0, 1)},
        max_trials=4,
        workers=2,
        executor="spark",
        progress=False,
    )

    assert states(study) == ["finished"] * 4
    assert mh.Spark().n_workers == 4


def test_searches_and_plain_jobs_take_turns_in_the_same_python_processes(tune, spark, tmp_path):
    def search(label):
        def objective(params):
            (tmp_path / f"{label}-{os.getpid()}").touch()
            wait(lambda: len([*tmp_path.glob(f"{label}-*")]) == 4)
            return {"value": params["x"], "label": label, "host": os.getppid()}

        study = tune(objective, max_trials=8, workers=4)
        assert {trial.metrics["label"] for trial in study.trials} == {label}
        return {trial.metrics["host"] for trial in study.trials}

    def look(_):
        # Not yet at once: each of the four processes is to get one of the four tasks.
        (tmp_path / f"plain-{os.getpid()}").touch()
        wait(lambda: len([*tmp_path.glob("plain-*")]) == 4)
        ours = [name for name in sys.modules if name.partition(".")[0] == "manyhands"]
        paths = [entry for entry in sys.path if entry.endswith("manyhands.zip")]
        return os.getpid(), len(ours), paths

    first = search("first")
    plain = spark.sparkContext.parallelize(range(4), 4).map(look).collect()
    second = search("second")

    assert len(first) == 4
    assert {pid for pid, _, _ in plain} == first == second
    assert {(n, *paths) for _, n, paths in plain} == {(0,)}


# -- objectives, data and modules ------------------------------------------------------------------------------------


def test_large_data_are_broadcast_once_for_searches_that_follow_one_another(tune, spark, monkeypatch):
    data = np.arange(5_000_000, dtype=np.float64)
    large = []
    broadcast = type(spark.sparkContext).broadcast

    def spy(context, value):
        if len(value) >= 1 << 20:
            large.append(len(value))
        return broadcast(context, value)

    monkeypatch.setattr(type(spark.sparkContext), "broadcast", spy)

    first = tune(lambda params: float(data.sum()), max_trials=4)
    second = tune(lambda params: float(data.max()), max_trials=4)
    kept = len(spreading._KEPT[spark.sparkContext.applicationId])
    tune(lambda params: params["x"], max_trials=4)

    assert {trial.value for trial in first.trials} == {float(data.sum())}
    assert {trial.value for trial in second.trials} == {float(data.max())}
    assert sum(large) == pytest.approx(40e6, rel=0.01)
    assert kept == 1
    assert spreading._KEPT[spark.sparkContext.applicationId] == {}


def test_data_go_by_a_shared_folder_and_leave_nothing_there(tune, spark, tmp_path, monkeypatch):
    data = np.arange(1_000_000, dtype=np.float64)
    share = tmp_path / "share"
    seen = []

    class Looks(mh.Tracker):
        def trial_ended(self, trial):
            seen.append(sum(path.stat().st_size for path in share.iterdir()))

    monkeypatch.setattr(type(spark.sparkContext), "broadcast", None)  # whoever calls it fails

    study = tune(lambda params: float(data.sum()), max_trials=4, options={"share": share.as_uri()}, trackers=[Looks()])

    assert {trial.value for trial in study.trials} == {float(data.sum())}
    assert max(seen) >= data.nbytes
    assert [*share.iterdir()] == []


def test_a_module_that_spark_has_shipped_can_be_imported_in_trials(tune, spark, tmp_path):
    (tmp_path / "shipped_by_spark.py").write_text("def twice(x):\n    return 2 * x\n")
    spark.sparkContext.addPyFile(str(tmp_path / "shipped_by_spark.py"))

    def objective(params):
        import shipped_by_spark

        return {"value": shipped_by_spark.twice(params["x"]), "file": shipped_by_spark.__file__}

    study = tune(objective, max_trials=4)

    assert [trial.value for trial in study.trials] == [2 * trial.params["x"] for trial in study.trials]
    assert all("/worker-" in trial.metrics["file"] for trial in study.trials), "it is the executor's own copy"


def test_an_objective_that_uses_the_session_is_refused_with_the_sessions_name(tune, spark):
    with pytest.raises(mh.PayloadError, match="the variable 'spark'"):
        tune(lambda params: spark.range(10).count(), max_trials=1)


# -- when nothing can work -------------------------------------------------------------------------------------------


def impatient_package():
    """The package as it goes to executors, but that it waits for the driver for 2 seconds and not for 20."""
    import io
    import zipfile

    source, target = zipfile.ZipFile(io.BytesIO(zipped_package())), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            text = source.read(name)
            if name.endswith("spark/serving.py"):
                assert b"_CONNECT_TIMEOUT_S = 20.0" in text
                text = text.replace(b"_CONNECT_TIMEOUT_S = 20.0", b"_CONNECT_TIMEOUT_S = 2.0")
            archive.writestr(name, text)
    return target.getvalue()


def test_executors_that_cannot_reach_the_driver_say_so(tune, spark, monkeypatch):
    package = impatient_package()
    monkeypatch.setattr(executor_module, "zipped_package", lambda: package)

    with pytest.raises(mh.ExecutorError, match=r"cannot reach this machine: .*192\.0\.2\.1:.*advertise_host="):
        tune(
            lambda params: 0.0,
            max_trials=1,
            workers=4,
            options={"advertise_host": "192.0.2.1", "bind_host": "127.0.0.1"},
        )

    assert_all_slots_are_free(spark)


@pytest.mark.parametrize("wish", [{"cores_per_worker": 3}, {"gpus_per_worker": 1}], ids=["cores", "GPUs"])
def test_workers_that_need_more_than_any_executor_has_are_refused(tune, wish):
    with pytest.raises(mh.ExecutorError, match="No executor has what each worker is to have") as caught:
        tune(lambda params: 0.0, max_trials=1, workers=1, options=wish | {"join_timeout_s": 5})

    print(caught.value)
    assert "\n" not in str(caught.value), "Spark's stack trace helps nobody"


def test_a_search_that_gets_no_executor_in_time_says_so(tune, spark, tmp_path):
    def hog(_):
        (tmp_path / f"hog-{os.getpid()}").touch()
        wait((tmp_path / "release").exists)

    plain = threading.Thread(target=lambda: spark.sparkContext.parallelize(range(4), 4).foreach(hog))
    plain.start()
    try:
        support.wait_until(lambda: len([*tmp_path.glob("hog-*")]) == 4, "the plain job has all cores", GIVE_UP_S)

        with pytest.raises(mh.ExecutorError, match="no executor to any of 2 workers for 2 seconds"):
            tune(lambda params: 0.0, max_trials=1, options={"join_timeout_s": 2})
    finally:
        (tmp_path / "release").touch()
        plain.join(GIVE_UP_S)

    assert_all_slots_are_free(spark)
