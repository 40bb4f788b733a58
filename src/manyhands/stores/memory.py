"""A store that lasts as long as its process: for tests, and for searches that nobody needs again."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from manyhands.errors import StudyMismatchError
from manyhands.events import Save, SaveReports, SaveSplit, SaveTrial
from manyhands.ports import History, Moment, StudySpec
from manyhands.stores.logfile import LogFile
from manyhands.stores.matching import check_match, continued
from manyhands.trial import Part, Report, Result, Trial


class MemoryStore:
    """Keeps a study in memory, but for what its trials print, which goes to a temporary file."""

    def __init__(self) -> None:
        self._spec: StudySpec | None = None
        self._trials: dict[int, Trial] = {}
        self._splits: dict[int, dict[int, Result]] = {}
        self._reports: list[tuple[Part, Report]] = []
        self._moments: list[Moment] = []
        self._logs = LogFile()
        self._end_reason = ""

    def open(self, spec: StudySpec, *, resume: bool) -> History:
        """Create the study, or take it up again; see ``manyhands.ports.Store``."""
        history = self._history(self._spec or spec)
        if self._spec is not None:
            try:
                check_match(self._spec, spec, resume=resume, where="this MemoryStore")
                spec = continued(self._spec, spec)
            except StudyMismatchError:
                if history.has_outcomes:
                    raise
                self._trials.clear()
                self._splits.clear()
                self._reports.clear()
                self._moments.clear()
                self._logs.clear()
        self._spec = replace(spec, seed=max(spec.seed, 0))
        history, self._end_reason = self._history(self._spec), ""
        return history

    def write(self, saves: Sequence[Save], logs: Iterable[tuple[Part, str]] = ()) -> None:
        """Keep it."""
        self._logs.add(logs)  # first, as nothing else can fail
        for save in saves:
            match save:
                case SaveReports():  # by far the most frequent
                    for report in save.reports:
                        self._reports.append((save.part, report))
                case SaveTrial(trial):
                    self._trials[trial.id] = trial
                    self._moments.append(Moment(trial.id, trial.state, len(self._reports)))
                case SaveSplit(trial_id, split, result):
                    self._splits.setdefault(trial_id, {})[split] = result

    def beat(self) -> None:
        """Nobody else could be waiting for it."""

    def end(self, reason: str) -> None:
        """Note why the run ended."""
        self._end_reason = reason

    def reports(self) -> Iterator[tuple[Part, Report]]:
        """All intermediate values, in the order of their arrival."""
        return iter(tuple(self._reports))

    def log(self, trial_id: int) -> str:
        """Everything the trial printed; works after ``close`` too."""
        return self._logs.read(trial_id)

    def close(self) -> None:
        """There is nothing to release: the study can still be looked at."""

    def _history(self, spec: StudySpec) -> History:
        trials = sorted(self._trials.values(), key=lambda trial: trial.id)
        splits = {
            (trial.id, split): result
            for trial in trials
            if not trial.state.is_end
            for split, result in self._splits.get(trial.id, {}).items()
        }
        return History(spec, trials, splits, self._end_reason, list(self._moments))
