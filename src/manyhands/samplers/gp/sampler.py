"""The ``gp`` sampler: Bayesian optimisation with a Gaussian process."""

from collections.abc import Iterator, Mapping
from threading import Lock

import numpy as np
from threadpoolctl import ThreadpoolController

from manyhands.checks import check_whole
from manyhands.ports import Forecast, Outcome, Problem
from manyhands.samplers.cube import Array, Cube
from manyhands.samplers.finite import Untried
from manyhands.samplers.gp.belief import Belief
from manyhands.samplers.gp.curves import Curves
from manyhands.samplers.gp.features import Features
from manyhands.samplers.gp.search import FULL, LIGHT, CandidateSearch
from manyhands.samplers.observations import Observations
from manyhands.samplers.startup import Lattice
from manyhands.space import Point
from manyhands.trial import Report, Trial, TrialState

_STREAM = 3
_THINKING = Lock()
_FEWEST = 3  # outcomes, to model anything
_FEW_POINTS = 1000  # a space of no more is looked through whole
_TRIES = 100
_MANY = 8  # running trials
_MIDDLE = 0.5  # of each dimension: where people put what they think is good


class GPSampler:
    """Models the loss by a Gaussian process, and tries where the expected improvement is largest.

    ARD Matern-5/2 kernel with bent inputs and drawn-in outputs (Cowen-Rivers et al. 2022, HEBO), most probable
    hyperparameters, logarithmic expected improvement (Ament et al. 2023). Running trials are given values drawn from
    the model (Snoek et al. 2012). Several objectives are scalarised anew for each trial (Knowles 2006, ParEGO);
    constraints have models of their own, whose chance of being kept multiplies the improvement (Gardner et al. 2014).
    So has failure, with more caution, and failed trials are imagined like running ones, as they have no loss.
    Conditional parameters that are not active lie in the middle of their range.

    Where trials report on their way, the model is one of whole curves (``manyhands.samplers.gp.course``): it learns
    from running and from stopped trials too, and can forecast how they end. Reports know nothing of constraints, so
    with constraints only outcomes count.

    Past 300 outcomes the model learns from the best ones and a selection of the others, so a suggestion costs no more.

    Args:
        n_startup: How many points to spread evenly at first, after the middle of the space; by default the number of
            parameters and one, within 4 to 10.

    Raises:
        SettingsError: ``n_startup`` is no whole number from 1 on.
    """

    learns = True

    def __init__(self, n_startup: int | None = None):
        check_whole(n_startup=n_startup)
        self._n_startup = n_startup

    def start(self, problem: Problem) -> None:
        """Prepare for a search; see ``manyhands.ports.Sampler``."""
        self._space = problem.space
        self._seed = problem.seed
        self._cube = Cube(problem.space)
        features = Features(self._cube)
        self._search = CandidateSearch(self._cube, features)
        self._observations = Observations(self._cube, problem.n_objectives)
        self._untried = Untried(problem.space)
        self._lattice = Lattice(self._cube.n_dimensions, problem.seed)
        self._n_first = self._n_startup or max(4, min(self._cube.n_dimensions + 1, 10))
        self._curves = Curves(self._cube.n_dimensions, problem.max_steps)
        self._belief = Belief(features, self._observations, problem.n_objectives, self._curves)
        self._threads = ThreadpoolController()
        self._rows: dict[int, Array] = {}  # of trials that have reported and not ended

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Learn of an outcome; see ``manyhands.ports.Sampler``."""
        self._observations.add(trial, outcome)
        self._untried.note_outcome(trial.id, trial.point)
        self._rows.pop(trial.id, None)
        if outcome is not None and trial.state is TrialState.FINISHED and len(outcome.losses) == 1:
            self._curves.end(trial.id, self._observations.rows[-1], outcome.loss)
        else:
            self._curves.leave(trial.id)

    def report(self, trial_id: int, point: Point, report: Report, loss: float) -> None:
        """Learn of a report; see ``manyhands.ports.Sampler``."""
        row = self._rows.get(trial_id)
        if row is None:
            row = self._rows[trial_id] = self._cube.encode(point)
        self._curves.report(trial_id, row, report.step, loss)

    def forecast(self) -> Mapping[int, Forecast]:
        """What is expected of the trials that have reported; see ``manyhands.ports.Sampler``."""
        if not self._belief.knows_curves:
            return {}
        with _THINKING, self._threads.limit(limits=1, user_api="blas"):
            return self._belief.curves.forecast()

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return the most promising point, as far as it can be told."""
        rng = np.random.default_rng([self._seed, _STREAM, trial_id])
        self._untried.note_running(running)
        pending = self._observations.pending(running)
        rows = dict(zip(sorted(running), pending, strict=True))
        start = float(rng.random())
        return self._untried.first_new(trial_id, self._candidates(trial_id, rows, pending, rng), start)

    def _candidates(
        self, trial_id: int, running: Mapping[int, Array], pending: Array, rng: np.random.Generator
    ) -> Iterator[Point]:
        """Points in order of preference; made as they are asked for."""
        n = self._observations.n
        if (n < _FEWEST and not self._belief.knows_curves) or n + len(pending) < self._n_first:
            first = np.full(self._cube.n_dimensions, _MIDDLE)
            yield self._cube.decode(first if trial_id == 0 else self._lattice.row(trial_id))
        else:
            # More threads make matrices of this size no faster, and take the cores from the workers. The limit is the
            # process's own, so that two studies in two threads must not set and lift it crosswise.
            with _THINKING, self._threads.limit(limits=1, user_api="blas"):
                rows = self._promising(running, pending, rng)
            yield from map(self._cube.decode, self._observations.new_first(rows, pending))
        for _ in range(_TRIES):
            yield self._space.sample(rng)

    def _promising(self, running: Mapping[int, Array], pending: Array, rng: np.random.Generator) -> Array:
        # With many running trials suggestions are wanted often, and what the trials will bring blurs what is best.
        effort = LIGHT if len(pending) > _MANY else FULL
        acquisition, anchors = self._belief.acquisition(running, pending, effort.n_fantasies, rng)
        if self._untried.size is None or self._untried.size > _FEW_POINTS:
            return self._search.best_rows(acquisition, anchors, rng, effort)
        untried = [self._cube.encode(point) for point in self._untried.points()]
        return self._search.best_of(acquisition, np.array(untried).reshape(-1, self._cube.n_dimensions))
