"""Digits read by networks, with two local processes: ASHA has to find an equal model with a third of the compute.

The sampler is ``random``, so all searches meet the same 81 configurations. Compute is counted in epochs that were
trained, and in seconds of CPU in the objective, so that it matters little what else the machine does.
"""

from benchmarks.earlystopping.figures import compare
from benchmarks.measuring import Figure

_WORKERS = 2


def measure(*, quick: bool) -> list[Figure]:
    """Each scheduler: 81 models of at most 27 epochs, three times."""
    return compare(lambda: {"workers": _WORKERS}, quick=quick)
