"""A store that is taken, frozen, foreign, damaged, locked, full or not the same: a clear word, and nothing is lost."""

import ctypes
import hashlib
import io
import json
import os
import random
import re
import resource
import signal
import sqlite3
import sys
import threading
import time
from contextlib import closing, redirect_stdout

import psutil
import pytest

import manyhands as mh
from manyhands.stores import connecting
from manyhands.stores.reading import list_studies

WAITING_SCRIPT = """
    import json
    import os
    import sys
    import time

    import manyhands as mh

    store, gate = sys.argv[1:]

    def objective(params, trial):
        if trial.id >= 3:
            open(f"{gate}.reached", "w").close()
        while trial.id >= 3 and not os.path.exists(gate):
            time.sleep(0.01)
        return params["x"]

    try:
        study = mh.tune(objective, {"x": mh.Float(0, 1)}, max_trials=6, workers=1, store=store, name="s", seed=1,
                        progress=False)
        print(json.dumps({"error": "", "n": len(study.trials)}))
    except mh.ManyhandsError as error:
        print(json.dumps({"error": type(error).__name__, "text": str(error)}))
"""


@pytest.fixture
def store(tmp_path):
    return tmp_path / "study.db"


@pytest.fixture
def keep(tune, store):
    """Runs a small study that is kept."""

    def call(objective=lambda params: params["x"], **settings):
        defaults = {"max_trials": 5, "executor": "inline", "store": store, "name": "s"}
        return tune(objective, **(defaults | settings))

    return call


def contents(store, name="s"):
    return contents_of(mh.load_study(name, store))


def contents_of(study):
    return [(t.id, t.point, t.state, t.value, t.order) for t in study.trials]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def execute(store, sql, *values):
    with closing(sqlite3.connect(store, timeout=30)) as connection, connection:
        return connection.execute(sql, values).fetchall()


# -- two drivers ---------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting_driver(start_script, store, tmp_path, wait_until):
    """A driver in a process of its own, in the midst of its fourth trial."""
    gate = tmp_path / "gate"
    script = start_script(WAITING_SCRIPT, store, gate)
    wait_until(lambda: (tmp_path / "gate.reached").exists(), "the driver waits")
    return script


@pytest.fixture
def freeze(waiting_driver, store, wait_until):
    """Stops the waiting driver, but never in the midst of a write: its lock would be frozen with it."""

    def call():
        with connecting.write_lock(store):
            waiting_driver.send(signal.SIGSTOP)
            wait_until(lambda: psutil.Process(waiting_driver.pid).status() == psutil.STATUS_STOPPED, "it stands still")

    return call


def test_a_study_that_is_being_driven_is_refused(keep, waiting_driver, store, tmp_path):
    with pytest.raises(mh.StudyOwnedError) as caught:
        keep()

    assert f"process {waiting_driver.pid}" in str(caught.value)
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", str(caught.value))
    (tmp_path / "gate").touch()
    assert waiting_driver.finish() == {"error": "", "n": 6}
    assert [t.state.value for t in mh.load_study("s", store).trials] == ["finished"] * 6


def test_a_study_that_this_very_process_drives_is_refused(keep):
    refusals = []

    def objective(params):
        with pytest.raises(mh.StudyOwnedError) as caught:
            keep()
        refusals.append(str(caught.value))
        return params["x"]

    keep(objective, max_trials=2)

    assert len(refusals) == 2
    assert f"process {os.getpid()}" in refusals[0]


def test_another_study_in_the_same_file_is_not_refused(keep, waiting_driver, store, tmp_path):
    keep(name="other")

    (tmp_path / "gate").touch()
    assert waiting_driver.finish()["n"] == 6
    assert len(contents(store, "other")) == 5


def test_a_driver_that_is_stopped_for_a_moment_keeps_its_study(keep, waiting_driver, freeze, tmp_path):
    freeze()

    with pytest.raises(mh.StudyOwnedError):
        keep()

    waiting_driver.send(signal.SIGCONT)
    (tmp_path / "gate").touch()
    assert waiting_driver.finish()["n"] == 6


