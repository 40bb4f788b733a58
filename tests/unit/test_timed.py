from collections.abc import Iterator, Mapping
from itertools import count

import pytest

from manyhands.parameters import Float
from manyhands.ports import Outcome, Problem
from manyhands.samplers import RandomSampler
from manyhands.space import Point, Space
from manyhands.timed import TimedSampler
from manyhands.trial import Trial

SPACE = Space({"x": Float(0, 1)})


class Explaining(RandomSampler):
    def explain(self) -> str:
        return "random, as nothing is known"


class Speechless(RandomSampler):
    def explain(self) -> str:
        raise ValueError("no words")


class Raising(RandomSampler):
    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        raise ValueError("no idea")


def ticking(step: float) -> Iterator[float]:
    return (step * i for i in count())


def started(sampler: RandomSampler, step: float = 1.0) -> TimedSampler:
    timed = TimedSampler(sampler, ticking(step).__next__)
    timed.start(Problem(SPACE))
    return timed


def test_what_is_asked_and_told_takes_time() -> None:
    timed = started(RandomSampler(), 0.25)

    point = timed.suggest(0, {})
    assert point is not None
    timed.observe(Trial(0, point, {}), Outcome((1.0,)))

    assert timed.seconds == 0.5


def test_a_sampler_that_raises_has_taken_its_time_too() -> None:
    timed = started(Raising())

    with pytest.raises(ValueError, match="no idea"):
        timed.suggest(0, {})

    assert timed.seconds == 1.0


def test_what_is_suggested_is_the_samplers_own() -> None:
    alone = RandomSampler()
    alone.start(Problem(SPACE))

    assert started(RandomSampler()).suggest(3, {}) == alone.suggest(3, {})
    assert started(RandomSampler()).learns == RandomSampler().learns


def test_a_sampler_may_explain_itself() -> None:
    assert started(Explaining()).explanation == "random, as nothing is known"
    assert "ValueError: no words" in started(Speechless()).explanation


def test_a_sampler_need_not_explain_itself() -> None:
    class Silent:
        learns = False

    assert TimedSampler(Silent(), float).explanation == ""  # type: ignore[arg-type]
