"""The arithmetic of the benchmarks on Spark; none of these tests starts Spark."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.spark import speedup, stopping, utilisation  # noqa: E402
from benchmarks.spark.runs import Run, Span, ideal, middle  # noqa: E402


def run_of(*spans: tuple[float, float]) -> Run:
    return Run([Span(*span) for span in spans], wall_s=100.0)


def test_speedup_and_rate_count_from_the_first_begin_to_the_last_end():
    run = run_of((10, 14), (11, 13), (13, 15))
    assert run.work_s == 8
    assert run.speedup == pytest.approx(8 / 5)
    assert run.rate == pytest.approx(3 / 5)


def test_the_ramp_ends_when_as_many_trials_as_slots_have_begun():
    assert run_of((10, 14), (13, 14), (11, 12)).ramp_s(2) == pytest.approx(1)


def test_the_ramp_of_fewer_trials_than_slots_ends_when_all_have_begun():
    assert run_of((10, 14), (13, 14)).ramp_s(32) == pytest.approx(3)


def test_the_middle_run_is_the_one_of_the_median_speedup():
    slow, medium, fast = run_of((0, 1), (1, 2)), run_of((0, 2), (1, 3)), run_of((0, 1), (0, 1))
    assert middle([fast, slow, medium]) is medium


def test_speedup_at_full_size_leaves_out_the_time_before_all_slots_are_there():
    run = run_of((10, 14), (12, 14), (14, 15), (14, 16))
    assert run.speedup_at_full_size(2) == pytest.approx((2 + 2 + 1 + 2) / 4)


def test_utilisation_is_one_if_all_slots_work_all_the_time():
    assert run_of((0, 2), (0, 1), (1, 2)).utilisation(2) == pytest.approx(1)


def test_a_long_last_trial_counts_against_utilisation_but_not_without_the_tail():
    run = run_of((0, 2), (0, 1), (1, 10))
    assert run.utilisation(2) == pytest.approx(12 / 20)
    assert run.utilisation_without_tail(2) == pytest.approx(1)


def test_a_slot_that_waits_before_the_last_trial_begins_counts_without_the_tail():
    run = run_of((0, 2), (0, 4), (4, 6))
    assert run.utilisation_without_tail(2) == pytest.approx(6 / 8)


def test_the_ideal_gives_each_trial_to_the_slot_that_is_free_first():
    run = ideal([3.0, 1.0, 1.0, 2.0], slots=2)
    assert run.spans == [Span(0, 3), Span(0, 1), Span(1, 2), Span(2, 4)]
    assert run.wall_s == 4
    assert run.utilisation_without_tail(2) == pytest.approx(1)


def test_nobody_can_be_faster_than_the_ideal_of_the_speedup_benchmark_and_the_target_is_below_it():
    best = ideal(speedup.even(200), slots=32).speedup
    assert 28 < best < 32


def test_durations_are_the_same_every_time_and_have_the_shape_that_is_promised():
    durations = utilisation.log_normal(5001)
    assert durations == utilisation.log_normal(5001)
    assert sorted(durations)[2500] == pytest.approx(0.5, rel=0.15)
    assert max(durations) == 8


def test_a_stop_is_counted_from_its_decision():
    found = stopping.after(10.0, 10.002, 10.005)
    assert found == pytest.approx((0.002, 0.005))


def test_a_scheduler_stops_a_trial_once_and_only_past_its_steps():
    class Report:
        def __init__(self, step):
            self.step = step

    scheduler = stopping.StopsAll()
    assert scheduler.judge(7, Report(19), 0.0) is None
    assert scheduler.judge(7, Report(20), 0.0) == "step 20 is past 20"
    assert scheduler.judge(7, Report(21), 0.0) is None
    assert list(scheduler.decided_at) == [7]


def test_unknown_subject_is_refused_with_the_known_ones():
    command = [sys.executable, "-m", "benchmarks.spark", "speed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "no benchmark 'speed'; there are: overhead, utilisation" in done.stderr
