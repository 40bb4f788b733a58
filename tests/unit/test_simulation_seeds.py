"""What holds in every search, checked after each event of many simulated ones with random troubles.

MANYHANDS_SEEDS=5000 pytest tests/unit/test_simulation_seeds.py          # more of them
MANYHANDS_FIRST_SEED=123 MANYHANDS_SEEDS=1 pytest tests/unit/...         # that one again
"""

import math
import os
import random
from collections import Counter

import pytest

import manyhands as mh
from manyhands.driver import Driver, Pace
from manyhands.events import (
    EndSearch,
    KillWorker,
    PartFailed,
    PartFinished,
    PartReturned,
    PartStopped,
    Reported,
    SaveReports,
    SaveTrial,
    StartPart,
    StopPart,
    WorkerJoined,
    WorkerLost,
)
from manyhands.job import Job
from manyhands.ports import StudySpec
from manyhands.samplers import make_sampler
from manyhands.search import Search, Settings
from manyhands.trial import Part, TrialState

N_SEEDS = int(os.environ.get("MANYHANDS_SEEDS", "1000"))
FIRST_SEED = int(os.environ.get("MANYHANDS_FIRST_SEED", "0"))
N_GROUPS = 10  # tests; each has every tenth seed

HOUR = 3600.0


class StopsSome:
    """A scheduler that stops trials by chance, though not by an order that could change."""

    def judge(self, trial_id, report, loss):
        return "bad luck" if (trial_id * 7 + report.step * 13) % 11 == 0 else None

    def observe(self, trial, loss):
        pass


class PausesSome(StopsSome):
    """A scheduler that also pauses trials by chance, and says by chance who is next."""

    def __init__(self, seed, may_fork):
        self.rng = random.Random(seed)  # noqa: S311
        self.may_fork = may_fork
        self.told = {}  # trials that were told to pause, and how often
        self.waiting = {}  # the same, if they have neither ended nor gone on
        self.points = {}
        self.latest = None

    def began(self, trial):
        self.points[trial.id] = trial.point
        self.waiting.pop(trial.id, None)

    def judge(self, trial_id, report, loss):
        if self.told.get(trial_id, 0) < 3 and self.rng.random() < 0.5:
            self.told[trial_id] = self.told.get(trial_id, 0) + 1
            self.waiting[trial_id] = None
            return mh.Pause("let others try")
        return super().judge(trial_id, report, loss)

    def observe(self, trial, loss):
        self.waiting.pop(trial.id, None)

    def next_trial(self):
        luck = self.rng.random()
        if self.waiting and luck < 0.5:
            return mh.Resume(self.rng.choice(list(self.waiting)))
        if self.may_fork and self.points and luck < 0.6:
            parent = self.rng.choice(list(self.points))
            return mh.Fork(parent, self.points[parent])
        return None


class SlowToStop(mh.Simulated):
    """Workers that hear of a stop only after a while, as real ones do."""

    def __init__(self, workers, stop_s, **settings):
        super().__init__(workers, **settings)
        self._stop_s = stop_s

    def perform(self, command):
        if isinstance(command, StopPart) and self._stop_s:
            self._plan(self._stop_s, super().perform, command)
        else:
            super().perform(command)


