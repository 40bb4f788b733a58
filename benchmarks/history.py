"""Whether a search slows down as trials pile up: trials 18,000 to 20,000 against the first 2,000."""

from statistics import median

import manyhands as mh
from benchmarks.measuring import Figure, spread
from benchmarks.search import run_inline, run_with_workers, steady_rate


def measure(*, quick: bool) -> list[Figure]:
    """The last tenth's rate as part of the first tenth's, each over several searches."""
    n_trials, repeats = (1000, 1) if quick else (20_000, 5)
    inline, workers = [], []
    for _ in range(repeats):
        inline.append(_first_and_last(run_inline(n_trials)))
        workers.append(_first_and_last(run_with_workers(n_trials)))
    return [*_figures("inline, in memory", inline), *_figures("2 processes, SQLite", workers)]


def _figures(name: str, rates: list[tuple[float, float]]) -> list[Figure]:
    first, last = zip(*rates, strict=True)
    kept = [end / begin for begin, end in rates]
    return [
        Figure(f"{name}: last tenth / first tenth", median(kept), "x", at_least=0.8, note=spread(kept)),
        Figure(f"{name}: first tenth", median(first), "trials/s", note=spread(first)),
        Figure(f"{name}: last tenth", median(last), "trials/s", note=spread(last)),
    ]


def _first_and_last(study: mh.Study) -> tuple[float, float]:
    tenth = len(study.trials) // 10
    warm = tenth // 10  # the first trials pay for the start of the workers
    return steady_rate(study, warm, tenth), steady_rate(study, 9 * tenth, 10 * tenth - 1)
