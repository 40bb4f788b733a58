"""Every example runs as it stands, in an empty folder, and prints what its docstring promises."""

import ast
import csv
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)], cwd=folder, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?", text)]


def test_every_example_is_tested_here_and_short() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    names = {path.name for path in EXAMPLES.glob("*.py")}

    assert names
    for name in names:
        assert f'run("{name}"' in here, f"{name} has no test"
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        assert text.startswith('"""'), f"{name} does not say what it shows"
        assert text.count("\n") < 40, f"{name} is too long to be read at a glance"


def test_the_quickstart_finds_a_point_near_the_lowest_one(tmp_path: Path) -> None:
    value, x, y = numbers(run("quickstart.py", tmp_path))

    assert value < 1
    assert value == pytest.approx((1 - x) ** 2 + 100 * (y - x**2) ** 2, rel=0.01)
    assert not list(tmp_path.iterdir()), "a search without a name leaves no files"


@pytest.mark.slow
@pytest.mark.spark
def test_the_same_search_runs_on_spark(tmp_path: Path) -> None:
    error, ridge, n_workers = numbers(run("on_spark.py", tmp_path))

    assert error == pytest.approx(1.0, abs=0.05)  # the variance of the noise
    assert 1e-3 <= ridge <= 1e6
    assert n_workers == 2


