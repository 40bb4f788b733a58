"""Workers that exist only in a simulation, one thing at a time."""

import math
import subprocess
import sys
import textwrap

import pytest

import manyhands as mh
from manyhands import eventlog
from manyhands.errors import AllTrialsFailedError, ExecutorError, ObjectiveError, SettingsError
from manyhands.events import (
    KillWorker,
    PartFinished,
    PartReturned,
    PartStopped,
    RecallParts,
    Reported,
    StartPart,
    StopPart,
    WorkerJoined,
    WorkerLost,
)
from manyhands.job import Job
from manyhands.trial import Part, TrialState

SPACE = {"x": mh.Float(0, 1)}


def steady(params):
    """Ten reports, a minute each."""
    for epoch in range(1, 11):
        yield 60.0, params["x"] / epoch


def run(objective=steady, workers=1, faults=(), start_s=0.0, **settings):
    executor = mh.Simulated(workers, faults=faults, start_s=start_s)
    defaults = {"sampler": "random", "max_trials": 1, "progress": False}
    return mh.tune(objective, SPACE, executor=executor, **{**defaults, **settings})


def ends(study):
    return [trial.ended_at for trial in study.trials]


def failure_of(objective, **settings):
    with pytest.raises((AllTrialsFailedError, ObjectiveError)) as caught:
        run(objective, **settings)
    return str(caught.value)


class Bench:
    """A simulated executor by itself, and what it delivers."""

    def __init__(self, workers=1, objective=steady, **given):
        self.executor = mh.Simulated(workers, **given)
        self.events = []
        self.executor.start(Job(objective, mh.Space(SPACE).template), self.events.append, self.executor.clock.now)

    def start(self, worker, *parts):
        for part in parts:
            self.executor.perform(StartPart(worker, part, {"x": 0.5}))

    def run_until(self, at):
        while self.executor.clock.at < at:
            self.executor.poll(at - self.executor.clock.at)
        self.executor.poll(0.0)
        self.executor.poll(0.0)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


# -- curves --------------------------------------------------------------------------------------------------------


def test_a_trial_takes_as_long_as_its_curve_says_and_has_its_last_value():
    study = run()
    (trial,) = study.trials
    assert (trial.started_at, trial.ended_at, trial.value) == (0.0, 600.0, trial.params["x"] / 10)
    assert [(report.step, report.at) for report in study.reports(0)] == [(i, 60.0 * (i + 1)) for i in range(10)]


def test_what_a_curve_returns_counts_more_than_its_last_value():
    def curve(params):
        yield 1.0, 5.0
        return {"acc": 7.0, "size": 3}

    (trial,) = run(curve, metric="acc", direction="maximize").trials
    assert (trial.value, trial.metrics) == (7.0, {"size": 3})


def test_a_curve_may_have_several_objectives_if_it_returns_them():
    def curve(params):
        yield 1.0, 0.0
        return [params["x"], 1 - params["x"]]

    (trial,) = run(curve, direction=["minimize", "minimize"]).trials
    assert trial.values == (trial.params["x"], 1 - trial.params["x"])
    assert "has 2 values, and has to return them" in failure_of(steady, direction=["minimize", "minimize"])


def test_metrics_stand_beside_the_value_and_step_is_one_of_them_by_name_only():
    def curve(params):
        for epoch in (1, 3, 9):
            yield 1.0, 1 / epoch, {"step": epoch, "acc": epoch / 10}

    study = run(curve)
    assert [(r.step, r.metrics) for r in study.reports(0)] == [(1, {"acc": 0.1}), (3, {"acc": 0.3}), (9, {"acc": 0.9})]
    assert study.trials[0].metrics == {"acc": 0.9}


def test_time_without_a_report_counts():
    def curve(params):
        yield 10.0, None
        yield 10.0, 1.0
        yield 5.0, None

    study = run(curve)
    assert [report.at for report in study.reports(0)] == [20.0]
    assert ends(study) == [25.0]


