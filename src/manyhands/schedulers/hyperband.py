"""Asynchronous Hyperband: successive halving that begins early for some trials and late for others."""

from manyhands.checks import check_whole
from manyhands.schedulers.asha import ASHAScheduler


class HyperbandScheduler(ASHAScheduler):
    """Shares trials out among as many brackets as there are rungs up to ``max_steps``; each is an ASHA of its own.

    How early a trial can be judged is seldom known. Hyperband (Li et al. 2017, https://arxiv.org/abs/1603.06560) tries
    every answer: most trials begin with rungs at ``min_steps``, fewer with rungs at ``min_steps * reduction``, and so
    on; the last few run to their end unjudged. Brackets are not run one after another, as in the paper, but side by
    side, so that nobody waits. Trials are shared out by their number, in the paper's proportions.

    Args:
        min_steps: The first rung of the first bracket.
        reduction: One of so many goes on at each rung; the paper's eta.
        max_steps: How many steps a trial has.

    Raises:
        SettingsError: An argument is no whole number from 1 on, ``reduction`` is below 2, or ``max_steps`` below
            ``min_steps``.
    """

    def __init__(self, min_steps: int = 1, reduction: int = 3, max_steps: int = 81):
        check_whole(min_steps=min_steps, reduction=reduction, max_steps=max_steps)
        super().__init__(min_steps, reduction, max_steps, _count_brackets(min_steps, reduction, max_steps))


def _count_brackets(min_steps: int, reduction: int, max_steps: int) -> int:
    """How many rungs there are up to ``max_steps``, at least 1; counted, as logarithms would be off by one at times."""
    n = 1
    while reduction > 1 and min_steps * reduction**n <= max_steps:
        n += 1
    return n
