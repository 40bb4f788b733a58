"""The demo survives what its first lines say it does."""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from manyhands import demo
from manyhands.api import load_study, tune
from manyhands.errors import ManyhandsError, StoreError, StudyMismatchError
from manyhands.parameters import Int
from manyhands.stores.reading import list_studies
from manyhands.trial import Trial

N_TRIALS = 10
DEADLINE_S = 60


def command(store: Path, max_trials: int = N_TRIALS, fresh: bool = False, then: str = "") -> list[str]:
    arguments = f"store={str(store)!r}, workers=2, fresh={fresh}, max_trials={max_trials}"
    return [sys.executable, "-c", f"from manyhands.demo import main\nmain({arguments})\n{then}"]


def run(store: Path, max_trials: int = N_TRIALS, fresh: bool = False, then: str = "") -> str:
    done = subprocess.run(
        command(store, max_trials, fresh, then), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def n_finished(store: Path) -> int:
    try:
        return sum(info.counts.get("finished", 0) for info in list_studies(store) if info.name == "demo")
    except StoreError:  # there is no store yet
        return 0


def kill_once_finished(store: Path, n: int) -> None:
    give_up_at = time.monotonic() + DEADLINE_S
    with subprocess.Popen(command(store), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while n_finished(store) < n:
                assert time.monotonic() < give_up_at, "no trial finished in time"
                with suppress(subprocess.TimeoutExpired):
                    pytest.fail(f"the demo ended by itself, with {process.wait(0.02)}")
        finally:
            process.kill()


def outcomes(store: Path) -> dict[int, Trial]:
    return {trial.id: trial for trial in load_study("demo", store).trials if trial.state.is_end}


@pytest.mark.slow
def test_a_killed_demo_goes_on_where_it_stood_and_a_finished_one_is_shown_at_once(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    store = tmp_path / "demo.db"

    kill_once_finished(store, 2)
    before = outcomes(store)
    assert 2 <= len(before) < N_TRIALS

    second = run(store)
    after = outcomes(store)
    assert f"{len(before)} of {N_TRIALS} trials are done already" in second
    assert sorted(after) == list(range(N_TRIALS))
    assert {i: after[i] for i in before} == before
    assert ", tuned " in second
    assert second.count(", defaults") == 3

    bytes_before = store.read_bytes()
    third = run(store, then="import sys; assert 'sklearn' not in sys.modules, 'it computed something again'")
    assert "has ended already" in third
    assert "--fresh" in third
    assert third[third.index("The best model") :] == second[second.index("The best model") :]
    assert store.read_bytes() == bytes_before


@pytest.mark.slow
def test_a_fresh_demo_starts_over(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    store = tmp_path / "demo.db"
    old = tune(lambda params: 0.0, {"x": Int(1, 3)}, name="demo", store=store, executor="inline", progress=False)
    assert len(old.trials) == 3

    run(store, max_trials=1, fresh=True)

    assert [trial.point.keys() for trial in outcomes(store).values()] != [old.trials[0].point.keys()]
    assert len(outcomes(store)) == 1


def test_a_fresh_demo_deletes_no_file_that_is_no_store(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear all, " * 100)

    with pytest.raises(StoreError, match=r"letter\.txt is not a Manyhands store"):
        demo.main(str(letter), fresh=True)

    assert letter.read_text().startswith("Dear all")


def test_a_fresh_demo_deletes_no_store_with_other_studies(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    store = tmp_path / "mine.db"
    tune(lambda params: 0.0, {"x": Int(1, 3)}, name="mine", store=store, executor="inline", progress=False)

    with pytest.raises(StoreError, match="'mine', which is not the demo's"):
        demo.main(str(store), fresh=True)

    assert len(load_study("mine", store).trials) == 3


def test_a_study_of_the_same_name_that_is_not_the_demos_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    store = tmp_path / "mine.db"
    tune(lambda params: 0.0, {"x": Int(1, 3)}, name="demo", store=store, executor="inline", progress=False)

    with pytest.raises(StudyMismatchError, match="demo"):
        demo.main(str(store), max_trials=3)


def test_without_scikit_learn_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)

    with pytest.raises(ManyhandsError, match=r"pip install 'manyhands\[sklearn\]'"):
        demo.main(str(tmp_path / "demo.db"))