def test_a_frozen_driver_loses_its_study_and_cannot_write_to_it_any_more(keep, waiting_driver, freeze, store, tmp_path):
    """It has not been seen for so long that it counts as dead. It is not, and wakes up later."""
    freeze()
    execute(store, "UPDATE studies SET seen_at = seen_at - 100000")

    study = keep(lambda params: 1000 + params["x"], max_trials=6)
    after = contents(store)
    waiting_driver.send(signal.SIGCONT)
    (tmp_path / "gate").touch()
    result = waiting_driver.finish()

    assert result["error"] == "StudyOwnedError"
    assert "taken over" in result["text"]
    assert contents(store) == after
    assert [t.value for t in study.trials[:3]] == [t.params["x"] for t in study.trials[:3]]
    assert [t.value for t in study.trials[3:]] == [1000 + t.params["x"] for t in study.trials[3:]]


def test_a_driver_whose_study_is_being_driven_by_another_stops(keep, waiting_driver, freeze, store, tmp_path):
    """The new one is still at work when the old one wakes up: the old one must not disturb it."""
    freeze()
    execute(store, "UPDATE studies SET seen_at = seen_at - 100000")
    results = []

    def objective(params, trial):
        if trial.id == 4:
            waiting_driver.send(signal.SIGCONT)
            (tmp_path / "gate").touch()
            results.append(waiting_driver.finish())
        return 1000 + params["x"]

    study = keep(objective, max_trials=6)

    assert results[0]["error"] == "StudyOwnedError"
    assert [t.state.value for t in study.trials] == ["finished"] * 6
    assert contents(store) == contents_of(study)


# -- files that are no store, or no longer one ---------------------------------------------------------------------


def test_a_store_of_a_newer_version_is_refused(keep, store):
    keep()
    execute(store, "PRAGMA user_version = 1000")
    before = digest(store)

    with pytest.raises(mh.StoreError, match="newer Manyhands"):
        keep(max_trials=9)
    with pytest.raises(mh.StoreError, match="newer Manyhands"):
        mh.load_study("s", store)

    assert digest(store) == before


def reports_once(params, trial):
    trial.report(params["x"])
    return params["x"]


AS_IN_VERSION_2 = """
    ALTER TABLE trials DROP COLUMN parent;
    ALTER TABLE trials DROP COLUMN paused_s;
    ALTER TABLE studies DROP COLUMN n_reports;
    DROP TABLE moments;
    PRAGMA user_version = 2;
"""
AS_IN_VERSION_1 = f"""
    {AS_IN_VERSION_2}
    ALTER TABLE trials DROP COLUMN "values";
    ALTER TABLE trials DROP COLUMN constraints;
    PRAGMA user_version = 1;
"""


@pytest.fixture(params=[AS_IN_VERSION_1, AS_IN_VERSION_2], ids=["version 1", "version 2"])
def old_store(keep, store, request):
    """A store as an older version wrote it: the first knew one value and no constraints, the second no pauses."""
    keep(reports_once)
    for statement in request.param.split(";"):
        execute(store, statement)
    return store


def test_a_store_of_an_older_version_is_read_and_left_as_it_is(old_store):
    before = digest(old_store)

    study = mh.load_study("s", old_store)
    (info,) = list_studies(old_store)

    assert {(t.state.value, t.values, t.constraints) for t in study.trials} == {("finished", (), ())}
    assert info.best_value == study.best_value
    assert digest(old_store) == before


def test_a_study_of_an_older_version_goes_on(keep, old_store):
    earlier = contents(old_store)

    study = keep(max_trials=9)

    assert [t.state.value for t in study.trials] == ["finished"] * 9
    assert contents(old_store)[: len(earlier)] == earlier
    assert execute(old_store, "PRAGMA user_version") == [(connecting.SCHEMA_VERSION,)]
    assert contents(old_store) == contents_of(study)


