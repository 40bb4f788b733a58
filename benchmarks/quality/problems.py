"""What is searched: a space, a loss, and two losses of random points between which regret is measured."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from manyhands.space import Space

#: Where the references of all problems are; ``python -m benchmarks.quality.references`` writes it.
REFERENCES = Path(__file__).parent / "references.json"
#: Each is a module of this package with a function ``problems``.
SUITES = ("lcbench", "models", "functions", "trees")


class SuiteMissingError(Exception):
    """What a suite needs is not on this machine; the message says what, and where it may be put."""


@dataclass(frozen=True)
class Problem:
    """Something to search.

    Attributes:
        name: Its suite and its own name, ``"functions/branin"``.
        tree: The space, as ``mh.Study`` takes it.
        loss: What params cost; smaller is better. The same params always cost the same.
        n_reference: How many random points the reference is taken from.
        find_reference: Finds the best and the median loss in another way than from random points of ``tree``.
    """

    name: str
    tree: Any
    loss: Callable[[Any], float]
    n_reference: int = 20_000
    find_reference: Callable[[], tuple[float, float]] | None = None

    @property
    def suite(self) -> str:
        """The suite it belongs to."""
        return self.name.partition("/")[0]

    @cached_property
    def space(self) -> Space:
        """The space with its names and its points."""
        return Space(self.tree)

    @property
    def reference(self) -> tuple[float, float]:
        """The best and the median loss of ``n_reference`` random points.

        Raises:
            LookupError: They are not in ``references.json``.
        """
        found = references().get(self.name)
        if found is None:
            raise LookupError(
                f"{REFERENCES.name} has no reference for {self.name}; "
                f"find it with `python -m benchmarks.quality.references {self.name}`."
            )
        best, median = found
        return best, median

    def regret(self, loss: Any) -> Any:
        """The loss on a scale on which the best of many random points is 0, and the median one 1."""
        best, median = self.reference
        return (loss - best) / (median - best)

    def measure_reference(self) -> tuple[float, float]:
        """Evaluate random points, and return the best and the median loss."""
        if self.find_reference is not None:
            return self.find_reference()
        rng = np.random.default_rng(0)
        losses = [self.loss(self.space.build(self.space.sample(rng))) for _ in range(self.n_reference)]
        return float(np.min(losses)), float(np.median(losses))


@cache
def references() -> dict[str, list[float]]:
    """The best and the median random loss of every problem, by its name."""
    return json.loads(REFERENCES.read_text(encoding="utf-8")) if REFERENCES.exists() else {}


@cache
def suite(name: str) -> tuple[Problem, ...]:
    """The problems of a suite.

    Raises:
        SuiteMissingError: What it needs is not here.
    """
    return tuple(import_module(f"benchmarks.quality.{name}").problems())


def find(name: str) -> Problem:
    """The problem of that name."""
    return next(problem for problem in suite(name.partition("/")[0]) if problem.name == name)


def available(suites: Sequence[str]) -> list[Problem]:
    """The problems of these suites; of one that is not on this machine a sentence is printed instead."""
    found: list[Problem] = []
    for name in suites:
        try:
            found += suite(name)
        except SuiteMissingError as missing:
            print(missing)
    return found
