"""Rules by which a candidate's other folds are left out, put in the place of ours for the time of a search."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import fmean
from unittest.mock import patch

from manyhands.racing import Race
from manyhands.trial import Result

OFF = "off"
OURS = "z = 3 (ours)"
_DEVIATIONS = {"z = 2": 2.0, OURS: None, "z = 4": 4.0}  # None is what the package has


class Forgiving(Race):
    """Bergman et al. 2024: leave a candidate whose mean so far is worse than the best one's worst fold."""

    def judge(self, done: Mapping[int, Result]) -> str | None:
        """See ``manyhands.racing.Race``."""
        if self._best is None or len(done) == self._n_splits:
            return None
        mean = fmean(self._loss(result.value) for result in done.values())
        return "its mean is worse than the best one's worst fold" if mean > max(self._best) else None


class Aggressive(Race):
    """Bergman et al. 2024: leave a candidate whose mean so far is worse than the best one's mean."""

    def judge(self, done: Mapping[int, Result]) -> str | None:
        """See ``manyhands.racing.Race``."""
        if self._best is None or len(done) == self._n_splits:
            return None
        mean = fmean(self._loss(result.value) for result in done.values())
        return "its mean is worse than the best one's" if mean > fmean(self._best) else None


_CLASSES = {"forgiving, published": Forgiving, "aggressive, published": Aggressive}
#: All rules by name, the one that leaves nothing out first.
RULES = (OFF, *_DEVIATIONS, *_CLASSES)


@contextmanager
def in_force(rule: str) -> Iterator[bool]:
    """Let searches go by the rule; gives whether they are to race."""
    deviations, kind = _DEVIATIONS.get(rule), _CLASSES.get(rule)
    if kind is not None:
        with patch("manyhands.advisers.Race", kind):
            yield True
    elif deviations is not None:
        with patch("manyhands.racing._DEVIATIONS", deviations):
            yield True
    else:
        yield rule != OFF
