"""The front door, with trials in this very thread."""

import io
import logging
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import manyhands as mh
from manyhands import eventlog
from manyhands.trial import Report

SPACE = {"x": mh.Float(-1, 1)}


def square(params: dict[str, float]) -> float:
    return params["x"] ** 2


def tune(objective: Callable[..., Any] = square, space: object = SPACE, **given: Any) -> mh.Study:
    defaults = {"executor": "inline", "progress": False, "sampler": "random", "max_trials": 10}
    return mh.tune(objective, space, **{**defaults, **given})


class Diary(mh.Tracker):
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def started(self, spec: Any, n_workers: int, trials: Any, max_trials: int | None) -> None:
        self.heard.append(("started", (spec.name, n_workers, len(trials), max_trials)))

    def trial_started(self, trial: mh.Trial) -> None:
        self.heard.append(("trial_started", trial.id))

    def reported(self, trial: mh.Trial, reports: Any) -> None:
        self.heard.append(("reported", (trial.id, [report.value for report in reports])))

    def logged(self, trial_id: int, text: str) -> None:
        self.heard.append(("logged", (trial_id, text)))

    def trial_ended(self, trial: mh.Trial) -> None:
        self.heard.append(("trial_ended", (trial.id, str(trial.state))))

    def ended(self, reason: str) -> None:
        self.heard.append(("ended", reason))


class StopsAll:
    def judge(self, trial_id: int, report: Report, loss: float) -> str | None:
        return "enough"

    def observe(self, trial: mh.Trial, loss: float | None) -> None:
        pass


# -- the usual course ----------------------------------------------------------------------------------------------


def test_the_best_of_all_trials_is_found() -> None:
    study = tune(max_trials=30)

    assert study.best_value == min(t.params["x"] ** 2 for t in study.trials)
    assert [t.id for t in study.trials] == list(range(30))
    assert study.end_reason == "all 30 trials are done"


def test_the_highest_is_the_best_when_maximising() -> None:
    study = tune(direction="maximize")

    assert study.best_value == max(t.value for t in study.trials)


def test_the_same_seed_gives_the_same_trials() -> None:
    first, second, other = ([(t.params, t.value) for t in tune(seed=seed).trials] for seed in (3, 3, 4))

    assert first == second != other


def test_the_seed_is_0_if_not_given() -> None:
    assert [t.params for t in tune().trials] == [t.params for t in tune(seed=0).trials]


def test_the_metric_names_what_is_optimised() -> None:
    study = tune(lambda p: {"f1": p["x"], "loss": 5}, metric="f1", direction="maximize")

    assert study.best_value == max(t.params["x"] for t in study.trials)
    assert study.best_trial.metrics == {"loss": 5}


def test_an_objective_may_ask_for_the_trial() -> None:
    study = tune(lambda p, trial: float(trial.id))

    assert [t.value for t in study.trials] == [float(i) for i in range(10)]


def test_an_objective_may_have_other_defaults() -> None:
    study = tune(lambda p, scale=2.0: scale)

    assert study.best_value == 2.0


def test_a_grid_needs_no_number_of_trials() -> None:
    study = tune(space={"x": mh.Int(-2, 2)}, sampler="grid", max_trials=None)

    assert [t.params["x"] for t in study.trials] == [-2, -1, 0, 1, 2]
    assert study.end_reason == "the space is used up: all 5 configurations were tried"


def test_a_sobol_search_runs() -> None:
    assert len(tune(sampler="sobol").trials) == 10


def test_given_params_come_first_and_are_completed() -> None:
    space = {"x": mh.Float(-1, 1), "n": mh.Int(0, 9)}

    study = tune(space=space, start_with=[{"x": 0.5, "n": 3}, {"n": 7}])

    assert study.trials[0].params == {"x": 0.5, "n": 3}
    assert study.trials[1].params["n"] == 7


# -- failures ------------------------------------------------------------------------------------------------------


