"""What a search tries: from its arguments to a space, a sampler and a number of candidates."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from sklearn.utils import check_random_state

from manyhands.errors import SettingsError
from manyhands.labels import has_parameters
from manyhands.ports import Sampler
from manyhands.samplers import name_of_sampler
from manyhands.samplers.listed import ListedSampler
from manyhands.sklearn.candidates import candidates_space
from manyhands.sklearn.defaults import default_space, default_start
from manyhands.sklearn.spaces import to_space
from manyhands.sklearn.upstream import ParameterGrid, ParameterSampler
from manyhands.space import Space

_PER_PARAMETER = 10  # candidates, if nobody says how many: the least of what is recommended for a directed search
_LEAST = 10  # as RandomizedSearchCV has it

#: Samplers that do not learn from what comes out, so that nothing is gained by leaving folds out by default.
_UNDIRECTED = ("grid", "random", "sobol", "listed")


class Plan(Struct, frozen=True):
    """What is tried.

    Attributes:
        space: What is searched.
        sampler: Who proposes: a name or an object.
        seed: Of the sampler; None leaves it to the stored study.
        max_trials: How many candidates there will be at most; None if only time ends the search.
        candidates: All of them, if they were decided on beforehand.
        start_with: Params to try first.
    """

    space: Space
    sampler: str | Sampler
    seed: int | None
    max_trials: int | None
    candidates: Sequence[dict[str, Any]] | None = None
    start_with: Sequence[Any] = ()

    @property
    def is_directed(self) -> bool:
        """Whether what comes out decides what is tried next."""
        name = self.sampler if isinstance(self.sampler, str) else name_of_sampler(self.sampler)
        return name not in _UNDIRECTED


def make_plan(
    estimator: Any,
    *,
    space: Any = None,
    param_grid: Any = None,
    param_distributions: Any = None,
    sampler: str | Sampler = "auto",
    n_candidates: int | None = None,
    ends_otherwise: bool = False,
    random_state: Any = None,
    has_name: bool = False,
) -> Plan:
    """Decide what is tried.

    Args:
        estimator: What the parameters are of.
        space: What to search, in our form or scikit-learn's. If it and the two that follow are None, the default space
            of the estimator.
        param_grid: The same; tried whole if the sampler is ``"auto"`` and no number of candidates is given.
        param_distributions: The same.
        sampler: Who proposes. ``"grid"`` and ``"random"`` try what scikit-learn's searches would, in the same order,
            if the space is in its form.
        n_candidates: How many to try.
        ends_otherwise: Whether something else than their number ends the search.
        random_state: As scikit-learn has it.
        has_name: Whether the study can be resumed, so that its candidates have to be the same again.

    Raises:
        SettingsError: More than one space is given, or none and there is no default one.
        TypeError: See ``sklearn.model_selection.ParameterGrid`` and ``ParameterSampler``.
        ValueError: The same.
    """
    given = _the_one(space=space, param_grid=param_grid, param_distributions=param_distributions)
    if param_grid is not None and sampler == "auto" and n_candidates is None and not ends_otherwise:
        sampler = "grid"
    if random_state is None and has_name:
        random_state = 0  # what is tried must not depend on the run
    if given is not None and not _is_ours(given) and sampler in ("grid", "random"):
        return _listed(given, str(sampler), n_candidates, random_state)
    planted = Space(default_space(estimator)) if given is None else to_space(given, estimator)
    # The estimator's own settings, as far as they are in the space, are what everything else has to beat.
    own = default_start(estimator, planted) if given is None or sampler not in _UNDIRECTED else {}
    if n_candidates is None and not ends_otherwise and sampler != "grid":
        n_candidates = _LEAST if sampler == "random" else max(_LEAST, _PER_PARAMETER * len(planted.parameters))
    return Plan(planted, sampler, _seed(random_state), n_candidates, start_with=[own] if own else [])


def _the_one(**given: Any) -> Any:
    found = {name: value for name, value in given.items() if value is not None}
    if len(found) > 1:
        raise SettingsError(f"{' and '.join(found)} are given, and all of them say what to search. Give one.")
    return next(iter(found.values()), None)


def _is_ours(given: Any) -> bool:
    """Whether there are parameters of this library in it, so that scikit-learn could not enumerate it."""
    return isinstance(given, Space) or has_parameters(given)


def _listed(given: Any, sampler: str, n_candidates: int | None, random_state: Any) -> Plan:
    if sampler == "grid":
        candidates = list(ParameterGrid(given))[:n_candidates]
    else:
        candidates = list(ParameterSampler(given, n_candidates or _LEAST, random_state=random_state))
    forms = [given] if isinstance(given, Mapping) else list(given)
    planted, points = candidates_space(candidates, forms)
    listed = ListedSampler(points, sampler)
    return Plan(planted, listed, 0, len(candidates), candidates)


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
