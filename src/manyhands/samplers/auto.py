"""The ``auto`` sampler: takes the method that suits the search, and changes it when that changes."""

from collections import deque
from collections.abc import Mapping
from statistics import median

from manyhands.ports import Outcome, Problem, Sampler
from manyhands.samplers.registry import make
from manyhands.space import Point
from manyhands.trial import Trial

_FREE_TRIALS = 250  # thinking about so many takes a few seconds in all, however short they are
_MOST_GP = 500  # outcomes; beyond them a Gaussian process would have to leave most of them out
_SLOW_S = 1.0  # between two suggestions: beside that nobody minds 50 ms
_N_RECENT = 50  # trials whose time counts
_EVERY = 4  # trials, of which the last is left to the other method
_ALONE = 12  # outcomes, before which Parzen estimators have nothing to say
_BESIDE = ", with Parzen estimators (tpe) for every fourth trial"


class AutoSampler:
    """Begins with ``gp`` and goes on with ``tpe``.

    A Gaussian process (``gp``) learns most from few trials, and takes 10 to 50 ms to suggest one. It is used for the
    first 250, and up to 500 if a new one is wanted once a second or less often; but every fourth trial is left to
    Parzen estimators (``tpe``), which believe other things of a loss. That costs little where the Gaussian process is
    right, and helps where it is not, as with losses that have steps. (Several objectives are all left to ``gp``, which
    measured better alone.) After that ``tpe`` has all trials: it takes 1 to 2 ms, however many there are.
    """

    learns = True

    def start(self, problem: Problem) -> None:
        """Prepare for a search; see ``manyhands.ports.Sampler``."""
        self._problem = problem
        self._told: list[tuple[Trial, Outcome | None]] = []
        self._methods: dict[str, Sampler] = {}
        self._times: deque[float] = deque(maxlen=_N_RECENT)
        self._explanation = ""

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return what the method suggests that suits best."""
        return self._method(self._choose(trial_id, len(running) + 1)).suggest(trial_id, running)

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Learn of an outcome; see ``manyhands.ports.Sampler``."""
        self._told.append((trial, outcome))
        self._times.append(trial.duration_s or 0.0)
        for method in self._methods.values():
            method.observe(trial, outcome)

    def explain(self) -> str:
        """What is done, and why, in one line."""
        return self._explanation

    def _choose(self, trial_id: int, n_workers: int) -> str:
        """The method for a trial. It depends on outcomes and on nothing else, as a resumed search knows them too."""
        n = len(self._told)
        if n < _FREE_TRIALS:
            why = f"for the first {_FREE_TRIALS} trials, since it learns fast"
        elif n < _MOST_GP and median(self._times) / n_workers >= _SLOW_S:
            why = "since trials take long enough for it to think"
        else:
            self._explanation = "Parzen estimators (tpe), since they are quick however many trials there are"
            return "tpe"
        is_shared = self._problem.n_objectives == 1
        self._explanation = f"a Gaussian process (gp){_BESIDE if is_shared else ''}, {why}"
        return "tpe" if is_shared and n >= _ALONE and trial_id % _EVERY == _EVERY - 1 else "gp"

    def _method(self, name: str) -> Sampler:
        if name not in self._methods:
            method = self._methods[name] = make(name)
            method.start(self._problem)
            for trial, outcome in self._told:
                method.observe(trial, outcome)
        return self._methods[name]
