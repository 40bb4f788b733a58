"""A search that was cut off anywhere decides from there as if it had not been: checked after every write of a run."""

import math
from functools import partial

import pytest
from msgspec.structs import replace

import manyhands as mh
from manyhands.driver import Driver, Pace
from manyhands.events import StartPart, StopPart, Ticked, WorkerJoined
from manyhands.job import Job
from manyhands.ports import StudySpec
from manyhands.samplers import make_sampler
from manyhands.schedulers import make_scheduler
from manyhands.schedulers.base import StoppingScheduler
from manyhands.search import Search, Settings
from manyhands.trial import TrialState

SPACE = mh.Space({"final": mh.Float(0, 1), "rate": mh.Float(0.1, 1)})
SPEC = StudySpec("s", SPACE.spec())
N_STEPS = 9
N_WORKERS = 3
N_TRIALS = 18
WORKERS = [f"x{i}" for i in range(N_WORKERS)]


class WorseThanOutcomes(StoppingScheduler):
    """Stops what is worse than the mean of what has ended so far: the order of reports and outcomes matters."""

    def _reset(self):
        self.ends = []

    def observe(self, trial, loss):
        self.ends.append(loss)

    def _judge(self, trial_id, step, loss):
        return "it is worse" if self.ends and loss > sum(self.ends) / len(self.ends) + 0.3 else None


SCHEDULERS = {
    "outcomes": WorseThanOutcomes,
    "asha": lambda: mh.ASHAScheduler(reduction=2, max_steps=N_STEPS),
    "promotion": lambda: mh.ASHAPromotionScheduler(reduction=2, max_steps=N_STEPS),
    "promotion in brackets": lambda: mh.ASHAPromotionScheduler(reduction=2, max_steps=N_STEPS, brackets=3),
    "hyperband": lambda: mh.HyperbandScheduler(max_steps=N_STEPS),
    "pbt": lambda: mh.PBTScheduler(interval=1, population=N_WORKERS, max_steps=N_STEPS, quantile=0.4),
    "pbt by turns": lambda: mh.PBTScheduler(interval=1, population=6, max_steps=N_STEPS, quantile=0.4),
    "pb2 by turns": lambda: mh.PB2Scheduler(interval=1, population=6, max_steps=N_STEPS, quantile=0.4),
    "auto": lambda: mh.AutoScheduler(),
    "median": lambda: mh.MedianScheduler(grace_steps=2, min_trials=2),
}


def objective(params, trial):
    for step in range(trial.restore(0), N_STEPS):
        trial.save(step + 1)
        value = params["final"] + math.exp(-params["rate"] * step)
        yield 1.0 + params["rate"], math.nan if trial.id == 5 and step == 4 else value, {"step": step + 1}


class Slow(mh.Simulated):
    """Workers that hear of a stop only after a while, as real ones do."""

    def perform(self, command):
        if isinstance(command, StopPart):
            self._plan(2.5, super().perform, command)
        else:
            super().perform(command)


class Listener:
    """Passes calls on to a scheduler or a sampler, and notes them in a list."""

    def __init__(self, target, calls):
        self._target = target
        self._calls = calls
        self._role = "sampler" if hasattr(target, "suggest") else "scheduler"
        if hasattr(target, "learns"):
            self.learns = target.learns
        for method in ("prepare", "consult", "forecast"):
            if hasattr(target, method):
                setattr(self, method, getattr(target, method))
        for method in ("judge", "began", "observe", "next_trial", "suggest", "report"):
            if hasattr(target, method):
                setattr(self, method, partial(self._pass_on, method))

    def start(self, problem):
        self._target.start(problem)

    def _pass_on(self, method, *args):
        args = tuple(dict(arg) if method == "suggest" and i == 1 else arg for i, arg in enumerate(args))
        answer = getattr(self._target, method)(*args)
        self._calls.append((self._role, method, args, answer))
        return answer


