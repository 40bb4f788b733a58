"""Checkpoints in whole searches: workers that die, searches that are interrupted, and what is left at the end."""

import os
import pickle
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import manyhands as mh
from manyhands.testing.executors import ExecutorContract


@pytest.fixture(params=["disk", "url"])
def place(request, tmp_path):
    """A place for checkpoints that other processes can reach, too."""
    return str(tmp_path / "runs") if request.param == "disk" else f"file://{tmp_path}/runs"


@contextmanager
def hosts(connect, n_hosts):
    """Hosts with one worker each, that come as soon as there is a connection file."""
    script = (
        "import sys, pathlib, time\n"
        "from manyhands.executors.host import Host\n"
        "from manyhands.executors.processes import Processes\n"
        "from manyhands.wire.channel import Connection\n"
        "path, give_up_at = pathlib.Path(sys.argv[1]), time.monotonic() + 30\n"
        "while not path.exists() and time.monotonic() < give_up_at: time.sleep(0.01)\n"
        "Host(Connection.read(path), Processes(1)).serve()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, str(connect)]) for _ in range(n_hosts)]
    try:
        yield processes
    finally:
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait(10)


def trials_left(tmp_path):
    return sorted(int(path.name.removeprefix("trial-")) for path in tmp_path.glob("runs/*/trial-*"))


def test_a_trial_whose_worker_died_goes_on_from_its_checkpoint(tune, place, tmp_path):
    def objective(params, trial):
        state = trial.restore({"epoch": 0, "begun": []})
        state["begun"].append(state["epoch"])
        for epoch in range(state["epoch"], 4):
            trial.save({"epoch": epoch + 1, "begun": state["begun"]})
            if epoch == trial.attempt < 3:
                os.kill(os.getpid(), signal.SIGKILL)
        return {"value": params["x"], "begun": state["begun"]}

    study = tune(objective, max_trials=2, checkpoints=place)

    assert [trial.metrics["begun"] for trial in study.trials] == [[0, 2, 3]] * 2


def test_files_of_a_trial_whose_worker_died_are_as_they_were_saved(tune, place, tmp_path):
    def objective(params, trial):
        weights = Path(trial.checkpoint_dir, "weights")
        if trial.attempt == 1:
            weights.write_text("saved")
            trial.save()
            weights.write_text("torn")
            os.kill(os.getpid(), signal.SIGKILL)
        return {"value": params["x"], "found": weights.read_text()}

    study = tune(objective, max_trials=2, checkpoints=place)

    assert [trial.metrics["found"] for trial in study.trials] == ["saved"] * 2


def test_a_file_that_was_sent_in_part_when_its_worker_died_is_passed_over(tune, tmp_path):
    """Some file systems show files that are not all there yet."""

    def objective(params, trial):
        from fsspec.implementations.local import LocalFileSystem

        def put_half(self, source, target, **_):
            content = Path(source).read_bytes()
            Path(target).write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

        found = trial.restore()
        if trial.attempt == 1:
            trial.save("whole")
            LocalFileSystem.put_file = put_half
            trial.save("torn")
        trial.save("next")
        return {"value": params["x"], "found": found, "next": trial.restore()}

    study = tune(objective, max_trials=1, checkpoints=f"file://{tmp_path}/runs")

    assert study.trials[0].metrics == {"found": "whole", "next": "next"}
    assert "object-00000001 of trial 0 is damaged" in study.log(0)


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_search_that_was_interrupted_goes_on_from_its_checkpoints(tune, place, tmp_path, executor):
    def interrupted(params, trial):
        trial.save("what it had")
        if executor == "inline":
            raise KeyboardInterrupt
        while True:
            trial.report(1.0)

    def objective(params, trial):
        return {"value": params["x"], "found": trial.restore()}

    settings = {"store": tmp_path / "s.db", "name": "s", "checkpoints": place, "max_trials": 1, "executor": executor}
    first = tune(interrupted, timeout_s=1.0, **settings)
    study = tune(objective, **settings)

    assert [trial.state for trial in first.trials] == ["interrupted"]
    assert [trial.metrics for trial in study.trials] == [{"found": "what it had"}]


@pytest.mark.parametrize("stored", [True, False], ids=["a stored study", "a study in memory"])
def test_at_the_end_only_the_best_trials_checkpoints_are_left(tune, place, tmp_path, stored):
    def objective(params, trial):
        Path(trial.checkpoint_dir, "weights").write_text("weights")
        trial.save()
        trial.save({"id": trial.id})
        if trial.id % 5 == 1:
            raise ValueError("no good")
        return params["x"]

    given = {"store": tmp_path / "s.db", "name": "s"} if stored else {}
    study = tune(objective, max_trials=12, checkpoints=place, **given)

    assert trials_left(tmp_path) == [study.best_trial.id]
    (saved,) = tmp_path.glob("runs/*/trial-*/split-0-saved/object-*")
    assert pickle.loads(saved.read_bytes()[20:]) == {"id": study.best_trial.id}  # noqa: S301 - our own


def test_checkpoints_are_removed_while_the_search_runs(tune, tmp_path):
    """Or else the disk would have to hold those of all trials."""

    def objective(params, trial):
        import time

        trial.save("x" * 1000)
        give_up_at = time.monotonic() + 30
        while trial.id == 3 and (tmp_path / "runs").exists() and time.monotonic() < give_up_at:
            left = sorted(path.name for path in tmp_path.glob("runs/*/trial-*"))
            if left == ["trial-00000", "trial-00003"]:
                return 0.5
        return float(trial.id)

    study = tune(objective, max_trials=4, workers=1, checkpoints=tmp_path / "runs")

    assert study.trials[3].value == 0.5
    assert trials_left(tmp_path) == [0]


def test_nothing_is_left_of_working_copies(tune, tmp_path, temp_folder):
    def objective(params, trial):
        Path(trial.checkpoint_dir, "weights").write_text("weights")
        trial.save()
        folder = Path(trial.checkpoint_dir)
        assert folder.is_relative_to(temp_folder)
        others = [path.name for path in folder.parent.glob("trial-*") if path != folder]
        return {"value": params["x"], "others": others}

    study = tune(objective, max_trials=6, workers=1, checkpoints=f"file://{tmp_path}/runs")

    assert [trial.metrics["others"] for trial in study.trials] == [[]] * 6
    assert list(temp_folder.iterdir()) == []


def test_a_trial_on_another_host_goes_on_from_a_place_that_both_see(tmp_path, folders_may_stay):
    """Two hosts on this machine stand for two machines with a folder in common."""

    def objective(params, trial):
        found = trial.restore()
        if trial.attempt == 1:
            trial.save(os.getppid())
            os.kill(os.getppid(), signal.SIGKILL)  # its host
            os.kill(os.getpid(), signal.SIGKILL)
        return {"value": params["x"], "first": found, "second": os.getppid()}

    connect = tmp_path / "connect"
    with hosts(connect, 2) as processes:
        study = mh.tune(
            objective,
            {"x": mh.Float(0, 1)},
            max_trials=1,
            executor=mh.Remote(str(connect), workers=2, join_timeout_s=30),
            checkpoints=f"file://{tmp_path}/runs",
            progress=False,
        )

    metrics = study.trials[0].metrics
    assert metrics["first"] in [process.pid for process in processes]
    assert metrics["second"] in [process.pid for process in processes]
    assert metrics["first"] != metrics["second"]


@pytest.mark.parametrize(
    "test",
    [
        "test_a_part_started_again_restores_what_it_saved",
        "test_a_part_with_a_parent_restores_what_that_one_saved",
        "test_files_are_found_again_as_they_were_saved",
    ],
)
def test_workers_of_a_host_keep_the_contract(tmp_path, test):
    """Above all: which trial is the parent travels on to them."""

    class Contract(ExecutorContract):
        def make(self):
            return mh.Remote(str(tmp_path / "connect"), workers=1)

    with hosts(tmp_path / "connect", 1):
        getattr(Contract(), test)()
