"""What people look at when a search is done: rows, a table, a summary."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from manyhands.space import Space
from manyhands.trial import Trial, TrialState


def rows(trials: Iterable[Trial], space: Space) -> list[dict[str, Any]]:
    """One flat dict for each trial: its number and state, its params by name, its value and metrics, its times.

    Parameters that a trial did not use are absent.
    """
    return [
        {
            "trial": trial.id,
            "state": trial.state.value,
            "value": trial.value,
            **({} if trial.variance is None else {"variance": trial.variance}),
            **{f"params.{name}": value for name, value in space.label(trial.point).items()},
            **{f"metrics.{name}": value for name, value in trial.metrics.items()},
            **{f"split.{i}": value for i, value in enumerate(trial.split_values)},
            "duration_s": trial.duration_s,
            "started_at": trial.started_at,
            "ended_at": trial.ended_at,
            "attempts": trial.attempts,
            "worker": trial.worker,
            "reason": trial.reason,
        }
        for trial in trials
    ]


def best_first(trials: Iterable[Trial], direction: str) -> list[Trial]:
    """The finished trials, the best one first."""
    finished = [t for t in trials if t.state is TrialState.FINISHED and t.value is not None]
    return sorted(finished, key=lambda t: (t.value if direction == "minimize" else -t.value, t.id))  # type: ignore[operator]


def commonest_failure(trials: Iterable[Trial]) -> tuple[Trial, int] | None:
    """The first trial that failed for the commonest reason, and how many did; None if no trial failed."""
    failed = [trial for trial in trials if trial.state is TrialState.FAILED]
    if not failed:
        return None
    kinds = Counter(map(_kind_of_failure, failed))
    kind, n = kinds.most_common(1)[0]
    return next(trial for trial in failed if _kind_of_failure(trial) == kind), n


def failures_by_reason(trials: Iterable[Trial]) -> list[tuple[str, int, int]]:
    """Reason, how many trials failed for it, and the number of the first; the commonest first."""
    failed = [trial for trial in trials if trial.state is TrialState.FAILED]
    kinds = Counter(map(_kind_of_failure, failed))
    firsts = {kind: next(t for t in failed if _kind_of_failure(t) == kind) for kind in kinds}
    return [(firsts[kind].reason, n, firsts[kind].id) for kind, n in kinds.most_common()]


def _kind_of_failure(trial: Trial) -> tuple[str, ...]:
    """Two failures are of a kind if they come from the same line of code, or else have the same words."""
    lines = [line.strip() for line in trial.traceback.splitlines() if line.strip().startswith("File ")]
    name = trial.reason.partition(":")[0]
    return (name, lines[-1]) if lines else (trial.reason,)


def summary(
    name: str,
    trials: Sequence[Trial],
    best: Trial | None,
    space: Space,
    direction: str,
    end_reason: str | None,
) -> str:
    """A study in a few lines."""
    counts = Counter(trial.state.value for trial in trials)
    counted = ", ".join(f"{n} {state}" for state, n in counts.items()) or "no trials yet"
    lines = [f"Study {name!r}, to {direction}: {counted}."]
    if best is not None:
        noise = "" if best.variance is None else f" (standard deviation {best.variance**0.5:.4g})"
        lines.append(f"Best value {best.value:.6g}{noise}, by trial {best.id}:")
        labels = space.label(best.point)
        width = max(map(len, labels))
        lines += [f"    {key:<{width}}  {show(value)}" for key, value in labels.items()]
    for reason, n, first in itertools.islice(failures_by_reason(trials), 3):
        lines.append(f"Failed {n}x, first in trial {first}: {reason}")
    took = duration(trials)
    if took is not None:
        lines.append(f"It took {show_seconds(took)}.")
    if end_reason:
        lines.append(f"It ended because {end_reason}.")
    return "\n".join(lines)


def duration(trials: Sequence[Trial]) -> float | None:
    """Seconds in which at least one trial was running, pauses between runs left out; None if no trial has ended."""
    spans = sorted((trial.started_at, trial.ended_at) for trial in trials if trial.ended_at is not None)
    if not spans:
        return None
    total, upto = 0.0, spans[0][0]
    for start, end in spans:
        total += max(0.0, end - max(start, upto))
        upto = max(upto, end)
    return total


def show(value: object) -> str:
    """A value as people read it: numbers with six digits."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def show_seconds(seconds: float) -> str:
    """A duration as people read it.

    Example:
        >>> show_seconds(0.25), show_seconds(61), show_seconds(7261)
        ('0.2 s', '1:01', '2:01:01')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
