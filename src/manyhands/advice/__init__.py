"""Advice: what a study's space, settings, objective and outcomes say about how to search better.

Each piece has a code, by which it can be silenced; ``docs/advice.md`` lists them. All of it is worked out from what is
known (``Facts``), without a clock, a file or a random state, and a rule that knows too little says nothing.
"""

from collections.abc import Collection, Sequence

from manyhands.advice.base import CODES, Advice, Facts, Setup, check_silence
from manyhands.advice.budget import about_budget
from manyhands.advice.failures import about_failures
from manyhands.advice.objective import about_objective
from manyhands.advice.progress import about_progress
from manyhands.advice.scales import about_scales
from manyhands.advice.trust import about_trust
from manyhands.advice.values import about_values

__all__ = ["CODES", "Advice", "Facts", "Setup", "about_objective", "advise", "check_silence"]

_SUBJECTS = (about_scales, about_budget, about_failures, about_values, about_progress, about_trust)


def advise(facts: Facts, silence: Collection[str] = ()) -> list[Advice]:
    """Everything that can be said, what concerns the set-up first.

    Args:
        facts: What is known; without trials the advice is that before a search.
        silence: Codes of advice that is not wanted.

    Raises:
        SettingsError: There is no such code.
    """
    check_silence(silence)
    given: Sequence[Advice] = [*facts.setup.said, *(advice for subject in _SUBJECTS for advice in subject(facts))]
    return [advice for advice in given if advice.code not in silence]