def test_a_curve_with_splits_is_told_which_one_it_is():
    def curve(params, trial):
        yield 10.0, float(trial.split)
        return {"value": float(trial.split), "who": trial.id * 100 + trial.split * 10 + trial.attempt}

    study = run(curve, workers=2, splits=4, max_trials=2)
    assert [trial.split_values for trial in study.trials] == [(0.0, 1.0, 2.0, 3.0)] * 2
    assert [trial.metrics["who"] for trial in study.trials] == [16.0, 116.0]
    assert ends(study) == [20.0, 40.0]


def test_a_value_that_is_not_finite_is_reported_as_none_and_is_no_outcome():
    def curve(params):
        yield 1.0, 2.0
        yield 1.0, math.nan

    study = None
    with pytest.raises(AllTrialsFailedError, match="yielded last nan, which is not a finite number") as caught:
        run(curve)
    study = caught.value.study
    assert [report.value for report in study.reports(0)] == [2.0, None]


@pytest.mark.parametrize(
    ("yielded", "complaint"),
    [
        (3.0, "yielded 3.0. A simulated objective yields (seconds, value)"),
        ((1.0,), "yielded (1.0,). A simulated"),
        ((-1.0, 2.0), "yielded -1.0 as its seconds, which must be a number from 0 on"),
        ((math.nan, 2.0), "yielded nan as its seconds"),
        (("soon", 2.0), "yielded 'soon' as its seconds"),
        ((1.0, "good"), "yielded 'good' as a value, which is not a number"),
        ((1.0, 2.0, 3.0), "yielded 3.0 as its metrics, which must be a dict"),
        ((1.0, 2.0, {"step": 1.5}), "yielded 1.5 as its step"),
    ],
)
def test_a_curve_that_yields_nonsense_is_told_so(yielded, complaint):
    def curve(params):
        yield yielded

    assert complaint in failure_of(curve)


def test_an_objective_that_returns_instead_of_yielding_ends_the_search_with_a_word_on_how():
    with pytest.raises(ObjectiveError, match=r"returned 2.0. A simulated objective yields \(seconds, value\)"):
        run(lambda params: 2.0)


def test_a_curve_that_yields_nothing_or_raises_fails_its_trial_with_the_reason():
    def silent(params):
        yield from ()

    def broken(params):
        yield 5.0, 1.0
        raise RuntimeError("no luck")

    assert "yielded no value" in failure_of(silent)
    message = failure_of(broken)
    assert "it raised RuntimeError: no luck" in message
    assert "in broken" in message, "the traceback leads to the curve"


def test_a_curve_that_goes_on_without_taking_time_is_ended():
    def curve(params):
        while True:
            yield 0.0, 1.0

    assert "without taking any time" in failure_of(curve)


# -- faults --------------------------------------------------------------------------------------------------------


def test_a_lost_worker_comes_back_under_another_name_and_the_trial_begins_again(tmp_path):
    study = run(faults=[mh.Fault(worker=0, at_s=100.0, lost_for_s=50.0)], start_s=10.0, event_log=tmp_path / "log")
    (trial,) = study.trials
    assert trial.lost == ("the simulation lost it",)
    assert trial.ended_at == 100.0 + 50.0 + 10.0 + 600.0, "nothing of the first attempt happens any more"
    named = [event.worker for event in eventlog.read(tmp_path / "log") if isinstance(event, WorkerJoined | WorkerLost)]
    assert named == ["w0", "w0", "w0.2"]


def test_a_loss_at_the_start_makes_a_worker_join_late():
    bench = Bench(2, faults=[mh.Fault(worker=1, at_s=0.0, lost_for_s=30.0)])
    bench.run_until(100.0)
    assert [(event.worker, event.at) for event in bench.of(WorkerJoined)] == [("w0", 0.0), ("w1", 30.0)]
    assert not bench.of(WorkerLost), "nobody knew it"


def test_who_is_lost_while_lost_is_gone_until_both_are_over():
    faults = [
        mh.Fault(worker=0, at_s=10.0, lost_for_s=100.0),
        mh.Fault(worker=0, at_s=20.0, lost_for_s=5.0),
        mh.Fault(worker=1, at_s=10.0, lost_for_s=math.inf),
        mh.Fault(worker=1, at_s=20.0, lost_for_s=5.0),
    ]
    bench = Bench(2, faults=faults)
    bench.run_until(1000.0)
    assert [event.at for event in bench.of(WorkerJoined)] == [0.0, 0.0, 110.0]
    assert len(bench.of(WorkerLost)) == 2


