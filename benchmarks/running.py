"""Runs the subjects of a benchmark program: all of them, or those that are named."""

import argparse
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measuring import Figure, as_json, machine, table


def run_subjects(
    package: str,
    subjects: Sequence[str],
    arguments: Sequence[str],
    *,
    flags: Mapping[str, str] | None = None,
    needs: Sequence[str] = (),
) -> int:
    """Measure, print the tables, and return the exit status: 0 even if a figure falls short.

    Args:
        package: Where each subject is a module with ``measure(quick=...)``.
        subjects: The names of the modules.
        arguments: The command line's.
        flags: Further switches, and what they do; ``measure`` is given them by name.
        needs: Modules that have to be there; `make` installs them before it runs this.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"any of: {', '.join(subjects)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: shows that it works, no more")
    for flag, meaning in (flags or {}).items():
        parser.add_argument(f"--{flag}", action="store_true", help=meaning)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    unknown = [subject for subject in options.subjects if subject not in subjects]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(subjects)}")
    missing = [name for name in needs if find_spec(name) is None]
    if missing:
        parser.error(f"{' and '.join(missing)} cannot be imported; pip install --group bench brings what is needed")
    how = {flag: getattr(options, flag) for flag in ("quick", *(flags or {}))}
    found: dict[str, list[Figure]] = {}
    print(f"On {machine()}.", flush=True)
    for subject in options.subjects or subjects:
        module = import_module(f"{package}.{subject}")
        found[subject] = module.measure(**how)
        print(f"\n{subject}: {(module.__doc__ or '').splitlines()[0]}\n\n{table(found[subject])}", flush=True)
    print(_summary(found))
    if options.json is not None:
        options.json.write_text(as_json(found), encoding="utf-8")
    return 0


def _summary(found: dict[str, list[Figure]]) -> str:
    verdicts = [(subject, figure) for subject, figures in found.items() for figure in figures if figure.verdict]
    short = [f"  {subject}: {figure.name}" for subject, figure in verdicts if figure.verdict != "pass"]
    head = f"\n{len(verdicts) - len(short)} of {len(verdicts)} figures with a target meet it."
    return "\n".join([head, *(["Short of it:", *short] if short else [])])
