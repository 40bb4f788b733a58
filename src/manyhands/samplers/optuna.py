"""Optuna's samplers in the role of ours."""

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna import samplers as theirs
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.trial import TrialState

from manyhands.errors import SettingsError
from manyhands.ports import Outcome, Problem
from manyhands.samplers.finite import Untried
from manyhands.samplers.optuna_scales import make_scale, suggest
from manyhands.space import Point
from manyhands.trial import Trial

_STREAM = 0x0971
_TRIES = 10  # suggestions of points that were tried before, until one is taken that the sampler did not suggest
_STUDY_NAME = "manyhands"

#: Samplers that suggest by what they see of finished and running trials, whoever suggested those.
_BY_TRIALS = (
    theirs.RandomSampler,
    theirs.TPESampler,
    theirs.GPSampler,
    theirs.GridSampler,
    theirs.BruteForceSampler,
)
#: Samplers that have no more to say once every point of theirs was tried.
_EXHAUSTIVE = (theirs.GridSampler, theirs.BruteForceSampler)


class OptunaSampler:
    """Lets a sampler of Optuna propose the trials; ``sampler=optuna.samplers.TPESampler()`` makes one of it.

    Optuna sees the space by flat names. A ``Choice`` is a categorical parameter over the indices of its options, or an
    integer if it is ordered; its weights are not passed on. A ``Normal``, and what has both ``log`` and ``step``, is a
    float in [0, 1]: the coordinate in the unit cube. Conditional parameters are suggested when they are active.
    Constraints reach the sampler as Optuna 5 has them, through the trials, so it needs no ``constraints_func``.

    The sampler's random numbers are set anew for every trial, from the study's seed and the trial's id, whether it was
    given a seed of its own or not. A resumed search goes on as if never interrupted if its trials ran one after
    another; if several ran at a time, it goes on as well, but not with the very same points. Samplers that remember
    what they suggested (CMA-ES, NSGA-II, QMC and others) are asked for the old trials again, which takes its time; they
    learn nothing from trials that are not theirs, such as those of ``start_with``. A grid goes on with what is left of
    it, in another order. Random generators other than Optuna's ``LazyRandomState`` and NumPy's ``RandomState`` are
    left as they are.

    In a finite space nothing is tried twice: when the sampler repeats itself too often, another point takes its place.

    Args:
        sampler: Any ``optuna.samplers.BaseSampler``. It is copied for each search and never changed.

    Raises:
        SettingsError: It is none, or a class instead of an object of it, or was used in a study before.
    """

    learns = True

    def __init__(self, sampler: object):
        if isinstance(sampler, type):
            raise SettingsError(f"{sampler!r} is a class. Give an object of it: {sampler.__name__}().")
        if not isinstance(sampler, theirs.BaseSampler):
            raise SettingsError(f"{sampler!r} is no Optuna sampler. See optuna.samplers for what there is.")
        if any(getattr(inner, "_study_id", None) is not None for inner in _insides(sampler)):
            raise SettingsError(
                f"The {sampler} was used in an Optuna study, and remembers its space. Give a new one: {sampler}(...)."
            )
        if any(getattr(inner, "_constraints_func", None) is not None for inner in _insides(sampler)):
            raise SettingsError(
                f"The {sampler} has a constraints_func, which sees only Optuna's trials. Make it without: what your "
                f"study has as constraints is told to the sampler."
            )
        self._sampler = sampler

    def start(self, problem: Problem) -> None:
        """Begin an Optuna study in memory; see ``manyhands.ports.Sampler``."""
        if problem.n_objectives > 1 and isinstance(self._sampler, theirs.CmaEsSampler):
            raise SettingsError(
                f"The {self._sampler} knows only one objective, and this study has {problem.n_objectives}. "
                f"Use optuna.samplers.NSGAIISampler() or TPESampler()."
            )
        self._space = problem.space
        self._seed = problem.seed
        self._scales = {name: make_scale(parameter) for name, parameter in problem.space.parameters.items()}
        self._goes_by_trials = type(self._sampler) in _BY_TRIALS
        self._is_exhaustive = type(self._sampler) in _EXHAUSTIVE
        self._untried = Untried(problem.space)
        self._given: set[frozenset[tuple[str, float]]] = set()  # of an exhaustive sampler
        self._held: dict[int, optuna.Trial | int | None] = {}  # running trials; None for what Optuna does not know
        self._latest: optuna.Trial | None = None
        with _hushed():
            storage = optuna.storages.InMemoryStorage()
            storage.create_new_study([optuna.study.StudyDirection.MINIMIZE] * problem.n_objectives, _STUDY_NAME)
            self._study = _Study(_STUDY_NAME, storage, self._copy_of_sampler(), optuna.pruners.NopPruner())

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """Return what the Optuna sampler suggests, or in a finite space something new."""
        self._untried.note_running(running)
        with _hushed():
            for other_id in sorted(running.keys() - self._held.keys()):
                self._take_in(other_id, running[other_id])
            if self._is_exhaustive:
                return self._next_of_exhaustive(trial_id)
            start = float(np.random.default_rng([self._seed, _STREAM, trial_id]).random())
            point = self._untried.first_new(trial_id, self._asked(trial_id), start)
            if point is None:
                return None
            if self._latest is None:
                self._held[trial_id] = self._add_running(point)
            else:
                self._held[trial_id], self._latest = self._latest, None
        return point

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """Tell the Optuna study."""
        if trial.id >= 0:  # what a former study tried is still to be tried in this one
            self._untried.note_outcome(trial.id, trial.point)
            self._given.add(frozenset(trial.point.items()))
        with _hushed():
            if trial.id >= 0 and trial.id not in self._held and not self._goes_by_trials:
                self._take_in(trial.id, trial.point)
            held = self._held.pop(trial.id, None)
            if isinstance(held, optuna.Trial) and not self._goes_by_trials:
                self._tell(held, outcome)
                return
            # What was suggested here and what came from elsewhere look the same then, and come in the same order.
            if held is not None:
                self._study.tell(held, state=TrialState.FAIL)
            if outcome is not None:
                self._study.add_trial(self._frozen(trial.point, outcome))

    def explain(self) -> str:
        """Which sampler it is."""
        return f"Optuna's {self._sampler}."

    # -- asking ------------------------------------------------------------------------------------------------

    def _asked(self, trial_id: int, tries: int = _TRIES) -> Iterator[Point]:
        """Suggestions for a trial, one after another; the one that is not followed by another is ``_latest``."""
        for attempt in range(tries):
            if self._goes_by_trials:
                self._study.sampler = self._copy_of_sampler()  # it may keep what it found in earlier trials
            _reseed(self._study.sampler, [self._seed, _STREAM, trial_id, attempt])
            self._latest = self._study.ask()
            yield self._read(self._latest)
            self._drop_latest()

    def _drop_latest(self) -> None:
        if self._latest is not None:
            self._study.tell(self._latest, state=TrialState.FAIL)  # failed trials are as good as none to samplers
            self._latest = None

    def _next_of_exhaustive(self, trial_id: int) -> Point | None:
        if self._study.has_stopped:
            return None
        for point in self._asked(trial_id, tries=_TRIES + len(self._given)):
            key = frozenset(point.items())
            if key not in self._given:
                self._given.add(key)
                self._held[trial_id], self._latest = self._latest, None
                return point
        return None

    def _read(self, trial: optuna.Trial) -> Point:
        """Let Optuna suggest the active parameters, parents first."""
        point: Point = {}
        for name, parent in self._space.parents.items():
            if parent is None or point.get(parent[0]) == parent[1]:
                scale = self._scales[name]
                point[name] = scale.to_value(suggest(trial, name, scale.distribution))
        return point

    def _copy_of_sampler(self) -> theirs.BaseSampler:
        fresh = copy.deepcopy(self._sampler)
        for inner in _insides(fresh):
            if isinstance(inner, theirs.QMCSampler):  # which draws its scrambling from this, and not trial by trial
                inner._seed = self._seed
        return fresh

    # -- trials that were not asked for here -------------------------------------------------------------------

    def _take_in(self, trial_id: int, point: Point) -> None:
        """Let Optuna know of a trial that was given by somebody else, or in an earlier run.

        A sampler that remembers what it suggested is asked again, as it was then. If it comes to another point, the
        trial was somebody else's, and the sampler hears nothing of it before it ends.
        """
        self._given.add(frozenset(point.items()))
        if self._goes_by_trials:
            self._held[trial_id] = self._add_running(point)
            return
        self._held[trial_id] = None
        for again in self._asked(trial_id, tries=1 if self._untried.size is None else _TRIES):
            if again == point:
                self._held[trial_id], self._latest = self._latest, None
                return

    def _add_running(self, point: Point) -> int | None:
        if not self._goes_by_trials:
            return None
        self._study.add_trial(self._frozen(point, None))
        return self._study.n_trials - 1

    def _frozen(self, point: Point, outcome: Outcome | None) -> optuna.trial.FrozenTrial:
        """The Optuna trial of a point, running if there is no outcome."""
        return optuna.trial.create_trial(
            state=TrialState.RUNNING if outcome is None else TrialState.COMPLETE,
            values=None if outcome is None else list(outcome.losses),
            params={name: self._scales[name].from_value(value) for name, value in point.items()},
            distributions={name: self._scales[name].distribution for name in point},
            constraints=None if outcome is None else dict(_constraints(outcome)),
        )

    def _tell(self, held: optuna.Trial, outcome: Outcome | None) -> None:
        if outcome is None:
            self._study.tell(held, state=TrialState.FAIL)
            return
        for key, violation in _constraints(outcome):
            held.set_constraint(key, violation)
        self._study.tell(held, list(outcome.losses))


