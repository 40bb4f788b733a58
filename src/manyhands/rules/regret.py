"""End when what could still be gained is too little to matter, or to be told from noise."""

import math

from manyhands.checks import check_whole
from manyhands.errors import SettingsError
from manyhands.ports import Problem
from manyhands.rules.gain import Gain, Outlook
from manyhands.trial import Trial

_FEWEST = 20  # trials, and at least
_PER_PARAMETER = 10  # for each parameter, as is usual before a model is believed (Loeppky et al. 2009)
_EVERY = 0.1  # of the trials have to be new, before the model is asked again
_IN_A_ROW = 2  # times that it has to say the same
_LEAST_RANGE = 5.0  # times the limit that the best trial has to be better than a poor one of the first


class RegretBound:
    """Ends the search when, by a model of the outcomes, no point can be better than the best by more than the noise.

    A Gaussian process of the finished trials bounds the loss that the best of them has at most, and the least that any
    point of the space may have. Their difference bounds what could still be gained (the simple regret), and the search
    ends when that is below the noise of the best value: what is gained then cannot be told from luck (Makarova et al.
    2022, "Automatic termination for hyperparameter optimization"). The noise is the standard error over the splits of
    the best trial, what is common to a split in all trials taken off; or it follows from the ``variance`` that the
    objective returned; else it is as large as the model needs it to explain the outcomes. ``below`` sets a limit of
    your own in its place.

    For searches whose length nobody can guess, with a sampler that learns, such as ``"auto"``. The bound is no better
    than its model, which may take a narrow pit that no trial has come near for a plain, so give ``max_trials``, too,
    and ``NoProgress`` where outcomes are too rough for a model. To be careful, it needs as many trials as a model
    needs to be believed, has to find the same twice, with a tenth more trials, and does not end a search whose best
    trial is little better than its first ones: nothing was learned then. With a random search it hardly ever ends one,
    nor where what could be gained breaks constraints, of which it knows nothing but which trials do.

    Each look takes tens of milliseconds, and a few hundred past 300 trials. Only for one objective.

    Args:
        below: End when less than this could be gained, in the unit of the value. Not given: less than the noise.
        min_trials: How many trials have to have finished first. Not given: 10 for each parameter, and at least 20.

    Raises:
        SettingsError: ``below`` is no finite number above 0, or ``min_trials`` no whole number from 1 on.
    """

    def __init__(self, below: float | None = None, min_trials: int | None = None):
        if below is not None and not _is_size(below):
            raise SettingsError(f"RegretBound(below={below!r}): give a number above 0, in the unit of the value.")
        check_whole(min_trials=min_trials)
        self.below = below
        self.min_trials = min_trials
        self._outlook: Outlook | None = None
        self._next_look = 0
        self._n_below = 0  # looks in a row that found the bound below the limit
        self._reason: str | None = None

    def start(self, problem: Problem) -> None:
        """Learn what is searched; see ``manyhands.ports.StopRule``.

        Raises:
            SettingsError: There are several objectives.
        """
        if problem.n_objectives > 1:
            raise SettingsError(
                f"mh.RegretBound is for one objective, and this study has {problem.n_objectives}. Take mh.NoProgress, "
                f"which asks for new values on the Pareto front."
            )
        self._outlook = Outlook(problem)
        self._next_look = self.min_trials or max(_FEWEST, _PER_PARAMETER * len(problem.space.parameters))

    def observe(self, trial: Trial, is_best: bool, direction: str | tuple[str, ...]) -> str | None:
        """Learn, and have a look when enough is new; see ``manyhands.ports.StopRule``.

        Looks are at fixed numbers of finished trials, so that a search that goes on has had the same ones. What the
        latest of them found holds until the next.

        Raises:
            SettingsError: The rule was not started.
        """
        if self._outlook is None:
            raise SettingsError("mh.RegretBound has to know the space: call its start(problem) before the first trial.")
        self._outlook.add(trial, direction)
        n = self._outlook.n
        if n >= self._next_look:
            self._next_look = n + max(1, int(_EVERY * n))
            self._look(self._outlook)
        return self._reason

    def _look(self, outlook: Outlook) -> None:
        gain = outlook.gain()
        is_below = gain is not None and self._is_below(gain)
        self._n_below = self._n_below + 1 if is_below else 0
        self._reason = None
        if gain is not None and self._n_below >= _IN_A_ROW:
            limit = f"{self.below:g}" if self.below else f"the noise of {gain.noise:.3g} in the best value"
            self._reason = f"at most {gain.bound:.3g} could still be gained, which is less than {limit}"

    def _is_below(self, gain: Gain) -> bool:
        limit = self.below or gain.noise
        return gain.bound < limit and gain.range > _LEAST_RANGE * limit


def _is_size(number: object) -> bool:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return is_number and 0 < number < math.inf  # type: ignore[operator]
