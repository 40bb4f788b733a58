"""What was saved by stopping early, and what was lost, beside a search in which all trials run to their end."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

import manyhands as mh
from benchmarks.earlystopping.digits import N_HELD_OUT
from benchmarks.earlystopping.runs import Run, search
from benchmarks.measuring import Figure, number

FULL = "no stopping"
#: The most of the full search's compute that ASHA may use to find an equal model.
SHARE = 1 / 3
_WITH_TARGET = ("asha", "asha-promotion")


def schedulers(n_epochs: int) -> dict[str, Any]:
    """All that are compared, by name, with the settings they come with, but for the number of epochs."""
    return {
        FULL: None,
        "asha": mh.ASHAScheduler(max_steps=n_epochs),
        "asha-promotion": mh.ASHAPromotionScheduler(max_steps=n_epochs),
        "hyperband": mh.HyperbandScheduler(max_steps=n_epochs),
        "median": mh.MedianScheduler(),
    }


def compare(
    where: Callable[[], Mapping[str, Any]], *, sampler: str = "random", leave_out: Iterable[str] = (), quick: bool
) -> list[Figure]:
    """Search with each scheduler, and compare what came of it.

    Args:
        where: Makes the arguments of ``mh.tune`` that say where workers run, for each search anew.
        sampler: Its name.
        leave_out: Schedulers that are not tried.
        quick: One small search with each, which shows that it works.
    """
    n_seeds, n_trials, n_epochs = (1, 12, 9) if quick else (3, 81, 27)
    runs: dict[str, list[Run]] = {name: [] for name in schedulers(n_epochs) if name not in leave_out}
    for seed in range(n_seeds):
        for name in runs:
            scheduler = schedulers(n_epochs)[name]
            run = search(scheduler, sampler, seed, n_trials=n_trials, n_epochs=n_epochs, where=where())
            runs[name].append(run)
    return figures_of(runs)


def figures_of(runs: Mapping[str, Sequence[Run]]) -> list[Figure]:
    """What each scheduler made of the same task.

    Args:
        runs: By scheduler, a run for each seed; those of ``FULL`` among them.
    """
    full = runs[FULL]
    figures = _of_full(full)
    for name, its in runs.items():
        if name != FULL:
            figures += _beside_full(name, its, full, has_target=name in _WITH_TARGET)
    return figures


def noise_of(accuracy: float, n: int = N_HELD_OUT) -> float:
    """The standard error of an accuracy that was found on so many images."""
    return math.sqrt(accuracy * (1 - accuracy) / n)


def _of_full(full: Sequence[Run]) -> list[Figure]:
    valid, test = [run.valid for run in full], [run.test for run in full]
    early = [run.reached(SHARE * run.n_epochs) for run in full]
    return [
        Figure(f"{FULL}: validation accuracy", mean(valid), note=_spread(valid)),
        Figure(f"{FULL}: test accuracy", mean(test), note=_spread(test)),
        Figure(f"{FULL}: epochs", mean(run.n_epochs for run in full), "epochs", note=_states(full)),
        Figure(f"{FULL}: CPU", mean(run.cpu_s for run in full), "s", note=_spread(run.cpu_s for run in full)),
        Figure(f"{FULL}: best seen in a third of its epochs", mean(early), note=_spread(early)),
    ]


def _beside_full(name: str, its: Sequence[Run], full: Sequence[Run], *, has_target: bool) -> list[Figure]:
    pairs = list(zip(its, full, strict=True))
    share = SHARE if has_target else None
    of_epochs = [run.n_epochs / whole.n_epochs for run, whole in pairs]
    of_cpu = [run.cpu_s / whole.cpu_s for run, whole in pairs]
    in_time = mean((run.n_epochs - run.n_late) / whole.n_epochs for run, whole in pairs)
    early = [run.reached(SHARE * whole.n_epochs) for run, whole in pairs]
    return [
        _lost(f"{name}: validation accuracy", [(a.valid, b.valid) for a, b in pairs], has_target=has_target),
        _lost(f"{name}: test accuracy", [(a.test, b.test) for a, b in pairs], has_target=has_target),
        Figure(
            f"{name}: epochs / {FULL}",
            mean(of_epochs),
            "x",
            at_most=share,
            note=f"{_spread(of_epochs)}; {number(in_time)} without those past a decision; {_states(its)}",
        ),
        Figure(f"{name}: CPU / {FULL}", mean(of_cpu), "x", at_most=share, note=_spread(of_cpu)),
        _late(name, its),
        Figure(f"{name}: best seen in a third of the epochs of {FULL}", mean(early), note=_spread(early)),
    ]


def _lost(name: str, pairs: Sequence[tuple[float, float]], *, has_target: bool) -> Figure:
    """By how much an accuracy is below that of the full search; it may be so by the noise."""
    its, full = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return Figure(
        f"{name}, below {FULL}",
        mean(b - a for a, b in pairs),
        at_most=noise_of(mean(full)) if has_target else None,
        note=f"{_spread(b - a for a, b in pairs)}; itself {number(mean(its))}, {_spread(its)}",
    )


def _late(name: str, its: Sequence[Run]) -> Figure:
    """What it costs that a trial goes on until it hears that it should leave."""
    n_late, n_told = sum(run.n_late for run in its), sum(run.n_told for run in its)
    n_again = sum(run.n_again for run in its)
    epoch_s = sum(run.cpu_s for run in its) / sum(run.n_epochs for run in its)
    note = (
        f"{n_late} after {n_told} decisions; an epoch takes {number(epoch_s * 1e3)} ms of CPU; {n_again} trained twice"
    )
    return Figure(f"{name}: epochs past a decision", n_late / max(1, n_told), "epochs", note=note)


def _spread(values: Iterable[float]) -> str:
    found = list(values)
    deviation = f" (standard deviation {number(stdev(found))})" if len(found) > 1 else ""
    return f"{number(min(found))} to {number(max(found))}{deviation}"


def _states(runs: Sequence[Run]) -> str:
    """How many trials ended how, on average."""
    states = sorted({state for run in runs for state in run.states})
    return ", ".join(f"{number(mean(run.states.get(state, 0) for run in runs))} {state}" for state in states)