def test_a_failing_trial_does_not_end_the_search() -> None:
    def objective(params: dict[str, float], trial: Any) -> float:
        if trial.id % 2:
            raise ValueError("odd")
        return 1.0

    study = tune(objective)

    assert [str(t.state) for t in study.trials[:2]] == ["finished", "failed"]
    assert "ValueError: odd" in study.trials[1].reason


def test_if_every_trial_fails_the_commonest_traceback_and_its_params_are_shown() -> None:
    def objective(params: dict[str, int], trial: Any) -> float:
        if trial.id == 0:
            raise KeyError("rare")
        raise ValueError(f"common, in trial {trial.id}")

    with pytest.raises(mh.AllTrialsFailedError) as caught:
        tune(objective, {"x": mh.Int(0, 99)})

    text = str(caught.value)
    assert "Not one of 10 trials has a value. 9 of 10 failures are like that of trial 1" in text
    assert "ValueError: common, in trial 1" in text
    assert "Traceback" in text
    assert re.search(r"params  \{'x': \d+\}", text)
    assert "rare" not in text


def test_an_unclear_dict_is_an_error_at_the_first_trial() -> None:
    calls = []

    with pytest.raises(mh.ObjectiveError, match=r"neither 'value' nor 'loss'.*metric='accuracy'"):
        tune(lambda p: calls.append(p) or {"accuracy": 1.0})

    assert len(calls) == 1


def test_so_many_failures_end_the_search() -> None:
    def objective(params: dict[str, float], trial: Any) -> float:
        return 1.0 if trial.id == 0 else float("nan")

    study = tune(objective, max_failures=3, max_trials=100)

    assert len(study.trials) < 40
    assert study.end_reason.endswith("trials failed, and max_failures=3")


def test_sys_exit_in_an_objective_is_a_failure() -> None:
    def objective(params: dict[str, float], trial: Any) -> float:
        return 1.0 if trial.id else exit(3)

    study = tune(objective)

    assert "SystemExit" in study.trials[0].reason


# -- ends ----------------------------------------------------------------------------------------------------------


def test_no_progress_ends_the_search() -> None:
    study = tune(lambda p: 1.0, stop=mh.NoProgress(5), max_trials=None)

    assert "no progress for" in study.end_reason
    assert len(study.trials) < 40


def test_a_target_ends_the_search() -> None:
    study = tune(lambda p, trial: float(trial.id), direction="maximize", stop=[mh.Target(7)], max_trials=None)

    assert "the target 7 was reached by trial 7" in study.end_reason


def test_time_ends_the_search() -> None:
    study = tune(max_trials=None, timeout_s=0.05)

    assert study.end_reason == "the time was up: timeout_s=0.05"
    assert study.best_value <= 1.0


def test_a_trial_that_reports_can_take_too_long() -> None:
    def objective(params: dict[str, float], trial: Any) -> float:
        while trial.id == 1:
            trial.report(1.0)
        return 1.0

    study = tune(objective, trial_timeout_s=0.05, max_trials=3)

    assert [str(t.state) for t in study.trials] == ["finished", "failed", "finished"]
    assert "trial_timeout_s=0.05" in study.trials[1].reason


def test_trials_behind_one_that_took_too_long_run_once() -> None:
    """Quick trials are given out ahead; those that were given back must not run where they waited too."""
    calls: list[int] = []

    def objective(params: dict[str, float], trial: Any) -> float:
        calls.append(trial.id)
        while trial.id == 20:
            trial.report(1.0)
        return 1.0

    tune(objective, trial_timeout_s=0.1, max_trials=40)

    assert sorted(calls) == list(range(40))


def test_ctrl_c_in_the_objective_gives_what_there_is() -> None:
    def objective(params: dict[str, float], trial: Any) -> float:
        if trial.id == 3:
            raise KeyboardInterrupt
        return 1.0

    study = tune(objective)

    assert study.end_reason == "it was interrupted by Ctrl-C"
    assert str(study.trials[3].state) == "interrupted"
    assert study.best_value == 1.0


