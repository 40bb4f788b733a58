"""Warm start: what former studies of the same objective teach a new one."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from manyhands.errors import SettingsError, SpaceError
from manyhands.labels import option_labels
from manyhands.objectives import Direction
from manyhands.parameters import Choice, Parameter
from manyhands.ports import Sampler
from manyhands.space import Point, Space
from manyhands.trial import Trial

#: Trials of former studies are completed from the stream ``[_STREAM, place of the study, trial id]``.
_STREAM = 0x7EAC4


class Former(Protocol):
    """What is asked of a former study; ``manyhands.Study`` has it."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def space(self) -> Space:
        """What was searched."""

    @property
    def direction(self) -> Direction:
        """What was to be done."""

    @property
    def trials(self) -> Sequence[Trial]:
        """All its trials."""


class Lessons(Struct, frozen=True):
    """What a sampler is taught before the first trial.

    Attributes:
        trials: In the order in which to teach them, with negative ids and the new space's points.
        n_ended: How many trials have ended in the former studies, the ones that do not fit the new space included.
    """

    trials: tuple[Trial, ...] = ()
    n_ended: int = 0

    def __str__(self) -> str:
        return f"{len(self.trials)} of {self.n_ended} trials of former studies"


def check_learns(lessons: Lessons, sampler: Sampler) -> None:
    """Refuse to teach a sampler that takes no notice.

    Raises:
        SettingsError: As said.
    """
    if lessons.n_ended and not sampler.learns:
        raise SettingsError(
            f"warm_start= teaches a sampler, and {sampler!r} does not learn from outcomes. "
            f"Use sampler='auto', 'gp' or 'tpe', or leave warm_start out."
        )


def carried_over(former: Former | Sequence[Former] | None, space: Space, direction: Direction) -> Lessons:
    """The trials of former studies as trials of a new space, failed and stopped ones included.

    Parameters are matched by their flat names and values by what people read: an option of a choice by its label. A
    trial does not fit if a value of it is not in the new range, or not among the new options. What the new space has
    not is left out. What only the new space has is drawn at random, always in the same way: whatever the value was in
    truth, one and the same for all trials would make the sampler believe that it has seen what comes of it.

    Args:
        former: One study, several, or None.
        space: What is to be searched.
        direction: What is to be done.

    Returns:
        The trials, those of one study after those of another, each in the order in which their outcomes were known.

    Raises:
        SettingsError: Something is no study, has another direction, or no trial at all fits the space.
    """
    studies: Sequence[Any] = former if isinstance(former, list | tuple) else [] if former is None else [former]
    found: list[Trial] = []
    misfits: list[str] = []
    for place, study in enumerate(studies):
        _check(study, direction)
        for trial in sorted((t for t in study.trials if t.state.is_end), key=lambda t: t.order):
            try:
                point = _translate(study.space.label(trial.point), space, [_STREAM, place, trial.id])
            except SpaceError as misfit:
                misfits.append(f"trial {trial.id} of {study.name!r}: {misfit}")
                continue
            found.append(replace(trial, point=point))
    if misfits and not found:
        raise SettingsError(f"Not one of the {len(misfits)} trials of warm_start fits the space. {misfits[0]}")
    lessons = [
        replace(trial, id=i - len(found), order=i - len(found), params=space.build(trial.point))
        for i, trial in enumerate(found)
    ]
    return Lessons(tuple(lessons), len(found) + len(misfits))


def _check(study: Any, direction: Direction) -> None:
    if not all(hasattr(study, name) for name in ("name", "space", "direction", "trials")):
        raise SettingsError(
            f"warm_start={study!r} is no study. Give what mh.tune or mh.load_study returned, or a list of such."
        )
    if study.direction != direction:
        raise SettingsError(
            f"The study {study.name!r} given as warm_start has direction={_shown(study.direction)}, and this one has "
            f"direction={_shown(direction)}. What was good there cannot be told from what is good here."
        )


def _shown(direction: Direction) -> str:
    return repr(direction if isinstance(direction, str) else list(direction))


def _translate(values: Mapping[str, Any], space: Space, seed: Sequence[int]) -> Point:
    """The point of the space that has these values; what they leave open is drawn.

    Args:
        values: By flat name, as ``Space.label`` gives them.
        space: What is to be searched.
        seed: Of the draw.

    Raises:
        SpaceError: A value is not in its new range, or none of the names is one of the space's.
    """
    if not values.keys() & space.parameters.keys():
        raise SpaceError(f"it has {', '.join(values)}, and the space has {', '.join(space.parameters)}.")
    fixed: Point = {}
    for name, parent in space.parents.items():
        # A choice that is not known yet will be drawn, and then there is nothing to be known of what lies below it.
        if name in values and (parent is None or fixed.get(parent[0]) == parent[1]):
            fixed[name] = _read(values[name], space.parameters[name], name)
    return space.sample(np.random.default_rng(seed), fixed)


def _read(value: Any, parameter: Parameter, name: str) -> float:
    if not isinstance(parameter, Choice):
        try:
            return parameter.read(value)
        except SpaceError as misfit:
            raise SpaceError(f"{name}: {misfit}") from None
    labels = option_labels(parameter)
    for i, label in enumerate(labels):
        if label == value and isinstance(label, bool) == isinstance(value, bool):
            return i
    raise SpaceError(f"{name}: {value!r} is none of {', '.join(map(repr, labels))}.")
