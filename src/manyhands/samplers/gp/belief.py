"""What the outcomes of a search say of places not tried yet."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from manyhands.samplers.cube import Array
from manyhands.samplers.gp.acquisition import Acquisition, log_expected_improvement, log_feasibility, product
from manyhands.samplers.gp.curves import Curves
from manyhands.samplers.gp.features import Features
from manyhands.samplers.gp.forecasting import CurveBelief
from manyhands.samplers.gp.surrogate import Surrogate, Training
from manyhands.samplers.gp.targets import Targets, of_losses, of_violations, scalarised
from manyhands.samplers.observations import Observations

_N_INCUMBENTS = 50  # with noise the best point need not be the one with the least loss
_N_ANCHORS = 5
_FEWEST = 2  # trials with a loss, to model it
_CAUTION = 8.0  # a chance of one half to fail is to count as less: failure says nothing of the loss
_MOST_FAILED = 100  # the latest of them; more would cost more


class Belief:
    """Models of the loss, of each constraint, and of where trials fail.

    Args:
        features: Of the space.
        known: All outcomes; grows while this is in use.
        n_objectives: How many losses an outcome has.
        curves: What was reported by trials on their way; grows, too.
    """

    def __init__(self, features: Features, known: Observations, n_objectives: int, curves: Curves):
        self._features = features
        self._known = known
        self._n_objectives = n_objectives
        self._loss = Surrogate(features)
        self._constraints: list[Surrogate] = []
        self._failure = Surrogate(features)
        self.curves = CurveBelief(features, curves)

    @property
    def knows_curves(self) -> bool:
        """Whether there are curves to go by. With constraints there are not, as reports do not tell of them."""
        return self.curves.can_tell and self._n_objectives == 1 and not self._known.violations.shape[1]

    def acquisition(
        self, running: Mapping[int, Array], pending: Array, n_fantasies: int, rng: np.random.Generator
    ) -> tuple[Acquisition, Array]:
        """What to make large, and the rows of the best trials so far, shape (n, n_dimensions).

        Args:
            running: The row of each trial that runs.
            pending: The same rows, shape (n, n_dimensions).
            n_fantasies: How many times to imagine their outcomes.
            rng: Draws fantasies, and weights if there are several objectives.
        """
        factors = self._feasibility()
        if self.knows_curves:
            improvement, anchors = self.curves.improvement(running, n_fantasies, rng)
            return product([improvement, *factors]), anchors
        candidates = np.flatnonzero(self._is_feasible())
        if len(candidates) < _FEWEST:
            return product(factors) if factors else _indifferent, self._known.rows[-_N_ANCHORS:]
        improvement, anchors = self._improvement(candidates, pending, n_fantasies, rng)
        return product([improvement, *factors]), anchors

    def _improvement(
        self, feasible: NDArray[np.intp], pending: Array, n_fantasies: int, rng: np.random.Generator
    ) -> tuple[Acquisition, Array]:
        known = self._known
        losses = known.losses
        if self._n_objectives == 1:
            losses = losses[:, 0]
            process = self._loss.posterior(known.n, lambda n: self._targets(losses[:n], known.variances(n)))
        else:
            weights = rng.dirichlet(np.ones(self._n_objectives))
            losses, noise = scalarised(losses, known.variances(known.n), weights)
            process = Surrogate(self._features).posterior_at_once(self._targets(losses, noise))
        incumbents = known.rows[feasible[np.argsort(losses[feasible], kind="stable")[:_N_INCUMBENTS]]]
        mean, _ = process.predict(self._features.of(incumbents))
        best: Array | float = mean.min()
        # A trial that failed has no loss, nor will one there ever be. It is imagined like those that run, so that what
        # is not known there draws no more trials; but it is no success to be beaten.
        unknown = np.vstack([pending, known.rows[known.failed][-_MOST_FAILED:]])
        if len(unknown):
            normals = rng.standard_normal((len(unknown), n_fantasies))
            fantasies = process.sample(self._features.of(unknown), normals)
            process = process.imagining(unknown, fantasies)
            best = np.minimum(best, fantasies[: len(pending)].min(0, initial=np.inf))
        return log_expected_improvement(process, best), incumbents[np.argsort(mean, kind="stable")[:_N_ANCHORS]]

    def _feasibility(self) -> list[Acquisition]:
        known = self._known
        while len(self._constraints) < known.violations.shape[1]:
            self._constraints.append(Surrogate(self._features))
        found = [
            log_feasibility(surrogate.posterior(known.n, self._border_of(column)))
            for surrogate, column in zip(self._constraints, known.violations.T, strict=True)
        ]
        if known.failed.any():
            label = np.where(known.failed, 1.0, -1.0)
            found.append(log_feasibility(self._failure.posterior(known.n, self._border_of(label)), _CAUTION))
        return found

    def _is_feasible(self) -> NDArray[np.bool_]:
        return np.asarray(~self._known.failed & ~(self._known.violations > 0).any(1))

    def _targets(self, losses: Array, noise: Array) -> Targets:
        has_loss = ~np.isnan(losses)
        return of_losses(self._known.rows[: len(losses)][has_loss], losses[has_loss], noise[has_loss])

    def _border_of(self, violations: Array) -> Training:
        def training(n: int) -> Targets:
            is_known = ~np.isnan(violations[:n])
            return of_violations(self._known.rows[:n][is_known], violations[:n][is_known])

        return training


def _indifferent(features: Array, with_gradient: bool) -> tuple[Array, Array | None]:
    return np.zeros(len(features)), np.zeros_like(features) if with_gradient else None
