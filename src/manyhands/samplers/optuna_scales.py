"""Parameters as Optuna's distributions."""

from collections.abc import Callable
from typing import Any

import optuna
from msgspec import Struct
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from manyhands.parameters import Choice, Float, Int, Parameter


class Scale(Struct, frozen=True):
    """How a parameter's values and Optuna's stand for one another.

    Attributes:
        distribution: What Optuna knows of the parameter.
        to_value: Optuna's value as the parameter's.
        from_value: The other way round.
    """

    distribution: BaseDistribution
    to_value: Callable[[Any], float]
    from_value: Callable[[Any], Any]


def make_scale(parameter: Parameter) -> Scale:
    """The Optuna distribution that is most like a parameter; the unit interval where there is none."""
    match parameter:
        case Choice(ordered=True):
            return Scale(IntDistribution(0, parameter.n_values - 1), int, int)
        case Choice():
            return Scale(CategoricalDistribution(list(range(parameter.n_values))), int, int)
        case Int(log=log, step=step) if not log or step == 1:
            top = parameter.nth(parameter.n_values - 1)
            return Scale(IntDistribution(parameter.low, top, log=log, step=step), int, int)
        case Float(log=log, step=None):
            return Scale(FloatDistribution(parameter.low, parameter.high, log=log), float, float)
        case Float(log=False, step=step, n_values=int(n)):
            distribution = FloatDistribution(parameter.low, parameter.nth(n - 1), step=step)
            return Scale(distribution, lambda value: parameter.nth(parameter.index(value)), float)
    return Scale(FloatDistribution(0.0, 1.0), parameter.decode, parameter.encode)


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Let Optuna suggest a value of a distribution."""
    match distribution:
        case FloatDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_float(name, low, high, log=log, step=step)
        case IntDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_int(name, low, high, log=log, step=step)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
    raise AssertionError(distribution)
