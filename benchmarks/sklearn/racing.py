"""What fold racing saves, and whether it loses the winner: our rule, stricter and laxer ones, and published ones.

Every candidate's score on every fold is known from a real fit, and the searches are run on these in simulated time,
where a fit takes as long as the real one did. So all rules meet the same noise. With random search they meet the same
candidates as the search that leaves nothing out, so a worse best is a winner that was lost. A directed search proposes
others once it has learned from other folds, so there better and worse ones are counted.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import fmean, median, stdev
from typing import NamedTuple

from benchmarks.measuring import Figure, number
from benchmarks.sklearn.cases import Case, cases
from benchmarks.sklearn.foldscores import FoldScores
from benchmarks.sklearn.races import Outcome, race
from benchmarks.sklearn.rules import OFF, OURS, RULES

_SAMPLERS = ("random", "auto")
_MANY_WORKERS = (2, 10)  # our rule, also with so many fits at a time
_N_CANDIDATES = 40
_SEEDS = (0,)


class Comparison(NamedTuple):
    """A search with a rule beside the same one with none.

    Attributes:
        saved: The share of fits that were left out.
        speedup: How many times sooner it was over.
        gain: How much better its best candidate is over all folds; in units of what the best of the other search gains
            on its median candidate.
        gain_held_out: The same on samples that nobody has seen, as a score.
        gain_at_equal_fits: As ``gain``, but beside what the other search had found after as many fits.
    """

    saved: float
    speedup: float
    gain: float
    gain_held_out: float
    gain_at_equal_fits: float


#: Of all cases: by sampler, rule and number of workers.
Comparisons = dict[tuple[str, str, int], list[Comparison]]


def measure(*, quick: bool) -> list[Figure]:
    """Real and made data, five kinds of model, 5 and 10 folds."""
    chosen = cases([5], [0])[11:13] if quick else cases([10, 5], _SEEDS)
    n_candidates = 8 if quick else _N_CANDIDATES
    found: Comparisons = defaultdict(list)
    with ProcessPoolExecutor(1 if quick else os.cpu_count(), get_context("spawn")) as pool:
        for one in pool.map(compare, chosen, [n_candidates] * len(chosen)):
            for key, comparison in one.items():
                found[key].append(comparison)
    figures = [_figure(*key, comparisons) for key, comparisons in found.items()]
    return [*figures, *_targets(found["random", OURS, 1], "random"), *_targets(found["auto", OURS, 1], "auto")]


def compare(case: Case, n_candidates: int) -> dict[tuple[str, str, int], Comparison]:
    """All rules in one case."""
    scores = FoldScores(Case(*case))
    found = {}
    for sampler in _SAMPLERS:
        off = race(case, scores, OFF, sampler, n_candidates=n_candidates)
        for rule in RULES:
            if rule != OFF:
                on = race(case, scores, rule, sampler, n_candidates=n_candidates)
                found[sampler, rule, 1] = beside(off, on, case.n_folds)
        for n_workers in _MANY_WORKERS:
            both = [
                race(case, scores, rule, sampler, n_candidates=n_candidates, n_workers=n_workers)
                for rule in (OFF, OURS)
            ]
            found[sampler, OURS, n_workers] = beside(*both, case.n_folds)
        scores.save()
    return found


def beside(off: Outcome, on: Outcome, n_folds: int) -> Comparison:
    """Compare a search that left folds out with one that did not."""
    unit = max(off.mean - median(off.means), 1e-9)
    return Comparison(
        saved=1 - on.n_fits / off.n_fits,
        speedup=off.seconds / on.seconds,
        gain=(on.mean - off.mean) / unit,
        gain_held_out=on.held_out - off.held_out,
        gain_at_equal_fits=(on.mean - off.best_after(on.n_fits, n_folds)) / unit,
    )


def _figure(sampler: str, rule: str, n_workers: int, found: Sequence[Comparison]) -> Figure:
    workers = "" if n_workers == 1 else f", {n_workers} workers"
    return Figure(f"{sampler}, {rule}{workers}: fits left out", fmean(c.saved for c in found), "", note=_note(found))


def _note(found: Sequence[Comparison]) -> str:
    worse, better = (sum(sign * c.gain > 1e-9 for c in found) for sign in (-1, 1))
    held_out = [c.gain_held_out for c in found]
    error = stdev(held_out) / len(held_out) ** 0.5 if len(held_out) > 1 else 0.0
    several = [
        f"{number(median(c.speedup for c in found))} x as fast",
        f"of {len(found)} bests {worse} worse, {better} better",
        f"gain {_signed(fmean(c.gain for c in found))}, least {_signed(min(c.gain for c in found))}",
        f"held out {_signed(fmean(held_out))} ± {error:.1g}",
        f"gain at equal fits {_signed(fmean(c.gain_at_equal_fits for c in found))}",
    ]
    return "; ".join(several)


def _targets(found: Sequence[Comparison], sampler: str) -> list[Figure]:
    faster = fmean(c.speedup > 1 for c in found)
    lost = max(0.0, -fmean(c.gain for c in found))
    return [
        Figure(f"{sampler}, {OURS}: searches that are faster", faster, "", at_least=0.94),
        Figure(f"{sampler}, {OURS}: score that is lost", lost, "of best - median", at_most=0.01),
    ]


def _signed(value: float) -> str:
    return f"{value:+.2g}" if abs(value) >= 1e-9 else "0"
