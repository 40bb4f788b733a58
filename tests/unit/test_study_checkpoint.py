"""What trials saved, asked of the study once it is over."""

from pathlib import Path
from typing import Any

import pytest

import manyhands as mh

SPACE = {"x": mh.Int(0, 9)}


def objective(params: dict[str, int], trial: Any) -> float:
    for epoch in range(3):
        trial.save({"x": params["x"], "epoch": epoch, "split": trial.split})
        trial.report(float(params["x"]), epoch)
    return float(params["x"])


def search(**settings: Any) -> mh.Study:
    given: dict[str, Any] = {"executor": "inline", "sampler": "grid", "max_trials": 4, "progress": False, **settings}
    return mh.tune(given.pop("objective", objective), SPACE, **given)


def test_the_best_trials_checkpoint_is_what_it_saved_last(tmp_path: Path) -> None:
    study = search(store=tmp_path / "s.db", direction="maximize")

    saved = {"x": 3, "epoch": 2, "split": 0}
    assert study.checkpoint() == saved
    assert study.checkpoint(3) == study.checkpoint(study.trials[3]) == saved


def test_a_stored_study_has_its_checkpoints_too(tmp_path: Path) -> None:
    search(store=tmp_path / "s.db", name="s")

    assert mh.load_study("s", tmp_path / "s.db").checkpoint()["x"] == 0


def test_a_given_place_outlives_even_a_study_in_memory(tmp_path: Path) -> None:
    assert search(checkpoints=tmp_path / "kept").checkpoint()["x"] == 0


def test_a_stored_study_finds_them_where_it_is_told(tmp_path: Path) -> None:
    search(store=tmp_path / "s.db", name="s", checkpoints=tmp_path / "kept")

    assert mh.load_study("s", tmp_path / "s.db", checkpoints=tmp_path / "kept").checkpoint()["x"] == 0
    with pytest.raises(mh.NoResultError, match=r"s\.db\.files"):
        mh.load_study("s", tmp_path / "s.db").checkpoint()


def test_each_split_has_its_own(tmp_path: Path) -> None:
    study = search(store=tmp_path / "s.db", splits=2)

    assert [study.checkpoint(split=split)["split"] for split in range(2)] == [0, 1]


def test_checkpoints_that_went_with_their_run_are_missed_in_words() -> None:
    with pytest.raises(mh.NoResultError, match=r"in memory only.*Give mh.tune a store= or checkpoints="):
        search().checkpoint()
    study = mh.Study(SPACE)
    asked = study.ask()
    with pytest.raises(mh.NoResultError, match="in memory only"):
        study.checkpoint(asked)


def test_a_trial_without_a_checkpoint_is_said_to_have_none(tmp_path: Path) -> None:
    study = search(store=tmp_path / "s.db")

    with pytest.raises(mh.NoResultError, match=r"Trial 2 has no checkpoint below .*s.db.files.*: it saved none, or"):
        study.checkpoint(2)
    with pytest.raises(mh.SettingsError, match="no trial 17"):
        study.checkpoint(17)


def test_nothing_that_was_saved_is_none_is_mistaken_for_nothing_saved(tmp_path: Path) -> None:
    def saves_none(params: dict[str, int], trial: Any) -> float:
        trial.save(None)
        return 0.0

    assert search(objective=saves_none, store=tmp_path / "s.db", max_trials=1).checkpoint() is None


class ForksOnce(mh.PatienceScheduler):
    """Pauses the first trial for good, and begins a copy of it."""

    offer: Any = None

    def judge(self, trial_id: int, report: Any, loss: float) -> Any:
        self.offer = mh.Fork(0, {"x": 0})
        return mh.Pause("let the copy try")

    def next_trial(self) -> Any:
        offer, self.offer = self.offer, None
        return offer


def test_a_copy_that_saved_nothing_has_what_it_began_with(tmp_path: Path) -> None:
    def saves_once(params: dict[str, int], trial: Any) -> float:
        if trial.restore() is None:
            trial.save("weights")
            trial.report(1.0, 0)
        return 0.5

    study = search(objective=saves_once, scheduler=ForksOnce(3), store=tmp_path / "s.db", max_trials=2)

    assert study.best_trial.parent == 0
    assert study.checkpoint() == "weights"
