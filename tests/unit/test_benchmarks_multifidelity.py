"""The benchmark of early stopping: its simulated workers, its simple rules, its runs and the words of its tables."""

import math
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.multifidelity import controls, ours, peers, tables  # noqa: E402
from benchmarks.multifidelity.runs import Archive, Best, Key, Run, make_all, seed_of, summarise  # noqa: E402
from benchmarks.multifidelity.world import Curve, Decision, Suggestion, Told, Trace, World  # noqa: E402

import manyhands as mh  # noqa: E402

SPACE = {"x": mh.Float(0, 1)}


class Scripted:
    """Goes through a list of suggestions, and answers reports from a table by trial and epoch."""

    def __init__(self, suggestions, decisions=None):
        self.suggestions = list(suggestions)
        self.decisions = decisions or {}
        self.heard = []

    def suggest(self):
        return self.suggestions.pop(0) if self.suggestions else None

    def report(self, trial, epoch, loss):
        self.heard.append((trial, epoch, loss))
        return self.decisions.get((trial, epoch), Decision.GO_ON)

    def finish(self, trial, loss):
        self.heard.append((trial, "end", loss))


def curve(params):
    """Three epochs; each takes ``params`` seconds, and the loss is that less a tenth an epoch."""
    epochs = np.arange(1, 4)
    return Curve(params - epochs / 10, epochs * float(params))


def run(peer, *, workers=1, until_s=1000.0):
    return World(peer, curve, workers=workers, until_s=until_s).run()


def new(*params):
    return [Suggestion(f"t{i}", p) for i, p in enumerate(params)]


# -- world ---------------------------------------------------------------------------------------------------------


def test_reports_come_at_the_ends_of_epochs_and_the_next_trial_begins_at_once():
    peer = Scripted(new(1, 2))
    trace = run(peer)
    assert [told.at for told in trace.reports] == [1, 2, 3, 5, 7, 9]
    assert [told.loss for told in trace.reports] == pytest.approx([0.9, 0.8, 0.7, 1.9, 1.8, 1.7])
    assert (trace.n_trials, trace.n_finished, trace.busy_s) == (2, 2, 9)
    assert [what for _, what, _ in peer.heard] == [1, 2, 3, "end", 1, 2, 3, "end"]


def test_workers_run_side_by_side():
    trace = run(Scripted(new(1, 2, 4)), workers=2)
    assert [told.at for told in trace.reports] == [1, 2, 2, 3, 4, 6, 7, 11, 15]


def test_a_stopped_trial_frees_its_worker_at_its_report():
    trace = run(Scripted(new(1, 2), {("t0", 2): Decision.STOP}))
    assert [told.at for told in trace.reports] == [1, 2, 4, 6, 8]
    assert (trace.n_trials, trace.n_finished) == (2, 1)


def test_a_paused_trial_goes_on_after_its_last_epoch():
    peer = Scripted([*new(5, 1), Suggestion("t0")], {("t0", 1): Decision.PAUSE})
    trace = run(peer)
    assert [told.at for told in trace.reports] == [5, 6, 7, 8, 13, 18]
    assert [epoch for trial, epoch, _ in peer.heard if trial == "t0"] == [1, 2, 3, "end"]
    assert trace.n_trials == 2


def test_what_is_reported_after_the_end_does_not_count():
    assert [told.at for told in run(Scripted(new(2)), until_s=4).reports] == [2, 4]
    assert [told.at for told in run(Scripted(new(2)), until_s=3.9).reports] == [2]


def test_a_worker_that_has_to_wait_asks_again_after_each_report():
    class Waiting(Scripted):
        def suggest(self):
            return super().suggest() if not self.heard or len(self.heard) >= 2 else None

    trace = run(Waiting(new(1, 1), {("t0", 1): Decision.GO_ON}), workers=1)
    assert [told.at for told in trace.reports] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("trial", ["t0", "t7"])
def test_a_trial_that_is_not_paused_cannot_go_on(trial):
    with pytest.raises(ValueError, match=f"'{trial}' should go on"):
        run(Scripted([*new(1), Suggestion(trial)]), workers=2)


def test_a_stopped_trial_cannot_go_on():
    with pytest.raises(ValueError, match="'t0' should go on"):
        run(Scripted([*new(1), Suggestion("t0")], {("t0", 1): Decision.STOP}))


# -- simple rules --------------------------------------------------------------------------------------------------


def test_the_control_gives_many_one_epoch_and_then_goes_on_with_the_best_first():
    control = controls.ManyOnceThenBest(SPACE, 0, 1)
    first = [control.suggest() for _ in range(150)]
    assert len({suggestion.params["x"] for suggestion in first}) == 150
    for suggestion in first:
        assert control.report(suggestion.trial, 1, suggestion.params["x"]) is Decision.PAUSE
    best = sorted(first, key=lambda suggestion: suggestion.params["x"])[:3]
    assert [control.suggest() for _ in best] == [Suggestion(suggestion.trial) for suggestion in best]
    assert control.report(best[0].trial, 2, 0.0) is Decision.GO_ON


