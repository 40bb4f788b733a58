"""Runs benchmarks: all of them, or those that are named."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.measuring import Figure, as_json, machine, table

_SUBJECTS = ("imports", "coldstart", "overhead", "reports", "simulator", "history", "memory")


def main(arguments: Sequence[str]) -> int:
    """Measure, print the tables, and return the exit status: 0 even if a figure falls short."""
    options = _read(arguments)
    found: dict[str, list[Figure]] = {}
    print(f"On {machine()}.", flush=True)
    for subject in options.subjects or _SUBJECTS:
        module = import_module(f"benchmarks.{subject}")
        found[subject] = module.measure(quick=options.quick)
        print(f"\n{subject}: {(module.__doc__ or '').splitlines()[0]}\n\n{table(found[subject])}", flush=True)
    print(_summary(found))
    if options.json is not None:
        options.json.write_text(as_json(found), encoding="utf-8")
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"any of: {', '.join(_SUBJECTS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: shows that it works, no more")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    unknown = [subject for subject in options.subjects if subject not in _SUBJECTS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(_SUBJECTS)}")
    return options


def _summary(found: dict[str, list[Figure]]) -> str:
    verdicts = [(subject, figure) for subject, figures in found.items() for figure in figures if figure.verdict]
    short = [f"  {subject}: {figure.name}" for subject, figure in verdicts if figure.verdict != "pass"]
    head = f"\n{len(verdicts) - len(short)} of {len(verdicts)} figures with a target meet it."
    return "\n".join([head, *(["Short of it:", *short] if short else [])])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