class _Study(optuna.Study):
    """A study in which a sampler may end the search although nobody called ``optimize``."""

    has_stopped = False

    def stop(self) -> None:
        self.has_stopped = True

    @property
    def n_trials(self) -> int:
        return self._storage.get_n_trials(self._study_id)


def _constraints(outcome: Outcome) -> Sequence[tuple[str, float]]:
    return [(str(i), violation) for i, violation in enumerate(outcome.violations)]


# -- what Optuna's samplers are made of ---------------------------------------------------------------------------


def _insides(sampler: object) -> list[Any]:
    """The sampler and every object of Optuna's that it is made of, each once."""
    found: list[Any] = [sampler]
    for thing in found:
        for inner in vars(thing).values():
            is_theirs = type(inner).__module__.split(".")[0] == "optuna" and hasattr(inner, "__dict__")
            if is_theirs and not any(inner is known for known in found):
                found.append(inner)
    return found


def _reseed(sampler: theirs.BaseSampler, seed: Sequence[int]) -> None:
    """Set every random generator of a sampler, each to a state of its own."""
    generators: list[np.random.RandomState] = []
    for inner in _insides(sampler):
        candidates = [inner.rng] if isinstance(inner, LazyRandomState) else vars(inner).values()
        generators += [rng for rng in candidates if isinstance(rng, np.random.RandomState) and rng not in generators]
    for generator, entropy in zip(generators, np.random.SeedSequence(seed).spawn(len(generators)), strict=True):
        generator.seed(entropy.generate_state(4))


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep from the terminal what Optuna says of each trial, and of which of its parts are experimental."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.ERROR))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