def test_a_store_that_was_brought_up_to_date_is_like_a_new_one(keep, old_store, tmp_path):
    keep(max_trials=9)
    mh.tune(
        lambda p: p["x"],
        {"x": mh.Float(0, 1)},
        max_trials=1,
        executor="inline",
        store=tmp_path / "new.db",
        progress=False,
    )

    for table in ("trials", "studies", "moments"):
        columns = [
            [row[1:4] for row in execute(path, f"PRAGMA table_info({table})")]
            for path in (old_store, tmp_path / "new.db")
        ]
        assert columns[0] == columns[1]


def test_a_study_of_an_older_version_counts_the_reports_that_it_has(keep, old_store):
    """So that the moments of a later run are in their right places among all reports."""
    keep(reports_once, max_trials=9)

    assert execute(old_store, "SELECT n_reports FROM studies") == [(9,)]
    ends = execute(old_store, "SELECT n_reports FROM moments WHERE state = 'finished' ORDER BY id")
    assert ends == [(6,), (7,), (8,), (9,)]


@pytest.mark.parametrize("size", [2, 1000, 100_000])
def test_a_file_that_is_no_database_is_refused(keep, store, size):
    store.write_bytes(random.Random(1).randbytes(size))  # noqa: S311 - chance, not secrets
    before = digest(store)

    with pytest.raises(mh.StoreError, match="is not a Manyhands store"):
        keep()
    with pytest.raises(mh.StoreError, match="is not a Manyhands store"):
        mh.load_study("s", store)

    assert digest(store) == before


def test_the_database_of_another_program_is_refused(keep, store):
    execute(store, "CREATE TABLE birds (name TEXT)")
    execute(store, "INSERT INTO birds VALUES ('wren')")
    before = digest(store)

    with pytest.raises(mh.StoreError, match="not a Manyhands store"):
        keep()

    assert digest(store) == before
    assert execute(store, "SELECT name FROM birds") == [("wren",)]


def test_an_empty_file_becomes_a_store(keep, store):
    store.touch()

    keep()

    assert len(contents(store)) == 5


def test_a_folder_is_no_store(keep, store):
    store.mkdir()

    with pytest.raises(mh.StoreError, match=r"study\.db"):
        keep()


def test_a_store_in_a_folder_that_does_not_exist_is_refused(keep, tmp_path):
    with pytest.raises(mh.StoreError, match="there is no folder"):
        keep(store=tmp_path / "no" / "study.db")


@pytest.fixture
def large_store(keep, store):
    """A store of some hundred pages, as bytes."""

    def objective(params):
        print("a line of output\n" * 200)
        return params["x"]

    with redirect_stdout(io.StringIO()):
        keep(objective, max_trials=150)
    return store.read_bytes()


def overwrite(store, data, seed):
    """Put noise over a few pages somewhere behind the first."""
    rng = random.Random(seed)  # noqa: S311 - chance, not secrets
    start = rng.randrange(4096, len(data) - 20_000)
    store.write_bytes(data[:start] + rng.randbytes(16_384) + data[start + 16_384 :])


def attempt(call, **settings):
    """What is in the study that the call returns, or the store error that it raises, in words."""
    try:
        return contents_of(call(**settings)), ""
    except mh.StoreError as error:
        return None, str(error)


@pytest.mark.parametrize("was_cut_off", [True, False], ids=["after a crash", "after a good end"])
def test_a_damaged_store_is_refused_and_left_as_it_is(keep, store, large_store, was_cut_off):
    """Wherever the damage is: either it is noticed, or what is read is right."""
    dead = json.dumps({"host": "elsewhere", "pid": 1, "born_at": 1, "since": 0.0})
    if was_cut_off:
        execute(store, "UPDATE studies SET owner = ?, seen_at = 0", dead)
    data = store.read_bytes()
    right = contents(store)
    n_refused = 0

    for seed in range(12):
        overwrite(store, data, seed)
        before = digest(store)
        trials, error = attempt(keep, max_trials=150)
        assert trials == right or "study.db" in error
        assert not error or digest(store) == before
        n_refused += bool(error)

    assert n_refused == 12 if was_cut_off else n_refused > 0


