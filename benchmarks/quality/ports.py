"""Our samplers through their port alone, without a study around them."""

from typing import Any

from benchmarks.quality.proposers import chosen
from manyhands.ports import Outcome, Problem
from manyhands.samplers import make_sampler
from manyhands.space import Point, Space
from manyhands.trial import Trial, TrialState


class Ported:
    """A sampler that is asked and told by hand.

    Args:
        sampler: A name that ``mh.Study`` knows, or ``"module:Class"``.
        space: What is searched.
        seed: Of the sampler.
        n_trials: How many there will be.
    """

    def __init__(self, sampler: str, space: Space, seed: int, n_trials: int):
        self._space = space
        self._sampler = make_sampler(chosen(sampler))
        self._sampler.start(Problem(space, seed=seed, max_trials=n_trials))
        self._running: dict[int, Point] = {}
        self._next_id = 0

    def ask(self) -> tuple[Any, Any] | None:
        """Return a trial's id and its params."""
        point = self._sampler.suggest(self._next_id, self._running)
        if point is None:
            return None
        trial_id = self._new_id()
        self._running[trial_id] = point
        return trial_id, self._space.build(point)

    def tell(self, handle: int, loss: float) -> None:
        """Say what the trial cost."""
        self._observe(handle, self._running.pop(handle), loss)

    def learn(self, point: Point, loss: float) -> None:
        """Observe a trial that the sampler did not suggest."""
        self._observe(self._new_id(), point, loss)

    def _observe(self, trial_id: int, point: Point, loss: float) -> None:
        trial = Trial(trial_id, point, self._space.build(point), state=TrialState.FINISHED, value=loss)
        self._sampler.observe(trial, Outcome((loss,)))

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1
