"""The benchmark of search quality: its problems, its simulated workers, and the arithmetic of its tables."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.quality import cost, functions, lcbench, tables  # noqa: E402
from benchmarks.quality.peers import PEERS, SLOW, runs_on  # noqa: E402
from benchmarks.quality.problems import Problem, SuiteMissingError, find, suite  # noqa: E402
from benchmarks.quality.proposers import make_proposer  # noqa: E402
from benchmarks.quality.runs import Archive, Key, keys_of, make  # noqa: E402
from benchmarks.quality.simulate import Run, duration, simulate  # noqa: E402

PROBLEMS = [problem for name in ("functions", "models", "trees") for problem in suite(name)]


# -- problems ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_same_params_cost_the_same_and_a_reference_is_there(problem: Problem) -> None:
    rng = np.random.default_rng(5)
    draws = [problem.space.build(problem.space.sample(rng)) for _ in range(3)]
    losses = [problem.loss(params) for params in draws]
    assert [problem.loss(params) for params in draws] == losses
    assert all(map(math.isfinite, losses))
    best, median = problem.reference
    assert problem.regret(best) == 0
    assert problem.regret(median) == 1
    assert best <= median - 0.02


@pytest.mark.parametrize(
    ("function", "minimiser", "least"),
    [
        (functions.branin, [math.pi, 2.275], 0.397887),
        (functions.branin, [-math.pi, 12.275], 0.397887),
        (functions.six_hump_camel, [0.0898, -0.7126], -1.031628),
        (functions.hartmann6, [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573], -3.32237),
        (functions.rosenbrock, [1.0] * 6, 0),
        (functions.ackley, [0.0] * 20, 0),
        (functions.levy, [0.0] * 20, 0),
        (functions.styblinski_tang, [-2.903534] * 20, -39.16617 * 20),
        (functions.rugged_ints, {"ints": [3, -6, 1], "floats": [2.3, -4.7, 6.1], "steps": [2, -4]}, 0),
    ],
)
def test_functions_are_least_where_they_should_be(function: Any, minimiser: Any, least: float) -> None:
    x = minimiser if isinstance(minimiser, dict) else np.array(minimiser)
    assert function(x) == pytest.approx(least, abs=2e-4)


def test_turned_functions_reach_their_least_value_within_the_space() -> None:
    shift, _ = functions._motion(1, 20, 5.0)
    assert np.abs(shift).max() < 10
    assert find("functions/ackley20").loss(shift.tolist()) == pytest.approx(0, abs=1e-9)


def test_the_reference_is_that_of_random_points() -> None:
    branin = find("functions/branin")
    assert branin.measure_reference() == pytest.approx(branin.reference)


def test_a_problem_without_reference_says_how_to_find_it() -> None:
    with pytest.raises(LookupError, match=r"no reference for functions/new; .*quality\.references functions/new"):
        _ = Problem("functions/new", functions.problems()[0].tree, float).reference


def test_conditional_problems_are_there() -> None:
    conditional = [p.name for p in suite("models") if any(p.space.parents.values())]
    assert len(conditional) >= 4


def test_lcbench_says_what_it_misses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MANYHANDS_LCBENCH", str(tmp_path))
    with pytest.raises(SuiteMissingError, match=r"there is no .*lcbench\.py; set MANYHANDS_LCBENCH"):
        lcbench.problems()


# -- simulated workers ---------------------------------------------------------------------------------------------


class Recorder:
    """Proposes numbers, and remembers what happened."""

    def __init__(self, patience: int = 1000):
        self.patience = patience
        self.pending: list[int] = []
        self.most_pending = 0
        self.told: list[int] = []
        self.n_asked = 0

    def ask(self) -> tuple[int, float] | None:
        if len(self.pending) >= self.patience:
            return None
        self.n_asked += 1
        self.pending.append(self.n_asked)
        self.most_pending = max(self.most_pending, len(self.pending))
        return self.n_asked, float(self.n_asked)

    def tell(self, handle: int, loss: float) -> None:
        assert loss == handle
        self.pending.remove(handle)
        self.told.append(handle)


LINE = Problem("functions/line", {}, lambda params: float(params))


@given(p=st.integers(1, 12), n=st.integers(1, 40), seed=st.integers(0, 5), patience=st.integers(1, 12))
def test_every_trial_is_told_once_and_workers_are_kept_busy(p: int, n: int, seed: int, patience: int) -> None:
    recorder = Recorder(patience)
    run = simulate(recorder, LINE, p=p, seed=seed, n_trials=n)
    assert sorted(recorder.told) == list(range(1, n + 1))
    assert run.losses == recorder.told
    assert len(run.seconds) == n
    assert recorder.most_pending == min(p, n, patience)


def test_trials_are_told_in_the_order_in_which_they_end() -> None:
    recorder = Recorder()
    simulate(recorder, LINE, p=20, seed=3, n_trials=20)
    assert recorder.told == sorted(recorder.told, key=lambda handle: duration(LINE.name, 3, handle - 1))
    assert recorder.told != sorted(recorder.told)


def test_durations_are_lognormal_and_differ_between_seeds() -> None:
    logs = [[math.log(duration("a/b", seed, number)) for number in range(2000)] for seed in (0, 1)]
    assert np.mean(logs) == pytest.approx(0, abs=0.03)
    assert np.std(logs) == pytest.approx(0.5, abs=0.02)
    assert logs[0] != logs[1]


def test_a_run_is_the_same_again_and_differs_between_seeds() -> None:
    runs = [make(Key("functions/mixed-network", "random", 4, seed, 12)).losses for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


# -- other libraries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", ["optuna-tpe", "optuna-tpe-group", "optuna-cmaes", "hyperopt"])
@pytest.mark.filterwarnings("ignore")  # what they have to say to one another
def test_peers_propose_params_of_the_space_and_learn(peer: str) -> None:
    pytest.importorskip(peer.partition("-")[0])
    problem = find("models/digits200")
    proposer = PEERS[peer](problem.space, 0, 40)
    rng = np.random.default_rng(0)
    for i in range(20):
        proposer.learn(problem.space.sample(rng), float(i))
    points = []
    for _ in range(30):
        asked = proposer.ask()
        assert asked is not None
        points.append(problem.space.find(asked[1]))
        proposer.tell(asked[0], float(points[-1]["model"] != 2))
    assert len({frozenset(point.items()) for point in points}) > 10


def test_slow_peers_are_spared_some_problems_and_seeds() -> None:
    assert not runs_on("optuna-gp", "lcbench/7593", 0)
    assert runs_on("optuna-gp", "lcbench/3945", 0)
    assert runs_on("optuna-gp", "functions/branin", 0)
    assert not runs_on("optuna-gp", "functions/branin", 1)
    assert runs_on("optuna-tpe", "lcbench/7593", 1)
    assert set(SLOW) < set(PEERS)


def test_what_is_unknown_here_is_a_sampler_of_ours_or_a_class() -> None:
    problem = find("functions/branin")
    named, loaded = (
        make_proposer(name, problem, seed=7, n_trials=3).ask()
        for name in ("sobol", "manyhands.samplers.sobol:SobolSampler")
    )
    assert named is not None
    assert loaded is not None
    assert named[1] == loaded[1]


# -- tables --------------------------------------------------------------------------------------------------------


def branin_run(sampler: str, seed: int, *losses: float) -> tuple[Key, Run]:
    return Key("functions/branin", sampler, 1, seed, 4), Run(list(losses), [0.001] * len(losses))


def test_equal_results_share_their_ranks() -> None:
    ranks = tables.mean_ranks({"a": [1.0, 5.0], "b": [1.0, 3.0], "c": [2.0, 5.0], "d": [0.0, 5.0]})
    assert ranks == {"a": (2.5 + 3) / 2, "b": (2.5 + 1) / 2, "c": (4 + 3) / 2, "d": (1 + 3) / 2}


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=6))
def test_ranks_always_add_up(results: list[list[float]]) -> None:
    ranks = tables.mean_ranks({str(i): result for i, result in enumerate(results)})
    assert sum(ranks.values()) == pytest.approx(len(results) * (len(results) + 1) / 2)


def test_regret_is_that_of_the_best_so_far_at_shares_of_the_budget() -> None:
    best, median = find("functions/branin").reference
    runs = dict([branin_run("a", 0, median, best, median, 2 * best - median)])
    (found,) = tables.regrets(runs, ["a"])["a"].values()
    assert found == pytest.approx([1, 0, -1])


def test_failed_trials_count_as_no_result() -> None:
    best, median = find("functions/branin").reference
    runs = dict([branin_run("a", 0, math.nan, median, math.nan, best)])
    (found,) = tables.regrets(runs, ["a"])["a"].values()
    assert found[1:] == pytest.approx([1, 0])


def test_samplers_are_compared_where_all_of_them_ran() -> None:
    best, median = find("functions/branin").reference
    runs = dict([branin_run("a", 0, median), branin_run("a", 1, best), branin_run("b", 1, median)])
    text = tables.table(runs, ["a", "b"])
    assert "1 problems, 1 seeds, 1 runs" in text
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert "0.0000" in rows["a"]
    assert "1.0000" in rows["b"]
    assert "1.00 | 1.0" in rows["a"]
    assert "There is no problem" in tables.table(runs, ["a", "c"])
    assert "100%" in tables.versus(runs, "a", ["b", "c"])


def test_the_overview_has_a_column_for_each_suite() -> None:
    runs = {}
    for problem, worst in [("functions/branin", 1.0), ("functions/camel", 3.0), ("trees/svm", 5.0)]:
        best, median = find(problem).reference
        runs[Key(problem, "a", 1, 0, 4)] = Run([best + worst * (median - best)], [0.001])
    head, _, row, *_ = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in tables.overview(runs, ["a"]).splitlines()
    ]
    assert head == ["sampler", "functions", "trees", "all", "rank at 25/50/100%", "ms a trial"]
    assert row == ["a", "2.000 ± 1.000", "5.000", "3.000 ± 1.155", "1.00 / 1.00 / 1.00", "1.0"]


def test_runs_are_kept_and_the_newest_counts(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "new")
    key, run = branin_run("module:Class", 0, 0.1, math.nan, -1e-17)
    archive.add(key, Run([3.0], [0.5]))
    archive.add(key, run)
    found = archive.read()[key]
    assert found.losses == pytest.approx(run.losses, nan_ok=True, rel=0, abs=0)
    assert found.seconds == run.seconds


def test_budgets_are_those_of_the_number_of_workers() -> None:
    found = {(key.problem, key.seed): key.n_trials for key in keys_of(["models/wine", "trees/svm"], ["a"], 8, 2, None)}
    assert found == {("models/wine", s): 80 for s in (0, 1)} | {("trees/svm", s): 200 for s in (0, 1)}
    assert [key.n_trials for key in keys_of(["trees/svm"], ["a", "b"], 1, 1, None)] == [100, 100]
    assert [key.n_trials for key in keys_of(["trees/svm"], ["a"], 1, 1, 7)] == [7]


def test_a_command_runs_what_is_missing_and_shows_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.quality", "--folder", str(tmp_path), "--samplers", "random", "no:Such"]
    command += ["--suites", "functions", "--problems", "branin", "--seeds", "2", "--trials", "5", "--versus", "random"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert "no:Such failed on functions/branin" in done.stderr
    command[command.index("no:Such")] = "sobol"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "1 problems, 2 seeds, 2 runs" in done.stdout
    sizes = {file.name: len(file.read_text().splitlines()) for file in tmp_path.glob("*.jsonl")}
    assert sizes == {"random.jsonl": 2, "sobol.jsonl": 2}


def test_cost_times_each_suggestion() -> None:
    for is_told in (True, False):
        seconds = cost.seconds_each("random", 20, 3, is_told=is_told)
        assert len(seconds) == 3
        assert all(0 < s < 10 for s in seconds)
