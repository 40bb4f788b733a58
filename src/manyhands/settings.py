"""What is fixed for one run of a search."""

from msgspec import Struct

from manyhands.objectives import Direction


class Settings(Struct, frozen=True, kw_only=True):
    """What is fixed for one run of a search; see ``manyhands.tune`` for most of them.

    Attributes:
        direction: One word; with several objectives one for each.
        races: Whether splits are left out of trials that will hardly be the best; see ``manyhands.racing``.
        ahead: Whether workers may be given trials that they cannot start yet.
    """

    direction: Direction = "minimize"
    seed: int = 0
    max_trials: int | None = None
    n_splits: int | None = None
    max_failures: int | None = None
    max_attempts: int = 3
    timeout_s: float | None = None
    trial_timeout_s: float | None = None
    races: bool = False
    ahead: bool = True
