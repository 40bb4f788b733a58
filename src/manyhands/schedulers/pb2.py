"""Population based bandits: population based training that learns which params help when."""

from collections.abc import Iterable, Sequence

from numpy.random import default_rng

from manyhands.ports import Problem
from manyhands.schedulers.bandit import Bandit
from manyhands.schedulers.pbt import PBTScheduler
from manyhands.schedulers.population import Member
from manyhands.space import Point

_BANDIT = 0x9B2  # a stream of random numbers


class PB2Scheduler(PBTScheduler):
    """Population based training in which a copy's params are chosen by a model of what all members have shown.

    Everything is as in ``PBTScheduler``, but for one thing: the numbers among a copy's params are not moved at random.
    A Gaussian process learns how much the loss fell in an interval, from the time, the loss and the params at its
    beginning, and a copy takes the params that may let it fall most (Parker-Holder et al. 2020,
    https://arxiv.org/abs/2002.02518; here without its theory's schedule of optimism). In
    ``benchmarks/population.py`` that comes to lower losses than ``PBTScheduler`` with as many members. Choices change
    as they do there. A copy takes the driver longer, as the model is fitted for it.

    Args:
        interval: How many steps a member trains between comparisons; enough for params to show what they are worth.
        population: How many members there are.
        max_steps: How many steps a trial has, if that is known.
        quantile: Which share of the members is replaced, and which is copied.
        resample: For choices, and while too little is known for the model; see ``PBTScheduler``.
        factors: The same, for numbers.
        mutable: The names of the parameters that may change; all if not given.
        seed: Of the copies' choice and params; the study's own if not given.

    Raises:
        SettingsError: An argument makes no sense; or, when the search begins, the space lacks a name of ``mutable``.
    """

    def __init__(
        self,
        interval: int = 5,
        population: int = 8,
        *,
        max_steps: int | None = None,
        quantile: float = 0.25,
        resample: float = 0.25,
        factors: Sequence[float] = (0.8, 1.2),
        mutable: Iterable[str] | None = None,
        seed: int | None = None,
    ):
        super().__init__(
            interval,
            population,
            max_steps=max_steps,
            quantile=quantile,
            resample=resample,
            factors=factors,
            mutable=mutable,
            seed=seed,
        )

    def _reset(self) -> None:
        super()._reset()
        self._bandit: Bandit | None = None if self._space is None else Bandit(self._space, self._exploring)

    def prepare(self, problem: Problem) -> None:
        """Learn what is searched; see ``manyhands.ports.Scheduler``."""
        super().prepare(problem)
        self._bandit = Bandit(problem.space, self._exploring)

    def _reach(self, member: Member, interval: int, loss: float) -> None:
        if self._bandit is not None:
            self._bandit.learn(member, interval, loss)
        super()._reach(member, interval, loss)

    def _explore(self, parent: Member, victim: int) -> Point:
        if self._bandit is None:
            return parent.point
        others = [member for member in self._members.values() if member.is_new and member.scores]
        return self._bandit.explore(parent, others, default_rng([_BANDIT, self._seed, victim]))
