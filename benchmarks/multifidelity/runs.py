"""Runs: what a search of a task came to, made once and kept if a peer takes long for it."""

import json
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks import pool
from benchmarks.multifidelity import ours, peers
from benchmarks.multifidelity.tasks import N_EPOCHS, N_FULL_TRAININGS, task
from benchmarks.multifidelity.world import Trace, World


class Key(NamedTuple):
    """What makes a run the one it is.

    Attributes:
        method: Its name.
        instance: The data set's number.
        workers: How many there are.
        seed: What the method's seed comes from, besides the data set.
    """

    method: str
    instance: str
    workers: int
    seed: int


class Best(NamedTuple):
    """A new best loss.

    Attributes:
        time: The share of the budget, in worker time, at which it was reported.
        epochs: The share of the budget, in epochs of all trials.
        regret: The loss on a scale on which the best of 20,000 random configurations has 0 and the median one 1.
    """

    time: float
    epochs: float
    regret: float


@dataclass(frozen=True)
class Run:
    """What a search came to.

    Attributes:
        bests: Each new best loss, at any epoch of any trial.
        n_trials: How many were begun.
        n_finished: How many came to their end.
        n_epochs: Of all trials together.
        busy: The share of the workers' time that went into epochs that were reported.
        thinks_s: Seconds of this machine that the method took to decide.
    """

    bests: tuple[Best, ...]
    n_trials: int
    n_finished: int
    n_epochs: int
    busy: float
    thinks_s: float

    def by_time(self, share: float) -> float:
        """The regret when a share of the budget's worker time is spent.

        Before the first report nothing is known; then it counts as what the first report says.
        """
        return next((best.regret for best in reversed(self.bests) if best.time <= share), self._first)

    def by_epochs(self, share: float) -> float:
        """The regret when a share of the epochs of 100 full trainings is spent, all trials together."""
        return next((best.regret for best in reversed(self.bests) if best.epochs <= share), self._first)

    @property
    def _first(self) -> float:
        return self.bests[0].regret


def make(key: Key) -> Run:
    """Do the run."""
    subject, seed = task(key.instance), seed_of(key)
    if key.method.startswith(ours.PREFIX):
        trace = ours.search(key.method, subject, workers=key.workers, seed=seed)
    else:
        peer = peers.make(key.method, subject.space, seed, key.workers)
        until_s = subject.budget_s / key.workers
        trace = World(peer, subject.curve, workers=key.workers, until_s=until_s).run()
    return summarise(trace, subject.reference, workers=key.workers, until_s=subject.budget_s / key.workers)


def seed_of(key: Key) -> int:
    """The method's seed, another one on each data set: else all searches would begin with the same points."""
    return zlib.crc32(f"{key.instance} {key.seed}".encode()) % 2**31


def summarise(trace: Trace, reference: tuple[float, float], *, workers: int, until_s: float) -> Run:
    """Keep what the tables need of a trace.

    Args:
        trace: What happened.
        reference: The losses that have regret 0 and 1.
        workers: How many there were.
        until_s: Seconds of simulated time that the search had.

    Raises:
        ValueError: There was no report.
    """
    if not trace.reports:
        raise ValueError(f"no trial came to the end of an epoch in {until_s:g} s")
    best, median = reference
    bests: list[Best] = []
    least = float("inf")
    for n_epochs, (at, loss) in enumerate(trace.reports, start=1):
        if loss < least:
            least = loss
            share = n_epochs / (N_FULL_TRAININGS * N_EPOCHS)
            bests.append(Best(at / until_s, share, (loss - best) / (median - best)))
    busy = trace.busy_s / (workers * until_s)
    return Run(tuple(bests), trace.n_trials, trace.n_finished, len(trace.reports), busy, trace.thinks_s)


@dataclass(frozen=True)
class Archive:
    """Finished runs, a line of JSON each, in a file for each method.

    Attributes:
        folder: Where the files are.
    """

    folder: Path

    @classmethod
    def default(cls) -> "Archive":
        """The folder that the environment variable ``MANYHANDS_MULTIFIDELITY`` names, else one in the user's cache."""
        named = os.environ.get("MANYHANDS_MULTIFIDELITY")
        return cls(Path(named) if named else Path.home() / ".cache" / "manyhands" / "multifidelity")

    def read(self) -> dict[Key, Run]:
        """All runs; of several with the same key, the newest."""
        found: dict[Key, Run] = {}
        for file in sorted(self.folder.glob("*.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                entry["run"]["bests"] = tuple(Best(*best) for best in entry["run"]["bests"])
                found[Key(*entry["key"])] = Run(**entry["run"])
        return found

    def add(self, key: Key, run: Run) -> None:
        """Append a run; processes may do so at once, since a line is one write."""
        self.folder.mkdir(parents=True, exist_ok=True)
        entry = {"key": key, "run": asdict(run)}
        file = self.folder / f"{key.method.replace(':', '..').replace('/', '-')}.jsonl"
        with file.open("ab", buffering=0) as lines:
            lines.write(f"{json.dumps(entry)}\n".encode())


def make_all(keys: Sequence[Key], jobs: int, done: Callable[[Key, Run], None]) -> dict[Key, str]:
    """Do runs, and hand each over when it is done.

    Args:
        keys: Which runs.
        jobs: How many processes do them.
        done: Is given each run.

    Returns:
        Those that failed, and why.
    """
    failed: dict[Key, str] = {}
    for key, run in pool.make_all(make, keys, jobs):
        if isinstance(run, str):
            failed[key] = run
        else:
            done(key, run)
    return failed
