"""Runs, and the file in which they are kept so that none is made twice."""

import json
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.pool import make_all
from benchmarks.quality.problems import find
from benchmarks.quality.proposers import make_proposer
from benchmarks.quality.simulate import Run, simulate

FOLDER = Path(__file__).parent / ".results"


class Key(NamedTuple):
    """What makes a run the one it is.

    Attributes:
        problem: Its name.
        sampler: Its name.
        p: How many workers there are.
        seed: What the sampler's seed and the durations come from, besides the problem.
        n_trials: How many trials there are.
    """

    problem: str
    sampler: str
    p: int
    seed: int
    n_trials: int


@dataclass
class Archive:
    """Finished runs, a line of JSON each, in a file for each sampler.

    Attributes:
        folder: Where the files are.
    """

    folder: Path = FOLDER

    def read(self) -> dict[Key, Run]:
        """All runs; of several with the same key, the newest."""
        found: dict[Key, Run] = {}
        for file in sorted(self.folder.glob("*.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                found[Key(*entry["key"])] = Run(entry["losses"], entry["seconds"])
        return found

    def add(self, key: Key, run: Run) -> None:
        """Append a run; processes may do so at once, since a line is one write."""
        self.folder.mkdir(parents=True, exist_ok=True)
        entry = {"key": key, "losses": run.losses, "seconds": [round(s, 6) for s in run.seconds]}
        file = self.folder / f"{key.sampler.replace(':', '..')}.jsonl"
        with file.open("ab", buffering=0) as lines:
            lines.write(f"{json.dumps(entry)}\n".encode())


def make(key: Key) -> Run:
    """Do the run."""
    problem = find(key.problem)
    proposer = make_proposer(key.sampler, problem, seed=seed_of(key), n_trials=key.n_trials)
    return simulate(proposer, problem, p=key.p, seed=key.seed, n_trials=key.n_trials)


def seed_of(key: Key) -> int:
    """The sampler's seed, another one on each problem: else all of LCBench's would begin with the same points."""
    return zlib.crc32(f"{key.problem} {key.seed}".encode()) % 2**31


def make_missing(keys: Sequence[Key], archive: Archive, fresh: Sequence[str] = (), jobs: int = 1) -> bool:
    """Make the runs that are not there, and those of the samplers in ``fresh``; return whether none failed."""
    done = archive.read()
    n_failed = 0
    missing = [key for key in keys if key not in done or key.sampler in fresh]
    for i, (key, run) in enumerate(make_all(make, missing, jobs), start=1):
        if isinstance(run, str):
            n_failed += 1
            print(f"{key.sampler} failed on {key.problem}, seed {key.seed}:\n{run}", file=sys.stderr)
        else:
            archive.add(key, run)
        _progress(f"{i} of {len(missing)} runs: {key.sampler} on {key.problem}")
    _progress("")
    return n_failed == 0


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print("\r" + text.ljust(79) + "\r", end="", file=sys.stderr, flush=True)


def keys_of(problems: Sequence[str], samplers: Sequence[str], p: int, n_seeds: int, n_trials: int | None) -> list[Key]:
    """The runs of all samplers on all problems, one seed after another."""
    return [
        Key(problem, sampler, p, seed, n_trials or budget(problem, p))
        for seed in range(n_seeds)
        for problem in problems
        for sampler in samplers
    ]


def budget(problem: str, p: int) -> int:
    """How many trials a run has if nothing else is said."""
    if problem.startswith("models/"):
        return 80
    return 100 if p == 1 else 200