def test_stages_wait_for_their_last_trial_and_keep_the_best_third():
    halving = controls.HalvingInStages(SPACE, 0, 1)
    first = [halving.suggest() for _ in range(81)]
    for suggestion in first[:-1]:
        assert halving.suggest() is None
        assert halving.report(suggestion.trial, 1, suggestion.params["x"]) is Decision.PAUSE
    halving.report(first[-1].trial, 1, first[-1].params["x"])
    best = sorted(first, key=lambda suggestion: suggestion.params["x"])[:27]
    assert [halving.suggest() for _ in range(28)] == [*(Suggestion(suggestion.trial) for suggestion in best), None]
    assert halving.report(best[0].trial, 2, 0.0) is Decision.GO_ON
    assert halving.report(best[0].trial, 3, 0.0) is Decision.PAUSE


def test_stages_end_with_full_trainings_and_begin_again():
    def falling(params):
        return Curve(np.full(52, params["x"]), np.arange(1.0, 53.0))

    trace = World(controls.HalvingInStages(SPACE, 0, 4), falling, workers=4, until_s=250.0).run()
    assert trace.n_finished == 2 * 1
    assert trace.n_trials > 2 * 81


def test_ours_and_the_simple_rules_try_the_same_random_configurations():
    drawn = controls.RandomConfigs(SPACE, 7)
    study = mh.simulate(lambda p: iter([(1.0, p["x"])]), SPACE, sampler="random", seed=7, max_trials=5, workers=2)
    assert [drawn.new().params for _ in range(5)] == [trial.params for trial in study.trials]


# -- ours ----------------------------------------------------------------------------------------------------------


def falling_task(seconds):
    def curve(params):
        return Curve(params["x"] / np.arange(1.0, 53.0), seconds * np.arange(1.0, 53.0))

    return SimpleNamespace(space=SPACE, curve=curve, budget_s=101 * 52 * seconds)


def test_ours_without_stopping_spend_the_whole_budget_on_full_trainings():
    trace = ours.search("mh:random", falling_task(2.0), workers=10, seed=0)
    assert (trace.n_trials, trace.n_finished, len(trace.reports)) == (110, 100, 100 * 52 + 10 * 5)
    assert trace.reports[-1].at == 1050  # of 1050.4
    assert trace.busy_s == 10 * 1050
    assert [told.at for told in trace.reports] == sorted(told.at for told in trace.reports)


def test_ours_with_stopping_begin_more_trials_and_do_not_overrun():
    trace = ours.search("mh:random+asha", falling_task(2.0), workers=10, seed=0)
    assert trace.n_trials > 300
    assert len(trace.reports) <= 101 * 52
    assert trace.reports[-1].at <= 1050.4


def test_ours_take_a_scheduler_of_ones_own():
    trace = ours.search("mh:random+manyhands:MedianScheduler", falling_task(2.0), workers=10, seed=0)
    assert trace.n_trials > trace.n_finished > 0


def test_both_worlds_keep_the_same_times():
    task = falling_task(2.0)
    theirs = World(Random(SPACE, 3, 7), task.curve, workers=7, until_s=task.budget_s / 7).run()
    own = ours.search("mh:random", task, workers=7, seed=3)
    assert sorted(theirs.reports) == own.reports
    assert theirs.busy_s == pytest.approx(own.busy_s)


class Random:
    """Random search by the world's interface."""

    def __init__(self, space, seed, workers):
        self._configs = controls.RandomConfigs(space, seed)

    def suggest(self):
        return self._configs.new()

    def report(self, trial, epoch, loss):
        return Decision.GO_ON

    def finish(self, trial, loss):
        pass


# -- runs ----------------------------------------------------------------------------------------------------------


def test_a_run_keeps_each_new_best_with_its_shares_of_the_budget():
    told = [Told(10.0, 50.0), Told(20.0, 60.0), Told(40.0, 30.0), Told(80.0, math.inf)]
    run = summarise(Trace(told, 3, 2, 80.0, 0.5), (20.0, 40.0), workers=4, until_s=100.0)
    assert run.bests == (Best(0.1, 1 / 5200, 1.5), Best(0.4, 3 / 5200, 0.5))
    assert (run.n_trials, run.n_finished, run.n_epochs, run.busy, run.thinks_s) == (3, 2, 4, 0.2, 0.5)
    assert [run.by_time(share) for share in (0.05, 0.1, 0.39, 0.4, 1.0)] == [1.5, 1.5, 1.5, 0.5, 0.5]
    assert [run.by_epochs(share) for share in (2 / 5200, 3 / 5200)] == [1.5, 0.5]


def test_a_search_without_a_report_is_no_run():
    with pytest.raises(ValueError, match="no trial came to the end of an epoch in 100 s"):
        summarise(Trace(), (0.0, 1.0), workers=1, until_s=100.0)


