"""The ``auto`` sampler: takes the method that suits the search, and changes it when that changes."""

import math
from collections import deque
from collections.abc import Mapping
from statistics import median

from manyhands.ports import Outcome, Problem, Sampler
from manyhands.samplers.registry import make
from manyhands.space import Point
from manyhands.trial import Trial

_FREE_TRIALS = 250  # thinking about so many takes a few seconds in all, however short they are
_MOST_GP = 500  # outcomes; beyond them a Gaussian process would have to leave most of them out
_SHARE = 0.25  # of the time between two suggestions is the most that one may take, when trials are short
_RAREST = 20  # one in so many trials is thought about, however short they are
_N_RECENT = 50  # trials whose time counts
_TITLES = {"gp": "a Gaussian process (gp)", "tpe": "Parzen estimators (tpe)"}


class AutoSampler:
    """Chooses between ``gp``, ``tpe`` and ``random``.

    A Gaussian process learns most from few trials, and takes 10 to 50 ms to suggest one: it is used for the first 250
    trials, and up to 500 where that is little beside the time that trials take, as they come in from all workers
    together. Parzen estimators (``tpe``) take a few ms and are used from then on. Where even that is noticeable, they
    are asked for some trials only, and the others are drawn at random. How long a method thinks is taken from a table
    and not measured, so that the same trials lead to the same choices.
    """

    learns = True

    def start(self, problem: Problem) -> None:
        """Prepare for a search; see ``manyhands.ports.Sampler``."""
        self._problem = problem
        self._told: list[tuple[Trial, Outcome | None]] = []
        self._methods: dict[str, Sampler] = {}
        self._times: deque[float] = deque(maxlen=_N_RECENT)
        self._explanation = "a few points spread evenly, and then a Gaussian process (gp) that learns from them"

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return what the method suggests that suits best."""
        return self._method(self._choose(trial_id, len(running) + 1)).suggest(trial_id, running)

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Learn of an outcome; see ``manyhands.ports.Sampler``."""
        self._told.append((trial, outcome))
        if trial.duration_s is not None and trial.id >= 0:
            self._times.append(trial.duration_s)
        for method in self._methods.values():
            method.observe(trial, outcome)

    def explain(self) -> str:
        """What is done, and why, in one line."""
        return self._explanation

    def _choose(self, trial_id: int, n_workers: int) -> str:
        """The method for a trial. It depends on outcomes and on nothing else, as a resumed search knows them too."""
        n = len(self._told)
        allowed_s = _SHARE * median(self._times) / n_workers if self._times else 0.0
        if n < _FREE_TRIALS:
            return self._use("gp", f"which learns most from few trials (the first {_FREE_TRIALS})")
        if n < _MOST_GP and _gp_seconds(n) <= allowed_s:
            return self._use("gp", "which learns most from few trials, and trials take long enough for it to think")
        needed_s = _tpe_seconds(n)
        if needed_s <= allowed_s:
            return self._use("tpe", f"which is quick, as there are over {n // 250 * 250} trials to learn from")
        every = min(_RAREST, math.ceil(needed_s / allowed_s)) if allowed_s else _RAREST
        self._use("tpe", "for some trials, and random points for the others, as trials are too short to think of each")
        return "random" if trial_id % every else "tpe"

    def _use(self, method: str, why: str) -> str:
        self._explanation = f"{_TITLES[method]}, {why}" if not why.startswith("for") else f"{_TITLES[method]} {why}"
        return method

    def _method(self, name: str) -> Sampler:
        if name not in self._methods:
            method = self._methods[name] = make(name)
            method.start(self._problem)
            for trial, outcome in self._told:
                method.observe(trial, outcome)
        return self._methods[name]


def _gp_seconds(n: int) -> float:
    """What a suggestion of ``gp`` takes with ``n`` outcomes, about, on one core of 2020."""
    return 0.01 + 0.0001 * min(n, 300)


def _tpe_seconds(n: int) -> float:
    """The same for ``tpe``."""
    return 0.001 + 0.0000005 * n
