"""What the curves of a search say: of places not tried yet, and of the trials that run."""

from collections.abc import Mapping

import numpy as np

from manyhands.ports import Forecast
from manyhands.samplers.cube import Array
from manyhands.samplers.gp.acquisition import Acquisition, log_expected_improvement
from manyhands.samplers.gp.curves import Curves, Known
from manyhands.samplers.gp.features import Features
from manyhands.samplers.gp.model import GaussianProcess
from manyhands.samplers.gp.surrogate import Surrogate
from manyhands.samplers.gp.targets import Targets

_FEWEST = 2  # trials with a value, to say anything
_N_ANCHORS = 5


class CurveBelief:
    """A model of whole curves.

    Args:
        features: Of the space.
        curves: What was reported; grows while this is in use.
    """

    def __init__(self, features: Features, curves: Curves):
        self._features = features
        self._curves = curves
        self._surrogate = Surrogate(features, has_course=True)
        self._known: Known | None = None
        self._n_known = 0

    @property
    def can_tell(self) -> bool:
        """Whether there is enough to go by."""
        return self._curves.is_partial and len(self._curves.trial_ids) >= _FEWEST

    def improvement(
        self, running: Mapping[int, Array], n_fantasies: int, rng: np.random.Generator
    ) -> tuple[Acquisition, Array]:
        """The improvement of the end on the best end, and the rows of the most promising trials.

        Args:
            running: The row of each running trial.
            n_fantasies: How many times to imagine what comes of those that have not reported.
            rng: Draws fantasies.
        """
        process, known = self._posterior()
        rows = known.rows[known.latest]
        mean, _ = process.predict(self._features.of(rows))
        order = np.argsort(mean, kind="stable")
        best: Array | float = mean[order[0]]
        unknown = np.array([row for trial_id, row in sorted(running.items()) if trial_id not in self._curves])
        if len(unknown):
            normals = rng.standard_normal((len(unknown), n_fantasies))
            fantasies = process.sample(self._features.of(unknown), normals)
            process = process.imagining(unknown, fantasies)
            best = np.minimum(best, fantasies.min(0))
        return log_expected_improvement(process, best), rows[order[:_N_ANCHORS]]

    def forecast(self) -> dict[int, Forecast]:
        """What is expected of each trial that is known of."""
        process, known = self._posterior()
        owners = known.course.owners[known.latest]
        mean, variance = process.predict_trials(self._features.of(known.rows[known.latest]), owners)
        ids = self._curves.trial_ids
        return {
            ids[owner]: Forecast(known.scale.loss(m), m, s)
            for owner, m, s in zip(owners.tolist(), mean.tolist(), np.sqrt(variance).tolist(), strict=True)
        }

    def _posterior(self) -> tuple[GaussianProcess, Known]:
        process = self._surrogate.posterior(self._curves.n, self._targets)
        assert self._known is not None  # noqa: S101 - the targets were just made
        return process, self._known

    def _targets(self, n: int) -> Targets:
        if self._known is None or self._n_known != n:
            self._known, self._n_known = self._curves.known(n), n
        known = self._known
        values = known.scale.standardised(known.losses)
        return Targets(known.rows, values, np.zeros(len(values)), known.course)
