"""What people look at when a search is done: rows, a table, a summary."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from manyhands.incumbents import Incumbents
from manyhands.objectives import Direction, Metric, goal, losses_of, total_violation, value_names, values_of
from manyhands.space import Space
from manyhands.trial import Trial, TrialState

_MOST_OF_FRONT = 10  # trials that a summary shows
_LEAST_SHOWN_S = 0.05  # a sampler that takes less than this all together is not worth a word


def rows(trials: Iterable[Trial], space: Space, names: Sequence[str] = ("value",)) -> list[dict[str, Any]]:
    """One flat dict for each trial: its number and state, its params by name, its value and metrics, its times.

    Parameters that a trial did not use are absent, and so are constraints if there are none.

    Args:
        trials: The trials.
        space: What was searched.
        names: What to call the values, one for each objective.
    """
    return [
        {
            "trial": trial.id,
            "state": trial.state.value,
            **_named_values(trial, names),
            **{f"constraints.{i}": value for i, value in enumerate(trial.constraints)},
            **({"feasible": trial.is_feasible} if trial.constraints else {}),
            **({} if trial.variance is None else {"variance": trial.variance}),
            **{f"params.{name}": value for name, value in space.label(trial.point).items()},
            **{f"metrics.{name}": value for name, value in trial.metrics.items()},
            **_named_splits(trial, names),
            "duration_s": trial.duration_s,
            "started_at": trial.started_at,
            "ended_at": trial.ended_at,
            "attempts": trial.attempts,
            "worker": trial.worker,
            "reason": trial.reason,
        }
        for trial in trials
    ]


def _named_values(trial: Trial, names: Sequence[str]) -> dict[str, float | None]:
    if len(names) == 1:
        return {names[0]: trial.value}
    return dict(zip(names, trial.values or [None] * len(names), strict=True))


def _named_splits(trial: Trial, names: Sequence[str]) -> dict[str, float]:
    named: dict[str, float] = {}
    for i, value in enumerate(trial.split_values):
        if isinstance(value, tuple):
            named |= {f"split.{i}.{name}": v for name, v in zip(names, value, strict=True)}
        else:
            named[f"split.{i}"] = value
    return named


def best_first(trials: Iterable[Trial], direction: Direction) -> list[Trial]:
    """The feasible finished trials, the best one by the first objective first."""
    finished = [t for t in trials if t.state is TrialState.FINISHED and values_of(t) and t.is_feasible]
    return sorted(finished, key=lambda t: (losses_of(values_of(t), direction), t.id))


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
    incumbents: Incumbents,
    space: Space,
    end_reason: str | None,
    *,
    metric: Metric = None,
    sampler: Sequence[str] = (),
    advice: Sequence[str] = (),
    n_front: int = _MOST_OF_FRONT,
) -> str:
    """A study in a few lines.

    Args:
        name: The study's.
        trials: All of them.
        incumbents: The best of them, by the study's direction.
        space: What was searched.
        end_reason: Why the search ended, if it did.
        metric: What the values are called.
        sampler: Lines about the sampler; see ``sampler_lines``.
        advice: Lines of advice.
        n_front: How many trials of a Pareto front to show, at most.
    """
    counts = Counter(trial.state.value for trial in trials)
    counted = ", ".join(f"{n} {state}" for state, n in counts.items()) or "no trials yet"
    lines = [f"Study {name!r}, to {goal(incumbents.direction, metric)}: {counted}."]
    if incumbents.best is not None:
        lines += _best_lines(incumbents.best, space)
    elif incumbents.n_front:
        lines += _front_lines(incumbents, space, value_names(incumbents.direction, metric), n_front)
    if incumbents.n_infeasible:
        lines.append(f"{_capital(infeasibility(incumbents))}.")
    for reason, n, first in itertools.islice(failures_by_reason(trials), 3):
        lines.append(f"Failed {n}x, first in trial {first}: {reason}")
    took = duration(trials)
    if took is not None:
        lines.append(f"It took {show_seconds(took)}.")
    lines += sampler
    if end_reason:
        lines.append(f"It ended because {end_reason}.")
    lines += advice
    return "\n".join(lines)


def _best_lines(best: Trial, space: Space) -> list[str]:
    noise = "" if best.variance is None else f" (standard deviation {best.variance**0.5:.4g})"
    labels = space.label(best.point)
    width = max(map(len, labels))
    return [
        f"Best value {best.value:.6g}{noise}, by trial {best.id}:",
        *(f"    {key:<{width}}  {show(value)}" for key, value in labels.items()),
    ]


def _front_lines(incumbents: Incumbents, space: Space, names: Sequence[str], n_most: int) -> list[str]:
    front = incumbents.front
    shown = _spread(front, n_most)
    heading = f"On the Pareto front: {len(front)} of {incumbents.n_finished} finished trials"
    if not shown:
        return [f"{heading}."]
    return [
        f"{heading}{f', {len(shown)} of which are' if len(shown) < len(front) else ''}:",
        *(
            f"    trial {trial.id}: {show_values(trial, names)}  at  "
            + ", ".join(f"{key}={show(value)}" for key, value in space.label(trial.point).items())
            for trial in shown
        ),
    ]


def _spread(front: Sequence[Trial], n: int) -> Sequence[Trial]:
    """At most ``n`` of the trials, from one end of the front to the other."""
    if len(front) <= n or n < 2:
        return front[:n]
    return [front[round(i * (len(front) - 1) / (n - 1))] for i in range(n)]


def infeasibility(incumbents: Incumbents) -> str:
    """How many trials broke constraints, in words; and which came closest to keeping them, if none did."""
    closest = incumbents.closest
    if closest is None:
        return f"{incumbents.n_infeasible} of {incumbents.n_finished} finished trials break constraints"
    constraints = ", ".join(map(show, closest.constraints))
    return (
        f"none of {incumbents.n_finished} finished trials keeps every constraint; trial {closest.id} comes closest, "
        f"with {total_violation(closest.constraints):.6g} above 0 all together (constraints {constraints})"
    )


def sampler_lines(explanation: str, seconds: float, all_seconds: float) -> list[str]:
    """What the sampler does, if it says so, and how long it took, if that is worth a word.

    Args:
        explanation: What ``Search.explanation`` says; may be empty.
        seconds: How long it has been thinking.
        all_seconds: How long the whole search has taken.
    """
    lines = [explanation] if explanation else []
    if seconds >= _LEAST_SHOWN_S and all_seconds > 0:
        lines.append(f"The sampler took {show_seconds(seconds)}, {seconds / all_seconds:.1%} of the time.")
    return lines


def show_values(trial: Trial, names: Sequence[str]) -> str:
    """The values of a trial as people read them.

    Example:
        >>> show_values(Trial(0, {}, {}, values=(0.5, 2.0)), ["value.error", "value.1"])
        'error=0.5, 2'
    """
    keys = [name.removeprefix("value.") for name in names]
    shown = [show(value) for value in values_of(trial)]
    return ", ".join(v if k.isdecimal() or k == "value" else f"{k}={v}" for k, v in zip(keys, shown, strict=True))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


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
