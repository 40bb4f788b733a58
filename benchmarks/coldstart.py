"""Seconds from the call of ``tune`` to its return for 100 trivial trials with 2 workers that do not exist yet."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from benchmarks.measuring import Figure, in_fresh_process, interleave, ratio, spread

_N_TRIALS = 100


def measure(*, quick: bool) -> list[Figure]:
    """A cold search beside the starts of two Python processes that do nothing."""
    measures = {
        "cold": partial(in_fresh_process, cold_search),
        "colder": partial(in_fresh_process, first_use),
        "in turn": _two_in_turn,
        "at once": _two_at_once,
    }
    found = interleave(measures, repeats=2 if quick else 15)
    seconds = {name: median(times) for name, times in found.items()}
    in_turn, at_once = (ratio(found["cold"], found[name]) for name in ("in turn", "at once"))
    of_tune = f"tune is imported; {spread(found['cold'])}"
    return [
        Figure("cold search / two Pythons in turn", in_turn, "x", at_most=2),
        Figure("cold search / two Pythons at once", at_once, "x"),
        Figure(f"cold search of {_N_TRIALS} trials, 2 workers", seconds["cold"], "s", note=of_tune),
        Figure("the same, first use of manyhands.tune included", seconds["colder"], "s"),
        Figure("two starts of `python -c pass` in turn", seconds["in turn"], "s", ours=in_turn),
        Figure("two starts of `python -c pass` at once", seconds["at once"], "s", ours=at_once),
    ]


def cold_search() -> float:
    """Seconds that the search takes in a process that has imported what it calls."""
    from manyhands import Float, tune

    return _timed_search(lambda: tune, Float(0, 1))


def first_use() -> float:
    """The same, in a process that has only said ``import manyhands``."""
    import manyhands as mh

    return _timed_search(lambda: mh.tune, mh.Float(0, 1))


def _timed_search(find_tune: Callable[[], Callable[..., Any]], parameter: object) -> float:
    started = time.perf_counter()
    tune = find_tune()
    tune(lambda p: p["x"], {"x": parameter}, max_trials=_N_TRIALS, workers=2, sampler="random", progress=False)
    return time.perf_counter() - started


def _two_in_turn() -> float:
    started = time.perf_counter()
    for _ in range(2):
        _bare_python().wait()
    return time.perf_counter() - started


def _two_at_once() -> float:
    started = time.perf_counter()
    for process in [_bare_python(), _bare_python()]:
        process.wait()
    return time.perf_counter() - started


def _bare_python() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "pass"])