class Case:
    """The search of a seed: what is searched, by whom, and what goes wrong."""

    def __init__(self, seed):
        rng = random.Random(seed)  # noqa: S311
        self.seed = seed
        self.ahead = rng.random() < 0.3  # then trials are so short that workers are given several at a time
        self.unit_s = 1e-4 if self.ahead else 1.0
        self.n_workers = rng.choice([1, 1, 2, 3, 5, 8, 20])
        self.n_splits = rng.choice([None, None, None, 2, 4])
        self.max_trials = rng.choice([None, 1, 5, 12, 40])
        self.max_attempts = rng.choice([2, 3] if self.ahead else [1, 2, 3])
        self.max_failures = None if self.ahead else rng.choice([None, None, 1, 4])
        self.trial_timeout_s = rng.choice([None, None, 15.0 * self.unit_s, 100.0 * self.unit_s])
        self.timeout_s = 3000.0 if self.max_trials is None else rng.choice([None, None, 60.0 * self.unit_s, 500.0])
        self.sampler = rng.choice(["random", "random", "random", "sobol", "grid", "tpe"])
        self.scheduler = rng.choice([None, None, "stops", "pauses", "pauses"]) if self.n_splits is None else None
        self.start_s = rng.choice([0.0, 0.0, 3.0])
        self.stop_s = rng.choice([0.0, 5.0 * self.unit_s])
        self.may_hang = self.trial_timeout_s is not None
        if self.max_trials is None:
            self.n_points = rng.choice([4, 30])  # it ends when the space is used up
        else:
            self.n_points = rng.choice([1, 4, 30, None, None])
        if self.n_points is None and self.sampler == "grid":
            self.sampler = "random"
        self.faults = [self._fault(rng) for _ in range(rng.choice([0, 0, 1, 5, 20]))]

    def _fault(self, rng):
        at_s = self.start_s + rng.choice([0.0, 0.0, 5.0, 10.0, rng.uniform(0, 200)]) * self.unit_s
        kind = rng.choice(["lost", "lost", "late", "gone", "slow", "pause", "clock"])
        worker = rng.randrange(self.n_workers)
        match kind:
            case "lost":
                return mh.Fault(worker=worker, at_s=at_s, lost_for_s=rng.choice([0.0, 1.0, 50.0]) * self.unit_s)
            case "late":
                return mh.Fault(worker=worker, at_s=0.0, lost_for_s=rng.uniform(0, 30) * self.unit_s)
            case "gone" if worker > 0:  # somebody has to be left
                return mh.Fault(worker=worker, at_s=at_s, lost_for_s=math.inf)
            case "pause" if worker > 0 and self.trial_timeout_s is not None:
                return mh.Fault(worker=worker, at_s=at_s, speed=0.0)
            case "clock":
                return mh.Fault(worker=worker, at_s=at_s, clock_s=rng.choice([-HOUR, HOUR]))
        return mh.Fault(worker=worker, at_s=at_s, speed=rng.choice([0.1, 0.5, 1.0, 4.0]))

    @property
    def space(self):
        return {"x": mh.Float(0, 1)} if self.n_points is None else {"x": mh.Int(0, self.n_points - 1)}

    def curve(self, params, trial):
        """Depends on nothing but the part and its checkpoint, so that a second run of it is the same."""
        rng = random.Random(f"{self.seed}/{trial.id}/{trial.split}/{trial.attempt}")  # noqa: S311
        kind = rng.choice(["good"] * 12 + ["raises", "nan", "silent", "hangs", "breaks", "at once", "ties", "ties"])
        if kind == "raises":
            raise ValueError("no luck")
        if kind == "silent":
            return 1.0
        for step in range(trial.restore(0), rng.randint(1, 6)):
            seconds = {"at once": 0.0, "ties": 5.0}.get(kind, rng.uniform(0, 10)) * self.unit_s
            if kind == "hangs" and self.may_hang and step == 1:
                seconds = math.inf
            trial.save(step + 1)
            yield seconds, math.nan if kind == "nan" else rng.gauss(0, 1), {"step": step}
            if kind == "breaks":
                raise RuntimeError("broken")
        return None

    def run(self, recorder=None):
        """Run it as ``tune`` does, with a witness beside it; returns the witness."""
        executor = SlowToStop(self.n_workers, self.stop_s, faults=self.faults, start_s=self.start_s)
        settings = Settings(
            seed=self.seed,
            max_trials=self.max_trials,
            n_splits=self.n_splits,
            max_failures=self.max_failures,
            max_attempts=self.max_attempts,
            timeout_s=self.timeout_s,
            trial_timeout_s=self.trial_timeout_s,
            ahead=self.ahead,
        )
        space = mh.Space(self.space)
        may_fork = self.max_trials is not None
        schedulers = {None: None, "stops": StopsSome(), "pauses": PausesSome(self.seed, may_fork)}
        scheduler = schedulers[self.scheduler]
        search = Watched(space, make_sampler(self.sampler), settings, scheduler=scheduler)
        store = mh.MemoryStore()
        spec = StudySpec("s", space.spec(), n_splits=self.n_splits)
        store.open(spec, resume=False)
        pace = Pace(math.inf, math.inf)
        driver = Driver(search, spec, executor, store, executor.clock, recorder=recorder, pace=pace)
        driver.run(Job(self.curve, space.template, takes_trial=True))
        if search.error is not None:
            raise search.error
        search.witness.check_the_end(search, store)
        return search.witness


class Watched(Search):
    """A search with a witness that sees every event, and the commands it led to."""

    def __init__(self, space, sampler, settings, **given):
        super().__init__(space, sampler, settings, **given)
        self.witness = Witness(settings)

    def handle(self, event):
        commands = super().handle(event)
        self.witness.see(event, commands)
        return commands


