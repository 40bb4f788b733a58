"""Where a search stands: counts and estimates."""

from collections import Counter, deque
from collections.abc import Mapping

from manyhands.incumbents import incumbents_of
from manyhands.ports import StudySpec
from manyhands.trial import Report, Trial, TrialState

_PACE_S = 60.0  # the pace is that of this last stretch
_ENOUGH_TRIALS = 10  # to tell a pace by
_SOON_S = 2.0  # the first trials wait for their workers to start, and would tell a wrong pace


class Tally:
    """Counts trials.

    Args:
        spec: What makes the study the one it is.
        n_workers: How many trials can run at a time.
        trials: Those of earlier runs. Those without an end will run again.
        max_trials: How many there will be, if that is known.
        at: When the search begins.

    Attributes:
        running: Those on their way, by id; the last of them may still wait for a worker.
        paused: Those that were on their way and left their workers to others, by id.
        reports: The last that each of the running ones reported, by id.
        states: How many trials ended in each state.
        incumbents: The best of the finished trials.
        n_done: How many trials have their outcome.
        n_before: How many of these came from earlier runs.
        n_lost: How many attempts were lost with their workers.
    """

    def __init__(self, spec: StudySpec, n_workers: int, trials: Mapping[int, Trial], max_trials: int | None, at: float):
        self.spec = spec
        self.n_workers = n_workers
        self.max_trials = max_trials
        self.began_at = at
        self.running: dict[int, Trial] = {}
        self.paused: dict[int, Trial] = {}
        self.reports: dict[int, Report] = {}
        self.states: Counter[TrialState] = Counter()
        self.n_done = 0
        self.n_lost = 0
        for trial in trials.values():
            if trial.state.is_end:
                self._count(trial)
            elif trial.state is TrialState.PAUSED:
                self.pause(trial)
            else:
                self.start(trial)
        self.incumbents = incumbents_of(trials.values(), spec.direction)
        self.n_before = self.n_done
        self._marks = deque([(at, self.n_done)])

    def start(self, trial: Trial) -> None:
        """A trial runs, or goes on."""
        self.paused.pop(trial.id, None)
        self.running[trial.id] = trial

    def pause(self, trial: Trial) -> None:
        """A trial left its worker to others."""
        self.running.pop(trial.id, None)
        self.reports.pop(trial.id, None)
        self.paused[trial.id] = trial

    def report(self, trial: Trial, report: Report) -> None:
        """A trial reported; if it has ended, nobody wants to know."""
        if trial.id in self.running:
            self.reports[trial.id] = report

    def end(self, trial: Trial) -> None:
        """A trial does not run any more."""
        self.running.pop(trial.id, None)
        self.paused.pop(trial.id, None)
        self.reports.pop(trial.id, None)
        self._count(trial)
        self.incumbents.add(trial)

    @property
    def n_running(self) -> int:
        """How many trials workers are at. With splits these may be fewer than the busy workers."""
        return min(len(self.running), self.n_workers)

    def pace(self, at: float) -> float | None:
        """Trials per second: those of the last minute, or of the whole run if these are few."""
        self._mark(at)
        since, n_then = self._marks[0]
        if self.n_done - n_then < _ENOUGH_TRIALS:
            since, n_then = self.began_at, self.n_before
        return (self.n_done - n_then) / (at - since) if self.n_done > n_then and at > since else None

    def seconds_left(self, at: float) -> float | None:
        """How long the rest takes at the present pace; None if nobody can tell, or not yet."""
        pace = self.pace(at)
        if pace is None or self.max_trials is None or at - self.began_at < _SOON_S:
            return None
        n_enough = max(3, min(_ENOUGH_TRIALS, self.max_trials / 10))
        n_left = self.max_trials - self.n_done
        return n_left / pace if n_left > 0 and self.n_done - self.n_before >= n_enough else None

    def _count(self, trial: Trial) -> None:
        self.states[trial.state] += 1
        self.n_done += trial.state.is_end
        self.n_lost += len(trial.lost)

    def _mark(self, at: float) -> None:
        if at - self._marks[-1][0] >= 1:
            self._marks.append((at, self.n_done))
        while len(self._marks) > 1 and at - self._marks[1][0] >= _PACE_S:
            self._marks.popleft()