def test_a_slow_worker_is_slow_from_then_on_also_in_what_it_is_doing():
    faults = [mh.Fault(worker=0, at_s=90.0, speed=0.5), mh.Fault(worker=0, at_s=110.0, speed=1.0)]
    study = run(faults=faults)
    assert [report.at for report in study.reports(0)][:3] == [60.0, 130.0, 190.0]


def test_a_worker_of_speed_0_stands_still_until_the_next_fault():
    faults = [mh.Fault(worker=0, at_s=30.0, speed=0), mh.Fault(worker=0, at_s=1030.0, speed=1)]
    assert ends(run(faults=faults)) == [1600.0]


def test_a_loss_does_not_change_the_speed():
    faults = [mh.Fault(worker=0, at_s=0.0, speed=0.5), mh.Fault(worker=0, at_s=50.0, lost_for_s=0.0)]
    assert ends(run(faults=faults)) == [50.0 + 1200.0]


def test_a_wrong_clock_shows_in_reports_and_nowhere_else():
    study = run(faults=[mh.Fault(worker=0, at_s=90.0, clock_s=-3600.0)])
    assert [report.at for report in study.reports(0)][:3] == [60.0, 120.0 - 3600.0, 180.0 - 3600.0]
    assert ends(study) == [600.0]


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"worker": 3, "speed": 1.0}, "they are 0 to 1"),
        ({"worker": 0}, "changes nothing"),
        ({"worker": 0, "at_s": -1.0, "speed": 1.0}, "number of seconds from 0 on"),
        ({"worker": 0, "at_s": math.nan, "speed": 1.0}, "number of seconds from 0 on"),
        ({"worker": 0, "lost_for_s": math.nan}, "number of seconds from 0 on"),
        ({"worker": 0, "speed": -1.0}, "speed that is not a number from 0 on"),
        ({"worker": 0, "clock_s": math.inf}, "clock that is wrong by inf"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault, complaint):
    with pytest.raises(SettingsError, match=complaint):
        mh.Simulated(2, faults=[mh.Fault(**{"at_s": 0.0, **fault})])


def test_a_simulation_that_stands_still_says_so_instead_of_hanging():
    faults = [mh.Fault(worker=0, at_s=50.0, lost_for_s=math.inf), mh.Fault(worker=1, at_s=70.0, speed=0.0)]
    with pytest.raises(ExecutorError, match=r"still at 70 seconds: 1 of its 2 workers are lost for good and 1 hang"):
        run(workers=2, max_trials=5, faults=faults)


# -- limits --------------------------------------------------------------------------------------------------------


def test_a_hanging_trial_fails_at_its_time_limit_and_its_worker_is_replaced():
    def curve(params, trial):
        yield (math.inf if trial.id == 0 else 10.0), 1.0

    study = run(curve, max_trials=2, trial_timeout_s=25.0)
    assert [trial.state for trial in study.trials] == [TrialState.FAILED, TrialState.FINISHED]
    assert "trial_timeout_s=25" in study.trials[0].reason
    assert ends(study) == [25.0, 36.0]


def test_the_search_ends_in_virtual_time_and_what_runs_is_interrupted():
    study = run(workers=2, max_trials=10, timeout_s=700.0)
    assert [trial.state.value for trial in study.trials] == ["finished"] * 2 + ["interrupted"] * 2
    assert ends(study) == [600.0, 600.0, 700.0, 700.0]


def test_rules_and_max_failures_end_the_search():
    def failing(params, trial):
        yield 1.0, 1.0
        if trial.id % 2:
            raise ValueError("odd")

    assert run(failing, max_trials=100, max_failures=3).end_reason == "3 trials failed, and max_failures=3"
    assert run(max_trials=1000, stop=mh.Target(1.0)).end_reason.startswith("the target 1 was reached by trial 0")


# -- commands ------------------------------------------------------------------------------------------------------


