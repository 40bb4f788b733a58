"""What a search takes up of a stored study: what was learned, and how trials without an outcome stood."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from manyhands.advisers import Advisers
from manyhands.past import Began, Ended, Judged, past
from manyhands.ports import History, Pause
from manyhands.space import Point
from manyhands.trial import Part, Report, Trial


class Stand(Struct, gc=False):
    """How a trial of an earlier run stood when that run was cut off.

    Attributes:
        verdict: What the scheduler said to it last, if it had to leave.
        value: What it reported last.
        metrics: The same, whatever else it was.
    """

    verdict: str | Pause | None = None
    value: float | None = None
    metrics: dict[str, Any] = {}


def recall(
    advisers: Advisers, trials: Mapping[int, Trial], history: History, reports: Iterable[tuple[Part, Report]]
) -> dict[int, Stand]:
    """Tell advisers all that those of a stored study were told, in the same order.

    Args:
        advisers: Know nothing yet.
        trials: All trials of the study by id, with their params.
        history: The study.
        reports: Its reports, in the order in which they arrived.

    Returns:
        By id, how each trial that ever began stood in the end.
    """
    stands: dict[int, Stand] = {}
    for happened in past(history, reports):
        trial_id = happened.part.trial_id if isinstance(happened, Judged) else happened.trial.id
        trial, stand = trials[trial_id], stands.get(trial_id)
        if stand is None:
            stand = stands[trial_id] = Stand()
            advisers.began(trial)
        elif isinstance(happened, Began) and isinstance(stand.verdict, Pause):
            stand.verdict = None
            advisers.began(trial)
        match happened:
            case Judged(_, report):
                verdict = advisers.reported(trial, report, stand.verdict is None)
                stand.verdict = verdict if stand.verdict is None else stand.verdict
                stand.value, stand.metrics = latest(stand.value, stand.metrics, [report])
            case Ended():
                advisers.wish_to_end = None  # what a rule said earlier did not end the search, or not for good
                advisers.learn(trial)
    return stands


def not_tried(points: Iterable[Point], trials: Iterable[Trial]) -> deque[Point]:
    """The points, complete or in part, that no trial has been the try of yet."""
    untried = deque(points)
    for trial in trials:
        found = next((p for p in untried if all(trial.point.get(k) == v for k, v in p.items())), None)
        if found is not None:
            untried.remove(found)
    return untried


def latest(
    value: float | None, metrics: dict[str, Any], reports: Sequence[Report]
) -> tuple[float | None, dict[str, Any]]:
    """A trial's value and metrics after some more reports: what was not reported anew stays."""
    for report in reports:
        if report.value is not None:
            value = report.value
        if report.metrics:
            metrics = {**metrics, **report.metrics}
    return value, metrics
