"""Shows on the console how a search goes: live on a terminal, as plain lines in notebooks and elsewhere.

The hooks only count and note. What they noted is shown by ``tick``, a few times a second at most, and showing it costs
the same however many trials are done.
"""

import sys
from collections.abc import Mapping, Sequence

from manyhands.clock import SystemClock
from manyhands.ports import Clock, StudySpec, Tracker
from manyhands.space import Space
from manyhands.trackers.output import Output
from manyhands.trackers.plain import PlainLines
from manyhands.trackers.screen import Screen
from manyhands.trackers.stream import find_notebook, find_terminal
from manyhands.trackers.tally import Tally
from manyhands.trackers.words import ending, one_line
from manyhands.trial import Report, Trial, TrialState

_MOST_KINDS = 20  # of failures that are announced


class ConsoleTracker(Tracker):
    """Shows a search on standard error; on standard output if only that is a terminal, or a notebook's cell.

    Args:
        space: What is searched.
        clock: Tells when the search begins and ends.
        shows_output: Whether to show what trials print. If it is None: on terminals and in notebooks, but not in files.
    """

    def __init__(self, space: Space, *, clock: Clock | None = None, shows_output: bool | None = None):
        self._space = space
        self._clock = clock or SystemClock()
        self._shows_output = shows_output
        self._news: list[str] = []
        self._kinds: set[str] = set()

    def started(self, spec: StudySpec, n_workers: int, trials: Mapping[int, Trial], max_trials: int | None) -> None:
        """Count the trials of earlier runs, and find out what kind of console this is."""
        self._tally = Tally(spec, n_workers, trials, max_trials, self._clock.now())
        terminal, notebook = find_terminal(), find_notebook()
        is_watched = terminal is not None or notebook is not None
        self._output = Output() if (is_watched if self._shows_output is None else self._shows_output) else None
        self._face: PlainLines | Screen = (
            PlainLines(notebook or sys.stderr, self._tally, self._space)
            if terminal is None
            else Screen(terminal, self._tally, self._space)
        )
        self._face.begin()

    def explained(self, text: str) -> None:
        """Note what sampler and scheduler do."""
        self._news.append(one_line(text))

    def trial_started(self, trial: Trial) -> None:
        """Note that it runs."""
        self._tally.start(trial)

    def reported(self, trial: Trial, reports: Sequence[Report]) -> None:
        """Keep the last report."""
        if reports:
            self._tally.report(trial, reports[-1])

    def logged(self, trial_id: int, text: str) -> None:
        """Keep what was printed until it can be shown."""
        if self._output is not None:
            self._output.add(trial_id, text)

    def trial_paused(self, trial: Trial) -> None:
        """Note that it left its worker to others."""
        self._tally.pause(trial)

    def trial_ended(self, trial: Trial) -> None:
        """Count it."""
        self._tally.end(trial)
        if self._output is not None:
            self._output.finish(trial.id)
        if trial.state is TrialState.FAILED:
            self._announce_failure(trial)

    def tick(self, at: float) -> None:
        """Show what has changed."""
        if at >= self._face.next_at:
            self._face.draw(at, self._take_news(at))

    def ended(self, reason: str) -> None:
        """Take the display away, and say in a line what came out."""
        at = self._clock.now()
        self._face.end([*self._take_news(at, last=True), ending(self._tally, at, reason)])

    def _announce_failure(self, trial: Trial) -> None:
        kind = trial.reason.partition(":")[0]
        if kind not in self._kinds and len(self._kinds) < _MOST_KINDS:
            self._kinds.add(kind)
            self._news.append(f"Trial {trial.id} failed because {one_line(trial.reason)}")

    def _take_news(self, at: float, *, last: bool = False) -> list[str]:
        news, self._news = self._news, []
        return news if self._output is None else [*self._output.take(at, last=last), *news]