@pytest.mark.parametrize("seed", range(6))
def test_reading_a_damaged_store_is_refused_or_right(keep, store, large_store, seed):
    right = contents(store)
    overwrite(store, large_store, seed)

    found, error = attempt(lambda: mh.load_study("s", store))

    assert found == right or "study.db" in error


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("point", "{"),
        ("state", "flying"),
        ("point", '{"y": 1}'),
        ('"values"', "[1"),
        ('"values"', "[1, 2]"),
        ("constraints", '["x"]'),
    ],
)
def test_a_trial_that_makes_no_sense_is_refused_in_words(keep, store, column, text):
    keep()
    execute(store, f"UPDATE trials SET {column} = ? WHERE id = 3", text)  # noqa: S608 - fixed names

    with pytest.raises(mh.StoreError, match=r"study\.db"):
        keep(max_trials=9)


@pytest.mark.parametrize(("column", "text"), [('"values"', "[1"), ('"values"', "[1, 2]"), ("constraints", '["x"]')])
def test_a_list_of_studies_tells_of_a_trial_that_makes_no_sense(keep, store, column, text):
    keep()
    execute(store, f"UPDATE trials SET {column} = ? WHERE id = 3", text)  # noqa: S608 - fixed names

    with pytest.raises(mh.StoreError, match=r"study\.db is damaged: its trial 3 makes no sense"):
        list_studies(store)


