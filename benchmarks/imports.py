"""What an import costs: seconds, heavy modules, and distributions that an installation brings along."""

import sys
import time
from functools import partial
from importlib.metadata import PackageNotFoundError, requires
from statistics import median

from benchmarks.measuring import Figure, in_fresh_process, interleave

_HEAVY = ("numpy", "scipy", "pandas", "rich", "sklearn", "zmq")


def measure(*, quick: bool) -> list[Figure]:
    """Times in fresh processes, and what is loaded then."""
    measures = {
        "package": partial(in_fresh_process, seconds_of_package),
        "tune": partial(in_fresh_process, seconds_of_tune),
    }
    found = interleave(measures, repeats=2 if quick else 15)
    after_package = in_fresh_process(heavy_after_package)
    after_tune = in_fresh_process(heavy_after_tune)
    installed = distributions("manyhands")
    return [
        Figure("import manyhands", median(found["package"]), "s", at_most=0.3),
        Figure("import manyhands; manyhands.tune", median(found["tune"]), "s"),
        Figure("heavy modules after the first", len(after_package), "modules", at_most=0, note=_list(after_package)),
        Figure("heavy modules after the second", len(after_tune), "modules", note=_list(after_tune)),
        Figure("an installation brings", len(installed), "distributions", at_most=15, note=_list(installed)),
    ]


def seconds_of_package() -> float:
    """How long ``import manyhands`` takes here."""
    started = time.perf_counter()
    import manyhands  # noqa: F401

    return time.perf_counter() - started


def seconds_of_tune() -> float:
    """How long it takes until ``manyhands.tune`` can be called."""
    started = time.perf_counter()
    import manyhands

    _ = manyhands.tune
    return time.perf_counter() - started


def heavy_after_package() -> list[str]:
    """Which heavy modules ``import manyhands`` loads."""
    seconds_of_package()
    return _loaded()


def heavy_after_tune() -> list[str]:
    """Which heavy modules ``manyhands.tune`` loads."""
    seconds_of_tune()
    return _loaded()


def distributions(name: str) -> list[str]:
    """The distribution and all it needs without any extras, itself included."""
    found: set[str] = set()
    todo = [name]
    while todo:
        canonical = todo.pop().lower().replace("_", "-").replace(".", "-")
        if canonical not in found:
            found.add(canonical)
            todo += _needs(canonical)
    return sorted(found)


def _needs(name: str) -> list[str]:
    from packaging.requirements import Requirement  # here, so that the measured processes are spared it

    try:
        parsed = [Requirement(text) for text in requires(name) or ()]
    except PackageNotFoundError:
        return []
    return [r.name for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""})]


def _loaded() -> list[str]:
    return [name for name in _HEAVY if name in sys.modules]


def _list(names: list[str]) -> str:
    return ", ".join(names)
