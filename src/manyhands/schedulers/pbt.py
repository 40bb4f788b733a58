"""Population based training: poor members of a population make room for copies of good ones, with other params."""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from numpy.random import default_rng

from manyhands.checks import check_seed, check_whole
from manyhands.errors import SettingsError
from manyhands.ports import Fork, Pause, Problem, Resume, Wait
from manyhands.schedulers.base import StoppingScheduler
from manyhands.schedulers.exploring import Exploring
from manyhands.schedulers.population import Member, Place, best_of, better_than
from manyhands.space import Point, Space
from manyhands.trial import Trial, TrialState

_PARENTS, _PARAMS = 0x9B7A, 0x9B7B  # streams of random numbers


class PBTScheduler(StoppingScheduler):
    """Trains a population together: at intervals, the worst make room for copies of the best, with other params.

    This is population based training (Jaderberg et al. 2017, https://arxiv.org/abs/1711.09846), asynchronous and with
    truncation selection. The first ``population`` trials are the sampler's. At the end of each interval a member is
    compared with all others. If it is among the worst ``quantile``, it stops, and a new trial begins with the
    checkpoint of one of the best ``quantile``, drawn at random, and with params beside that one's. So params change
    while a model is trained: what is found is a schedule as much as a set of params, and the params of the best trial
    are only those of its last stretch. Follow ``trial.parent`` for the others.

    The objective has to save checkpoints, at least once an interval and before its report, and to go on from them
    (``trial.save`` and ``trial.restore``), its steps too: a copy of a trial that has come to step 40 reports 41 next.
    It should save its last loss as well, as a copy may be made of a trial that has nothing left to do.

    What counts is the loss of the first report at or beyond a multiple of ``interval``. Two members are compared at the
    last interval that both have come to, so who is slow is no worse for it. A copy has its parent's losses before its
    own, and is first compared after half to one and a half intervals. Without a finite value a member is stopped
    whatever the others do.

    If there are more members than workers, they take turns: at the end of an interval a member pauses if others are
    behind and wait for a worker. With enough workers nobody does, once all members have begun.

    A member that comes to its end leaves the population, as does one that fails; one of the first that fails before it
    was compared is replaced by another one of the sampler's. The search ends when no member is left. Copies count as
    trials: when ``max_trials`` have begun, no more members are stopped, and all go on to their ends. So give
    ``population`` and some copies for each, or only a ``timeout_s``.

    Args:
        interval: How many steps a member trains between comparisons; enough for params to show what they are worth.
        population: How many members there are.
        max_steps: How many steps a trial has, if that is known: members are not compared, nor do they pause, from there
            on.
        quantile: Which share of the members is replaced, and which is copied; above 0 and at most 0.5. At least one is,
            once there are two and all have been compared.
        resample: How likely each parameter of a copy is drawn anew, from 0 to 1; else it is moved.
        factors: A number that is moved is multiplied by one of these, drawn at random, within its range, in which a
            whole number moves by one at least; where the range reaches below 0, it moves by that share of half the
            range's width. A choice moves to an option beside it if they are ordered, and to any other one if not.
        mutable: The names of the parameters that may change, as in ``study.space.parameters``; all if not given. Those
            that a checkpoint depends on, such as a number of layers, must not.
        seed: Of the copies' choice and params; the study's own if not given.

    Raises:
        SettingsError: An argument makes no sense; or, when the search begins, the space lacks a name of ``mutable``.

    Example:
        >>> import manyhands as mh
        >>> def train(params, trial):
        ...     step, loss = trial.restore((0, 1.0))
        ...     while step < 50:
        ...         step, loss = step + 1, loss * (1 - params["rate"] * (1 - params["rate"]))
        ...         trial.save((step, loss))
        ...         yield 60.0, loss, {"step": step}
        ...     return loss
        >>> pbt = PBTScheduler(interval=10, population=4, max_steps=50)
        >>> study = mh.simulate(train, {"rate": mh.Float(0, 1)}, workers=4, max_trials=20, scheduler=pbt)
        >>> any(trial.parent is not None for trial in study.trials)
        True
    """

    forks = True

    def __init__(
        self,
        interval: int = 5,
        population: int = 16,
        *,
        max_steps: int | None = None,
        quantile: float = 0.25,
        resample: float = 0.25,
        factors: Sequence[float] = (0.8, 1.2),
        mutable: Iterable[str] | None = None,
        seed: int | None = None,
    ):
        _check_required(interval=interval, population=population)
        check_whole(interval=interval, population=population, max_steps=max_steps)
        _check_share("quantile", quantile, 0.5, least=1e-9)
        _check_share("resample", resample, 1.0)
        _check_factors(factors)
        check_seed(seed)
        self.interval = interval
        self.population = population
        self.max_steps = max_steps
        self.quantile = quantile
        self.mutable = None if mutable is None else _names(mutable)
        self.seed = seed
        self._exploring = Exploring(resample, tuple(factors), self.mutable)
        self._space: Space | None = None
        self._study_seed = 0
        self._max_trials: int | None = None
        super().__init__()

    def prepare(self, problem: Problem) -> None:
        """Learn what is searched; see ``manyhands.ports.Scheduler``."""
        strangers = (self.mutable or frozenset()) - problem.space.parameters.keys()
        if strangers:
            raise SettingsError(
                f"PBTScheduler(mutable=...) names {', '.join(map(repr, sorted(strangers)))}, which the space does not "
                f"have. It has: {', '.join(problem.space.parameters)}."
            )
        self._space = problem.space
        self._study_seed = problem.seed
        self._max_trials = problem.max_trials

    def _reset(self) -> None:
        self._members: dict[int, Member] = {}
        self._places: deque[Place] = deque()
        self._n_begun = 0  # trials, the copies included
        self._n_founders = 0
        self._n_making_room = 0  # members that were told to leave, and for which nobody has begun yet

    # -- what happens ------------------------------------------------------------------------------------------

    def began(self, trial: Trial) -> None:
        """A trial begins, or goes on after a pause."""
        super().began(trial)
        self._n_begun = max(self._n_begun, trial.id + 1)
        self._n_making_room = max(0, self._n_making_room - 1)
        member = self._members.get(trial.id)
        if member is not None:
            member.is_paused = False
        elif trial.parent is None:
            self._n_founders += 1
            self._members[trial.id] = Member(trial.id, trial.point)
        else:
            self._members[trial.id] = self._copy(trial, trial.parent)
            if self._places:
                self._places.popleft()

    def observe(self, trial: Trial, loss: float | None) -> None:
        """A trial that ended is no member any more."""
        member = self._members.pop(trial.id, None)
        if member is not None and trial.state is TrialState.FAILED:
            self._forget_founder(member)

    def next_trial(self) -> Resume | Fork | Wait | None:
        """Return who is next: the sampler's trials until there are enough, then whoever is least advanced."""
        if self._n_to_come() > 0:
            return None
        paused = [member for member in self._members.values() if member.is_paused]
        last = min(paused, key=lambda member: (member.interval, member.id), default=None)
        parent = self._next_parent()
        if parent is not None and (last is None or self._places[0].interval <= last.interval):
            return Fork(parent.id, self._explore(parent, self._places[0].victim))
        return Wait() if last is None else Resume(last.id)

    # -- the end of an interval --------------------------------------------------------------------------------

    def _judge(self, trial_id: int, step: int, loss: float) -> str | Pause | None:
        member, interval = self._members.get(trial_id), step // self.interval
        if interval < (1 if member is None else member.next_interval):
            return None
        if self.max_steps is not None and step >= self.max_steps:
            return None
        if math.isinf(loss):
            return self._drop_diverged(member, trial_id, interval, step)
        if member is None:  # nobody said that it began
            return None
        self._reach(member, interval, loss)
        reason = self._why_it_makes_room(member, interval, step, loss)
        if reason is not None:
            return reason
        if self._has_to_pause(interval):
            member.is_paused = True
            self._n_making_room += 1
            return Pause(f"it has come to step {step}, and other members are behind")
        return None

    def _reach(self, member: Member, interval: int, loss: float) -> None:
        """A member has come to the end of an interval, with a finite loss."""
        member.reach(interval, loss)

    def _why_it_makes_room(self, member: Member, interval: int, step: int, loss: float) -> str | None:
        """If it is among the worst, let a copy of one of the best take its place, and return the reason in words."""
        n = sum(bool(other.scores) for other in self._members.values())
        n_chosen = self._n_chosen(n)
        better = better_than(member, self._members.values())
        if not n_chosen or len(better) < n - n_chosen or not self._may_copy():
            return None
        best = best_of(better, interval, n_chosen)
        if not best:
            return None
        worst = "the worst" if n_chosen == 1 else f"among the worst {n_chosen}"
        instead = self._replace(member, interval, best)
        return f"with {self._show(loss)} at step {step} it is {worst} of {n} members; {instead}"

    def _n_chosen(self, n: int) -> int:
        """How many of ``n`` members that can be compared are among the worst, and as many among the best."""
        n_chosen = int(n * self.quantile + 1e-9)
        if n == len(self._members) and not self._n_to_come():
            n_chosen = max(n_chosen, 1)
        return min(n_chosen, n // 2)

    def _replace(self, member: Member, interval: int, best: Sequence[Member]) -> str:
        """Let a copy of one of the best take a member's place, or of one that will be among them; say so in words."""
        del self._members[member.id]
        rng = default_rng([_PARENTS, self._seed, member.id])
        parent = best[int(rng.integers(len(best)))].id if best else None
        self._places.append(Place(member.id, interval, parent))
        self._n_making_room += 1
        return f"it makes room for a copy of {'another one' if parent is None else f'trial {parent}'}"

    def _drop_diverged(self, member: Member | None, trial_id: int, interval: int, step: int) -> str:
        reason = f"it has no finite value at step {step}"
        if member is None:
            return reason
        others = [other for other in self._members.values() if other is not member and other.scores]
        if others and self._may_copy():
            best = best_of(others, interval, max(1, self._n_chosen(len(others))))
            return f"{reason}; {self._replace(member, interval, best)}"
        del self._members[trial_id]
        self._forget_founder(member)
        return reason

    def _forget_founder(self, member: Member) -> None:
        """One of the first has left; if it was never compared, the sampler may try again."""
        if member.is_founder and not member.scores:
            self._n_founders -= 1

    # -- turns -------------------------------------------------------------------------------------------------

    def _has_to_pause(self, interval: int) -> bool:
        """Whether a member that has come to the end of an interval should leave its worker to one that is behind."""
        paused = [member.interval for member in self._members.values() if member.is_paused]
        n_free = max(0, self.population - len(self._members))
        copies = [place.interval for place in islice(self._places, n_free)]
        n_waiting = sum(n < interval for n in [*paused, *copies]) + self._n_to_come()
        # Others may have made room for them already. But a worker may be lost before it is free.
        return n_waiting > self._n_making_room or any(n < interval - 1 for n in paused)

    def _n_to_come(self) -> int:
        """How many of the first members have still to begin."""
        size = None if self._space is None else self._space.size
        wanted = self.population if size is None else min(self.population, size)
        left = wanted if self._max_trials is None else self._max_trials - self._n_begun
        return max(0, min(wanted - self._n_founders, left))

    # -- copies ------------------------------------------------------------------------------------------------

    def _may_copy(self) -> bool:
        """Whether one copy more can still begin."""
        n_planned = self._n_begun + len(self._places) + self._n_to_come()
        return self._max_trials is None or n_planned < self._max_trials

    def _next_parent(self) -> Member | None:
        """Of whom the next copy is to be; another one if the one that was chosen has left. None if it cannot begin."""
        is_full = len(self._members) >= self.population
        is_last = self._max_trials is not None and self._n_begun >= self._max_trials
        if not self._places or is_full or is_last:
            return None
        place = self._places[0]
        parent = None if place.parent is None else self._members.get(place.parent)
        return parent or next(iter(best_of(self._members.values(), place.interval, 1)), None)

    def _explore(self, parent: Member, victim: int) -> Point:
        """The params of a copy that takes the place of another member."""
        if self._space is None:  # nobody said what is searched
            return parent.point
        return self._exploring.explore(self._space, parent.point, default_rng([_PARAMS, self._seed, victim]))

    def _copy(self, trial: Trial, parent_id: int) -> Member:
        """The member that a trial is which begins with another one's checkpoint."""
        begins_at = self._last_steps.get(parent_id, 0)
        first = (begins_at + self.interval // 2) // self.interval + 1
        parent = self._members.get(parent_id)
        scores = [] if parent is None else [score for score in parent.scores if score[0] < first]
        return Member(trial.id, trial.point, first, scores, is_founder=False)

    @property
    def _seed(self) -> int:
        return self._study_seed if self.seed is None else self.seed


def _names(mutable: Iterable[str]) -> frozenset[str]:
    if isinstance(mutable, str):
        raise SettingsError(f"mutable={mutable!r} must be a list of names, such as [{mutable!r}].")
    return frozenset(mutable)


def _check_required(**numbers: object) -> None:
    for what, number in numbers.items():
        if number is None:
            raise SettingsError(f"{what}=None must be a whole number from 1 on.")


def _check_share(what: str, share: object, most: float, least: float = 0.0) -> None:
    if isinstance(share, bool) or not isinstance(share, int | float) or not least <= share <= most:
        words = "above 0 and at most" if least else "from 0 to"
        raise SettingsError(f"{what}={share!r} must be a number {words} {most:g}.")


def _check_factors(factors: object) -> None:
    are_numbers = isinstance(factors, Sequence) and all(
        isinstance(factor, int | float) and not isinstance(factor, bool) and 0 < factor < math.inf for factor in factors
    )
    if not are_numbers or not factors:
        raise SettingsError(f"factors={factors!r} must be a list of numbers above 0, such as (0.8, 1.2).")
