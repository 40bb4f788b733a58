"""What a study optimises: one objective or several, each to be made small or large."""

from collections.abc import Sequence

from manyhands.errors import SettingsError
from manyhands.trial import Result, Trial

#: One word, or one for each of several objectives.
Direction = str | tuple[str, ...]
#: The key, or keys, of an objective's dict; None for ``"value"``, ``"loss"`` or ``"values"``.
Metric = str | tuple[str, ...] | None

_DIRECTIONS = ("minimize", "maximize")


def read_direction(direction: object) -> Direction:
    """Return a direction as studies keep it: a word, or a tuple of two words or more.

    A list of one is the same as that one.

    Raises:
        SettingsError: It is neither.
    """
    words = tuple(direction) if isinstance(direction, list | tuple) else (direction,)
    if not words or any(word not in _DIRECTIONS for word in words):
        raise SettingsError(
            f"direction={direction!r} must be 'minimize' or 'maximize', or a list of these, one for each objective."
        )
    return words[0] if len(words) == 1 else words


def read_metric(metric: object, direction: Direction) -> Metric:
    """Return a metric as studies keep it: None, a key, or as many keys as there are objectives.

    Raises:
        SettingsError: It is none of these, or there are more or fewer keys than directions.
    """
    if metric is None:
        return None
    keys = tuple(metric) if isinstance(metric, list | tuple) else (metric,)
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
        raise SettingsError(
            f"metric={metric!r} must be a key of the objective's dict, or a list of different keys, one for each "
            f"objective."
        )
    n = n_objectives(direction)
    if len(keys) != n:
        shown = direction if isinstance(direction, str) else list(direction)
        raise SettingsError(
            f"metric={metric!r} names {_count(len(keys), 'value')} to optimise, and direction={shown!r} is for "
            f"{_count(n, 'objective')}. Give as many of the one as of the other."
        )
    return keys[0] if n == 1 else keys


def check_one_objective(direction: Direction, what: str) -> None:
    """Refuse what knows only one objective.

    Raises:
        SettingsError: There are several.
    """
    if not isinstance(direction, str):
        raise SettingsError(
            f"{what} is for one objective, and direction={list(direction)!r} is for {len(direction)}. Give one "
            f"direction, or leave it out."
        )


def n_objectives(direction: Direction) -> int:
    """How many values are optimised."""
    return 1 if isinstance(direction, str) else len(direction)


def goal(direction: Direction, metric: Metric = None) -> str:
    """What is to be done, in words.

    Example:
        >>> goal("minimize"), goal(("minimize", "maximize")), goal(("minimize", "maximize"), ("error", "speed"))
        ('minimize', 'minimize, maximize', 'minimize error, maximize speed')
    """
    if isinstance(direction, str):
        return direction
    if isinstance(metric, tuple):
        return ", ".join(f"{word} {key}" for word, key in zip(direction, metric, strict=True))
    return ", ".join(direction)


def value_names(direction: Direction, metric: Metric = None) -> tuple[str, ...]:
    """What to call the values of a trial in tables: ``value``, or ``value.0`` (or ``value.KEY``) and so on."""
    if isinstance(direction, str):
        return ("value",)
    keys = metric if isinstance(metric, tuple) else range(len(direction))
    return tuple(f"value.{key}" for key in keys)


def values_of(outcome: Trial | Result) -> tuple[float, ...]:
    """What was optimised, one for each objective; empty if there is no value."""
    return outcome.values or (() if outcome.value is None else (outcome.value,))


def losses_of(values: Sequence[float], direction: Direction) -> tuple[float, ...]:
    """Values with their sign such that smaller is better.

    Example:
        >>> losses_of([1.0, 2.0], ("minimize", "maximize"))
        (1.0, -2.0)
    """
    words = (direction,) if isinstance(direction, str) else direction
    return tuple(v if word == "minimize" else -v for v, word in zip(values, words, strict=True))


def misfit(result: Result, n_values: int, n_constraints: int | None) -> str:
    """Why a result cannot be one of this study's, in words that follow "because"; empty if it can.

    Args:
        result: What an objective returned.
        n_values: How many objectives the study has.
        n_constraints: How many constraints its other results have; None if there is no other.
    """
    n = len(values_of(result))
    if n != n_values:
        return f"its result has {_count(n, 'value')}, and the study has {_count(n_values, 'objective')}"
    if n_constraints is not None and len(result.constraints) != n_constraints:
        return (
            f"the objective returned {_count(len(result.constraints), 'constraint')}, and {n_constraints} in other "
            f"trials; it has to return all of them every time"
        )
    return ""


def total_violation(constraints: Sequence[float]) -> float:
    """By how much constraints are broken, all together: the sum of what is above 0; infinite if it is no number."""
    return sum((c for c in constraints if c > 0), 0.0)  # math.fsum would raise then


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