def test_a_scheduler_stops_trials() -> None:
    def objective(params: dict[str, float], trial: Any) -> float:
        if trial.id:
            trial.report(3.0)
        return 1.0

    study = tune(objective, scheduler=StopsAll())

    assert (str(study.trials[1].state), study.trials[1].value, study.trials[1].reason) == ("stopped", 3.0, "enough")


# -- splits --------------------------------------------------------------------------------------------------------


def test_a_trial_over_splits_has_their_mean_and_variance() -> None:
    study = tune(lambda p, trial: {"value": float(trial.split), "n": trial.split}, splits=3, max_trials=2)

    trial = study.trials[0]
    assert (trial.value, trial.variance, trial.split_values, trial.metrics) == (1.0, 1.0, (0.0, 1.0, 2.0), {"n": 1.0})


def test_splits_behind_one_that_failed_do_not_run() -> None:
    calls: list[tuple[int, int]] = []

    def objective(params: dict[str, float], trial: Any) -> float:
        calls.append((trial.id, trial.split))
        if trial.id == 10 and trial.split == 0:
            raise ValueError
        return 1.0

    tune(objective, splits=4, max_trials=12)

    assert [split for trial_id, split in calls if trial_id == 10] == [0]


# -- the store -----------------------------------------------------------------------------------------------------