class Witness:
    """Keeps books of its own, from events and commands alone, and compares.

    Attributes:
        most_held: The most parts that a worker had at a time.
        busy_s: For each worker, the seconds for which it had something to do.
        alive_s: The same for which it was there.
    """

    def __init__(self, settings):
        self._settings = settings
        self._n_splits = settings.n_splits or 1
        self._held = {}  # worker -> the parts it has, the one it is at first
        self._since = {}  # worker -> since when it is at that one
        self._told = set()  # parts that were told to stop
        self._forgotten = set()  # workers that were told to die
        self._given = set()  # parts that were started
        self._closed = Counter()  # how often each of them ended, was lost or was taken away
        self._to_do = {}  # trial -> splits without a result
        self._outcomes = {}  # trial -> its state
        self._paused = set()  # trials
        self.n_pauses = 0
        self.n_forks = 0
        self.n_early = 0  # how often a trial had to go on before it had left
        self._n_reports = Counter()
        self._kept_reports = Counter()
        self._now = 0.0
        self._ended = False
        self.most_held = 0
        self.busy_s = Counter()
        self.alive_s = Counter()

    def see(self, event, commands):
        assert event.at >= self._now, f"time went back from {self._now} to {event.at}"
        for worker, parts in self._held.items():
            self.alive_s[worker] += event.at - self._now
            self.busy_s[worker] += (event.at - self._now) * bool(parts)
        self._now = event.at
        self._happened(event)
        for command in commands:
            self._done(command, event)
        self._check_nobody_works_in_vain()
        self._check_nobody_idles()

    def _happened(self, event):
        match event:
            case WorkerJoined(worker):
                assert worker not in self._held, f"{worker} joined twice"
                self._held[worker] = []
            case WorkerLost(worker):
                if worker not in self._forgotten:
                    self._leaves(worker)
            case PartReturned(part):
                self._held[self._holder(part)].remove(part)
                self._given.remove(part)
            case PartFinished() | PartFailed() | PartStopped():
                worker = self._holder(event.part)
                if worker is None:
                    assert self._closed[event.part], f"{event.part} ended and was never started"
                    return
                assert not isinstance(event, PartStopped) or event.reason, "it says why"
                if not isinstance(event, PartStopped):
                    assert event.seconds == pytest.approx(self._now - self._since[worker], abs=1e-6)
                assert self._held[worker].pop(0) == event.part, "parts end in their order"
                self._since[worker] = self._now
                self._closed[event.part] += 1
                if isinstance(event, PartFinished) and event.part.trial_id in self._to_do:
                    self._to_do[event.part.trial_id].discard(event.part.split)
            case Reported():
                is_held = self._holder(event.part) is not None
                assert is_held or self._closed[event.part], f"{event.part} reported and was never started"
                self._n_reports[event.part] += len(event.reports)

    def _done(self, command, event):  # noqa: C901 - a table of commands
        match command:
            case SaveTrial(trial) if trial.state is TrialState.PAUSED:
                self._pauses(trial, event)
            case SaveTrial(trial) if trial.state is TrialState.RUNNING and trial.id in self._to_do:
                self._goes_on(trial)
            case SaveTrial(trial) if trial.state is TrialState.RUNNING:
                assert trial.id not in self._to_do, "a trial begins once"
                self._to_do[trial.id] = set(range(self._n_splits))
                assert len(self._to_do) <= (self._settings.max_trials or math.inf)
                self.n_forks += trial.parent is not None
            case SaveTrial(trial):
                assert trial.id not in self._outcomes, f"trial {trial.id} ended twice"
                assert trial.ended_at == event.at
                assert trial.state is not TrialState.FINISHED or not self._to_do[trial.id], "it has all its splits"
                self._outcomes[trial.id] = trial.state
                self._paused.discard(trial.id)
            case StartPart(worker, part):
                assert self._settings.ahead or not self._held[worker], f"{worker} was given {part} while it has others"
                assert part not in self._given, f"{part} was started twice"
                assert part.trial_id not in self._paused
                assert part.attempt == 1 or Part(part.trial_id, part.split, part.attempt - 1) in self._given
                assert part.trial_id not in self._outcomes, f"{part} began after its trial had ended"
                self._given.add(part)
                self._held[worker].append(part)
                self.most_held = max(self.most_held, len(self._held[worker]))
                if len(self._held[worker]) == 1:
                    self._since[worker] = event.at
            case KillWorker(worker):
                self._forgotten.add(worker)
                self._leaves(worker)
            case StopPart(worker, part):
                assert part in self._held[worker]
                self._told.add(part)
            case SaveReports(part, reports):
                self._kept_reports[part] += len(reports)
            case EndSearch():
                self._ended = True

    def _pauses(self, trial, event):
        assert trial.id not in self._paused | set(self._outcomes), "it pauses once"
        assert not self._is_held(trial)
        assert trial.ended_at == event.at
        assert trial.reason == "let others try"
        self._paused.add(trial.id)
        self.n_pauses += 1

    def _goes_on(self, trial):
        is_leaving = self._is_held(trial)
        assert is_leaving or trial.id in self._paused, "only what was paused goes on"
        assert trial.id not in self._outcomes
        assert not trial.reason
        assert trial.ended_at is None
        self.n_early += is_leaving
        self._paused.discard(trial.id)

    def _is_held(self, trial):
        return any(part.trial_id == trial.id for parts in self._held.values() for part in parts)

    def _check_nobody_idles(self):
        if self._ended:
            return
        idle = [worker for worker, parts in self._held.items() if not parts]
        if not idle:
            return
        held = {(part.trial_id, part.split) for parts in self._held.values() for part in parts}
        waiting = [
            (trial_id, split)
            for trial_id, splits in self._to_do.items()
            if trial_id not in self._outcomes
            for split in splits
            if (trial_id, split) not in held and trial_id not in self._paused
        ]
        assert not waiting, f"{idle} are idle while {waiting} wait"

    def _check_nobody_works_in_vain(self):
        if self._ended:
            return
        for parts in self._held.values():
            for part in parts:
                assert part.trial_id not in self._outcomes or part in self._told, f"{part} should have been stopped"

    def _holder(self, part):
        return next((worker for worker, parts in self._held.items() if part in parts), None)

    def _leaves(self, worker):
        """The first of its parts is charged; it had not come to the others, which are as if never given."""
        first, *others = self._held.pop(worker) or [None]
        if first is not None:
            self._closed[first] += 1
        self._given -= set(others)

    def check_the_end(self, search, store):
        trials = search.trials
        assert search.end_reason
        assert sorted(trials) == list(range(len(trials))) == sorted(self._to_do), "no trial is lost"
        paused = dict.fromkeys(self._paused, TrialState.PAUSED)
        assert {trial.id: trial.state for trial in trials.values()} == self._outcomes | paused
        ended = [trial for trial in trials.values() if trial.state.is_end]
        assert search.n_ended == len(ended), "all that ended are known"
        assert sorted(trial.order for trial in ended) == list(range(len(ended)))
        cut_off = len(trials) - len(ended)
        if cut_off:
            assert any(word in search.end_reason for word in ("time was up", "trials failed", "max_failures"))
        elif search.end_reason.startswith("all"):
            assert len(trials) == self._settings.max_trials
        for part in self._given:
            is_held = self._holder(part) is not None
            assert self._closed[part] + is_held == 1, f"{part} was closed {self._closed[part]} times"
        for trial in trials.values():
            assert len(trial.lost) <= self._settings.max_attempts * self._n_splits
            assert 0 <= trial.paused_s <= trial.duration_s
            assert (trial.value is not None) or trial.state is not TrialState.FINISHED
        assert {trial.id: trial for trial in store._history(store._spec).trials} == trials, "what is stored is what is"
        stored = Counter(part for part, _ in store.reports())
        assert stored == self._kept_reports
        assert all(n <= self._n_reports[part] for part, n in stored.items())
        for worker, busy_s in self.busy_s.items():
            assert busy_s <= self.alive_s[worker] + 1e-6
        is_plain = self._n_splits == 1 and not self._settings.ahead
        if is_plain and not any(trial.lost for trial in trials.values()):
            spent = sum(trial.duration_s - trial.paused_s for trial in trials.values())
            assert spent == pytest.approx(sum(self.busy_s.values()), abs=1e-3)


