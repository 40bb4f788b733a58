"""What all benchmarks share: figures and their targets, rounds and medians, fresh processes, the table."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

_FRESH_TIMEOUT_S = 4 * 3600.0


@dataclass(frozen=True)
class Figure:
    """One number that was measured, or a word on why there is none.

    Attributes:
        name: What was measured.
        value: The number; None if there is none.
        unit: What it counts.
        at_least: The target, if more is better.
        at_most: The target, if less is better.
        ours: What the same measure gives for Manyhands, divided by this one.
        note: Anything else worth knowing.
    """

    name: str
    value: float | None = None
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    ours: float | None = None
    note: str = ""

    @property
    def target(self) -> str:
        """The target in signs; empty if there is none."""
        if self.at_least is not None:
            return f">= {number(self.at_least)}"
        return "" if self.at_most is None else f"<= {number(self.at_most)}"

    @property
    def verdict(self) -> str:
        """``"pass"`` or ``"FALLS SHORT"``; empty if there is no target, or no number."""
        if self.value is None or not self.target:
            return ""
        is_low = self.at_least is not None and self.value < self.at_least
        is_high = self.at_most is not None and self.value > self.at_most
        return "FALLS SHORT" if is_low or is_high else "pass"


def interleave(measures: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Run every measure once in each round, so that what else the machine does meets all of them alike."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(repeats):
        for name, measure in measures.items():
            found[name].append(measure())
    return found


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median over rounds of one measure divided by another of the same round."""
    return median(a / b for a, b in zip(above, below, strict=True))


def spread(values: Sequence[float]) -> str:
    """The least and the greatest of several rounds, for a note."""
    return f"{number(min(values))} to {number(max(values))}"


def in_fresh_process(function: Callable[..., Any], *args: object) -> Any:
    """Call a function of a benchmark in a new Python process, and return what it returned.

    Args:
        function: One that can be imported, and returns what JSON can hold.
        *args: What JSON can hold.

    Raises:
        RuntimeError: It failed there.
        TimeoutExpired: It takes hours.
    """
    code = (
        f"import json; from {function.__module__} import {function.__name__} as f; "
        f"answer = f(*json.loads({json.dumps(args)!r})); print(); print(json.dumps(answer))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=_FRESH_TIMEOUT_S
    )
    if done.returncode != 0:
        raise RuntimeError(f"{function.__name__} failed in its process:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def number(value: float) -> str:
    """A number as people read it."""
    if value != 0 and abs(value) < 100:
        return f"{value:.3g}"
    return f"{value:,.0f}"


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table that also reads well as plain text."""
    head = ["figure", "value", "unit", "ours / this", "target", "verdict", "note"]
    rows = [head, *map(_row, figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def as_json(found: Mapping[str, Sequence[Figure]]) -> str:
    """All figures, by subject, with a word on the machine."""
    subjects = {
        subject: [{**asdict(figure), "verdict": figure.verdict} for figure in figures]
        for subject, figures in found.items()
    }
    return json.dumps({"machine": machine(), "subjects": subjects}, indent=2)


def machine() -> str:
    """What this runs on, in a few words."""
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _row(figure: Figure) -> list[str]:
    return [
        figure.name,
        "-" if figure.value is None else number(figure.value),
        figure.unit,
        "" if figure.ours is None else f"{number(figure.ours)} x",
        figure.target,
        figure.verdict,
        figure.note,
    ]
