"""Asynchronous successive halving with promotions: trials pause at a rung, and the best of them go on."""

import heapq
import math

from msgspec import Struct

from manyhands.ports import Pause, Resume
from manyhands.schedulers.asha import ASHAScheduler
from manyhands.schedulers.rungs import Rungs
from manyhands.trial import Trial


class _Place(Struct, frozen=True, gc=False):
    """Where a trial pauses."""

    bracket: int
    rung: int
    loss: float


class ASHAPromotionScheduler(ASHAScheduler):
    """Pauses a trial that is not among the best at a rung, and lets it go on as soon as it is.

    This is ASHA as published (Li et al., MLSys 2020, https://arxiv.org/abs/1810.05934, Algorithm 2). A trial that comes
    to a rung goes on at once if it is among the best ``1 / reduction`` of those seen there so far, itself included;
    else it pauses. Whenever a worker is free, the best paused trial that is by now among them goes on, from the highest
    rung that has one; if none has, a new trial begins. So no trial is stopped for good before it is known what is good
    at its rung, and few go on for want of others to compare them with. In return nearly every trial leaves its worker
    once or more: objectives should save checkpoints (``trial.save`` and ``trial.restore``), as without one a trial that
    goes on begins anew.

    The best trial of a rung always goes on, even if fewer than ``reduction`` were seen there; in the paper it waits. So
    one trial at least comes to its end, however few there are. A trial without a finite value at a rung is stopped.

    What a rung is, which loss counts there, the arguments and the errors are those of ``ASHAScheduler``.
    """

    def _reset(self) -> None:
        firsts = (self.min_steps * self.reduction**i for i in range(self.brackets))
        self._ladders = [Rungs(first, self.reduction, self.max_steps, at_least=1) for first in firsts]
        self._places: dict[int, _Place] = {}  # by trial: where it pauses
        # Of each (rung, bracket) the paused trials, the best first. Those that went on are removed when first.
        self._queues: dict[tuple[int, int], list[tuple[float, int]]] = {}
        self._order: list[tuple[int, int]] = []  # of the queues, the highest rung first

    def _judge(self, trial_id: int, step: int, loss: float) -> str | Pause | None:
        bracket = self.bracket_of(trial_id)
        verdict = self._ladders[bracket].enter(trial_id, step, loss)
        if verdict is None:
            return None
        if math.isinf(loss):
            return f"it has no finite value at step {step}"
        if verdict.goes_on:
            return None
        self._places[trial_id] = _Place(bracket, verdict.rung, loss)
        heapq.heappush(self._queue_of(verdict.rung, bracket), (loss, trial_id))
        return Pause(self._reason(step, loss, verdict))

    def next_trial(self) -> Resume | None:
        """Return the paused trial that is to go on, if there is one; see ``manyhands.ports.Scheduler``."""
        for rung, bracket in self._order:
            first = self._first_of(rung, bracket)
            if first is not None and self._ladders[bracket].compare(rung, first[0]).goes_on:
                return Resume(first[1])
        return None

    def began(self, trial: Trial) -> None:
        """A trial begins, or goes on."""
        super().began(trial)
        self._places.pop(trial.id, None)

    def observe(self, trial: Trial, loss: float | None) -> None:
        """A trial that ended does not go on; it may have come to its end before it heard that it should pause."""
        self._places.pop(trial.id, None)

    def _queue_of(self, rung: int, bracket: int) -> list[tuple[float, int]]:
        if (rung, bracket) not in self._queues:
            self._queues[rung, bracket] = []
            self._order = sorted(self._queues, key=lambda key: (-key[0], key[1]))
        return self._queues[rung, bracket]

    def _first_of(self, rung: int, bracket: int) -> tuple[float, int] | None:
        queue = self._queues[rung, bracket]
        while queue:
            loss, trial_id = queue[0]
            if self._places.get(trial_id) == _Place(bracket, rung, loss):
                return loss, trial_id
            heapq.heappop(queue)
        return None
