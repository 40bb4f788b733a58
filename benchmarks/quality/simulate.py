"""A search with simulated workers: what is told when is decided by drawn durations, not by this machine's load."""

import heapq
import time
import zlib
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from benchmarks.quality.problems import Problem

_SIGMA = 0.5  # of the logarithm of a trial's duration


class Proposer(Protocol):
    """A search by ask-and-tell, ours or another library's."""

    def ask(self) -> tuple[Any, Any] | None:
        """Return a handle and params for a new trial; None if there is nothing to try before another is told."""

    def tell(self, handle: Any, loss: float) -> None:
        """Say what a trial cost."""


@dataclass
class Run:
    """What a search came to.

    Attributes:
        losses: In the order in which they were told.
        seconds: That the proposer took for the ask and the tell of each trial, in the same order.
    """

    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def simulate(proposer: Proposer, problem: Problem, *, p: int, seed: int, n_trials: int) -> Run:
    """Run ``n_trials`` on ``p`` workers; a worker that is free asks at once, and tells when its trial ends.

    Durations are log-normal, and those of a problem, seed and trial number are the same whoever proposes.
    """
    run = Run()
    on_their_way: list[tuple[float, int, Any, float, float]] = []  # end, number, handle, loss, seconds of the ask
    now, n_asked = 0.0, 0
    while True:
        while len(on_their_way) < p and n_asked < n_trials:
            started = time.perf_counter()
            asked = proposer.ask()
            seconds = time.perf_counter() - started
            if asked is None:
                break
            handle, params = asked
            end = now + duration(problem.name, seed, n_asked)
            heapq.heappush(on_their_way, (end, n_asked, handle, problem.loss(params), seconds))
            n_asked += 1
        if not on_their_way:
            return run
        now, _, handle, loss, seconds = heapq.heappop(on_their_way)
        started = time.perf_counter()
        proposer.tell(handle, loss)
        run.losses.append(loss)
        run.seconds.append(seconds + time.perf_counter() - started)


def duration(problem: str, seed: int, number: int) -> float:
    """How long a trial takes; the median is 1."""
    rng = np.random.default_rng([zlib.crc32(problem.encode()), seed, number])
    return float(rng.lognormal(sigma=_SIGMA))
