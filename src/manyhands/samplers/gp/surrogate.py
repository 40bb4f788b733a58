"""A Gaussian process of one quantity, whose hyperparameters follow the outcomes on a schedule."""

from collections.abc import Callable, Iterator

from manyhands.samplers.gp.features import Features
from manyhands.samplers.gp.fitting import fit
from manyhands.samplers.gp.hyperparameters import Hyperparameters, Prior
from manyhands.samplers.gp.model import GaussianProcess
from manyhands.samplers.gp.targets import Targets

_FIRST = 3  # outcomes below which nothing can be told of hyperparameters; nor if they are all alike
_EVERY = 0.05  # of the outcomes have to be new before hyperparameters are fitted again
_N_EVALUATIONS = 12

#: What is known after the first n outcomes.
Training = Callable[[int], Targets]


class Surrogate:
    """Refits hyperparameters when enough is new, from where the last fit ended.

    The fits are at fixed numbers of outcomes, and use those outcomes alone. So a resumed search, which is told all of
    them at once, comes to the same hyperparameters as one that was asked in between.

    Args:
        features: Makes features of rows.
        has_course: Whether it learns from curves, and not from ends alone.
    """

    def __init__(self, features: Features, *, has_course: bool = False):
        self._features = features
        self._prior = Prior(features, has_course=has_course)
        self._hyperparameters = self._prior.start
        self._n_fitted = 0
        self._posterior: GaussianProcess | None = None
        self._n_given = 0

    def posterior(self, n: int, training: Training) -> GaussianProcess:
        """The process given what is known after ``n`` outcomes."""
        for upto in _schedule(self._n_fitted, n):
            self._hyperparameters = self._fitted(training(upto))
            self._n_fitted = upto
        if self._posterior is None or self._n_given != n:
            self._posterior, self._n_given = self._given(training(n)), n
        return self._posterior

    def posterior_at_once(self, known: Targets) -> GaussianProcess:
        """The process given what is known, whatever it was fitted to before."""
        self._hyperparameters = self._fitted(known)
        return self._given(known)

    def _given(self, known: Targets) -> GaussianProcess:
        process = GaussianProcess(self._features, known.rows, known.noise, self._hyperparameters, known.course)
        return process.given(known.values)

    def _fitted(self, known: Targets) -> Hyperparameters:
        if len(known.values) < _FIRST or not known.values.any():
            return self._hyperparameters
        start, course = self._hyperparameters, known.course
        return fit(self._features, known.rows, known.values, known.noise, self._prior, start, _N_EVALUATIONS, course)


def _schedule(fitted: int, n: int) -> Iterator[int]:
    """The numbers of outcomes above ``fitted`` and up to ``n`` at which to fit."""
    upto = max(_FIRST, fitted + max(1, int(_EVERY * fitted)))
    while upto <= n:
        yield upto
        upto += max(1, int(_EVERY * upto))