def test_a_stop_ends_the_part_at_its_next_report():
    bench = Bench()
    bench.run_until(0.0)
    bench.start("w0", Part(0))
    bench.run_until(70.0)
    bench.executor.perform(StopPart("w0", Part(0), "enough"))
    bench.run_until(200.0)
    assert [event.at for event in bench.of(Reported)] == [60.0, 120.0]
    assert [(event.at, event.reason) for event in bench.of(PartStopped)] == [(120.0, "enough")]


def test_parts_run_one_after_another_and_those_not_begun_can_be_called_back():
    bench = Bench()
    bench.run_until(0.0)
    bench.start("w0", Part(0), Part(1), Part(2))
    bench.run_until(610.0)
    bench.executor.perform(RecallParts("w0"))
    bench.run_until(2000.0)
    assert [event.part for event in bench.of(PartFinished)] == [Part(0), Part(1)]
    assert [event.seconds for event in bench.of(PartFinished)] == [600.0, 600.0]
    assert [event.part for event in bench.of(PartReturned)] == [Part(2)]


def test_a_part_stopped_before_it_began_does_not_run():
    bench = Bench()
    bench.run_until(0.0)
    bench.start("w0", Part(0), Part(1))
    bench.executor.perform(StopPart("w0", Part(1), "enough"))
    bench.run_until(700.0)
    assert [(event.part, event.at) for event in bench.of(PartStopped)] == [(Part(1), 600.0)]


def test_a_killed_worker_says_nothing_more_and_is_replaced():
    bench = Bench()
    bench.run_until(0.0)
    bench.start("w0", Part(0))
    bench.run_until(70.0)
    bench.executor.perform(KillWorker("w0", "too slow"))
    bench.executor.perform(KillWorker("w0", "too slow"))
    bench.run_until(1000.0)
    assert [(event.cause, event.at) for event in bench.of(WorkerLost)] == [("too slow", 70.0)]
    assert [(event.worker, event.at) for event in bench.of(WorkerJoined)] == [("w0", 0.0), ("w0.2", 71.0)]
    assert len(bench.of(Reported)) == 1


def test_unknown_workers_are_ignored():
    bench = Bench()
    bench.run_until(0.0)
    bench.start("w7", Part(0))
    bench.run_until(1000.0)
    assert len(bench.events) == 1


# -- the same again ------------------------------------------------------------------------------------------------

SCRIPT = """
    import sys
    import manyhands as mh

    class Median:
        def __init__(self):
            self.seen = {}
        def judge(self, trial_id, report, loss):
            seen = self.seen.setdefault(report.step, [])
            seen.append(loss)
            return "poor" if loss > sorted(seen)[len(seen) // 2] else None
        def observe(self, trial, loss):
            pass

    def train(params, trial):
        for epoch in range(1, 8):
            yield 1.0 + params["x"] + (trial.id % 3), (params["x"] - 0.3) ** 2 + ord(params["kind"]) / epoch
            if trial.id % 11 == 5 and epoch == 3:
                raise ValueError("no luck")

    sampler, workers, log = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    faults = [mh.Fault(worker=i % workers, at_s=3.0 * i, lost_for_s=i % 4, clock_s=i - 5.0) for i in range(6)]
    faults += [mh.Fault(worker=workers - 1, at_s=4.0, speed=0.3)]
    mh.tune(train, {"x": mh.Float(0, 1), "kind": mh.Choice(["a", "b", "c"])}, sampler=sampler, max_trials=60,
            scheduler=Median(), executor=mh.Simulated(workers, faults=faults, start_s=0.5), seed=3, progress=False,
            event_log=log)
"""


@pytest.mark.parametrize(("sampler", "workers"), [("random", 1), ("random", 40), ("tpe", 1), ("tpe", 7)])
def test_the_same_seed_gives_the_same_event_log_byte_for_byte_in_any_process(tmp_path, sampler, workers):
    logs = []
    for hash_seed in ("1", "2"):
        log = tmp_path / f"{hash_seed}.jsonl"
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(SCRIPT), sampler, str(workers), str(log)],
            env={"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"},
            check=True,
            timeout=60,
        )
        logs.append(log.read_bytes())
    assert logs[0] == logs[1]
    kinds = {type(event) for event in eventlog.read(log)}
    assert {Reported, PartStopped, WorkerLost} <= kinds
    assert logs[0].count(b"\n") > 150
