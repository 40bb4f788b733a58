"""Asynchronous successive halving: of the trials that come to a rung, only the best go on."""

import math
from bisect import bisect_right
from itertools import accumulate

from manyhands.checks import check_whole
from manyhands.errors import SettingsError
from manyhands.ports import Pause
from manyhands.schedulers.base import StoppingScheduler
from manyhands.schedulers.rungs import Rungs, Verdict

_GOLDEN = (math.sqrt(5) - 1) / 2
_FRACTIONS = {2: "half", 3: "third", 4: "quarter", 5: "fifth"}


class ASHAScheduler(StoppingScheduler):
    """Stops a trial that is not among the best at a rung.

    Rungs are at the steps ``min_steps``, ``min_steps * reduction``, ``min_steps * reduction**2`` and so on. A trial
    that comes to one goes on if it is among the best ``1 / reduction`` of those seen there so far, itself included.
    Nobody waits for others: as long as fewer than ``reduction`` were seen at a rung, they go on.

    This is the stopping variant of ASHA (Li et al., MLSys 2020, https://arxiv.org/abs/1810.05934): a stopped trial is
    not taken up again; for the other one see ``ASHAPromotionScheduler``. The loss that counts at a rung is that of the
    first report at or beyond it, as in the paper, and not the best one so far: one lucky step should not carry a trial
    on. A trial that passes several rungs at one report is compared at the highest of them. A trial that has diverged,
    so that it has no finite value there, is stopped even if nobody else was seen.

    Args:
        min_steps: The first rung; no trial is stopped before it. Below it, values should say nothing yet of how a trial
            will end.
        reduction: One of so many goes on at each rung; the paper's eta.
        max_steps: How many steps a trial has at most, if that is known: there are no rungs from there on.
        brackets: With 2 or more, trials are shared out among so many ladders of rungs, which begin at ``min_steps``,
            ``min_steps * reduction`` and so on. That helps where early values mislead. The shares are Hyperband's.

    Raises:
        SettingsError: An argument is no whole number from 1 on, ``reduction`` is below 2, or the rungs of a bracket
            would begin beyond ``max_steps``.
    """

    def __init__(self, min_steps: int = 1, reduction: int = 3, max_steps: int | None = None, brackets: int = 1):
        check_whole(min_steps=min_steps, reduction=reduction, max_steps=max_steps, brackets=brackets)
        if reduction < 2:
            raise SettingsError(f"reduction={reduction!r} would let every trial go on. Give 2 or more.")
        last_first = min_steps * reduction ** (brackets - 1)
        if max_steps is not None and last_first > max_steps:
            raise SettingsError(
                f"The rungs of bracket {brackets} would begin at step {last_first}, beyond max_steps={max_steps}. "
                f"Give fewer brackets, or a smaller min_steps than {min_steps}."
            )
        self.min_steps = min_steps
        self.reduction = reduction
        self.max_steps = max_steps
        self.brackets = brackets
        self._bounds = list(accumulate(hyperband_shares(brackets, reduction)))
        super().__init__()

    def bracket_of(self, trial_id: int) -> int:
        """The bracket that a trial belongs to, from 0; the first one has the earliest rungs.

        Multiples of the golden ratio fill the unit interval evenly, so any run of trials has nearly the shares due.
        """
        if self.brackets == 1:
            return 0
        return min(bisect_right(self._bounds, trial_id * _GOLDEN % 1.0), self.brackets - 1)

    def _reset(self) -> None:
        firsts = (self.min_steps * self.reduction**i for i in range(self.brackets))
        self._ladders = [Rungs(first, self.reduction, self.max_steps) for first in firsts]

    def _judge(self, trial_id: int, step: int, loss: float) -> str | Pause | None:
        verdict = self._ladders[self.bracket_of(trial_id)].enter(trial_id, step, loss)
        if verdict is None:
            return None
        if math.isinf(loss):
            return f"it has no finite value at step {step}"
        return None if verdict.goes_on else self._reason(step, loss, verdict)

    def _reason(self, step: int, loss: float, verdict: Verdict) -> str:
        bound = math.inf if verdict.bound is None else verdict.bound
        best = _FRACTIONS.get(self.reduction, f"1/{self.reduction}")
        return (
            f"{self._show(loss)} at step {step} is not among the best {best} of {verdict.n} trials there; "
            f"{self._show(bound)} would be"
        )


def hyperband_shares(brackets: int, reduction: int) -> list[float]:
    """The share of trials that begin in each of Hyperband's brackets (Li et al. 2017), the earliest rungs first.

    Example:
        >>> [round(share * 143) for share in hyperband_shares(5, 3)]  # the paper's example, with 81 steps
        [81, 34, 15, 8, 5]
    """
    counts = [math.ceil(brackets * reduction**s / (s + 1)) for s in reversed(range(brackets))]
    return [count / sum(counts) for count in counts]
