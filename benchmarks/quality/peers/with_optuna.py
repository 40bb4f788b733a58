"""Optuna's samplers, define-by-run."""

import warnings
from typing import Any

import optuna

from manyhands.parameters import Choice, Float, Int, Parameter
from manyhands.space import Point, Space

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class Optuna:
    """A search by ``study.ask`` and ``study.tell``, in memory.

    Args:
        space: What is searched.
        seed: Of the sampler.
        n_trials: Of no interest to Optuna.
        sampler: A class of ``optuna.samplers``.
        settings: What it is given besides the seed.
    """

    def __init__(self, space: Space, seed: int, n_trials: int, *, sampler: str, **settings: Any):
        if sampler == "GPSampler":
            import torch

            torch.set_num_threads(1)
        self._space = space
        made = getattr(optuna.samplers, sampler)(seed=seed, **settings)
        self._study = optuna.create_study(sampler=made)

    def ask(self) -> tuple[Any, Any]:
        """Return a trial and its params."""
        trial = self._study.ask()
        point: Point = {}
        for name, parameter in self._space.parameters.items():
            parent = self._space.parents[name]
            if parent is None or point.get(parent[0]) == parent[1]:
                point[name] = _suggested(trial, name, distribution(parameter))
        return trial, self._space.build(point)

    def tell(self, handle: Any, loss: float) -> None:
        """Say what the trial cost."""
        self._study.tell(handle, loss)

    def learn(self, point: Point, loss: float) -> None:
        """Add a finished trial."""
        distributions = {name: distribution(self._space.parameters[name]) for name in point}
        self._study.add_trial(optuna.create_trial(params=point, distributions=distributions, value=loss))


def distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    """The parameter as Optuna knows it; an ordered choice is the whole number of its option."""
    match parameter:
        case Float(step=None):
            return optuna.distributions.FloatDistribution(parameter.low, parameter.high, log=parameter.log)
        case Int(step=1):
            return optuna.distributions.IntDistribution(parameter.low, parameter.high, log=parameter.log)
        case Choice(ordered=True):
            return optuna.distributions.IntDistribution(0, len(parameter.options) - 1)
        case Choice():
            return optuna.distributions.CategoricalDistribution(range(len(parameter.options)))
    raise NotImplementedError(f"{parameter!r} has not been translated for Optuna")


def _suggested(trial: optuna.Trial, name: str, values: optuna.distributions.BaseDistribution) -> Any:
    match values:
        case optuna.distributions.FloatDistribution():
            return trial.suggest_float(name, values.low, values.high, log=values.log)
        case optuna.distributions.IntDistribution():
            return trial.suggest_int(name, values.low, values.high, log=values.log)
        case optuna.distributions.CategoricalDistribution():
            return trial.suggest_categorical(name, values.choices)
    raise NotImplementedError(f"there is no suggestion from {values!r}")
