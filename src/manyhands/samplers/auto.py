"""The ``auto`` sampler: takes the method that suits the search, and changes it when that changes."""

from collections.abc import Mapping
from typing import Any

from manyhands.ports import Forecast, Outcome, Problem, Sampler
from manyhands.samplers.registry import make
from manyhands.space import Point
from manyhands.trial import Report, Trial, TrialState

_MOSTLY_GP = 500  # outcomes; thinking about so many trials takes some seconds in all
_PARTLY_GP = 1000  # outcomes; beyond them a Gaussian process would have to leave most of them out
_MANY_WORKERS = 128  # trials at a time, for which a Gaussian process would be too slow
_EVERY = 4  # trials, of which the last is left to the other method
_ALONE = 12  # outcomes, before which Parzen estimators have nothing to say

_GP = "a Gaussian process (gp), which learns fast"
_TPE = "Parzen estimators (tpe), which are quick"


class AutoSampler:
    """Begins with ``gp`` and goes on with ``tpe``.

    A Gaussian process (``gp``) learns most from few trials, and takes 10 to 20 ms to suggest one. It has the first 500,
    but every fourth of them is left to Parzen estimators (``tpe``), which believe other things of a loss. That costs
    little where the Gaussian process is right, and helps where it is not, as with losses that have steps. (Several
    objectives are left to ``gp`` alone.) Then they change places, and after 1000 trials, or
    while more than 128 run, ``tpe`` has all: it takes 1 to 2 ms, however many there are.

    It goes by the number of trials and not by the time that they take, which is never twice the same: so a seed gives
    the same trials. What former studies teach (``warm_start``) counts among them; what was stopped on its way does not,
    as ``tpe`` has little use for that.
    """

    learns = True

    def start(self, problem: Problem) -> None:
        """Prepare for a search; see ``manyhands.ports.Sampler``."""
        self._problem = problem
        self._told: list[tuple[Trial, Outcome | None]] = []
        self._n_whole = 0  # of them were not stopped on their way
        self._methods: dict[str, Sampler] = {}
        self._explanation = ""

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return what the method suggests that suits best."""
        return self._method(self._choose(trial_id, len(running))).suggest(trial_id, running)

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Learn of an outcome; see ``manyhands.ports.Sampler``."""
        self._told.append((trial, outcome))
        self._n_whole += trial.state is not TrialState.STOPPED
        for method in self._methods.values():
            method.observe(trial, outcome)

    def report(self, trial_id: int, point: Point, report: Report, loss: float) -> None:
        """Learn of a report; see ``manyhands.ports.Sampler``."""
        self._model().report(trial_id, point, report, loss)

    def forecast(self) -> Mapping[int, Forecast]:
        """What is expected of the trials that have reported; see ``manyhands.ports.Sampler``."""
        found: Mapping[int, Forecast] = self._model().forecast()
        return found

    def explain(self) -> str:
        """What is done, and why, in one line."""
        return self._explanation

    def _choose(self, trial_id: int, n_running: int) -> str:
        """The method for a trial. It depends on nothing but what a resumed search knows too."""
        n = self._n_whole
        is_fourth = trial_id % _EVERY == _EVERY - 1
        if n_running > _MANY_WORKERS:
            self._explanation = f"{_TPE}, while more than {_MANY_WORKERS} trials run"
            return "tpe"
        if n >= _PARTLY_GP:
            self._explanation = f"{_TPE} however many trials there are"
            return "tpe"
        if n >= _MOSTLY_GP:
            self._explanation = f"{_TPE}, with a Gaussian process (gp) for every fourth trial up to {_PARTLY_GP}"
            return "gp" if is_fourth else "tpe"
        if self._problem.n_objectives > 1:
            self._explanation = f"{_GP}, up to {_MOSTLY_GP} trials"
            return "gp"
        self._explanation = f"{_GP}, up to {_MOSTLY_GP} trials, with Parzen estimators (tpe) for every fourth"
        return "tpe" if is_fourth and n >= _ALONE else "gp"

    def _model(self) -> Any:
        return self._method("gp")

    def _method(self, name: str) -> Sampler:
        if name not in self._methods:
            method = self._methods[name] = make(name)
            method.start(self._problem)
            for trial, outcome in self._told:
                method.observe(trial, outcome)
        return self._methods[name]