@pytest.mark.parametrize("group", range(N_GROUPS))
def test_what_must_hold_holds_whatever_happens(group):
    for seed in range(FIRST_SEED + group, FIRST_SEED + N_SEEDS, N_GROUPS):
        try:
            Case(seed).run()
        except Exception as error:
            again = f"MANYHANDS_FIRST_SEED={seed} MANYHANDS_SEEDS=1 python -m pytest {__file__}"
            raise AssertionError(f"seed {seed}: {error}\n{again}") from error


def test_the_cases_are_as_varied_as_they_should_be():
    """Else what holds might hold for want of trouble."""
    states, seen = Counter(), Counter()
    for seed in range(200):
        case = Case(seed)
        events = []
        witness = case.run(events.append)
        states.update(witness._outcomes.values())
        seen["cut off while paused"] += len(witness._paused)
        seen["pauses"] += witness.n_pauses
        seen["went on before they left"] += witness.n_early
        seen["forks"] += witness.n_forks
        seen.update(type(event).__name__ for event in events)
        seen["late attempt"] += any(part.attempt > 1 for part in witness._given)
        seen["killed"] += bool(witness._forgotten)
        seen["given ahead"] += witness.most_held > 1
    assert all(n > 10 for n in states.values()), states
    assert len(states) == len(TrialState) - 2, "all but running and paused"
    assert seen["cut off while paused"] > 5, seen
    assert seen["went on before they left"] > 5, seen
    assert min(seen["pauses"], seen["forks"]) > 50, seen
    assert min(seen[name] for name in ("WorkerLost", "PartStopped", "Reported", "PartFailed", "Ticked")) > 20, seen
    assert seen["late attempt"] > 5
    assert seen["killed"] > 5
    assert seen["given ahead"] > 5
    assert seen["PartReturned"] > 5
