"""Schedulers by name. Each file is one algorithm."""

from manyhands.checks import check_role
from manyhands.errors import SettingsError
from manyhands.objectives import Direction, check_one_objective
from manyhands.ports import Scheduler
from manyhands.schedulers.registry import NAMES, make

__all__ = ["make_scheduler"]


def make_scheduler(scheduler: object, direction: Direction) -> Scheduler:
    """Return the scheduler of that name, or the given one, ready for a search.

    A scheduler may have a method ``start(direction: str) -> None``. It is called here, once, before anything else. Who
    has it forgets all former trials there, and learns which way values go, so that its reasons can show values as
    people know them: a loss is the value when minimising, and the value with the other sign when maximising.

    Args:
        scheduler: Its name, or a scheduler.
        direction: The study's: ``"minimize"`` or ``"maximize"``.

    Raises:
        SettingsError: There is none of that name, or it is no scheduler; or the study has several objectives.
    """
    if isinstance(scheduler, str):
        if scheduler not in NAMES:
            raise SettingsError(f"There is no scheduler {scheduler!r}. There are: {', '.join(NAMES)}.")
        scheduler = make(scheduler)
    check_role("scheduler", scheduler, "judge", "observe")
    check_one_objective(direction, "A scheduler")
    start = getattr(scheduler, "start", None)
    if start is not None:
        start(direction)
    return scheduler  # type: ignore[return-value]
