"""What a suggestion costs as observations pile up: 8 mixed parameters, ours through their ports, and peers.

``python -m benchmarks.quality.cost --samplers tpe gp --peers optuna-tpe hyperopt`` prints median milliseconds of a
suggestion at some numbers of observations, the observation before it included, and the seconds of 64 suggestions one
after the other, none of which is told, at 100 observations.
"""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before numpy is loaded

import argparse  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from statistics import median  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

import manyhands as mh  # noqa: E402
from benchmarks.quality import ports  # noqa: E402
from benchmarks.quality.peers import PEERS, Peer  # noqa: E402
from benchmarks.quality.tables import markdown  # noqa: E402
from manyhands.space import Point, Space  # noqa: E402

TREE = {
    "rate": mh.Float(1e-5, 1, log=True),
    "decay": mh.Float(1e-6, 1e-1, log=True),
    "dropout": mh.Float(0, 0.8),
    "momentum": mh.Float(0, 0.99),
    "layers": mh.Int(1, 8),
    "units": mh.Int(8, 1024, log=True),
    "optimizer": mh.Choice(["sgd", "momentum", "adam", "rmsprop"]),
    "activation": mh.Choice(["relu", "tanh", "gelu"]),
}
SIZES = (100, 300, 1000, 10_000)
BATCH = 64
#: Up to how many observations a peer is measured, where more would take minutes.
MOST = {"optuna-gp": 300, "smac": 300, "smac-gp": 100, "hyperopt": 1000}
_REPEATS = 7


def main(arguments: Sequence[str]) -> int:
    """Measure and print the table, and return the exit status."""
    options = _read(arguments)
    rows = [["sampler", *(f"ms at {n:,}" for n in options.sizes), f"s for {BATCH} at 100"]]
    for name in [*options.samplers, *options.peers]:
        sizes = [n for n in options.sizes if n <= MOST.get(name, max(SIZES))]
        at_once = sum(seconds_each(name, 100, BATCH, is_told=False))
        ms = [f"{1000 * median(seconds_each(name, n, _REPEATS)):.3g}" for n in sizes]
        rows.append([name, *ms, *["-"] * (len(options.sizes) - len(ms)), f"{at_once:.2g}"])
        print(f"{name} is measured", file=sys.stderr, flush=True)
    print(markdown(rows))
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.cost", description=__doc__)
    parser.add_argument("--samplers", nargs="+", default=["random"], metavar="NAME", help="ours, or module:Class")
    parser.add_argument("--peers", nargs="*", default=[], choices=PEERS, help="other libraries, too")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="numbers of observations")
    return parser.parse_args(arguments)


def seconds_each(name: str, n: int, n_asked: int, *, is_told: bool = True) -> list[float]:
    """How long each of ``n_asked`` suggestions takes after ``n`` random observations.

    Args:
        name: Ours or a peer's.
        n: How many observations there are at first.
        n_asked: How many suggestions are timed, after one that is not.
        is_told: Whether each is told before the next one, which counts; else all stay on their way.
    """
    space = Space(TREE)
    search = _search(name, space, n + n_asked + 1)
    rng = np.random.default_rng(0)
    for _ in range(n):
        point = space.sample(rng)
        search.learn(point, _loss(point))
    handle, params = _asked(search)  # whatever is loaded or compiled at first use is so by now
    seconds = []
    for _ in range(n_asked):
        started = time.perf_counter()
        if is_told:
            search.tell(handle, _loss(space.find(params)))
        handle, params = _asked(search)
        seconds.append(time.perf_counter() - started)
    return seconds


def _asked(search: Peer) -> tuple[Any, Any]:
    asked = search.ask()
    if asked is None:
        raise RuntimeError("the sampler has nothing to suggest")
    return asked


def _search(name: str, space: Space, n_trials: int) -> Peer:
    if name in PEERS:
        return PEERS[name](space, 0, n_trials)
    return ports.Ported(name, space, 0, n_trials)


def _loss(point: Point) -> float:
    off = np.log10(point["rate"]) + 2.5 + 0.3 * point["optimizer"] - 0.1 * point["layers"]
    size = np.log2(point["units"]) - 7 + 2 * point["dropout"]
    return float(off**2 + 0.2 * size**2 + (point["momentum"] - 0.9) ** 2 + 0.1 * (point["activation"] == 1))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
