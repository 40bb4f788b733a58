"""The members of a population, and how they compare."""

from bisect import bisect_right
from collections.abc import Iterable

from msgspec import Struct

from manyhands.space import Point


class Member(Struct):
    """A trial of the population that is in training.

    Attributes:
        id: The trial.
        point: Its params.
        next_interval: At the end of which interval it is compared with the others next; counted from 1.
        scores: Its loss at the end of each interval so far, by interval. A copy begins with those of what it is a copy
            of.
        is_founder: Whether it is one of the first, and no copy.
        is_paused: Whether it is paused, or was told to and has not left yet.
        is_new: Whether it has not come to the end of an interval of its own.
    """

    id: int
    point: Point
    next_interval: int = 1
    scores: list[tuple[int, float]] = []
    is_founder: bool = True
    is_paused: bool = False
    is_new: bool = True

    @property
    def interval(self) -> int:
        """The last interval that it has come to the end of; 0 if there is none."""
        return self.next_interval - 1

    def reach(self, interval: int, loss: float) -> None:
        """It has come to the end of an interval."""
        self.scores.append((interval, loss))
        self.next_interval = interval + 1
        self.is_new = False

    def loss_at(self, interval: int) -> float | None:
        """Its loss at the end of an interval, or else of the nearest earlier one; None if it has none."""
        n = bisect_right(self.scores, interval, key=lambda score: score[0])
        return self.scores[n - 1][1] if n else None


class Place(Struct, frozen=True):
    """A place in the population that a copy of a good member is to take.

    Attributes:
        victim: The trial that made room.
        interval: The one at the end of which it did.
        parent: The trial to be copied; None if that is not known yet.
    """

    victim: int
    interval: int
    parent: int | None


def better_than(member: Member, others: Iterable[Member]) -> list[Member]:
    """The others that are better than a member, which has a loss.

    Two are compared at the last interval that both have come to. With a newer loss of one of them, whoever is ahead
    would seem to be the better one.
    """
    return [other for other in others if other.scores and _is_better(other, member)]


def _is_better(one: Member, other: Member) -> bool:
    both = min(one.scores[-1][0], other.scores[-1][0])
    ones, others = one.loss_at(both), other.loss_at(both)
    return ones is not None and others is not None and ones < others


def best_of(members: Iterable[Member], interval: int, n: int) -> list[Member]:
    """The best of some members, by their losses at the end of an interval, or at the nearest earlier one.

    So those that are behind come last, as by copying them steps would be lost. Those that have not shown anything of
    their own do not count: they may have no checkpoint yet.
    """
    losses = ((member.loss_at(interval), member) for member in members if not member.is_new)
    ranked = sorted(((loss, member.id, member) for loss, member in losses if loss is not None), key=lambda row: row[:2])
    return [member for *_, member in ranked[:n]]
