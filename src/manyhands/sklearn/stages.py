"""How much of a resource candidates get, stage by stage, before a scheduler lets only the best go on."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from sklearn.base import is_classifier
from sklearn.utils.multiclass import type_of_target

from manyhands.errors import SettingsError
from manyhands.parameters import Choice
from manyhands.ports import Scheduler
from manyhands.schedulers.asha import ASHAScheduler
from manyhands.schedulers.auto import AutoScheduler
from manyhands.schedulers.forecast import ForecastScheduler
from manyhands.schedulers.hyperband import HyperbandScheduler
from manyhands.schedulers.median import MedianScheduler
from manyhands.schedulers.promotion import ASHAPromotionScheduler
from manyhands.sklearn.folds import Data
from manyhands.sklearn.plan import Plan

N_SAMPLES = "n_samples"
PARTIAL_FIT = "partial_fit"

_MOST_FACTORS = 3  # from the first amount to the last, if nobody says: less tells little, and a 27th saves enough
_LEAST_SAMPLES = 20
_LEAST_OF_A_CLASS = 10


class Stages(Struct, frozen=True):
    """The amounts of a resource that candidates go through.

    Attributes:
        resource: ``"n_samples"``, ``"partial_fit"``, or a parameter of the estimator.
        amounts: From the least to the most.
        orders: Of samples, for each fold: the places of its training samples in the order in which they are taken.
    """

    resource: str
    amounts: tuple[int, ...]
    orders: tuple[Any, ...] = ()

    @property
    def is_parameter(self) -> bool:
        """Whether the resource is a parameter of the estimator."""
        return self.resource not in (N_SAMPLES, PARTIAL_FIT)

    def with_resource(self, params: dict[str, Any], amount: int) -> dict[str, Any]:
        """A candidate's parameters, the resource among them if it is one."""
        return {**params, self.resource: amount or self.amounts[0]} if self.is_parameter else params

    def training_part(self, split: int, train: Any, amount: int) -> Any:
        """What is fitted on: all training samples of a fold, or so many of them if they are the resource."""
        if self.resource != N_SAMPLES or amount >= len(train) or not self.orders:
            return train
        return np.asarray(train)[np.sort(self.orders[split][:amount])]


def stages_of(search: Any, estimator: Any, data: Data, plan: Plan, metrics: Sequence[str]) -> Stages | None:
    """The stages of a search as its settings have them; None without a scheduler.

    Args:
        search: A ``SearchCV``.
        estimator: What is fitted.
        data: To fit on.
        plan: What is tried.
        metrics: What is optimised, if there are several scores.

    Raises:
        SettingsError: The settings make no sense together; or see ``make_stages``.
    """
    words = {"resource": N_SAMPLES, "min_resources": "auto", "max_resources": "auto", "factor": 3}
    given = {name: getattr(search, name) for name in words}
    if search.scheduler is None:
        changed = [f"{name}={given[name]!r}" for name in words if given[name] != words[name]]
        if changed:
            raise SettingsError(f"{', '.join(changed)} is for a scheduler. Give scheduler='auto', or leave it out.")
        return None
    if search.early_stopping is True:
        raise SettingsError(
            "early_stopping=True leaves folds out, and a scheduler compares candidates by all of them. "
            "Give one of the two."
        )
    if len(metrics) > 1:
        raise SettingsError(
            f"A scheduler compares candidates by one score, and scoring has {', '.join(metrics)}. "
            f"Say which one, as in refit={metrics[0]!r}."
        )
    return make_stages(estimator, data, plan, **given)


def make_stages(
    estimator: Any,
    data: Data,
    plan: Plan,
    *,
    resource: str,
    min_resources: int | str,
    max_resources: int | str,
    factor: int,
) -> Stages:
    """Decide on the stages.

    Args:
        estimator: What is fitted.
        data: To fit on.
        plan: What is tried.
        resource: See ``Stages``.
        min_resources: The amount of the first stage. ``"auto"``: a ``factor**3``-th of the most, or ``factor`` times
            more as long as those are too few samples (20, or 10 for each class), or just as many as these.
        max_resources: The amount of the last stage. ``"auto"``: all training samples, or what the estimator's own
            parameter says.
        factor: By how much amounts grow.

    Raises:
        SettingsError: The estimator has no such resource, the space sets it too, or the amounts make no sense.
    """
    _check_resource(estimator, plan, resource)
    most = _most(estimator, data, resource, max_resources)
    least = _least(estimator, data, resource, most, factor) if min_resources == "auto" else int(min_resources)
    if least > most:
        raise SettingsError(f"min_resources={least} is more than the max_resources of {most}. Give less.")
    orders: tuple[Any, ...] = ()
    if resource == N_SAMPLES:
        rng = np.random.default_rng(plan.seed or 0)
        classes = _classes(estimator, data)
        orders = tuple(_order(train, classes, rng) for train, _ in data.splits)
    return Stages(resource, _amounts(least, most, factor), orders)


