"""Which checkpoints go, when, and what it costs the search if they cannot."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manyhands.checkpoints import keeper as keeper_module
from manyhands.checkpoints.keeper import CheckpointKeeper, Rule
from manyhands.incumbents import Incumbents
from manyhands.ports import StudySpec
from manyhands.trial import Trial, TrialState
from manyhands.worker.checkpoints import trial_folder
from manyhands.worker.storage import LocalFolder

SPEC = StudySpec("study", {})


def a_trial(trial_id: int, state: str = "running", value: float | None = None, **given: Any) -> Trial:
    order = trial_id if TrialState(state).is_end else -1
    return Trial(trial_id, {}, {}, TrialState(state), value=value, order=order, **given)


class Scene:
    """A keeper, and the trials that it hears of, each of which has a checkpoint."""

    def __init__(self, folder: Path, direction: Any = "minimize", **rule: Any):
        self.folder = folder
        self.incumbents = Incumbents(direction)
        self.keeper = CheckpointKeeper(str(folder), Rule(self.incumbents, **rule))
        self._now = 0.0

    def has(self, *trial_ids: int) -> None:
        for trial_id in trial_ids:
            path = self.folder / trial_folder(trial_id) / "split-0-saved"
            path.mkdir(parents=True)
            (path / "object-00000000").write_text("weights")

    def start(self, *trials: Trial) -> None:
        for trial in trials:
            self.has(trial.id)
            self.keeper.trial_started(trial)

    def end(self, *trials: Trial) -> None:
        for trial in trials:
            self.incumbents.add(trial)
            self.keeper.trial_ended(trial)

    def left(self) -> list[int]:
        """Whose checkpoints are there, after a round."""
        self._now += 100.0
        self.keeper.tick(self._now)
        wait_until(lambda: not self.keeper._is_at_work())
        return self.there()

    def left_at_end(self) -> list[int]:
        """Whose checkpoints are there when the search is over."""
        self.keeper.ended("done")
        return self.there()

    def there(self) -> list[int]:
        return sorted(int(path.name.removeprefix("trial-")) for path in self.folder.glob("trial-*"))


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.001)


@pytest.fixture
def scene(tmp_path: Path) -> Callable[..., Scene]:
    return lambda *given, **rule: Scene(tmp_path, *given, **rule)


def test_a_trial_with_an_outcome_loses_its_checkpoint(scene: Any) -> None:
    here = scene()
    here.start(*(a_trial(i) for i in range(4)))

    here.end(a_trial(0, "failed"), a_trial(1, "stopped", 0.5), a_trial(2, "finished", 1.0))

    assert here.left() == [2, 3], "the best one, and the one that runs"


def test_a_new_best_trial_lets_the_former_one_go(scene: Any) -> None:
    here = scene("maximize")
    here.start(*(a_trial(i) for i in range(3)))

    here.end(a_trial(0, "finished", 1.0))
    assert here.left() == [0, 1, 2]
    here.end(a_trial(1, "finished", 3.0))
    assert here.left() == [1, 2]
    here.end(a_trial(2, "finished", 2.0))
    assert here.left() == [1]


def test_an_infeasible_trial_is_not_the_best_one(scene: Any) -> None:
    here = scene()
    here.start(a_trial(0), a_trial(1))

    here.end(a_trial(0, "finished", 1.0, constraints=(1.0,)), a_trial(1, "finished", 2.0, constraints=(0.0,)))

    assert here.left() == [1]


def test_with_several_objectives_those_on_the_front_stay(scene: Any) -> None:
    here = scene(("minimize", "minimize"))
    here.start(*(a_trial(i) for i in range(3)))

    for i, values in enumerate([(0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]):
        here.end(a_trial(i, "finished", None, values=values))

    assert here.left() == [0, 1]


@pytest.mark.parametrize("state", ["interrupted", "paused"])
def test_a_trial_that_is_to_go_on_keeps_its_checkpoint(scene: Any, state: str) -> None:
    here = scene()
    here.start(a_trial(0), a_trial(1))

    here.end(a_trial(0, "failed"), a_trial(1, state, 1.0))

    assert here.left() == [1]
    assert here.left_at_end() == [1]


def test_a_parent_keeps_its_checkpoint_until_its_forks_have_outcomes(scene: Any) -> None:
    here = scene()
    here.start(a_trial(0), a_trial(1), a_trial(2, parent=1))

    here.end(a_trial(0, "finished", 0.0), a_trial(1, "stopped", 1.0))
    assert here.left() == [0, 1, 2]
    here.end(a_trial(2, "stopped", 1.0, parent=1))
    assert here.left() == [0]


def test_the_best_trials_parent_keeps_its_checkpoint_which_may_be_all_there_is(scene: Any) -> None:
    here = scene()
    here.start(a_trial(0), a_trial(1), a_trial(2, parent=1))

    here.end(a_trial(0, "finished", 3.0), a_trial(1, "finished", 2.0), a_trial(2, "finished", 1.0, parent=1))

    assert here.left() == [1, 2]


def test_while_the_scheduler_may_fork_only_failed_trials_lose_theirs(scene: Any) -> None:
    here = scene(forks=True)
    here.start(*(a_trial(i) for i in range(4)))

    here.end(a_trial(0, "stopped", 2.0), a_trial(1, "failed"), a_trial(2, "finished", 1.0))
    assert here.left() == [0, 2, 3]
    here.end(a_trial(3, "finished", 3.0))
    assert here.left_at_end() == [2]


def test_an_interrupted_search_may_go_on_and_fork(scene: Any) -> None:
    here = scene(forks=True)
    here.start(*(a_trial(i) for i in range(3)))

    here.end(a_trial(0, "stopped", 2.0), a_trial(1, "finished", 1.0), a_trial(2, "interrupted"))

    assert here.left_at_end() == [0, 1, 2]


def test_of_a_study_that_cannot_go_on_only_the_best_stays(scene: Any) -> None:
    here = scene(forks=True, goes_on=False)
    here.start(*(a_trial(i) for i in range(3)))

    here.end(a_trial(0, "stopped", 2.0), a_trial(1, "finished", 1.0), a_trial(2, "interrupted"))

    assert here.left_at_end() == [1]


def test_what_a_run_that_was_killed_left_behind_goes(scene: Any) -> None:
    here = scene()
    here.has(0, 1, 2, 3)
    trials = [a_trial(0, "finished", 1.0), a_trial(1, "finished", 0.5), a_trial(2, "stopped", 0.1), a_trial(3)]

    here.incumbents.add(trials[1])
    here.keeper.started(SPEC, 1, {trial.id: trial for trial in trials}, None)

    assert here.left() == [1, 3]


def test_other_files_are_left_alone(scene: Any, tmp_path: Path) -> None:
    here = scene()
    (tmp_path / "notes").mkdir()
    here.start(a_trial(0))
    here.end(a_trial(0, "failed"))

    assert here.left_at_end() == []
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_without_any_checkpoint_there_is_nothing_to_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keeper = CheckpointKeeper(str(tmp_path / "none"), Rule(Incumbents("minimize")))
    keeper.trial_ended(a_trial(0, "failed"))
    keeper.ended("done")

    assert caplog.text == ""
    assert list(tmp_path.iterdir()) == []


def test_behind_a_url_they_go_as_well(tmp_path: Path) -> None:
    here = Scene(tmp_path)
    here.keeper = CheckpointKeeper(f"file://{tmp_path}", Rule(Incumbents("minimize")))
    here.start(a_trial(0), a_trial(1))

    here.end(a_trial(0, "failed"))

    assert here.left() == [1]


def test_a_trial_that_becomes_the_best_while_others_are_removed_keeps_its_own(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, go_on = threading.Event(), threading.Event()
    names = LocalFolder.names

    def wait(self: LocalFolder) -> list[str]:
        looks.set()
        assert go_on.wait(10)
        return names(self)

    monkeypatch.setattr(LocalFolder, "names", wait)
    here = scene()
    here.start(a_trial(0), a_trial(1), a_trial(2))
    here.end(a_trial(0, "finished", 2.0), a_trial(1, "failed"))

    here.keeper.tick(50.0)
    assert looks.wait(10)
    here.end(a_trial(2, "finished", 1.0))
    go_on.set()
    wait_until(lambda: not here.keeper._is_at_work())

    assert here.there() == [0, 2]
    assert here.left() == [2]


# -- trouble -------------------------------------------------------------------------------------------------------


def test_what_cannot_be_removed_is_told_once_and_disturbs_nobody(
    scene: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    remove = LocalFolder.remove

    def refuse(self: LocalFolder, name: str) -> None:
        if name != trial_folder(1):
            raise PermissionError(13, "Permission denied")
        remove(self, name)

    monkeypatch.setattr(LocalFolder, "remove", refuse)
    here = scene()
    here.start(a_trial(0), a_trial(1), a_trial(2))

    here.end(a_trial(0, "failed"), a_trial(1, "failed"), a_trial(2, "failed"))

    assert here.left() == [0, 2], "what can be removed is"
    assert here.left_at_end() == [0, 2]
    (record,) = caplog.records
    assert "trial-00000: PermissionError" in record.message


def test_a_place_that_cannot_be_reached_is_told_once(
    scene: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: LocalFolder) -> list[str]:
        raise ConnectionError("no route")

    monkeypatch.setattr(LocalFolder, "names", refuse)
    here = scene()
    here.start(a_trial(0))
    here.end(a_trial(0, "failed"))

    here.keeper.tick(100.0)
    here.keeper.ended("done")

    (record,) = caplog.records
    assert "no route" in record.message


def test_a_disk_that_hangs_holds_up_neither_the_search_nor_its_end_for_ever(
    scene: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    release, hangs = threading.Event(), threading.Event()

    def hang(self: LocalFolder, name: str) -> None:
        hangs.set()
        release.wait(30)

    monkeypatch.setattr(LocalFolder, "remove", hang)
    monkeypatch.setattr(keeper_module, "_PATIENCE_S", 0.2)
    here = scene()
    here.start(a_trial(0), a_trial(1))
    here.end(a_trial(0, "failed"))
    began = time.monotonic()
    try:
        here.keeper.tick(100.0)
        assert hangs.wait(10)
        here.end(a_trial(1, "failed"))
        here.keeper.tick(200.0)  # another round has to wait
        with caplog.at_level(logging.WARNING, logger="manyhands"):
            here.keeper.ended("done")
        assert time.monotonic() - began < 5.0
        assert "there was still something to remove" in caplog.text
    finally:
        release.set()
        wait_until(lambda: not here.keeper._is_at_work())


def test_rounds_are_a_second_apart(scene: Any) -> None:
    here = scene()
    here.start(a_trial(0), a_trial(1))
    here.end(a_trial(0, "failed"))
    assert here.left() == [1]
    here.end(a_trial(1, "failed"))

    here.keeper.tick(100.5)
    assert not here.keeper._is_at_work()
    assert here.there() == [1]
    assert here.left() == []
