"""Classic test functions: 2, 6 and 20 dimensions, smooth and rugged, and three that mix kinds of parameters."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import manyhands as mh
from benchmarks.quality.problems import Problem

Vector = NDArray[np.float64]


def problems() -> list[Problem]:
    """Seven over floats alone, and three mixed ones."""
    return [
        _floats("branin", branin, [(-5, 10), (0, 15)]),
        _floats("camel", six_hump_camel, [(-3, 3), (-2, 2)]),
        _floats("hartmann6", hartmann6, [(0, 1)] * 6),
        _floats("rosenbrock6", rosenbrock, [(-2.048, 2.048)] * 6),
        _floats("ackley20", partial(_moved, ackley, 1, 5.0), [(-10, 10)] * 20),
        _floats("levy20", partial(_moved, levy, 2, 5.0), [(-10, 10)] * 20),
        _floats("styblinski20", styblinski_tang, [(-5, 5)] * 20),
        Problem("functions/mixed-network", _NETWORK, network),
        Problem("functions/mixed-choices", _CHOICES, shifted_bowls),
        Problem("functions/mixed-ints", _INTS, rugged_ints),
    ]


def _floats(name: str, function: Callable[[Vector], float], bounds: list[tuple[float, float]]) -> Problem:
    tree = [mh.Float(low, high) for low, high in bounds]
    return Problem(f"functions/{name}", tree, lambda params: function(np.array(params, dtype=float)))


# -- floats --------------------------------------------------------------------------------------------------------


def branin(x: Vector) -> float:
    """Three equal minima of 0.398 (Dixon and Szego 1978)."""
    valley = x[1] - 5.1 / (4 * np.pi**2) * x[0] ** 2 + 5 / np.pi * x[0] - 6
    return float(valley**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x[0]) + 10)


def six_hump_camel(x: Vector) -> float:
    """Two minima of -1.0316, four that are not the least."""
    a, b = x
    return float((4 - 2.1 * a**2 + a**4 / 3) * a**2 + a * b + (4 * b**2 - 4) * b**2)


_HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6(x: Vector) -> float:
    """Six local minima, the least -3.322."""
    inner = (_HARTMANN_A * (x - _HARTMANN_P) ** 2).sum(axis=1)
    return -float(np.array([1.0, 1.2, 3.0, 3.2]) @ np.exp(-inner))


def rosenbrock(x: Vector) -> float:
    """A curved valley with its floor at 0; the logarithm, since losses differ by orders of magnitude."""
    return float(np.log1p((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()))


def ackley(x: Vector) -> float:
    """Many dents in a funnel, 0 in the middle."""
    ripples = np.exp(np.cos(2 * np.pi * x).mean())
    return float(-20 * np.exp(-0.2 * np.sqrt((x**2).mean())) - ripples + 20 + np.e)


def levy(x: Vector) -> float:
    """A rippled bowl, 0 in the middle (at 1 in its usual form)."""
    w = 1 + x / 4
    middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
    return float(np.sin(np.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2))


def styblinski_tang(x: Vector) -> float:
    """Two dents in each dimension, the deeper one -39.17 at -2.9035."""
    return float((x**4 - 16 * x**2 + 5 * x).sum() / 2)


def _moved(function: Callable[[Vector], float], seed: int, radius: float, x: Vector) -> float:
    """The function turned by a random rotation, its middle moved by up to ``radius`` in each dimension."""
    shift, rotation = _motion(seed, len(x), radius)
    return function(rotation @ (x - shift))


def _motion(seed: int, n: int, radius: float) -> tuple[Vector, Vector]:
    rng = np.random.default_rng(seed)
    shift = rng.uniform(-radius, radius, n)
    q, r = np.linalg.qr(rng.normal(size=(n, n)))
    return shift, q * np.sign(np.diag(r))


# -- mixed ---------------------------------------------------------------------------------------------------------

_NETWORK = {
    "rate": mh.Float(1e-5, 1, log=True),
    "decay": mh.Float(1e-6, 1e-1, log=True),
    "dropout": mh.Float(0, 0.8),
    "layers": mh.Int(1, 8),
    "units": mh.Int(8, 1024, log=True),
    "batch": mh.Choice([16, 32, 64, 128, 256, 512], ordered=True),
    "optimizer": mh.Choice(["sgd", "momentum", "adam", "rmsprop"]),
    "activation": mh.Choice(["relu", "tanh", "gelu"]),
}
_BEST_RATE = {"sgd": -1.0, "momentum": -1.8, "adam": -3.0, "rmsprop": -3.3}
_PENALTY = {"sgd": 0.5, "momentum": 0.2, "adam": 0.0, "rmsprop": 0.15}


def network(params: Mapping[str, Any]) -> float:
    """Like a network's error: the right rate depends on optimizer, batch and depth, the right decay on the size."""
    best_rate = _BEST_RATE[params["optimizer"]] + 0.3 * np.log2(params["batch"] / 64) - 0.15 * params["layers"]
    off = np.log10(params["rate"]) - best_rate
    capacity = np.log2(params["units"]) + 1.5 * np.sqrt(params["layers"])
    regularised = params["dropout"] * 2 + (np.log10(params["decay"]) + 6) / 2.5
    overfit = max(0.0, capacity - 8 - regularised) ** 2
    underfit = max(0.0, regularised + 8 - capacity) ** 2
    bend = {"relu": 0.1 * (params["layers"] > 6), "tanh": 0.08 * params["layers"], "gelu": 0.05}[params["activation"]]
    diverged = 3.0 if off > 1.2 else 0.0
    fit = off**2 / (1 + off**2 / 4) + diverged + 0.15 * overfit + 0.3 * underfit
    return float(fit + _PENALTY[params["optimizer"]] + bend)


