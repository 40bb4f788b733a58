"""The same as `processes`, with two slots of Spark in one Java process of this machine."""

import manyhands as mh
from benchmarks.earlystopping.figures import compare
from benchmarks.measuring import Figure
from benchmarks.spark import sessions

_SLOTS = 2


def measure(*, quick: bool) -> list[Figure]:
    """Each scheduler: 81 models of at most 27 epochs, three times."""
    with sessions.local(_SLOTS) as spark:
        return compare(lambda: {"executor": mh.Spark(spark, workers=_SLOTS)}, quick=quick)
