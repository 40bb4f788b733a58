"""The ``auto`` scheduler: takes the method that suits the search, and says which."""

from collections.abc import Callable, Mapping

from manyhands.ports import Forecast, Pause
from manyhands.schedulers.asha import ASHAScheduler
from manyhands.schedulers.base import StoppingScheduler
from manyhands.schedulers.forecast import ForecastScheduler
from manyhands.trial import Report, Trial

_MANY_WORKERS = 128  # trials at a time, of which a model cannot look at each

_FORECAST = "forecasts of how trials end, by a model of all learning curves (forecast)"
_ASHA = "ranks among the trials that have come as far (asha)"


class AutoScheduler:
    """Stops trials by forecasts of their ends where the sampler can make them, and by their ranks elsewhere.

    The samplers ``auto`` and ``gp`` model whole learning curves, so they can forecast (``ForecastScheduler``). As long
    as they know too little, with any other sampler, with constraints, or while more than 128 trials run, trials are
    judged as ``ASHAScheduler`` does, with rungs at steps 1, 3, 9 and so on.

    Args:
        max_steps: The step of a trial's last report, if that is known; see ``ForecastScheduler``.

    Raises:
        SettingsError: ``max_steps`` is no whole number from 1 on.
    """

    def __init__(self, max_steps: int | None = None):
        self.max_steps = max_steps
        self._forecast = ForecastScheduler(max_steps=max_steps)
        self._asha = ASHAScheduler(max_steps=max_steps)
        self._can_forecast = False
        self._running: set[int] = set()

    def start(self, direction: str) -> None:
        """Forget all trials, and learn which way values go; see ``manyhands.ports.Scheduler``."""
        self._running.clear()
        for method in (self._forecast, self._asha):
            method.start(direction)

    def consult(self, forecast: Callable[[], Mapping[int, Forecast]] | None) -> None:
        """Be told who can forecast, if anybody can; see ``manyhands.ports.Scheduler``."""
        self._can_forecast = forecast is not None
        self._forecast.consult(forecast)

    def judge(self, trial_id: int, report: Report, loss: float) -> str | Pause | None:
        """Return why the trial should stop, or None; see ``manyhands.ports.Scheduler``."""
        by_rank = self._asha.judge(trial_id, report, loss)
        by_forecast = self._forecast.judge(trial_id, report, loss) if self._may_look else None
        return by_forecast if self._method is self._forecast else by_rank

    def began(self, trial: Trial) -> None:
        """A trial begins; see ``manyhands.ports.Scheduler``."""
        self._running.add(trial.id)

    def observe(self, trial: Trial, loss: float | None) -> None:
        """A trial has ended; see ``manyhands.ports.Scheduler``."""
        self._running.discard(trial.id)

    def explain(self) -> str:
        """What it goes by, in one line."""
        if not self._can_forecast or self._forecast.is_blind:
            return f"stops by {_ASHA}, as there are no forecasts"
        if self._method is self._asha:
            return f"stops by {_ASHA}, while more than {_MANY_WORKERS} trials run"
        return f"stops by {_FORECAST}"

    @property
    def _may_look(self) -> bool:
        return self._can_forecast and len(self._running) <= _MANY_WORKERS

    @property
    def _method(self) -> StoppingScheduler:
        return self._forecast if self._may_look and not self._forecast.is_blind else self._asha