def test_a_rerun_goes_on_where_the_last_one_stood(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    tune(store=store, name="a", max_trials=4, seed=5)

    study = tune(store=store, name="a", max_trials=10)

    whole = tune(max_trials=10, seed=5)
    assert [t.params for t in study.trials] == [t.params for t in whole.trials]


def test_a_rerun_of_a_finished_study_runs_nothing(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    tune(store=store, name="a")
    calls = []

    study = tune(lambda p: calls.append(1) or 0.0, store=store, name="a")

    assert calls == []
    assert len(study.trials) == 10


def test_an_interrupted_trial_runs_again_with_the_same_params(tmp_path: Path) -> None:
    store = tmp_path / "s.db"

    def interrupted(params: dict[str, float], trial: Any) -> float:
        if trial.id == 3:
            raise KeyboardInterrupt
        return square(params)

    before = tune(interrupted, store=store, name="a").trials[3]
    after = tune(store=store, name="a").trials[3]

    assert after.params == before.params
    assert (str(after.state), after.value) == ("finished", square(after.params))


def test_another_space_under_the_same_name_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    tune(store=store, name="a")

    with pytest.raises(mh.StudyMismatchError, match=r"space\.x\.high was 1 and is now 2"):
        tune(space={"x": mh.Float(-1, 2)}, store=store, name="a")


def test_going_on_can_be_refused(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    tune(store=store, name="a")

    with pytest.raises(mh.StudyMismatchError, match="resume"):
        tune(store=store, name="a", resume=False)


def test_a_stored_study_can_be_loaded(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    ran = tune(lambda p: print("hello") or square(p), store=store, name="a")

    loaded = mh.load_study("a", store)

    assert loaded.trials == ran.trials
    assert (loaded.best_value, loaded.end_reason, loaded.direction) == (ran.best_value, ran.end_reason, "minimize")
    assert loaded.log(0) == "hello\n"


def test_a_loaded_study_gives_no_trials(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    tune(store=store, name="a")

    with pytest.raises(mh.SearchEndedError):
        mh.load_study("a", store).ask()


def test_loading_a_study_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    tune(store=store, name="digits")

    with pytest.raises(mh.StudyNotFoundError, match=r"'digit'.*'digits'"):
        mh.load_study("digit", store)


def test_without_a_name_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    tune()

    assert list(tmp_path.iterdir()) == []


def test_with_a_name_the_study_is_in_manyhands_db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    tune(name="a")

    assert mh.load_study("a").best_value <= 1.0


@pytest.mark.parametrize("metric", [10**30, -(2**63), "caf\udce9", {1}, float("nan"), b"bytes", {"deep": [(1,)]}])
def test_a_metric_of_any_kind_can_be_stored_and_loaded(metric: object, tmp_path: Path) -> None:
    """None of these may end a search: they are one trial's metrics."""
    store = tmp_path / "s.db"

    tune(lambda p: {"value": 1.0, "metric": metric}, store=store, name="a", max_trials=1)

    assert "metric" in mh.load_study("a", store).trials[0].metrics


def test_an_error_in_any_script_can_be_stored(tmp_path: Path) -> None:
    """A lone surrogate is what ``os.fsdecode`` makes of a file name that is no UTF-8."""
    store = tmp_path / "s.db"

    def objective(params: dict[str, float], trial: Any) -> float:
        if trial.id == 1:
            raise ValueError("no such file: caf\udce9")
        return 1.0

    tune(objective, store=store, name="a", max_trials=2)

    assert "no such file: caf" in mh.load_study("a", store).trials[1].reason


def test_output_in_any_script_can_be_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "s.db"
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace"))

    tune(lambda p: print("caf\udce9") or 1.0, store=store, name="a", max_trials=1)

    assert mh.load_study("a", store).log(0).startswith("caf")


# -- output, trackers, checkpoints ---------------------------------------------------------------------------------


def test_what_a_trial_prints_is_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    study = tune(lambda p, trial: print(f"trial {trial.id}: ü") or 1.0, max_trials=2)

    assert [study.log(i) for i in (0, 1)] == ["trial 0: ü\n", "trial 1: ü\n"]
    assert "trial 1: ü" in capsys.readouterr().out


def test_trackers_hear_of_everything_in_order() -> None:
    def objective(params: dict[str, float], trial: Any) -> float:
        print("hello")
        trial.report(2.0)
        return 1.0

    diary = Diary()
    tune(objective, trackers=[diary], max_trials=1, name="diary", store=None)

    assert diary.heard == [
        ("started", ("diary", 1, 0, 1)),
        ("trial_started", 0),
        ("reported", (0, [2.0])),
        ("logged", (0, "hello\n")),
        ("trial_ended", (0, "finished")),
        ("ended", "all 1 trials are done"),
    ]


def test_a_tracker_that_fails_does_not_stop_the_search(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(mh.Tracker):
        def trial_ended(self, trial: mh.Trial) -> None:
            raise RuntimeError("no more ink")

    diary = Diary()
    with caplog.at_level(logging.ERROR, logger="manyhands"):
        study = tune(trackers=[Broken(), diary], max_trials=2)

    assert len(study.trials) == 2
    assert "no more ink" in caplog.text
    assert ("trial_ended", (1, "finished")) in diary.heard


def test_a_trial_has_a_folder_for_checkpoints_beside_the_store_and_the_best_one_keeps_it(tmp_path: Path) -> None:
    def objective(params: dict[str, float], trial: Any) -> float:
        Path(trial.checkpoint_dir, "weights").write_text(str(trial.id))
        return float(-trial.id)

    tune(objective, store=tmp_path / "s.db", name="a/b", max_trials=3)

    assert [p.read_text() for p in tmp_path.glob("s.db.files/**/weights")] == ["2"]


def test_checkpoints_of_a_study_in_memory_go_with_it() -> None:
    folders: list[Path] = []

    def objective(params: dict[str, float], trial: Any) -> float:
        folders.append(Path(trial.checkpoint_dir))
        return float(folders[-1].is_dir())

    study = tune(objective, max_trials=2)

    assert [t.value for t in study.trials] == [1.0, 1.0]
    assert not any(folder.exists() for folder in folders)


def test_every_event_can_be_recorded(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    tune(event_log=path, max_trials=3)

    kinds = [type(event).__name__ for event in eventlog.read(path)]
    assert kinds.count("PartFinished") == 3
    assert kinds[:2] == ["Ticked", "WorkerJoined"]


# -- looking at the study ------------------------------------------------------------------------------------------


def test_a_study_is_a_table() -> None:
    frame = tune(lambda p: {"value": p["x"], "n": 3}).to_frame()

    assert len(frame) == 10
    assert list(frame["params.x"]) == list(frame["value"])
    assert set(frame["metrics.n"]) == {3}


def test_a_study_has_a_summary() -> None:
    text = tune(name="squares", store=None).summary()

    assert text.startswith("Study 'squares', to minimize: 10 finished.")
    assert "It ended because all 10 trials are done." in text


# -- bad arguments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_trials": 0}, "max_trials=0"),
        ({"max_trials": 2.5}, r"max_trials=2\.5"),
        ({"max_trials": True}, "max_trials=True"),
        ({"max_trials": None}, "max_trials="),
        ({"direction": "up"}, "direction='up'"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 1.5}, r"seed=1\.5"),
        ({"timeout_s": 0}, "timeout_s=0"),
        ({"timeout_s": "5"}, "timeout_s='5'"),
        ({"trial_timeout_s": float("nan")}, "trial_timeout_s=nan"),
        ({"max_failures": 0}, "max_failures=0"),
        ({"max_attempts": 0}, "max_attempts=0"),
        ({"splits": 3}, r"splits=3.*trial\.split"),
        ({"splits": 0}, "splits=0"),
        ({"workers": 0}, "workers=0"),
        ({"workers": 2}, "workers=2"),
        ({"sampler": "best"}, "'best'"),
        ({"sampler": mh.RandomSampler}, r"RandomSampler\(\)"),
        ({"sampler": "grid"}, r"'x'.*step="),
        ({"executor": "cloud"}, "'cloud'"),
        ({"executor": 7}, "executor=7"),
        ({"store": 7}, "store=7"),
        ({"name": ""}, "name=''"),
        ({"name": 7, "store": None}, "name=7"),
        ({"stop": 5}, "stop=5"),
        ({"stop": [None]}, "None"),
        ({"scheduler": 5}, "scheduler=5"),
        ({"trackers": [5]}, "5"),
        ({"fingerprint": {"X": 3}}, "fingerprint="),
        ({"fingerprint": "X"}, "fingerprint="),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused_by_its_name_and_value(
    arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(mh.SettingsError, match=words):
        tune(**arguments)


def test_splits_and_a_scheduler_do_not_go_together() -> None:
    with pytest.raises(mh.SettingsError, match=r"scheduler.*splits"):
        tune(lambda p, trial: 1.0, splits=2, scheduler=StopsAll())


@pytest.mark.parametrize(
    ("objective", "words"),
    [(5, "5"), (lambda: 1, "objective"), (lambda a, b, c: 1, "objective")],
)
def test_what_is_no_objective_is_refused(objective: Any, words: str) -> None:
    with pytest.raises(mh.SettingsError, match=words):
        tune(objective)


@pytest.mark.parametrize("space", [{}, 7, {"x": 1.0}])
def test_a_space_without_parameters_is_refused(space: object) -> None:
    with pytest.raises(mh.SpaceError, match="no parameters"):
        tune(space=space)


@pytest.mark.parametrize(
    ("start_with", "words"),
    [([{"x": 5}], r"params\['x'\].*5"), ([{"y": 0}], "'y'"), ([3], "3"), ({"x": 0.5}, "'x'")],
)
def test_params_to_start_with_must_fit(start_with: Any, words: str) -> None:
    with pytest.raises(mh.SpaceError, match=words):
        tune(start_with=start_with)


def test_a_bad_argument_leaves_no_file_behind(tmp_path: Path) -> None:
    with pytest.raises(mh.SettingsError):
        tune(store=tmp_path / "s.db", name="a", sampler="best")

    assert list(tmp_path.iterdir()) == []


def test_the_users_own_randomness_is_left_alone() -> None:
    random.seed(1)
    expected = random.random()  # noqa: S311
    random.seed(1)

    tune()

    assert random.random() == expected  # noqa: S311
