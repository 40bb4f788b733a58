"""The same as `processes`, with the sampler that searches have if none is named, which learns from outcomes.

Each scheduler lets it see other outcomes, so searches do not meet the same configurations; their models differ by more
than in the subject `processes`.
"""

from benchmarks.earlystopping.figures import compare
from benchmarks.measuring import Figure

_WORKERS = 2


def measure(*, quick: bool) -> list[Figure]:
    """No stopping and ASHA: 81 models of at most 27 epochs, three times."""
    left_out = ["hyperband", "median"]
    return compare(lambda: {"workers": _WORKERS}, sampler="auto", leave_out=left_out, quick=quick)
