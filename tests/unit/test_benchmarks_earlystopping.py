"""The benchmark of early stopping with real models: its arithmetic, its scheduler that takes notes, and its program."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.earlystopping.figures import FULL, figures_of, noise_of, schedulers  # noqa: E402
from benchmarks.earlystopping.runs import Epoch, Run, Watched, count_late, epochs_of  # noqa: E402

from manyhands.trial import Report  # noqa: E402


def epoch(trial, step, accuracy=0.5, *, attempt=1, cost_s=1.0):
    return Epoch(trial, attempt, step, accuracy, cost_s, at=float(step))


def run_of(n_epochs, *, valid=0.9, test=0.9, cost_s=1.0, n_told=0, n_late=0):
    epochs = [epoch(0, step, step / 100, cost_s=cost_s) for step in range(1, n_epochs + 1)]
    return Run(epochs, valid, test, {"finished": 1}, n_told, n_late)


def figure_of(figures, name):
    (found,) = [figure for figure in figures if figure.name == name]
    return found


def test_compute_is_every_epoch_that_was_trained_and_what_each_cost():
    run = Run([epoch(0, 1, cost_s=0.5), epoch(1, 1, cost_s=0.25), epoch(0, 2, cost_s=2.0)], 0.9, 0.9, {})

    assert run.n_epochs == 3
    assert run.cpu_s == 2.75


def test_an_epoch_that_a_trial_had_been_through_before_is_counted_as_trained_twice():
    run = Run([epoch(0, 1), epoch(0, 2), epoch(0, 2, attempt=2), epoch(1, 2)], 0.9, 0.9, {})

    assert run.n_again == 1


def test_what_was_reached_is_the_best_of_the_first_epochs_and_the_best_of_all_if_there_are_fewer():
    run = Run([epoch(0, 1, 0.7), epoch(1, 1, 0.6), epoch(2, 1, 0.8)], 0.9, 0.9, {})

    assert run.reached(2.9) == 0.7
    assert run.reached(3) == 0.8
    assert run.reached(100) == 0.8


def test_epochs_past_the_decision_are_late_until_the_trial_goes_on_in_its_next_attempt():
    stopped = [epoch(0, 1), epoch(0, 2), epoch(0, 3)]
    paused = [epoch(1, 1), epoch(1, 2), epoch(1, 3, attempt=2), epoch(1, 4, attempt=2), epoch(1, 5, attempt=2)]

    assert count_late([*stopped, *paused], {}) == 0
    assert count_late(stopped, {0: [1]}) == 2
    assert count_late(paused, {1: [1]}) == 1
    assert count_late(paused, {1: [1, 3]}) == 3


def test_epochs_are_read_from_the_reports_in_the_order_in_which_they_were_over():
    reports = {
        0: [Report(1, 0.5, {"cost": 0.1, "attempt": 1}, 10.0), Report(2, 0.75, {"cost": 0.2, "attempt": 2}, 30.0)],
        1: [Report(1, 0.25, {"cost": 0.3, "attempt": 1}, 20.0)],
    }
    trials = [SimpleNamespace(id=0), SimpleNamespace(id=1)]
    study = SimpleNamespace(trials=trials, reports=lambda trial: reports[trial.id])

    assert epochs_of(study) == [
        Epoch(0, 1, 1, 0.5, 0.1, 10.0),
        Epoch(1, 1, 1, 0.25, 0.3, 20.0),
        Epoch(0, 2, 2, 0.75, 0.2, 30.0),
    ]


def test_a_watched_scheduler_decides_as_by_itself_and_its_decisions_are_noted():
    watched, alone = Watched(schedulers(27)["asha"]), schedulers(27)["asha"]
    for trial, loss in enumerate([0.1, 0.2, 0.3, 0.4]):
        assert watched.judge(trial, Report(1, loss), loss) == alone.judge(trial, Report(1, loss), loss)

    assert watched.decided == {2: [1], 3: [1]}  # the first two had nobody to be compared with


def test_a_watched_scheduler_can_do_what_its_scheduler_can_and_no_more():
    assert Watched(schedulers(27)["asha-promotion"]).next_trial() is None
    assert not hasattr(Watched(schedulers(27)["asha"]), "next_trial")


def test_the_noise_is_the_standard_error_of_an_accuracy():
    assert noise_of(0.9, 900) == pytest.approx(0.01)


def test_asha_meets_its_targets_with_an_equal_model_in_a_third_of_the_compute():
    figures = figures_of({FULL: [run_of(90)], "asha": [run_of(30, n_told=4, n_late=10)]})

    assert figure_of(figures, "asha: epochs / no stopping").value == pytest.approx(1 / 3)
    assert "0.222 without those past a decision" in figure_of(figures, "asha: epochs / no stopping").note
    assert figure_of(figures, "asha: epochs past a decision").value == 2.5
    assert figure_of(figures, "no stopping: best seen in a third of its epochs").value == 0.3
    assert {figure.verdict for figure in figures} == {"", "pass"}


@pytest.mark.parametrize(
    ("asha", "short"),
    [
        (run_of(30, valid=0.85), ["asha: validation accuracy, below no stopping"]),
        (run_of(30, test=0.85), ["asha: test accuracy, below no stopping"]),
        (run_of(31, cost_s=0.5), ["asha: epochs / no stopping"]),
        (run_of(30, cost_s=1.5), ["asha: CPU / no stopping"]),
    ],
)
def test_asha_falls_short_by_a_worse_model_or_by_more_compute(asha, short):
    figures = figures_of({FULL: [run_of(90)], "asha": [asha]})

    assert [figure.name for figure in figures if figure.verdict == "FALLS SHORT"] == short


def test_schedulers_that_are_only_shown_have_no_target():
    figures = figures_of({FULL: [run_of(90)], "median": [run_of(90, valid=0.1)]})

    assert all(figure.verdict == "" for figure in figures)


@pytest.mark.slow
def test_quick_run_trains_models_and_prints_the_table():
    pytest.importorskip("sklearn")
    command = [sys.executable, "-m", "benchmarks.earlystopping", "processes", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)

    assert done.returncode == 0, done.stderr
    assert "| 108 " in done.stdout  # 12 trials of 9 epochs, all of them
    assert "asha-promotion: epochs / no stopping" in done.stdout


def test_unknown_subject_is_refused_with_the_known_ones():
    command = [sys.executable, "-m", "benchmarks.earlystopping", "speed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert "no benchmark 'speed'; there are: processes, auto, spark" in done.stderr
