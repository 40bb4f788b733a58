"""Hyperopt's TPE, and its stand-in in ``manyhands.hyperopt``: the same calls, on one of the two packages."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from manyhands.parameters import Choice, Float, Int, Parameter
from manyhands.space import Point, Space

logging.getLogger("hyperopt").setLevel(logging.ERROR)


class Hyperopt:
    """A search as ``fmin`` does it, one suggestion at a time; what is on its way is among the trials as running.

    Args:
        space: What is searched.
        seed: Of the generator that ``fmin`` draws each suggestion's seed from.
        n_trials: Of no interest to Hyperopt.
        package: ``"hyperopt"`` or ``"manyhands.hyperopt"``.
    """

    def __init__(self, space: Space, seed: int, n_trials: int, package: str = "hyperopt"):
        self._space = space
        self._package = import_module(package)
        domain_of = import_module(f"{package}.base").Domain
        self._domain = domain_of(lambda _: 0.0, translated(space, self._package.hp))
        self._trials = self._package.Trials()
        self._rng = np.random.default_rng(seed)

    def ask(self) -> tuple[Any, Any]:
        """Return a trial's number and its params."""
        (doc,) = self._suggest(partial(self._package.tpe.suggest, verbose=False))
        doc["state"] = self._package.JOB_STATE_RUNNING
        number = self._insert(doc)
        return number, self._space.build(self._point(doc["misc"]["vals"]))

    def tell(self, handle: int, loss: float) -> None:
        """Say what the trial cost."""
        doc = self._trials._dynamic_trials[handle]
        doc["state"] = self._package.JOB_STATE_DONE
        doc["result"] = {"loss": loss, "status": self._package.STATUS_OK}
        self._trials.refresh()

    def learn(self, point: Point, loss: float) -> None:
        """Add a finished trial."""
        (doc,) = self._suggest(self._package.rand.suggest)
        misc = doc["misc"]
        misc["vals"] = {name: [point[name]] if name in point else [] for name in misc["vals"]}
        misc["idxs"] = {name: [doc["tid"]] if name in point else [] for name in misc["idxs"]}
        self.tell(self._insert(doc), loss)

    def _suggest(self, suggest: Callable[..., list[Any]]) -> list[Any]:
        ids = self._trials.new_trial_ids(1)
        self._trials.refresh()
        return suggest(ids, self._domain, self._trials, self._rng.integers(2**31 - 1))

    def _insert(self, doc: Any) -> int:
        self._trials.insert_trial_docs([doc])
        self._trials.refresh()
        return len(self._trials._dynamic_trials) - 1

    def _point(self, found: Mapping[str, Sequence[Any]]) -> Point:
        """The active parameters: those that have a value."""
        return {
            name: _value(parameter, found[name][0])
            for name, parameter in self._space.parameters.items()
            if len(found[name])
        }


def translated(space: Space, hp: Any) -> dict[str, Any]:
    """The space in the words of Hyperopt's module ``hp``."""
    return _group(space, None, hp)


def _group(space: Space, parent: tuple[str, int] | None, hp: Any) -> dict[str, Any]:
    return {name: _expression(space, name, hp) for name, above in space.parents.items() if above == parent}


def _expression(space: Space, name: str, hp: Any) -> Any:
    match parameter := space.parameters[name]:
        case Float(step=None, log=True):
            return hp.loguniform(name, math.log(parameter.low), math.log(parameter.high))
        case Float(step=None):
            return hp.uniform(name, parameter.low, parameter.high)
        case Int(step=1, log=True):
            return hp.qloguniform(name, math.log(parameter.low - 0.499), math.log(parameter.high + 0.499), 1)
        case Int(step=1):
            return hp.uniformint(name, parameter.low, parameter.high)
        case Choice(ordered=True):
            return hp.uniformint(name, 0, len(parameter.options) - 1)
        case Choice():
            options = [{"option": i, **_group(space, (name, i), hp)} for i in range(parameter.n_values)]
            return hp.choice(name, options)
    raise NotImplementedError(f"{parameter!r} has not been translated for Hyperopt")


def _value(parameter: Parameter, value: float) -> float:
    match parameter:
        case Float():
            return min(max(float(value), parameter.low), parameter.high)
        case Int():
            return min(max(round(value), parameter.low), parameter.high)
    return int(value)
