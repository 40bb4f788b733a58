"""SMAC3's facades."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import smac
from ConfigSpace import (
    CategoricalHyperparameter,
    Configuration,
    ConfigurationSpace,
    EqualsCondition,
    OrdinalHyperparameter,
    UniformFloatHyperparameter,
    UniformIntegerHyperparameter,
)
from smac.runhistory.dataclasses import TrialInfo, TrialValue

from manyhands.parameters import Choice, Float, Int, Parameter
from manyhands.space import Point, Space


class Smac:
    """A search by SMAC's ask-and-tell, with its initial design, which depends on the number of trials.

    Args:
        space: What is searched.
        seed: Of the scenario.
        n_trials: How many there will be.
        facade: One of SMAC's; its settings are its own.
    """

    def __init__(self, space: Space, seed: int, n_trials: int, *, facade: str):
        self._space = space
        self._folder = TemporaryDirectory(prefix="smac-")
        self._configs = translated(space, seed)
        scenario = smac.Scenario(
            self._configs, deterministic=True, n_trials=n_trials, seed=seed, output_directory=Path(self._folder.name)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._smac = getattr(smac, facade)(scenario, _not_called, logging_level=False, overwrite=True)

    def ask(self) -> tuple[Any, Any] | None:
        """Return a trial and its params."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                info = self._smac.ask()
            except StopIteration:
                return None
        found = dict(info.config)
        point = {
            name: float(found[name]) if isinstance(parameter, Float) else int(found[name])
            for name, parameter in self._space.parameters.items()
            if name in found
        }
        return info, self._space.build(point)

    def tell(self, handle: Any, loss: float) -> None:
        """Say what the trial cost."""
        self._smac.tell(handle, TrialValue(cost=loss), save=False)

    def learn(self, point: Point, loss: float) -> None:
        """Add a finished trial."""
        config = Configuration(self._configs, values=point)
        self.tell(TrialInfo(config, seed=0), loss)


def translated(space: Space, seed: int) -> ConfigurationSpace:
    """The space as ConfigSpace knows it."""
    configs = ConfigurationSpace(seed=seed)
    configs.add([_hyperparameter(name, parameter) for name, parameter in space.parameters.items()])
    configs.add(
        [
            EqualsCondition(configs[name], configs[parent[0]], parent[1])
            for name, parent in space.parents.items()
            if parent is not None
        ]
    )
    return configs


def _hyperparameter(name: str, parameter: Parameter) -> Any:
    match parameter:
        case Float(step=None):
            return UniformFloatHyperparameter(name, parameter.low, parameter.high, log=parameter.log)
        case Int(step=1):
            return UniformIntegerHyperparameter(name, parameter.low, parameter.high, log=parameter.log)
        case Choice(ordered=True):
            return OrdinalHyperparameter(name, list(range(len(parameter.options))))
        case Choice():
            return CategoricalHyperparameter(name, list(range(len(parameter.options))))
    raise NotImplementedError(f"{parameter!r} has not been translated for SMAC")


def _not_called(config: Configuration, seed: int = 0) -> float:
    raise AssertionError("trials are run by whoever asks for them")
