"""Stops what will not win, as a model of all learning curves forecasts it."""

import math
from collections.abc import Callable, Mapping

from manyhands.checks import check_whole
from manyhands.errors import SettingsError
from manyhands.ports import Forecast
from manyhands.schedulers.base import StoppingScheduler

_GROWTH = 1.25  # from one step of a trial that is news to the next
_CAUTION = 1.5  # deviations are larger than the model says by about that
_NEWS = 0.03  # of all news; so much of it is waited for before forecasts are made anew


class ForecastScheduler(StoppingScheduler):
    """Stops a trial as soon as it is unlikely that its end will be the best.

    The sampler forecasts how each trial will end: from its curve so far, from the curves of all others, and from its
    params, by which slow starters are known. A trial stops when the chance that it ends better than the best forecast
    is below ``chance``. That may be at any of its reports, as what others report changes what is expected of it, too.
    Early values may mislead: a rank among them, as ASHA goes by, says little of a trial that is slow by its params.

    Args:
        chance: Below it a trial stops.
        min_steps: How many reports a trial has before it can be stopped.
        max_steps: The step of a trial's last report, if that is known. If it is not, then as long as no trial has
            finished, a training is taken to be twice as long as the longest one.

    Raises:
        SettingsError: An argument makes no sense.
    """

    def __init__(self, chance: float = 0.03, min_steps: int = 2, max_steps: int | None = None):
        if not 0.0 < chance < 0.5:
            raise SettingsError(f"chance={chance!r} must lie between 0 and 0.5; 0.03 is usual.")
        check_whole(min_steps=min_steps, max_steps=max_steps)
        self.chance = chance
        self.min_steps = min_steps
        self.max_steps = max_steps
        self._forecast: Callable[[], Mapping[int, Forecast]] | None = None
        super().__init__()

    def consult(self, forecast: Callable[[], Mapping[int, Forecast]] | None) -> None:
        """Be told whom to ask; see ``manyhands.ports.Scheduler``."""
        self._forecast = forecast

    @property
    def is_blind(self) -> bool:
        """Whether there are no forecasts: too little is known, or there are constraints, which reports leave out."""
        return not self._can_see

    def _reset(self) -> None:
        self._can_see = False
        self._n_steps: dict[int, int] = {}
        self._next_news: dict[int, int] = {}
        self._n_news = 0
        self._n_asked = 0
        self._hopeless: dict[int, str] = {}

    def _judge(self, trial_id: int, step: int, loss: float) -> str | None:
        n = self._n_steps[trial_id] = self._n_steps.get(trial_id, 0) + 1
        if n >= self._next_news.get(trial_id, self.min_steps):
            self._next_news[trial_id] = max(n + 1, int(n * _GROWTH))
            self._n_news += 1
        if n < self.min_steps:
            return None
        if self._forecast is not None and self._n_news - self._n_asked >= max(1.0, _NEWS * self._n_asked):
            self._n_asked = self._n_news
            forecasts = self._forecast()
            self._can_see = bool(forecasts)
            self._hopeless = self._find_hopeless(forecasts)
        return self._hopeless.get(trial_id)

    def _find_hopeless(self, forecasts: Mapping[int, Forecast]) -> dict[int, str]:
        if not forecasts:
            return {}
        best_id = min(forecasts, key=lambda trial_id: forecasts[trial_id].mean)
        best = forecasts[best_id]
        found = {}
        for trial_id, expected in forecasts.items():
            away = (expected.mean - best.mean) / (_CAUTION * expected.deviation)
            chance = 0.5 * math.erfc(away / math.sqrt(2.0))
            if trial_id != best_id and chance < self.chance:
                found[trial_id] = (
                    f"it is expected to end at {self._show(expected.loss)}, with a chance of {chance:.1g} to be better "
                    f"than the {self._show(best.loss)} of trial {best_id}"
                )
        return found