def test_kept_runs_come_back(tmp_path):
    archive = Archive(tmp_path / "runs")
    key, run = Key("some:method+rule", "3945", 32, 0), Run((Best(0.1, 0.2, 0.3),), 4, 5, 6, 0.7, 8.0)
    archive.add(key, Run((Best(1.0, 1.0, 1.0),), 0, 0, 0, 0.0, 0.0))
    archive.add(key, run)
    assert archive.read() == {key: run}


def test_the_environment_says_where_runs_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("MANYHANDS_MULTIFIDELITY", str(tmp_path))
    assert Archive.default().folder == tmp_path


def test_a_run_that_fails_is_told_and_the_others_go_on():
    key = Key("no-such-method", "no-such-instance", 1, 0)
    assert "Error" in make_all([key], 1, lambda key, run: None)[key]


def test_each_data_set_has_its_own_seed():
    seeds = {seed_of(Key("m", instance, 1, seed)) for instance in ("a", "b") for seed in (0, 1)}
    assert len(seeds) == 4
    assert seed_of(Key("m", "a", 1, 0)) == seed_of(Key("other", "a", 8, 0))


# -- tables --------------------------------------------------------------------------------------------------------


def flat(regret):
    return Run((Best(0.0, 0.0, regret),), 10, 5, 100, 0.5, 1.5)


def test_a_row_is_the_mean_over_runs():
    runs = {Key("a", str(i), 8, 0): flat(regret) for i, regret in enumerate((0.2, 0.4))}
    assert tables.mean_regrets(runs, ["a", "b"]) == {"a": pytest.approx([0.3] * 5)}
    _, _, row = tables.table(runs, ["a", "b"]).splitlines()
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "a",
        *["0.300"] * 5,
        "10",
        "5",
        "100",
        "50%",
        "1.5",
        "2",
    ]
    assert "| a      | 0.300" in tables.epochs_table(runs, ["a", "b"])


def test_methods_are_compared_where_all_of_them_ran():
    runs = {Key(m, str(i), 8, s): flat(0.1) for m in ("a", "b") for i in range(3) for s in range(2)}
    runs |= {Key("slow", str(i), 8, 0): flat(0.1) for i in range(3)}
    groups = tables.groups(runs, ["a", "slow", "none", "b"])
    assert [methods for methods, _ in groups] == [["a", "b"], ["a", "slow", "b"]]
    assert [len(chosen) for _, chosen in groups] == [12, 9]
    assert {key.seed for key in groups[1][1]} == {0}


def test_targets_compare_with_the_best_peer_later_on():
    others = {"x": [0.9, 0.8, 0.7, 0.5, 0.2], "y": [0.9, 0.8, 0.6, 0.4, 0.3]}
    early, half, everywhere, control = tables.targets([0.5, 0.4, 0.4, 0.3, 0.1], others, [0.5, 0.4, 0.4, 0.3, 0.05])
    assert early == "ours at 25% as good as the best peer at 50%: yes (0.400; y 0.400)"
    assert half == "ours at 50% as good as the best peer at 100%: no (0.300; x 0.200)"
    assert everywhere == "better than every peer at every point: yes"
    assert control == "no worse than the control at any point: no: control at 100% (0.050, ours 0.100)"


def test_being_as_good_as_a_peer_is_not_being_better():
    (*_, everywhere) = tables.targets([0.5] * 5, {"x": [0.6, 0.6, 0.6, 0.6, 0.5]}, None)
    assert everywhere == "better than every peer at every point: no: x at 100% (0.500, ours 0.500)"


# -- methods -------------------------------------------------------------------------------------------------------


def test_what_cannot_be_run_is_named_by_its_library(monkeypatch):
    def version(name):
        if name != "syne-tune":
            raise metadata.PackageNotFoundError(name)
        return "0.16.0"

    monkeypatch.setattr(metadata, "version", version)
    away = peers.missing()
    assert list(away) == ["optuna>=5", "syne-tune<0.15", "ray"]
    assert away["ray"] == ["ray:asha"]


def test_slow_methods_are_run_on_some_data_sets_only():
    assert all(peers.runs_on("syne-tune:asha", place, 17, seed) for place in range(17) for seed in range(2))
    assert [place for place in range(17) if peers.runs_on("optuna:gp", place, 17, 0)] == [0, 3, 6, 9, 12, 15]
    assert [place for place in range(4) if peers.runs_on("optuna:gp", place, 4, 0)] == [0, 1, 2, 3]
    assert not peers.runs_on("optuna:gp", 0, 4, 1)
    assert set(peers.PEERS) > peers.SLOW


def test_optuna_prunes_as_it_is_asked_to():
    pytest.importorskip("optuna")
    task = falling_task(2.0)
    peer = peers.make("optuna:random+median", SPACE, 0, 4)
    trace = World(peer, task.curve, workers=4, until_s=task.budget_s / 16).run()
    assert trace.n_trials > trace.n_finished >= 5
    assert trace.thinks_s > 0


def test_the_command_names_its_methods():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.multifidelity", "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert {"control", "mh:random", "mh:auto+asha"} <= set(done.stdout.splitlines())


def test_a_method_that_does_not_exist_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.multifidelity", "--only", "asha"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "there is no method 'asha'" in done.stderr
