"""How much better than the best trial so far any other point may be, as a Gaussian process sees it."""

from typing import NamedTuple

import numpy as np

from manyhands.objectives import losses_of, values_of
from manyhands.ports import Outcome, Problem
from manyhands.samplers.cube import Array, Cube
from manyhands.samplers.gp.acquisition import Acquisition
from manyhands.samplers.gp.features import Features
from manyhands.samplers.gp.model import GaussianProcess
from manyhands.samplers.gp.search import CandidateSearch
from manyhands.samplers.gp.surrogate import Surrogate
from manyhands.samplers.gp.targets import Targets, of_losses
from manyhands.samplers.observations import Observations
from manyhands.trial import Trial, TrialState

_STREAM = 9  # of random numbers, apart from those of samplers
_DOUBT = 0.1  # the probability that the bounds do not hold, if the model is right
_SLACK = 5.0  # what theory gives for the squared width is far too wide (Srinivas et al. 2010, section 6, has the same)
_N_ANCHORS = 5
_MOST_UNKNOWN = 300  # the latest trials without a value; more would cost more
_N_FIRST = 20  # trials that tell what is poor; later ones are all good, if the sampler is
_POOR = 0.9  # the share of these that are better than a poor one
_LARGEST = 1e300  # differences of two such numbers are still numbers


class Gain(NamedTuple):
    """What may still be gained; all in units of the loss.

    Attributes:
        bound: By how much the loss may become smaller at most, but for a small doubt.
        noise: The standard error of the best trial's loss.
        range: By how much the best trial is better than a poor one of the first.
    """

    bound: float
    noise: float
    range: float


class Outlook:
    """Keeps outcomes, and tells what may still be gained.

    Args:
        problem: What is searched; one objective.
    """

    def __init__(self, problem: Problem):
        self._seed = problem.seed
        self._cube = Cube(problem.space)
        self._features = Features(self._cube)
        self._surrogate = Surrogate(self._features)
        self._search = CandidateSearch(self._cube, self._features)
        self._known = Observations(self._cube)
        self._feasible: list[bool] = []
        self._unknown: list[Array] = []

    @property
    def n(self) -> int:
        """How many finished trials are known."""
        return self._known.n

    def add(self, trial: Trial, direction: str | tuple[str, ...]) -> None:
        """Learn of an outcome.

        Only what has finished has a value to learn from. A failed trial has none, and that of a stopped one is of a
        trial that is half done. But both were looked at, and found to be poor: they are taken to be worth what the
        model thinks of them, so that nothing is hoped for from what is not known there.
        """
        if trial.state is not TrialState.FINISHED:
            self._unknown.append(self._cube.encode(trial.point))
            return
        loss = float(np.clip(losses_of(values_of(trial), direction)[0], -_LARGEST, _LARGEST))
        self._known.add(trial, Outcome((loss,), trial.constraints, trial.variance))
        self._feasible.append(trial.is_feasible)

    def gain(self) -> Gain | None:
        """What may still be gained; None if nothing can be told, since trials are all alike, or none is feasible."""
        known = self._known
        feasible = np.flatnonzero(self._feasible)
        losses, variances = known.losses[:, 0], known.variances(known.n)
        unit = _unit(losses, of_losses(known.rows, losses, variances))
        if not len(feasible) or unit is None:
            return None
        process = self._surrogate.posterior(known.n, self._training)
        noise = float(variances[feasible[np.argmin(losses[feasible])]])
        if not noise:  # nobody told: what the model needs to explain the outcomes
            noise = float(np.exp(process.hyperparameters.noise)) * unit**2
        return Gain(
            bound=self._bound(process, known.rows[feasible]) * unit,
            noise=float(np.sqrt(noise)),
            range=float(np.quantile(losses[:_N_FIRST], _POOR) - losses[feasible].min()),
        )

    def _bound(self, process: GaussianProcess, feasible: Array) -> float:
        """The least upper confidence bound of what was tried, less the least lower one anywhere; in targets' units."""
        if self._unknown:
            rows = np.array(self._unknown[-_MOST_UNKNOWN:])
            means, _ = process.predict(self._features.of(rows))
            process = process.imagining(rows, means[:, None])
        n, n_dimensions = self._known.n, self._cube.n_dimensions
        width = float(np.sqrt(2 * np.log(n_dimensions * n**2 * np.pi**2 / (6 * _DOUBT)) / _SLACK))
        mean, variance = process.predict(self._features.of(feasible))
        mean = mean.reshape(len(feasible))
        hope = _hope(process, width)
        anchors = feasible[np.argsort(mean, kind="stable")[:_N_ANCHORS]]
        rng = np.random.default_rng([self._seed, _STREAM, n])
        best = self._search.best_rows(hope, anchors, rng)[:1]
        value, _ = hope(self._features.of(best), False)
        return float((mean + width * np.sqrt(variance)).min() + value[0])

    def _training(self, n: int) -> Targets:
        return of_losses(self._known.rows[:n], self._known.losses[:n, 0], self._known.variances(n))


def _hope(process: GaussianProcess, width: float) -> Acquisition:
    """The lower confidence bound with its sign turned, so that it is to be large."""

    def acquisition(features: Array, with_gradient: bool) -> tuple[Array, Array | None]:
        if not with_gradient:
            mean, variance = process.predict(features)
            return width * np.sqrt(variance) - mean.reshape(len(features)), None
        mean, variance, pull_back = process.predict_with_gradient(features)
        sigma = np.sqrt(variance)
        gradient = pull_back(np.full(mean.shape, -1.0), 0.5 * width / sigma)
        return width * sigma - mean.reshape(len(features)), gradient

    return acquisition


def _unit(losses: Array, targets: Targets) -> float | None:
    """How much loss one unit of the targets is, where losses are small; None if those are all alike.

    The better half of the targets goes in step with the losses, the best of which are all among them.
    """
    middle = (len(targets.values) - 1) // 2
    if middle < 1:
        return None
    values, losses = np.sort(targets.values), np.sort(losses)
    step = float(values[middle] - values[0])
    return float(losses[middle] - losses[0]) / step if step > 0 else None
