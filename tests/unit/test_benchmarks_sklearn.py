"""The benchmarks of the search estimator: their arithmetic, their rules, and their programs on tiny settings."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.sklearn.cases import Case, cases, material_of, model_of, space_of  # noqa: E402
from benchmarks.sklearn.foldscores import FoldScores  # noqa: E402
from benchmarks.sklearn.memory import search as memory_of  # noqa: E402
from benchmarks.sklearn.overhead import ours, seconds_until, theirs  # noqa: E402
from benchmarks.sklearn.progress import Progress, noting_scorer, steps_of  # noqa: E402
from benchmarks.sklearn.races import Outcome, race  # noqa: E402
from benchmarks.sklearn.racing import beside, compare  # noqa: E402
from benchmarks.sklearn.rules import OFF, OURS, RULES, in_force  # noqa: E402
from benchmarks.sklearn.systems import OURS as OUR_SYSTEM  # noqa: E402
from benchmarks.sklearn.systems import SYSTEMS, run  # noqa: E402

from manyhands import advisers, racing  # noqa: E402
from manyhands.trial import Result, Trial, TrialState  # noqa: E402

WINE = Case("wine", "neighbours", 5, 0)


class Fixed:
    """Fold scores that nobody has to fit: the first parameter is the score, and folds differ by a little."""

    def fold(self, params, split):
        from benchmarks.sklearn.foldscores import Fit

        return Fit(self.held_out(params) + 0.001 * split, 1.0)

    def mean(self, params):
        return self.held_out(params) + 0.002

    def held_out(self, params):
        return -float(params["kneighborsclassifier__n_neighbors"])


def outcome(**changes):
    fields = {"params": {}, "mean": 0.9, "held_out": 0.8, "n_fits": 100, "seconds": 10.0, "means": [0.5, 0.7, 0.9]}
    return Outcome(**{**fields, **changes})


# -- racing --------------------------------------------------------------------------------------------------------


def test_every_case_can_be_fitted_with_the_first_and_the_last_of_its_values():
    for case in cases([5], [0]):
        model, material = model_of(case), material_of(case)
        assert set(space_of(case)) == set(model.values)
        assert len(material.splits) == 5
        for place in (0, -1):
            model.make().set_params(**{name: values[place] for name, values in model.values.items()})


def test_a_fold_is_fitted_once_and_is_known_to_the_next_run(tmp_path):
    params = {name: values[0] for name, values in model_of(WINE).values.items()}
    scores = FoldScores(WINE, tmp_path)
    first = scores.fold(params, 2)
    scores.save()

    assert FoldScores(WINE, tmp_path).fold(params, 2) == first  # its seconds, too, which no second fit would repeat
    assert scores.fold(params, 3).seconds != first.seconds


def test_a_rule_holds_for_the_time_of_a_search_and_ours_is_back_after_it():
    before = advisers.Race, racing._DEVIATIONS
    for rule in RULES:
        with in_force(rule) as races:
            assert races == (rule != OFF)
            assert ((advisers.Race, racing._DEVIATIONS) == before) == (rule in (OFF, OURS))
        assert (advisers.Race, racing._DEVIATIONS) == before


@pytest.mark.parametrize(
    ("rule", "value", "leaves"),
    [
        ("forgiving, published", 0.55, False),  # the best one's worst fold has 0.5
        ("forgiving, published", 0.45, True),
        ("aggressive, published", 0.55, True),  # the best one's mean is 0.6
        ("aggressive, published", 0.65, False),
    ],
)
def test_published_rules_leave_a_candidate_by_its_mean_so_far(rule, value, leaves):
    with in_force(rule):
        known = advisers.Race("maximize", 3)
    known.observe(Trial(id=0, point={}, params={}, state=TrialState.FINISHED, value=0.6, split_values=(0.5, 0.6, 0.7)))

    assert (known.judge({0: Result(value)}) is not None) == leaves
    assert known.judge({0: Result(value), 1: Result(value), 2: Result(value)}) is None


def test_a_search_without_a_rule_runs_every_fold_and_one_with_ours_fewer_of_them_for_the_same_winner():
    off, on = (race(WINE, Fixed(), rule, "random", n_candidates=20) for rule in (OFF, OURS))

    assert off.n_fits == 100
    assert off.seconds == pytest.approx(100.0)
    assert on.n_fits < 60
    assert on.seconds == pytest.approx(on.n_fits)
    assert on.params == off.params


def test_a_comparison_says_what_was_saved_and_what_it_cost():
    found = beside(outcome(), outcome(mean=0.85, held_out=0.82, n_fits=40, seconds=4.0), n_folds=20)

    assert found.saved == pytest.approx(0.6)
    assert found.speedup == 2.5
    assert found.gain == pytest.approx(-0.25)
    assert found.gain_held_out == pytest.approx(0.02)
    assert found.gain_at_equal_fits == pytest.approx(0.75)  # after 40 fits the other one had seen 0.5 and 0.7


def test_all_rules_are_compared_in_a_case(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.sklearn.foldscores._FOLDER", tmp_path)
    monkeypatch.setattr(FoldScores.__init__, "__defaults__", (tmp_path,))
    found = compare(Case("wine", "neighbours", 3, 0), 5)

    assert {rule for _, rule, _ in found} == {*RULES} - {OFF}
    assert {workers for sampler, rule, workers in found if rule == OURS} == {1, 2, 10}
    assert list(tmp_path.glob("wine*.json"))


# -- overhead ------------------------------------------------------------------------------------------------------


def test_a_score_counts_as_reached_when_the_first_candidate_that_has_it_has_ended():
    assert seconds_until([[1.0, 0.5], [2.0, 0.7], [3.0, 0.9]], 0.7) == 2.0
    assert seconds_until([[1.0, 0.5]], 0.7) == float("inf")
    assert seconds_until([[1.0, 0.5], [2.0, 0.69]], 0.7, tolerance=0.1) == 2.0


@pytest.mark.slow
def test_both_sides_try_the_same_candidates():
    name = "KernelRidge, 400 x 10"
    other, own = theirs(name, 3, 0), ours(name, 3, 0)

    assert {*other} == {"first", "second", "score", "busy"}
    assert {*own} == {"first", "second", "busy", "ready", "directed", "reached"}
    assert 0 < own["ready"] < own["second"]
    assert len(own["reached"]) == 3


# -- memory --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="this system does not tell")
@pytest.mark.parametrize("side", ["manyhands", "RandomizedSearchCV, loky"])
def test_a_worker_notes_its_memory_between_tasks_and_within_them(side):
    found = memory_of(side, 60, 4)

    assert found["n_workers"] >= 1
    assert found["within_anonymous"] > found["between_anonymous"] > 0
    assert found["within_unique"] - found["between_unique"] > 30e6  # slices of 48 and 12 MB; malloc may keep the latter


# -- fraud ---------------------------------------------------------------------------------------------------------


def test_progress_is_the_best_mean_of_whole_candidates(tmp_path):
    lines = [[11.0, [1.0], 0.2], [12.0, [1.0], 0.4], [13.0, [2.0], 0.9], [14.0, [3.0], 0.5], [15.0, [3.0], 0.7]]
    for i, part in enumerate((lines[:2], lines[2:])):
        (tmp_path / str(i)).write_text("".join(json.dumps(line) + "\n" for line in part))

    n_fits, steps = steps_of(str(tmp_path), 2, 10.0)
    progress = Progress(9.0, n_fits, steps, steps[-1][1], 0.5)

    assert n_fits == 5
    assert steps == [(2.0, pytest.approx(0.3)), (5.0, pytest.approx(0.6))]
    assert [progress.at(seconds) for seconds in (1, 2, 9)] == [0.0, pytest.approx(0.3), pytest.approx(0.6)]
    assert progress.until(0.5) == 5.0
    assert progress.until(0.7) == float("inf")


def test_a_noting_scorer_gives_f1_and_notes_it_with_the_parameters(tmp_path):
    from sklearn.dummy import DummyClassifier

    always = DummyClassifier(strategy="constant", constant=1).fit([[0], [0]], [0, 1])
    score = noting_scorer(str(tmp_path), ["constant"])(always, [[0], [0], [0], [0]], [1, 1, 0, 0])

    (line,) = (tmp_path / str(os.getpid())).read_text().splitlines()
    assert score == pytest.approx(2 / 3)
    assert json.loads(line)[1:] == [[1.0], score]


@pytest.mark.parametrize("name", [name for name, system in SYSTEMS.items() if not system.needs_spark])
def test_a_system_notes_every_fit_and_how_good_its_winner_is(name, monkeypatch):
    for package in SYSTEMS[name].packages.split():
        pytest.importorskip(package)
    monkeypatch.setattr("benchmarks.sklearn.systems._N_HELD_OUT", 1000)
    found = Progress(**run(name, 600, 3, 0))

    assert found.n_fits == 15
    assert 0 < found.steps[0][0] <= found.steps[-1][0] < found.seconds
    assert 0 < found.best <= 1
    assert found.held_out > 0


def test_our_system_is_one_of_those_that_are_compared():
    assert OUR_SYSTEM in SYSTEMS


# -- the program ---------------------------------------------------------------------------------------------------


def test_the_program_refuses_a_subject_that_it_does_not_have():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sklearn", "nothing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 2
    assert "there is no benchmark 'nothing'; there are: overhead, memory, racing, fraud" in done.stderr
