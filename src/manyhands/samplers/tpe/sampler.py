"""The tree-structured Parzen estimator: suggests what is likelier among good configurations than among the others."""

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from manyhands.checks import check_whole
from manyhands.ports import Outcome, Problem
from manyhands.samplers.cube import Array, Cube
from manyhands.samplers.finite import Untried
from manyhands.samplers.observations import Observations
from manyhands.samplers.tpe.bandwidth import neighbour_widths, spread_widths, stray_shares
from manyhands.samplers.tpe.density import Features, Mixture
from manyhands.samplers.tpe.split import Ranking
from manyhands.space import Point
from manyhands.trial import Trial

_STREAM = 5  # of randomness, apart from the other samplers'
_GOOD_SHARE = 0.1
_MOST_GOOD = 25
_MOST_BAD = 300
_SCALE = 0.4  # the width of a lone kernel
_OWN_SHARE = 0.2  # of a good configuration's weight, for the kernel with a width of its own


class TPESampler:
    """Models where good and where other configurations lie, and takes the point with the best ratio of the two.

    The tree-structured Parzen estimator (Bergstra et al. 2011), with joint densities over all parameters of the tree
    instead of one for each (see ``manyhands.samplers.tpe.density``), and good configurations weighted by rank; for the
    choices that there are see Watanabe (2023, arXiv 2304.11127). Running trials count among the others, so that
    many workers do not try the same; so do failed trials, wherefore regions that fail are avoided. Several objectives
    and constraints are a matter of who is good: see ``manyhands.samplers.tpe.split``.

    Args:
        n_startup: How many outcomes to wait for, while points are spread evenly, before there is a model.
        n_candidates: How many draws from the good configurations' density are compared for each suggestion.

    Raises:
        SettingsError: One of these is no positive whole number.
    """

    learns = True

    def __init__(self, n_startup: int = 10, n_candidates: int = 64):
        check_whole(n_startup=n_startup, n_candidates=n_candidates)
        self._n_startup = n_startup
        self._n_candidates = n_candidates

    def start(self, problem: Problem) -> None:
        """Prepare for a search; see ``manyhands.ports.Sampler``."""
        self._seed = problem.seed
        self._cube = Cube(problem.space)
        self._features = Features(self._cube)
        self._observations = Observations(self._cube, problem.n_objectives)
        self._ranking = Ranking(self._observations)
        self._untried = Untried(problem.space)

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return the candidate with the best ratio that was not tried yet."""
        self._untried.note_running(running)
        pending = self._observations.pending(running)
        rng = np.random.default_rng([self._seed, _STREAM, trial_id])
        n = self._observations.n
        if n < self._n_startup or n == self._ranking.n_failed:
            candidates = self._cube.snap(np.vstack([self._startup_row(trial_id), self._anywhere(rng)]))
        else:
            candidates = self._ranked_candidates(pending, rng)
        points = map(self._cube.decode, self._observations.new_first(candidates, pending))
        return self._untried.first_new(trial_id, points, float(rng.random()))

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Learn of an outcome."""
        self._observations.add(trial, outcome)
        self._ranking.add()
        self._untried.note_outcome(trial.id, trial.point)

    def _startup_row(self, trial_id: int) -> Array:
        """A Latin hypercube after the other, of as many points as are needed at the start."""
        block, place = divmod(trial_id, self._n_startup)
        rng = np.random.default_rng([self._seed, _STREAM, block, 1])  # [..., block] would be a trial's
        shape = (self._n_startup, self._cube.n_dimensions)
        cells = rng.permuted(np.broadcast_to(np.arange(shape[0])[:, None], shape), axis=0)
        return np.asarray((cells + rng.random(shape))[place] / self._n_startup)

    def _ranked_candidates(self, pending: Array, rng: np.random.Generator) -> Array:
        """Draws from the good ones' density, those of the first one's branch before all others, by falling ratio.

        So branches are taken as often as the good ones lie in them. By ratio alone the branch that is best so far would
        win nearly always, as a ratio of joint densities says more about parameters that are known than about those
        that are not.
        """
        good, bad = self._mixtures(pending)
        drawn = good.sample(self._n_candidates, rng)
        if self._untried.size is not None:
            drawn = np.vstack([drawn, self._anywhere(rng)])
        rows = self._cube.snap(drawn)
        features = self._features.of(rows)
        ratio = good.log_density(features) - bad.log_density(features)
        is_elsewhere = (np.isnan(rows) != np.isnan(rows[0])).any(axis=1)
        return rows[np.lexsort([-ratio, is_elsewhere])]

    def _mixtures(self, pending: Array) -> tuple[Mixture, Mixture]:
        """The densities of good configurations and of all others, those of running and failed trials among them."""
        n_valued = self._observations.n - self._ranking.n_failed
        n_good = min(n_valued, max(2, math.ceil(_GOOD_SHARE * n_valued)), _MOST_GOOD)
        good, bad = self._ranking.split(n_good, _MOST_BAD)
        rows = self._observations.rows
        return self._good_mixture(rows[good]), self._bad_mixture(np.vstack([rows[bad], pending]))

    def _good_mixture(self, centres: Array) -> Mixture:
        """Two kernels around each, one with a width of its own and one with that of all.

        The first follow narrow valleys, the second forgive noise and needles.
        """
        widths = np.vstack([neighbour_widths(centres), spread_widths(centres, _SCALE)])
        weights = np.outer([_OWN_SHARE, 1.0 - _OWN_SHARE], rank_weights(len(centres))).ravel()
        strays = stray_shares(centres, self._cube)
        return Mixture(self._features, np.tile(centres, (2, 1)), weights, widths, strays)

    def _bad_mixture(self, centres: Array) -> Mixture:
        widths = spread_widths(centres, _SCALE)
        return Mixture(self._features, centres, np.ones(len(centres)), widths, stray_shares(centres, self._cube))

    def _anywhere(self, rng: np.random.Generator) -> Array:
        return rng.random((self._n_candidates, self._cube.n_dimensions))


@lru_cache(maxsize=256)
def rank_weights(n: int) -> Array:
    """The logarithmic weights of the better by rank, with mean 1 (Hansen 2016, arXiv 1604.00772, eq. 49)."""
    weights = math.log(n + 1) - np.log(np.arange(1, n + 1))
    return np.asarray(weights / weights.mean()) if n else weights
