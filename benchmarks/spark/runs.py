"""What a run of many trials was like: when each began and ended, and the arithmetic on that."""

import heapq
from collections.abc import Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """One trial, by the clock of its own objective.

    Attributes:
        began: Seconds since 1970.
        ended: The same.
    """

    began: float
    ended: float


class Run(NamedTuple):
    """All trials of a search.

    Attributes:
        spans: One for each trial.
        wall_s: Seconds from the call of the search to its return.
    """

    spans: Sequence[Span]
    wall_s: float

    @property
    def began(self) -> float:
        """When the first trial began."""
        return min(span.began for span in self.spans)

    @property
    def ended(self) -> float:
        """When the last trial ended."""
        return max(span.ended for span in self.spans)

    @property
    def work_s(self) -> float:
        """Seconds that the trials took, one after another."""
        return sum(span.ended - span.began for span in self.spans)

    @property
    def rate(self) -> float:
        """Trials a second, from the first trial's begin to the last one's end."""
        return len(self.spans) / (self.ended - self.began)

    @property
    def speedup(self) -> float:
        """How many times longer the trials would take one after another."""
        return self.work_s / (self.ended - self.began)

    def ramp_s(self, slots: int) -> float:
        """Seconds until as many trials as there are slots have begun, or all of them if they are fewer."""
        return sorted(span.began for span in self.spans)[:slots][-1] - self.began

    def speedup_at_full_size(self, slots: int) -> float:
        """How many trials run at a time, once as many as there are slots have begun."""
        since = self.began + self.ramp_s(slots)
        return sum(max(0.0, span.ended - max(span.began, since)) for span in self.spans) / (self.ended - since)

    def utilisation(self, slots: int) -> float:
        """The part of the slots' time in which trials ran, from the first trial's begin to the last one's end."""
        return self.speedup / slots

    def utilisation_without_tail(self, slots: int) -> float:
        """The same, until the last trial begins: there is work for every slot until then.

        Nobody can fill the slots after it, however well they hand out trials.
        """
        until = max(span.began for span in self.spans)
        busy = sum(min(span.ended, until) - span.began for span in self.spans)
        return busy / (slots * (until - self.began))


def middle(runs: Sequence[Run]) -> Run:
    """The run whose speed-up is the median of all."""
    return sorted(runs, key=lambda run: run.speedup)[len(runs) // 2]


def ideal(durations: Sequence[float], slots: int) -> Run:
    """What comes of it if every slot takes the next trial in the very moment in which it is free."""
    free = [0.0] * slots
    spans = []
    for duration in durations:
        began = heapq.heappop(free)
        spans.append(Span(began, began + duration))
        heapq.heappush(free, began + duration)
    return Run(spans, max(free))