def make_scheduler(scheduler: str | Scheduler | None, stages: Stages, factor: int) -> str | Scheduler | None:
    """The scheduler of that name, with rungs where the stages are; an object as it is.

    Raises:
        SettingsError: It changes params on the way.
    """
    if scheduler in ("pbt", "pb2") or getattr(scheduler, "forks", False):
        raise SettingsError(
            f"scheduler={scheduler!r} changes the params of a trial on its way, and a candidate of a search has one "
            "set of them. Give 'auto', 'asha', 'asha-promotion', 'hyperband' or 'median'; or take mh.tune."
        )
    least, most = stages.amounts[0], stages.amounts[-1]
    match scheduler:
        case "auto":
            return AutoScheduler(max_steps=most)
        case "forecast":
            return ForecastScheduler(max_steps=most)
        case "asha":
            return ASHAScheduler(least, factor, most)
        case "asha-promotion":
            return ASHAPromotionScheduler(least, factor, most)
        case "hyperband":
            return HyperbandScheduler(least, factor, most)
        case "median":
            return MedianScheduler(grace_steps=least)
    return scheduler


def _check_resource(estimator: Any, plan: Plan, resource: str) -> None:
    kind = type(estimator).__name__
    if resource == PARTIAL_FIT:
        if not hasattr(estimator, "partial_fit"):
            raise SettingsError(
                f"resource='partial_fit' needs an estimator with that method, and {kind} has none. "
                "Give resource='n_samples', or the name of a parameter, such as 'max_iter'."
            )
        return
    if resource == N_SAMPLES:
        return
    if resource not in estimator.get_params():
        raise SettingsError(
            f"resource={resource!r} is no parameter of {kind}. Give one of those in its get_params(), such as "
            "'n_estimators' or 'clf__max_iter', or 'n_samples', or 'partial_fit'."
        )
    if _mentions(plan.space.tree, resource):
        raise SettingsError(
            f"resource={resource!r} is set by the space that is searched, too. Take it out of one of them: the search "
            "gives each candidate as much of its resource as it is worth."
        )


def _mentions(node: object, name: str) -> bool:
    """Whether a tree of parameters says anything of the one of that name."""
    if isinstance(node, dict):
        return name in node or any(_mentions(value, name) for value in node.values())
    if isinstance(node, Choice):
        return any(_mentions(option, name) for option in node.options)
    return isinstance(node, list | tuple) and any(_mentions(value, name) for value in node)


def _most(estimator: Any, data: Data, resource: str, given: int | str) -> int:
    if resource == N_SAMPLES:
        n = max(len(train) for train, _ in data.splits)
        if given != "auto" and int(given) > n:
            raise SettingsError(f"max_resources={given} samples cannot be had: the largest training part has {n}.")
        return n if given == "auto" else int(given)
    if given != "auto":
        return int(given)
    if resource == PARTIAL_FIT:
        raise SettingsError(
            "resource='partial_fit' needs max_resources=, the number of passes over the training data, such as 27."
        )
    own = estimator.get_params()[resource]
    if isinstance(own, int | np.integer) and not isinstance(own, bool) and own > 0:
        return int(own)
    raise SettingsError(
        f"max_resources='auto' is the estimator's own {resource}, and {own!r} is no whole number from 1 on. "
        "Give max_resources=."
    )


def _least(estimator: Any, data: Data, resource: str, most: int, factor: int) -> int:
    enough = 1
    if resource == N_SAMPLES:
        classes = _classes(estimator, data)
        n_classes = 0 if classes is None else int(classes.max()) + 1
        enough = max(_LEAST_SAMPLES, _LEAST_OF_A_CLASS * n_classes)
    starts = (-(-most // factor**n) for n in range(_MOST_FACTORS, 0, -1))  # rounded up, so that the last one is whole
    return next((start for start in starts if start >= enough), min(enough, most))


def _amounts(least: int, most: int, factor: int) -> tuple[int, ...]:
    amounts = []
    while least < most:
        amounts.append(least)
        least *= factor
    return (*amounts, most)


def _classes(estimator: Any, data: Data) -> Any:
    """The class of each sample, as a number from 0 on; None if samples have none, or several."""
    if not is_classifier(estimator) or type_of_target(data.y) not in ("binary", "multiclass"):
        return None
    return np.unique(np.asarray(data.y), return_inverse=True)[1].ravel()


def _order(train: Any, classes: Any, rng: np.random.Generator) -> Any:
    """The places of training samples in the order in which they are taken.

    However many are taken, each class has its share, and one sample at least, once there are as many as classes.
    """
    places = rng.permutation(len(train))
    if classes is None:
        return places
    own = classes[np.asarray(train)][places]
    when = np.empty(len(places))
    for one in np.unique(own):
        mine = np.flatnonzero(own == one)
        when[mine] = (np.arange(len(mine)) + rng.random()) / len(mine)
        when[mine[0]] = -1.0  # before all others
    return places[np.argsort(when, kind="stable")]


def ranks(scores: Sequence[float], n_resources: Sequence[int]) -> Any:
    """The rank of each candidate, from 1 on: by how far it went, then by its score; those without a score are last.

    Example:
        >>> ranks([0.9, 0.7, float("nan"), 0.8, 0.8], [3, 9, 9, 9, 9]).tolist()
        [4, 3, 5, 1, 1]
    """
    pairs = zip(scores, n_resources, strict=True)
    keys = [(1, 0.0, 0.0) if np.isnan(score) else (0, -float(n), -float(score)) for score, n in pairs]
    in_order = sorted(keys)
    return np.array([bisect_left(in_order, key) + 1 for key in keys], dtype=np.int32)


def rank_by_resources(results: dict[str, Any], n_resources: Sequence[int]) -> None:
    """Let no candidate rank before one that went further."""
    for key in [key for key in results if key.startswith("rank_test_")]:
        results[key] = ranks(results[f"mean_test_{key.removeprefix('rank_test_')}"], n_resources)
