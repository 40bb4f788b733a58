"""A sampler with a watch beside it: how long it thinks; and what methods say that they do."""

from collections.abc import Callable, Mapping

from manyhands.ports import Outcome, Problem, Sampler
from manyhands.space import Point
from manyhands.trial import Trial


def explained(method: object) -> str:
    """What a sampler or a scheduler says that it does, and why; empty if it says nothing."""
    explain = getattr(method, "explain", None)
    if explain is None:
        return ""
    try:
        return str(explain())
    except Exception as error:  # not worth ending a search for, nor hiding
        return f"(its explain() raised {type(error).__name__}: {error})"


class TimedSampler:
    """Passes everything on to a sampler, and counts the seconds that it takes.

    Args:
        sampler: Any sampler.
        timer: Tells seconds from any point in time on, never going backwards.

    Attributes:
        seconds: How long the sampler has been thinking, all together.
    """

    def __init__(self, sampler: Sampler, timer: Callable[[], float]):
        self.seconds = 0.0
        self._sampler = sampler
        self._timer = timer

    @property
    def learns(self) -> bool:
        """Whether outcomes change what is suggested."""
        return self._sampler.learns

    @property
    def explanation(self) -> str:
        """What the sampler does and why, if it says so."""
        return explained(self._sampler)

    def start(self, problem: Problem) -> None:
        """Prepare for a search; see ``manyhands.ports.Sampler``."""
        self._sampler.start(problem)

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return a point for a new trial, or None."""
        began = self._timer()
        try:
            return self._sampler.suggest(trial_id, running)
        finally:
            self.seconds += self._timer() - began

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Learn of an outcome."""
        began = self._timer()
        try:
            self._sampler.observe(trial, outcome)
        finally:
            self.seconds += self._timer() - began
