"""What a piece of advice is, and what it is drawn from."""

from collections.abc import Collection
from functools import cached_property

import numpy as np
from msgspec import Struct

from manyhands.errors import SettingsError
from manyhands.objectives import Direction, losses_of, values_of
from manyhands.samplers.cube import Array
from manyhands.space import Point, Space
from manyhands.trial import Trial, TrialState

#: Every code; what each one means is in ``docs/advice.md``.
CODES = (
    "numeric-choice",
    "linear-over-decades",
    "too-few-trials",
    "parallelism-over-budget",
    "parallelism-over-parameters",
    "workers-over-cores",
    "threads-over-cores",
    "large-closure",
    "cross-validation-inside",
    "nan-losses",
    "failing-region",
    "slow-region",
    "best-at-edge",
    "no-influence",
    "stopped-improving",
    "still-improving",
    "default-is-best",
    "optimistic-best",
)

_LARGEST = 1e100


class Advice(Struct, frozen=True):
    """One piece of advice; as text it is what was seen, and what to change.

    Attributes:
        code: What it is about, such as ``"best-at-edge"``; it can be silenced by that.
        sentence: What was seen.
        figures: The numbers behind it, by name. Times are in seconds, sizes in bytes, shares between 0 and 1.
        change: What to do about it, in words.
    """

    code: str
    sentence: str
    figures: dict[str, float]
    change: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.change}"


class Setup(Struct, frozen=True, kw_only=True):
    """How a search is run, as far as that is known; advice that needs what is not known is not given.

    Attributes:
        max_trials: After how many it ends.
        n_splits: Of each trial; None if trials come in one piece.
        n_workers: How many trials (or splits of them) run at a time.
        cores: How many cores these workers share; None if they are on other machines.
        learns: Whether the sampler learns from outcomes.
        starts: The points that it was told to try first; what they leave open is absent.
        said: Advice that is known already, such as that about the objective.
        silence: Codes of advice that is not wanted.
    """

    max_trials: int | None = None
    n_splits: int | None = None
    n_workers: int | None = None
    cores: int | None = None
    learns: bool | None = None
    starts: tuple[Point, ...] = ()
    said: tuple[Advice, ...] = ()
    silence: tuple[str, ...] = ()


class Facts:
    """What is known of a study.

    Args:
        space: What is searched.
        direction: What is better.
        trials: All trials so far, in any order; none before a search.
        setup: How it is run.
        has_ended: Whether the search is over because its trials, or its time, were up.
    """

    def __init__(
        self,
        space: Space,
        direction: Direction = "minimize",
        trials: Collection[Trial] = (),
        setup: Setup = Setup(),  # noqa: B008 - it is frozen
        *,
        has_ended: bool = False,
    ):
        self.space = space
        self.direction = direction
        self.trials = trials
        self.setup = setup
        self.has_ended = has_ended

    @cached_property
    def ended(self) -> list[Trial]:
        """The trials with an outcome, in the order in which it became known."""
        return sorted((trial for trial in self.trials if trial.state.is_end), key=lambda trial: (trial.order, trial.id))

    @cached_property
    def valued(self) -> list[Trial]:
        """The finished trials that keep every constraint, in that order; none if there are several objectives."""
        if not isinstance(self.direction, str):
            return []
        return [t for t in self.ended if t.state is TrialState.FINISHED and t.value is not None and t.is_feasible]

    @cached_property
    def losses(self) -> Array:
        """The losses of ``valued``, cut off where their squares would be no numbers."""
        losses = np.array([losses_of(values_of(trial), self.direction)[0] for trial in self.valued], float)
        return np.asarray(np.clip(losses, -_LARGEST, _LARGEST))

    @cached_property
    def gain(self) -> float:
        """By how much the best loss is below the median one; what differences are measured by. 0 if not known."""
        return float(np.median(self.losses) - self.losses.min()) if len(self.losses) else 0.0

    @cached_property
    def rows(self) -> Array:
        """The points of ``valued`` in the unit cube, shape (n, d); NaN where a parameter is not active."""
        return np.array([self.space.encode(trial.point) for trial in self.valued], float)

    def value(self, loss: float) -> float:
        """A loss as the user's own value."""
        return loss if self.direction == "minimize" else -loss


def check_silence(silence: object) -> None:
    """Refuse what is no collection of codes.

    Raises:
        SettingsError: As said.
    """
    codes = None if isinstance(silence, str) or not isinstance(silence, Collection) else list(silence)
    unknown = [code for code in codes or () if code not in CODES]
    if codes is None or unknown:
        which = f", and {unknown[0]!r} is none" if unknown else ""
        raise SettingsError(
            f"silence={silence!r} must be a list of codes of advice{which}. There are: {', '.join(CODES)}."
        )
