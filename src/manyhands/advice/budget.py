"""Advice on how many trials and workers a search has.

The numbers are those that Databricks published for Hyperopt (2021, "How (Not) to Tune Your Model With Hyperopt"): 10 to
20 trials for each ordinary parameter and 15 for each option of a categorical one; a parallelism that is a small
multiple of the number of parameters, and far below the number of trials.
"""

import math
from collections.abc import Iterator

from manyhands.advice.base import Advice, Facts
from manyhands.parameters import Choice

_FEW_PER_PARAMETER, _MANY_PER_PARAMETER = 10, 20
_PER_OPTION = 15
_FAR_BELOW = 0.4  # of the lesser number; models find their way with fewer trials than the rule was made for
_WORKERS_FOR_MORE = 32  # that many workers, which know little of one another's trials, ask for twice the trials
_ROUNDS = 5  # in which a sampler that learns has time to do so
_WORKERS_PER_PARAMETER = 4
_ALWAYS_FINE = 8  # workers, however few parameters there are


def about_budget(facts: Facts) -> Iterator[Advice]:
    """Too few trials, and too many workers."""
    yield from _too_few_trials(facts)
    yield from _too_many_at_a_time(facts)
    yield from _workers_over_cores(facts)


def _too_few_trials(facts: Facts) -> Iterator[Advice]:
    n = _budget(facts)
    if n is None:
        return
    workers = _trials_at_a_time(facts)
    factor = 1 + workers / _WORKERS_FOR_MORE if workers > 1 and facts.setup.learns else 1.0
    size = facts.space.size or math.inf
    fewest = min(size, math.ceil(factor * _needed(facts, _FEW_PER_PARAMETER)))
    most = min(size, math.ceil(factor * _needed(facts, _MANY_PER_PARAMETER)))
    if n >= _FAR_BELOW * fewest:
        return
    for_workers = f" with {workers} trials at a time" if factor > 1 else ""
    yield Advice(
        "too-few-trials",
        f"{n} trials are few for {_parameters(facts)}{for_workers}: the rule of thumb asks for {fewest:g} to {most:g}.",
        {"trials": n, "fewest": fewest, "most": most, "parameters": len(facts.space.parameters)},
        f"Give max_trials={fewest:g} or more, or fix the parameters that matter least.",
    )


def _budget(facts: Facts) -> int | None:
    """How many trials there will have been; None if that is open."""
    if facts.has_ended and facts.ended:
        return len(facts.ended)
    return facts.setup.max_trials


def _needed(facts: Facts, per_parameter: int) -> int:
    parameters = facts.space.parameters.values()
    return sum(
        _PER_OPTION * len(p.options) if isinstance(p, Choice) and not p.ordered else per_parameter
        for p in parameters
        if p.n_values != 1
    )


def _trials_at_a_time(facts: Facts) -> int:
    return max(1, (facts.setup.n_workers or 1) // (facts.setup.n_splits or 1))


def _too_many_at_a_time(facts: Facts) -> Iterator[Advice]:
    at_a_time, n, d = _trials_at_a_time(facts), facts.setup.max_trials, len(facts.space.parameters)
    if not facts.setup.learns or at_a_time == 1:
        return
    if n is not None and at_a_time * _ROUNDS > n:
        most = max(1, n // _ROUNDS)
        yield Advice(
            "parallelism-over-budget",
            f"With {at_a_time} trials at a time, {n} trials are over in {math.ceil(n / at_a_time)} rounds, and the "
            f"sampler learns little in so few.",
            {"at_a_time": at_a_time, "trials": n, "rounds": n / at_a_time, "most": most},
            f"Give {_workers(facts, most)} or fewer, or max_trials={at_a_time * _ROUNDS} or more.",
        )
    most = max(_ALWAYS_FINE, _WORKERS_PER_PARAMETER * d)
    if at_a_time > most:
        yield Advice(
            "parallelism-over-parameters",
            f"{at_a_time} trials at a time are many for {_parameters(facts)}: most are proposed before what the others "
            f"show is known.",
            {"at_a_time": at_a_time, "parameters": d, "most": most},
            f"{_workers(facts, most)} would find about as much for less; use the other cores within trials.",
        )


def _workers(facts: Facts, at_a_time: int) -> str:
    return f"workers={at_a_time * (facts.setup.n_splits or 1)}"


def _workers_over_cores(facts: Facts) -> Iterator[Advice]:
    workers, cores = facts.setup.n_workers, facts.setup.cores
    if workers is None or cores is None or workers <= cores:
        return
    yield Advice(
        "workers-over-cores",
        f"{workers} workers share {cores} {'core' if cores == 1 else 'cores'}, so each trial takes longer, and needs "
        f"its memory for longer.",
        {"workers": workers, "cores": cores},
        f"Give workers={cores}, unless trials mostly wait for something else.",
    )


def _parameters(facts: Facts) -> str:
    n = len(facts.space.parameters)
    return f"{n} parameter{'' if n == 1 else 's'}"