_CHOICES = {
    "kind": mh.Choice(["a", "b", "c", "d", "e"]),
    "flavour": mh.Choice(["p", "q", "r", "s"]),
    "grade": mh.Choice(["low", "middling", "high", "highest"], ordered=True),
    "count": mh.Int(1, 20),
    "scale": mh.Float(1e-3, 1e3, log=True),
    "x": mh.Float(-1, 1),
    "y": mh.Float(-1, 1),
}
_TABLES = np.random.default_rng(3)
_OFFSETS = _TABLES.uniform(0, 2, (5, 4))  # how good the bottom of each bowl is
_CENTRES = _TABLES.uniform(-0.8, 0.8, (5, 4, 2))  # and where it is


def shifted_bowls(params: Mapping[str, Any]) -> float:
    """Twenty bowls, one for each pair of options, with a ridge between count and scale."""
    kind, flavour = "abcde".index(params["kind"]), "pqrs".index(params["flavour"])
    grade = ("low", "middling", "high", "highest").index(params["grade"])
    place = np.array([params["x"], params["y"]]) - _CENTRES[kind, flavour]
    ridge = np.log10(params["scale"]) - (params["count"] - 10) / 5 + kind / 4
    bowl = _OFFSETS[kind, flavour] + 3 * (place**2).sum() + 0.4 * ridge**2
    return float(bowl + 0.3 * abs(grade - 2) + 0.02 * abs(params["count"] - 14))


_INTS = {
    "ints": [mh.Int(-10, 10) for _ in range(3)],
    "floats": [mh.Float(-10, 10) for _ in range(3)],
    "steps": [mh.Choice([-8, -4, -2, 0, 2, 4, 8], ordered=True) for _ in range(2)],
}


def rugged_ints(params: Mapping[str, Any]) -> float:
    """Ackley's function around another middle, over ints, floats and ordered options."""
    x = np.array([*params["ints"], *params["floats"], *params["steps"]], dtype=float)
    return ackley((x - np.array([3, -6, 1, 2.3, -4.7, 6.1, 2, -4])) / 2)
