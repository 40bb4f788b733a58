"""What a stored study learned, in the order in which it did."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from manyhands.ports import History
from manyhands.trial import Part, Report, Trial, TrialState


class Began(Struct, frozen=True, gc=False):
    """A trial began, or went on after a pause, or was run again."""

    trial: Trial


class Judged(Struct, frozen=True, gc=False):
    """A report came in, and was judged if its trial had not been told to leave."""

    part: Part
    report: Report


class Ended(Struct, frozen=True, gc=False):
    """A trial's outcome became known."""

    trial: Trial


def past(history: History, reports: Iterable[tuple[Part, Report]] = ()) -> Iterator[Began | Judged | Ended]:
    """Yield everything that a search learned, in the order in which it did.

    Trials of files of older versions have no moments, and are ordered by clocks: each ended after the reports up to the
    first one that is later.

    Args:
        history: What a store knows of the study.
        reports: The study's, in the order in which they arrived; none if nobody wants to know.
    """
    trials = {trial.id: trial for trial in history.trials}
    told = _Reports(reports)
    dated = {moment.trial_id for moment in history.moments if moment.state.is_end}
    undated = [trial for trial in history.trials if trial.state.is_end and trial.id not in dated]
    for trial in sorted(undated, key=lambda trial: trial.order):
        yield from told.until(trial.ended_at or 0.0)
        yield Ended(trial)
    for moment in history.moments:
        yield from told.up_to(moment.n_reports)
        trial = trials[moment.trial_id]
        if moment.state is TrialState.RUNNING:
            yield Began(trial)
        elif moment.state.is_end and trial.id in dated:
            dated.remove(trial.id)  # it ends once
            yield Ended(trial)
    yield from told.rest()


class _Reports:
    """Reports in their order, with a look at the next one."""

    def __init__(self, reports: Iterable[tuple[Part, Report]]):
        self._reports = iter(reports)
        self._next = next(self._reports, None)
        self._n = 0

    def until(self, at: float) -> Iterator[Judged]:
        """Those before the first one that is later than some time."""
        while self._next is not None and self._next[1].at <= at:
            yield self._take(*self._next)

    def up_to(self, n: int) -> Iterator[Judged]:
        """Those among the first ``n``."""
        while self._next is not None and self._n < n:
            yield self._take(*self._next)

    def rest(self) -> Iterator[Judged]:
        """All others."""
        while self._next is not None:
            yield self._take(*self._next)

    def _take(self, part: Part, report: Report) -> Judged:
        self._next = next(self._reports, None)
        self._n += 1
        return Judged(part, report)
