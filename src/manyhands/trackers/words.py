"""How a search is put into words, each time in one line."""

import re
from itertools import islice

from manyhands.objectives import goal, n_objectives, value_names
from manyhands.results import show, show_seconds, show_values
from manyhands.space import Point, Space
from manyhands.trackers.tally import Tally
from manyhands.trial import Trial

LONGEST_LINE = 300

_MOST_PARAMS = 30
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")


def one_line(text: str) -> str:
    r"""Text that a console shows in one line, whatever it contains, cut off if it is long.

    Example:
        >>> one_line("red \x1b[31malert\x1b[0m")
        'red alert'
    """
    text = _ESCAPES.sub("", text[: 4 * LONGEST_LINE])
    text = "".join(c if c.isprintable() else " " for c in text).rstrip()
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 3] + "..."


def params_in_short(space: Space, point: Point) -> str:
    """The params in one line."""
    some = dict(islice(point.items(), _MOST_PARAMS))
    return one_line(", ".join(f"{name}={show(value)[:80]}" for name, value in space.label(some).items()))


def values_in_short(tally: Tally, space: Space, trial: Trial) -> str:
    """What a trial reached, and where it comes from."""
    values = show_values(trial, value_names(tally.spec.direction, tally.spec.metric))
    return f"{values}, by trial {trial.id}: {params_in_short(space, trial.point)}"


def best_so_far(tally: Tally) -> list[str]:
    """What has been reached, in two or three words; nothing if there is no value yet."""
    found = tally.incumbents
    if found.closest is not None:
        return ["none feasible"]
    if n_objectives(tally.spec.direction) > 1:
        return [f"{found.n_front} on the Pareto front"] if found.n_front else []
    return [] if found.best is None else [f"best {show(found.best.value)}"]


def minutes(seconds: float) -> str:
    """A duration in a form that keeps its width from one second to the next.

    Example:
        >>> minutes(7), minutes(3601)
        ('0:07', '1:00:01')
    """
    whole = max(0, int(seconds))
    return show_seconds(whole) if whole >= 60 else f"0:{whole:02d}"


def beginning(tally: Tally) -> str:
    """What is about to happen."""
    n_trials = "" if tally.max_trials is None else f", {_count(tally.max_trials, 'trial')}"
    workers = _count(tally.n_workers, "worker")
    return f"Study {tally.spec.name!r} begins: {goal(tally.spec.direction, tally.spec.metric)}{n_trials}, {workers}."


def earlier_runs(tally: Tally) -> list[str]:
    """What is there already, if anything is."""
    n_again = len(tally.running)
    if not tally.n_before and not n_again and not tally.paused:
        return []
    counts = ", ".join(_states(tally)) or "none ended"
    done = f"after {_count(tally.n_before, 'trial')} of earlier runs ({counts})"
    best = "".join(f", {words}" for words in best_so_far(tally))
    best += "" if tally.incumbents.best is None else f" by trial {tally.incumbents.best.id}"
    again = f"; {n_again} that had not ended run again" if n_again else ""
    paused = f"; {_count(len(tally.paused), 'trial')} paused" if tally.paused else ""
    return [f"Study {tally.spec.name!r} goes on {done}{best}{again}{paused}."]


def progress(tally: Tally) -> str:
    """How many trials are done, and of how many."""
    return f"{tally.n_done} done" if tally.max_trials is None else f"{tally.n_done}/{tally.max_trials} done"


def facts(tally: Tally, at: float) -> list[str]:
    """The numbers that one wants to see while waiting."""
    # a trial can keep as many workers busy as it has splits, so these are named for what they are
    running = f"{tally.n_running}" if tally.spec.n_splits is None else _count(tally.n_running, "trial")
    paused = [f"{len(tally.paused)} paused"] if tally.paused else []
    words = [f"{running} running", *paused, *_states(tally), *_lost(tally)]
    pace = tally.pace(at)
    if pace is not None:
        words.append(f"{pace * 60:.3g} trials/min" if pace < 10 else f"{pace:.0f} trials/s")
    return words


def time_left(tally: Tally, at: float) -> list[str]:
    """How long the rest will take, if that can be told."""
    seconds = tally.seconds_left(at)
    return [] if seconds is None else [f"about {minutes(seconds)} left"]


def ending(tally: Tally, at: float, reason: str) -> str:
    """What came out, how long it took, and why it is over."""
    took = f"{'this run ' if tally.n_before else ''}in {show_seconds(at - tally.began_at)}"
    paused = [f"{len(tally.paused)} paused"] if tally.paused else []
    words = [*(_states(tally) or ["no trial ended"]), *paused, *_lost(tally), *best_so_far(tally), took]
    return f"Study {tally.spec.name!r}: {', '.join(words)}. It ended because {one_line(reason)}."


def _states(tally: Tally) -> list[str]:
    return [f"{n} {state.value}" for state, n in tally.states.items()]


def _lost(tally: Tally) -> list[str]:
    return [f"{_count(tally.n_lost, 'attempt')} lost"] if tally.n_lost else []


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
