"""Runs as tables, and what they say of the targets."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks.multifidelity.runs import Key, Run
from benchmarks.quality.tables import markdown

SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)

Means = dict[str, list[float]]  # method -> mean regret at each of the shares


def groups(runs: Mapping[Key, Run], methods: Sequence[str]) -> list[tuple[list[str], dict[Key, Run]]]:
    """What can be compared: methods, and their runs on the data sets and seeds on which all of these methods ran.

    Slow methods may have fewer runs. So the first group has the most runs, and each further one more methods.
    """
    cases = {method: {_case(key) for key in runs if key.method == method} for method in methods}
    found = []
    for wanted in sorted({frozenset(its) for its in cases.values() if its}, key=len, reverse=True):
        chosen = [method for method in methods if cases[method] >= wanted]
        found.append((chosen, {k: run for k, run in runs.items() if k.method in chosen and _case(k) in wanted}))
    return found


def table(runs: Mapping[Key, Run], methods: Sequence[str]) -> str:
    """Normalised regret by shares of the budget's worker time, and what it took, a row for each method."""
    rows = [
        ["method", *(f"{share:.0%}" for share in SHARES), "trials", "in full", "epochs", "busy", "thinks, s", "runs"],
    ]
    for method in methods:
        found = _of(runs, method)
        if not found:
            continue
        regrets = [f"{np.mean([run.by_time(share) for run in found]):.3f}" for share in SHARES]
        counts = [
            f"{np.mean([getattr(run, name) for run in found]):.0f}" for name in ("n_trials", "n_finished", "n_epochs")
        ]
        busy = f"{np.mean([run.busy for run in found]):.0%}"
        rows.append(
            [method, *regrets, *counts, busy, f"{np.mean([run.thinks_s for run in found]):.1f}", str(len(found))]
        )
    return markdown(rows)


def epochs_table(runs: Mapping[Key, Run], methods: Sequence[str]) -> str:
    """Normalised regret by shares of the epochs of 100 full trainings; methods that choose quick trials go beyond."""
    means = mean_regrets(runs, methods, Run.by_epochs)
    rows = [["method", *(f"{share:.0%} of epochs" for share in SHARES)]]
    rows += [[method, *(f"{regret:.3f}" for regret in regrets)] for method, regrets in means.items()]
    return markdown(rows)


def mean_regrets(
    runs: Mapping[Key, Run], methods: Sequence[str], at: Callable[[Run, float], float] = Run.by_time
) -> Means:
    """The mean regret of each method that has runs, over all of them, at each of ``SHARES``."""
    found = {method: _of(runs, method) for method in methods}
    return {
        method: [float(np.mean([at(run, share) for run in its])) for share in SHARES]
        for method, its in found.items()
        if its
    }


def targets(ours: Sequence[float], peers: Means, control: Sequence[float] | None) -> list[str]:
    """A sentence for each target: whether ours meets it, and by which figures.

    Args:
        ours: Mean regrets at each of ``SHARES``.
        peers: The same of each peer.
        control: The same of the control; None if it was not run.
    """
    said = []
    if peers:
        for early, late in ((0.25, 0.5), (0.5, 1.0)):
            at, until = SHARES.index(early), SHARES.index(late)
            name, regret = min(((name, regrets[until]) for name, regrets in peers.items()), key=lambda pair: pair[1])
            said.append(
                f"ours at {early:.0%} as good as the best peer at {late:.0%}: {_word(ours[at] <= regret)} "
                f"({ours[at]:.3f}; {name} {regret:.3f})"
            )
        said.append(f"better than every peer at every point: {_everywhere(ours, peers, is_strict=True)}")
    if control is not None:
        said.append(f"no worse than the control at any point: {_everywhere(ours, {'control': control})}")
    return said


def _everywhere(ours: Sequence[float], others: Mapping[str, Sequence[float]], *, is_strict: bool = False) -> str:
    short = [
        f"{name} at {share:.0%} ({regrets[i]:.3f}, ours {ours[i]:.3f})"
        for name, regrets in others.items()
        for i, share in enumerate(SHARES)
        if regrets[i] < ours[i] or (is_strict and regrets[i] == ours[i])
    ]
    return "no: " + ", ".join(short) if short else "yes"


def _word(is_met: bool) -> str:
    return "yes" if is_met else "no"


def _of(runs: Mapping[Key, Run], method: str) -> list[Run]:
    return [run for key, run in runs.items() if key.method == method]


def _case(key: Key) -> tuple[str, int]:
    return key.instance, key.seed