def test_a_truncated_store_is_refused(keep, store, large_store):
    store.write_bytes(large_store[: len(large_store) // 2])
    before = digest(store)

    with pytest.raises(mh.StoreError, match="damaged"):
        keep(max_trials=160)

    assert digest(store) == before


# -- files that cannot be written ----------------------------------------------------------------------------------


def test_a_store_that_another_program_locks_is_reported(keep, store, monkeypatch):
    monkeypatch.setattr(connecting, "_PATIENCE_S", 0.5)
    keep()
    before = contents(store)

    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(mh.StoreError, match=r"study\.db is locked"):
            keep(max_trials=20)

    assert contents(store) == before


def test_a_store_that_is_locked_during_the_search_is_reported(keep, store, monkeypatch):
    """What was written before is safe, and the search can go on when the lock is gone."""
    monkeypatch.setattr(connecting, "_PATIENCE_S", 0.5)
    other = sqlite3.connect(store, isolation_level=None)

    def objective(params, trial):
        if trial.id == 7:
            other.execute("BEGIN EXCLUSIVE")
        return params["x"]

    with closing(other), pytest.raises(mh.StoreError, match=r"study\.db is locked"):
        keep(objective, max_trials=20)

    found = contents(store)
    assert [(trial_id, state) for trial_id, _, state, _, _ in found[:7]] == [(i, "finished") for i in range(7)]
    assert contents_of(keep(max_trials=20))[:7] == found[:7]


def test_a_store_whose_lock_somebody_holds_is_reported(keep, store, monkeypatch):
    monkeypatch.setattr(connecting, "_PATIENCE_S", 0.5)
    keep()

    with connecting.write_lock(store), pytest.raises(mh.StoreError, match="locked by another process"):
        keep(max_trials=9)

    assert len(contents(store)) == 5


def test_a_store_that_is_locked_for_a_moment_is_waited_for(keep, store):
    keep()
    other = sqlite3.connect(store, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(0.5, other.close)
    timer.start()

    study = keep(max_trials=9)

    timer.join()
    assert len(study.trials) == 9


KEEPING_SCRIPT = """
    import json
    import sys

    import manyhands as mh

    store, n_trials, n_bytes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    acked = []

    class Acknowledge(mh.Tracker):
        def trial_ended(self, trial):
            acked.append([trial.id, trial.value])

    def objective(params):
        print("x" * n_bytes)
        return params["x"]

    error = ""
    try:
        mh.tune(objective, {"x": mh.Float(0, 1)}, max_trials=n_trials, executor="inline", store=store, name="s", seed=1,
                progress=False, trackers=[Acknowledge()])
    except mh.ManyhandsError as caught:
        error = f"{type(caught).__name__}: {caught}"
    print(json.dumps({"error": error, "acked": acked}))
"""


def test_a_full_disk_is_reported_and_what_was_saved_is_safe(keep, start_script, store):
    keep()
    before = contents(store)
    script = start_script(
        KEEPING_SCRIPT,
        store,
        100,
        50_000,
        prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )

    result = script.finish()

    assert result["error"].startswith("StoreError")
    assert "study.db cannot be written" in result["error"]
    assert "What was saved before is safe" in result["error"]
    assert 3 < len(result["acked"]) < 50
    found = contents(store)
    assert found[:5] == before
    values = {trial_id: value for trial_id, _, _, value, _ in found}
    assert all(values[trial_id] == value for trial_id, value in result["acked"])
    assert len(keep(max_trials=100).trials) == 100


def give_up_override():
    """Make root respect the modes of files, as everybody else has to; without effect for those."""
    drop, dac_override = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE
    ctypes.CDLL(None).prctl(drop, dac_override)


@pytest.mark.skipif(sys.platform != "linux", reason="root has other ways elsewhere")
@pytest.mark.parametrize("exists", [True, False], ids=["a store", "no store yet"])
def test_a_read_only_folder_is_reported(keep, start_script, tmp_path, exists):
    folder = tmp_path / "locked"
    folder.mkdir()
    store = folder / "study.db"
    if exists:
        keep(store=store)
    before = {path.name: digest(path) for path in folder.iterdir()}
    folder.chmod(0o555)

    result = start_script(KEEPING_SCRIPT, store, 9, 10, prepare=give_up_override).finish()

    folder.chmod(0o755)
    assert result["error"].startswith("StoreError")
    assert "study.db cannot be" in result["error"]
    assert {path.name: digest(path) for path in folder.iterdir()} == before


# -- studies that are not the same ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"space": {"x": mh.Float(0, 2)}}, r"another space: space\.x.* was 1(\.0)? and is now 2"),
        ({"space": {"y": mh.Float(0, 1)}}, "another space"),
        ({"direction": "maximize"}, "another direction: it was 'minimize' and is now 'maximize'"),
        ({"seed": 2}, "another seed: it was 1 and is now 2"),
        ({"metric": "loss"}, "another metric: it was None and is now 'loss'"),
        ({"splits": 3}, "another .*splits: it was None and is now 3"),
        ({"resume": False}, "resume=False"),
    ],
    ids=["range", "name", "direction", "seed", "metric", "splits", "resume"],
)
def test_a_study_that_differs_is_refused(keep, store, settings, said):
    keep()
    before = contents(store)
    sha = digest(store)

    with pytest.raises(mh.StudyMismatchError, match=said):
        keep(lambda params, trial: params["x"], **settings)

    assert contents(store) == before
    assert digest(store) == sha
    assert len(keep(max_trials=9).trials) == 9


def test_a_new_name_is_a_new_study_whatever_resume_says(keep, store):
    keep()

    keep(name="t", resume=False, space={"y": mh.Int(0, 9)}, objective=lambda params: params["y"])

    assert len(contents(store, "s")) == len(contents(store, "t")) == 5


def test_a_study_without_a_seed_goes_on_with_the_stored_one(keep, store):
    keep(seed=77)

    study = keep(seed=None, max_trials=9)

    straight = keep(seed=77, max_trials=9, store=None)
    assert [t.point for t in study.trials] == [t.point for t in straight.trials]


def test_a_finished_study_runs_nothing_more(keep, start_script, store):
    keep()
    calls = []

    started = time.monotonic()
    study = keep(calls.append)

    assert calls == []
    assert time.monotonic() - started < 1
    assert len(study.trials) == 5