@pytest.mark.slow
def test_the_choice_of_a_model_shows_only_the_chosen_ones_params_and_all_its_folds(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    out = run("sklearn_conditional.py", tmp_path)
    folds = numbers(out.partition("Its folds:")[2])
    best = float(re.search(r"Best value ([\d.]+)", out)[1])  # type: ignore[index]

    assert "24 finished" in out
    assert ("svm.C" in out) != ("forest.trees" in out)
    assert len(folds) == 5
    assert best > 0.93
    assert sum(folds) / 5 == pytest.approx(best, abs=0.001)


@pytest.mark.slow
@pytest.mark.spark
def test_a_grid_search_moves_to_a_directed_one_on_spark_line_by_line(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    lines = [line for line in run("sklearn_search.py", tmp_path).splitlines() if " fits, " in line]
    scores = [float(re.search(r": ([\d.]+) after", line)[1]) for line in lines]  # type: ignore[index]

    assert [line.partition(":")[0] for line in lines] == ["As it was", "The same", "Directed", "On Spark"]
    assert lines[0].partition(":")[2] == lines[1].partition(":")[2]  # score, number of fits and parameters
    assert min(scores[2:]) > scores[0] - 0.005
    assert not list(tmp_path.iterdir()), "a search without a name leaves no files"


@pytest.mark.slow
def test_a_hyperopt_script_chooses_a_model_with_its_imports_changed(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    found, best = run("hyperopt_sklearn.py", tmp_path).splitlines()

    n_trials, accuracy = numbers(found)
    assert n_trials == 20
    assert accuracy > 0.95
    params = ast.literal_eval(best)
    assert params["type"] in ("rf", "logreg")
    assert ("C" in params) == (params["type"] == "logreg")


@pytest.mark.slow
@pytest.mark.spark
def test_a_hyperopt_script_for_spark_runs_with_its_import_changed(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    found, argmin, best = run("hyperopt_spark.py", tmp_path).splitlines()

    n_trials, accuracy = numbers(found)
    assert n_trials == 20
    assert accuracy > 0.97
    index, params = ast.literal_eval(argmin), ast.literal_eval(best)
    assert params == {"C": index["C"], "kernel": ["linear", "rbf"][index["kernel"]]}


def test_ask_and_tell_counts_what_was_told(tmp_path: Path) -> None:
    out = run("ask_and_tell.py", tmp_path)
    n_finished, n_failed = numbers(out.splitlines()[0])

    assert n_finished + n_failed == 40
    assert n_failed > 0
    assert "it was burnt" in out
    assert int(re.search(r"oven +(\d+)", out)[1]) <= 230  # type: ignore[index]


def test_early_stopping_stops_poor_trials_and_then_the_search(tmp_path: Path) -> None:
    out = run("early_stopping.py", tmp_path)

    assert re.search(r"\d+ stopped", out)
    assert "there was no progress for 40 trials" in out
    assert float(re.search(r"rate +([\d.]+)", out)[1]) > 0.05  # type: ignore[index]


def test_a_search_ends_when_no_more_can_be_gained_than_the_noise_and_within_its_budget(tmp_path: Path) -> None:
    first, reason, best = run("ending.py", tmp_path).splitlines()
    n_trials, limit, spent, budget = numbers(first)
    depth, width = numbers(best)

    assert 20 <= n_trials < limit == 400
    assert spent < budget == 10
    assert "could still be gained, which is less than the noise" in reason
    assert (depth - 0.6) ** 2 + (width - 0.3) ** 2 < 0.02


def test_a_scheduler_of_ones_own_stops_poor_trials_and_says_why(tmp_path: Path) -> None:
    out = run("custom_scheduler.py", tmp_path)
    n_finished, n_stopped = (int(re.search(rf"(\d+) {state}", out)[1]) for state in ("finished", "stopped"))  # type: ignore[index]
    loss, _, lowest = numbers(out.splitlines()[-1])

    assert n_finished + n_stopped == 60
    assert n_stopped > 0
    assert loss > lowest + 0.29  # they are rounded
    assert float(re.search(r"rate +([\d.]+)", out)[1]) > 0.05  # type: ignore[index]


def test_a_population_finds_a_schedule_of_rates_that_no_fixed_one_can_match(tmp_path: Path) -> None:
    first, way, last = run("population.py", tmp_path).splitlines()
    ours, _, fixed, _ = numbers(first)
    rates = numbers(way)

    assert ours < fixed / 2
    assert len(rates) > 3
    assert rates[-1] < rates[0] / 2
    assert numbers(last) == [60]


def test_a_second_run_goes_on_where_the_first_one_ended(tmp_path: Path) -> None:
    first, second = run("resume.py", tmp_path), run("resume.py", tmp_path)

    assert numbers(first)[:2] == [0, 20]
    assert numbers(second)[:2] == [20, 40]
    assert numbers(second)[2] <= numbers(first)[2]


def test_the_sampler_of_the_example_beats_chance(tmp_path: Path) -> None:
    random, wanderer = run("custom_sampler.py", tmp_path).splitlines()

    assert random.startswith("RandomSampler")
    assert wanderer.startswith("Wanderer")
    assert numbers(wanderer)[-1] < numbers(random)[-1] / 3


def test_the_tins_on_the_front_fit_and_hold_more_only_where_they_weigh_more(tmp_path: Path) -> None:
    title, *tins, last = run("several_objectives.py", tmp_path).splitlines()
    rows = [numbers(line) for line in tins]

    assert title.split() == ["litres", "grams", "radius", "height"]
    assert len(rows) > 5
    assert all(height <= 12 and 2 * radius <= 12 for _, _, radius, height in rows)
    for fuller, emptier in itertools.pairwise(rows):
        assert fuller[0] >= emptier[0]
        assert fuller[1] >= emptier[1]
    assert 0 < numbers(last)[0] < numbers(last)[1] == 200


def test_the_tracker_of_the_example_writes_a_line_for_each_trial(tmp_path: Path) -> None:
    out = run("custom_tracker.py", tmp_path)
    rows = {row["trial"]: row for row in csv.DictReader((tmp_path / "trials.csv").read_text().splitlines())}

    assert sorted(rows) == [str(i) for i in range(7)]
    assert [row["state"] for _, row in sorted(rows.items())] == ["finished"] * 3 + ["failed"] + ["finished"] * 3
    assert rows["2"]["value"] == "-1.0"
    assert "trial,state,value,seconds" in out
