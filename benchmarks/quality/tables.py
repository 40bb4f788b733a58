"""Runs as tables: normalised regret on the way and at the end, ranks, seconds; and one sampler against each other."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.problems import SUITES, find
from benchmarks.quality.runs import Key
from benchmarks.quality.simulate import Run

Case = tuple[str, int]  # problem and seed
Scores = dict[str, dict[Case, NDArray[np.float64]]]  # sampler -> case -> regret at each of the shares of the budget

SHARES = (0.25, 0.5, 1.0)
_RANK = "rank at 25/50/100%"


def table(runs: Mapping[Key, Run], samplers: Sequence[str]) -> str:
    """Means over the problems and seeds on which all samplers ran, as Markdown.

    The columns: normalised regret of the best so far at shares of the budget, with its standard error; the mean
    rank by that at each of the shares, ties sharing theirs; milliseconds that ask and tell took a trial.
    """
    scores = regrets(runs, samplers)
    cases = common(scores)
    head = ["sampler", *(f"regret at {share:.0%}" for share in SHARES), _RANK, "ms a trial"]
    if not cases:
        return "There is no problem and seed on which all of these ran: " + ", ".join(samplers) + "."
    ranks = _ranks(scores, cases)
    rows = [head]
    for name in samplers:
        found = np.array([scores[name][case] for case in cases])
        cells = [with_error(found[:, i]) for i in range(len(SHARES))]
        rows.append([name, *cells, ranks[name], _ms(runs, name, cases)])
    return markdown(rows) + f"\n\nWhere all of them ran: {_extent(cases)}."


def overview(runs: Mapping[Key, Run], samplers: Sequence[str]) -> str:
    """The regret at the end, a column for each suite and one for all of them; then as in ``table``."""
    scores = regrets(runs, samplers)
    cases = common(scores)
    if not cases:
        return table(runs, samplers)
    ranks = _ranks(scores, cases)
    columns = {suite: [case for case in cases if case[0].startswith(f"{suite}/")] for suite in SUITES}
    columns = {suite: here for suite, here in columns.items() if here} | {"all": cases}
    rows = [["sampler", *columns, _RANK, "ms a trial"]]
    for name in samplers:
        cells = [with_error(np.array([scores[name][case][-1] for case in here]), 3) for here in columns.values()]
        rows.append([name, *cells, ranks[name], _ms(runs, name, cases)])
    return markdown(rows) + f"\n\nWhere all of them ran: {_extent(cases)}."


def by_problem(runs: Mapping[Key, Run], samplers: Sequence[str]) -> str:
    """Each sampler's mean regret at the end, a row for each problem."""
    scores = regrets(runs, samplers)
    cases = common(scores)
    rows = [["problem", *samplers]]
    for problem in dict.fromkeys(problem for problem, _ in cases):
        here = [case for case in cases if case[0] == problem]
        rows.append([problem, *(f"{np.mean([scores[s][case][-1] for case in here]):.4f}" for s in samplers)])
    return markdown(rows)


def versus(runs: Mapping[Key, Run], ours: str, others: Sequence[str]) -> str:
    """One sampler against each of the others, each time on the problems and seeds on which both ran."""
    rows = [["sampler", f"{ours}: regret", "its regret", f"{ours} wins", "ties", "losses", "on"]]
    for other in others:
        scores = regrets(runs, [ours, other])
        cases = common(scores)
        if not cases:
            continue
        mine, theirs = (np.array([scores[name][case][-1] for case in cases]) for name in (ours, other))
        counts = [f"{np.mean(verdict):.0%}" for verdict in (mine < theirs, mine == theirs, mine > theirs)]
        rows.append([other, with_error(mine), with_error(theirs), *counts, _extent(cases)])
    return markdown(rows)


def regrets(runs: Mapping[Key, Run], samplers: Sequence[str]) -> Scores:
    """The normalised regret of the best so far at each share of the budget."""
    scores: Scores = {name: {} for name in samplers}
    for key, run in runs.items():
        if key.sampler in scores and run.losses:
            best = np.fmin.accumulate(run.losses)
            places = [min(max(1, round(share * key.n_trials)), len(best)) - 1 for share in SHARES]
            scores[key.sampler][_case(key)] = find(key.problem).regret(best[places])
    return scores


def common(scores: Scores) -> list[Case]:
    """The problems and seeds on which all samplers ran."""
    return sorted(set.intersection(*(set(cases) for cases in scores.values()))) if scores else []


def mean_ranks(results: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The mean rank of each sampler, 1 for the least result; equals share the mean of the ranks they take up.

    Args:
        results: Of each sampler, a number for each case, all in the same order.
    """
    values = np.array(list(results.values()))  # (samplers, cases)
    below = (values[:, None, :] > values[None, :, :]).sum(axis=1)
    equal = (values[:, None, :] == values[None, :, :]).sum(axis=1)  # itself included
    return dict(zip(results, (below + (equal + 1) / 2).mean(axis=1).tolist(), strict=True))


def with_error(values: NDArray[np.float64], digits: int = 4) -> str:
    """The mean, and its standard error if there are several."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.{digits}f}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that also reads well as plain text; the first row is its head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _ranks(scores: Scores, cases: Sequence[Case]) -> dict[str, str]:
    """Each sampler's mean rank at each of the shares of the budget."""
    at = [
        mean_ranks({name: [found[case][i] for case in cases] for name, found in scores.items()})
        for i in range(len(SHARES))
    ]
    return {name: " / ".join(f"{ranks[name]:.2f}" for ranks in at) for name in scores}


def _case(key: Key) -> Case:
    return key.problem, key.seed


def _ms(runs: Mapping[Key, Run], sampler: str, cases: Sequence[Case]) -> str:
    chosen = set(cases)
    seconds = [np.mean(run.seconds) for key, run in runs.items() if key.sampler == sampler and _case(key) in chosen]
    return f"{1000 * np.mean(seconds):.1f}"


def _extent(cases: Sequence[Case]) -> str:
    n_problems, n_seeds = len({problem for problem, _ in cases}), len({seed for _, seed in cases})
    return f"{n_problems} problems, {n_seeds} seeds, {len(cases)} runs"