class Snapshots(mh.MemoryStore):
    """Keeps what it knew after each write, and how many calls there had been by then."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls
        self.taken = []

    def write(self, saves, logs=()):
        super().write(saves, logs)
        n_outcomes = sum(hasattr(save, "trial") and save.trial.state.is_end for save in saves)
        self.taken.append((len(self.calls), n_outcomes, self._history(SPEC), list(self.reports())))


def made(scheduler, sampler):
    return make_scheduler(SCHEDULERS[scheduler](), "minimize"), make_sampler(sampler)


def run(scheduler, sampler, before=None):
    """Run a search, or go on with one that was cut off; return the calls of its parts, and what was stored."""
    calls = []
    judge, proposer = (Listener(target, calls) for target in made(scheduler, sampler))
    faults = [
        mh.Fault(worker=0, at_s=0.0, clock_s=-3600.0),
        mh.Fault(worker=1, at_s=0.0, clock_s=3600.0),
        mh.Fault(worker=2, at_s=11.0, lost_for_s=2.0),
        mh.Fault(worker=1, at_s=25.5, lost_for_s=2.0),
    ]
    executor = Slow(N_WORKERS, faults=faults)
    search = Search(SPACE, proposer, Settings(max_trials=N_TRIALS, seed=3), scheduler=judge)
    store = Snapshots(calls)
    store.open(SPEC, resume=True)
    if before is not None:
        history, reports = before
        search.restore(history, reports)
        store._trials = {trial.id: trial for trial in history.trials}
        store._moments, store._reports = list(history.moments), list(reports)
    driver = Driver(search, SPEC, executor, store, executor.clock, pace=Pace(math.inf, 0.0))
    driver.run(Job(objective, SPACE.template, takes_trial=True))
    assert search.error is None
    assert (
        search.end_reason.removeprefix("the scheduler wants no more: ") == f"all {len(search.trials)} trials are done"
    )
    assert len(search.trials) == N_TRIALS or scheduler.startswith(("pbt", "pb2"))
    return calls, store.taken


def check(calls, cut, scheduler, sampler):
    """A search that is restored from what was stored then does from there on what the other one did."""
    n_calls, n_outcomes, history, reports = cut
    n_calls += 2 * n_outcomes  # it was told of the outcomes when they were on disk
    assert all(method == "observe" for _, method, *_ in calls[n_calls - 2 * n_outcomes : n_calls])
    judge, proposer = made(scheduler, sampler)
    search = Search(SPACE, proposer, Settings(max_trials=N_TRIALS, seed=3), scheduler=judge)
    search.restore(history, reports)
    check_what_runs(search, calls[:n_calls], calls[n_calls:], history)
    for role, method, args, answer in calls[n_calls:]:
        target = judge if role == "scheduler" else proposer
        assert getattr(target, method)(*args) == answer, f"{method} of {args}"
    check_who_leaves(search, calls[:n_calls], history, reports)


def check_what_runs(search, calls, later, history):
    """The next suggestion is for the same trial, and knows the same running ones."""
    known = {trial.id for trial in history.trials}
    assert dict(search.running) == {trial.id: trial.point for trial in history.trials if not trial.state.is_end}
    prepared = {args[0] for _, method, args, _ in calls if method == "suggest"} - known
    for _, method, args, _ in later:
        if method in ("began", "observe"):
            return
        if method == "suggest" and not prepared:
            assert args == (search._next_id, dict(search.running))
            return


def check_who_leaves(search, calls, history, reports):
    """Whoever had been told to leave is not run again."""
    verdicts = {}
    for _, method, args, answer in calls:
        if method == "began":
            verdicts.pop(args[0].id, None)
        elif method == "judge" and answer is not None:
            verdicts[args[0]] = answer
    is_open = {trial.id for trial in history.trials if not trial.state.is_end}
    leave = {trial_id: verdict for trial_id, verdict in verdicts.items() if trial_id in is_open}
    search._advisers._next_trial = None  # so that none of them goes on at once
    commands = search.handle(Ticked(at=1e6))
    commands += [c for worker in WORKERS for c in search.handle(WorkerJoined(worker=worker, at=1e6))]
    started = {command.part.trial_id for command in commands if isinstance(command, StartPart)}
    assert not started & set(leave)
    assert started >= set(sorted(is_open - set(leave))[:N_WORKERS])
    for trial_id, verdict in leave.items():
        trial = search.trials[trial_id]
        is_paused = isinstance(verdict, mh.Pause)
        ends = (TrialState.PAUSED, TrialState.STOPPED) if is_paused else (TrialState.STOPPED,)
        assert trial.state in ends, "a paused trial is stopped if nothing else is left to do"
        assert trial.reason == (verdict.reason if is_paused else verdict)
        values = [report.value for part, report in reports if part.trial_id == trial_id]
        assert trial.value == next(value for value in reversed(values) if value is not None)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_search_goes_on_exactly_from_any_of_its_writes(scheduler, sampler):
    calls, cuts = run(scheduler, sampler)

    assert len(cuts) > 30, "there is a write for every event"
    for cut in cuts:
        check(calls, cut, scheduler, sampler)


def test_forecasts_are_the_same_from_any_write_on():
    calls, cuts = run("auto", "gp")

    assert [answer for _, method, _, answer in calls if method == "judge" and answer is not None]
    for cut in cuts[5::9]:
        check(calls, cut, "auto", "gp")


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_search_that_was_cut_off_twice_goes_on_exactly(scheduler):
    _, cuts = run(scheduler, "tpe")
    for first in cuts[30::60]:
        calls, more = run(scheduler, "tpe", before=first[2:])
        for cut in more:
            check(calls, cut, scheduler, "tpe")


def test_the_runs_have_what_could_go_wrong():
    calls, cuts = run("promotion", "random")
    answers = [answer for *_, answer in calls]
    stops = [answer for _, method, _, answer in run("asha", "random")[0] if method == "judge" and answer is not None]

    assert sum(isinstance(answer, mh.Pause) for answer in answers) > 4
    assert sum(isinstance(answer, mh.Resume) for answer in answers) > 1
    assert len(stops) > 4
    assert any(part.attempt > 1 for part, _ in cuts[-1][3])
    assert len(cuts[-1][3]) > sum(method == "judge" for _, method, *_ in calls), "some came too late to be judged"


def test_clocks_alone_would_not_do():
    """The moments that the store keeps are needed: these workers' clocks are wrong by an hour."""
    calls, cuts = run("outcomes", "random")
    wrong = 0
    for *counts, history, reports in cuts:
        try:
            check(calls, (*counts, replace(history, moments=[]), reports), "outcomes", "random")
        except AssertionError:
            wrong += 1

    assert wrong > 0
