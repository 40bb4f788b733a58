"""Several searches at the same time, in one process or in many, with one file for all of them."""

import json
import sys
import threading
import time

import pytest

import manyhands as mh


def in_threads(*calls):
    """Run all calls at the same time and return what they return, or raise what one of them raises."""
    outcomes = [None] * len(calls)

    def run(i, call):
        try:
            outcomes[i] = call()
        except BaseException as error:
            outcomes[i] = error

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


@pytest.mark.parametrize("executor", ["processes", "inline"])
def test_two_searches_in_two_threads_share_a_file(tune, tmp_path, executor):
    store = tmp_path / "s.db"

    def search(name, factor):
        def objective(params):
            time.sleep(0.002)
            return factor * params["x"]

        workers = 2 if executor == "processes" else None
        return lambda: tune(
            objective, name=name, store=store, seed=factor, max_trials=80, executor=executor, workers=workers
        )

    studies = in_threads(search("one", 1), search("two", 2))

    for study, factor, name in zip(studies, (1, 2), ("one", "two"), strict=True):
        assert [trial.id for trial in study.trials] == list(range(80))
        assert all(trial.value == factor * trial.params["x"] for trial in study.trials)
        assert mh.load_study(name, store).trials == study.trials


def test_what_inline_searches_in_two_threads_print_is_kept_apart(tune, monkeypatch):
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # whatever happens, the next test has it back

    def search(name):
        def objective(params, trial):
            for _ in range(5):
                print(name, trial.id)
                time.sleep(0.001)
            return params["x"]

        return lambda: tune(objective, name=name, store=None, max_trials=20, executor="inline")

    studies = in_threads(search("one"), search("two"))

    for study, name in zip(studies, ("one", "two"), strict=True):
        assert [study.log(i) for i in range(20)] == [f"{name} {i}\n" * 5 for i in range(20)]


def test_inline_searches_in_two_threads_leave_standard_output_as_it_was(tune, monkeypatch):
    """The first one begins before the second one, and ends before it."""
    before = sys.stdout
    monkeypatch.setattr(sys, "stdout", before)  # whatever happens, the next test has it back
    first_began, second_began, first_ended = threading.Event(), threading.Event(), threading.Event()

    def first(params):
        first_began.set()
        return float(second_began.wait(20))

    def second(params):
        second_began.set()
        return float(first_ended.wait(20))

    def run_first():
        tune(first, max_trials=1, executor="inline")
        first_ended.set()

    def run_second():
        assert first_began.wait(20)
        tune(second, max_trials=1, executor="inline")

    in_threads(run_first, run_second)

    assert sys.stdout is before


def test_two_threads_cannot_drive_the_same_study(tune, tmp_path):
    store = tmp_path / "s.db"
    both_here = threading.Barrier(2, timeout=20)
    refusals = []

    def objective(params):
        time.sleep(0.05)
        return params["x"]

    def search():
        both_here.wait()
        try:
            return tune(objective, name="s", store=store, max_trials=20)
        except mh.StudyOwnedError as error:
            refusals.append(error)

    studies = [study for study in in_threads(search, search) if study is not None]

    assert len(studies) == len(refusals) == 1
    assert [trial.state.value for trial in studies[0].trials] == ["finished"] * 20


SCRIPT = """
    import json
    import sys

    import manyhands as mh

    store, name = sys.argv[1:]
    study = mh.tune(lambda p: p["x"], {"x": mh.Float(0, 1)}, max_trials=150, workers=2, store=store, name=name, seed=4,
                    sampler="random", progress=False)
    print(json.dumps([t.value for t in study.trials]))
"""


def test_processes_with_different_studies_share_a_file(start_script, tmp_path):
    """They also create the file at the same time."""
    store = tmp_path / "s.db"
    scripts = {name: start_script(SCRIPT, store, name) for name in ("one", "two", "three")}

    values = {name: script.finish() for name, script in scripts.items()}

    for name, found in values.items():
        assert len(found) == 150
        assert [trial.value for trial in mh.load_study(name, store).trials] == found
    assert len({json.dumps(found) for found in values.values()}) == 1  # same seed, same space


def test_processes_that_race_for_a_study_do_not_both_get_it(start_script, tmp_path):
    store = tmp_path / "s.db"
    scripts = [start_script(SCRIPT, store, "s") for _ in range(3)]

    for script in scripts:
        assert script.ends_within(60)

    winners = [script for script in scripts if script.process.returncode == 0]
    assert winners
    assert all("StudyOwnedError" in script.errors for script in scripts if script not in winners)
    trials = mh.load_study("s", store).trials
    assert [trial.id for trial in trials] == list(range(150))
    assert all(json.loads(script.output) == [trial.value for trial in trials] for script in winners)
