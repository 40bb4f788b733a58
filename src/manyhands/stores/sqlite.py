"""A store in one SQLite file: many studies, each with one owner at a time, every outcome durable when written."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from manyhands.errors import StoreError, StudyMismatchError, StudyOwnedError
from manyhands.events import Save, SaveReports, SaveSplit, SaveTrial
from manyhands.ports import History, StudySpec
from manyhands.stores.connecting import connect, explained, hold
from manyhands.stores.matching import check_match
from manyhands.stores.owner import Owner
from manyhands.stores.reading import read_history, read_log
from manyhands.trial import Part, Trial

_BEAT_S = 5.0

_SAVE_TRIAL = "INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SAVE_SPLIT = "INSERT OR REPLACE INTO splits VALUES (?, ?, ?, ?)"
_SAVE_REPORT = (
    "INSERT INTO reports (study_id, trial_id, split, attempt, step, value, metrics, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_SAVE_LOG = "INSERT INTO logs (study_id, trial_id, split, attempt, text) VALUES (?, ?, ?, ?, ?)"


class SqliteStore:
    """Keeps studies in an SQLite file.

    Args:
        path: The file; made if it does not exist.

    Attributes:
        path: The same.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._connection: sqlite3.Connection | None = None
        self._lock_fd = -1
        self._study_id = 0
        self._epoch = 0
        self._owner: Owner | None = None
        self._seen_at = 0.0

    def open(self, spec: StudySpec, *, resume: bool) -> History:
        """Create the study, or take it up again; see ``manyhands.ports.Store``."""
        if self._connection is not None:
            raise StoreError(f"The store {self.path} is open already; make another SqliteStore for a second study.")
        self._connection = connect(self.path)
        self._lock_fd = os.open(f"{self.path}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        spec = msgspec.json.decode(msgspec.json.encode(spec), type=StudySpec)  # as it would be read back
        try:
            with self._transaction():
                return self._take(spec, resume)
        except BaseException:
            self.close()
            raise

    def write(self, saves: Sequence[Save], logs: Iterable[tuple[Part, str]] = ()) -> None:
        """Keep all of it or none; on return it is durable."""
        study = self._study_id
        trials, splits, reports = [], [], []
        for save in saves:
            match save:
                case SaveTrial(trial):
                    trials.append(_trial_row(study, trial))
                case SaveReports(part, batch):
                    key = (study, part.trial_id, part.split, part.attempt)
                    reports += [(*key, r.step, r.value, _json(r.metrics), r.at) for r in batch]
                case SaveSplit(trial_id, split, result):
                    splits.append((study, trial_id, split, _json(result)))
        texts = [(study, part.trial_id, part.split, part.attempt, text) for part, text in logs]
        with self._transaction() as connection:
            self._check_epoch(connection)
            for sql, rows in (
                (_SAVE_TRIAL, trials),
                (_SAVE_SPLIT, splits),
                (_SAVE_REPORT, reports),
                (_SAVE_LOG, texts),
            ):
                if rows:
                    connection.executemany(sql, rows)

    def beat(self) -> None:
        """Show that the owner lives, if it has not written for some seconds."""
        if time.time() - self._seen_at > _BEAT_S:
            with self._transaction() as connection:
                self._check_epoch(connection)

    def end(self, reason: str) -> None:
        """Note why the run ended, and give the study up."""
        with self._transaction() as connection:
            self._check_epoch(connection)
            connection.execute("UPDATE studies SET end_reason = ?, owner = '' WHERE id = ?", (reason, self._study_id))
        self._study_id = 0

    def log(self, trial_id: int) -> str:
        """Everything the trial printed."""
        with explained(self.path):
            return read_log(self._require(), self._study_id, trial_id)

    def close(self) -> None:
        """Give the study up, and close the file."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._owner is not None:
            self._owner.retire()
        try:
            hold(self._lock_fd, self.path)  # closing may checkpoint
            connection.execute(
                "UPDATE studies SET owner = '' WHERE id = ? AND epoch = ?", (self._study_id, self._epoch)
            )
        except (sqlite3.Error, StoreError):
            pass  # the next driver will find this process gone
        finally:
            connection.close()
            os.close(self._lock_fd)
            self._study_id = 0

    # -- inside ------------------------------------------------------------------------------------------------

    def _require(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"The store {self.path} is not open.")
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._require()
        with explained(self.path):
            hold(self._lock_fd, self.path)
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            finally:
                _release(self._lock_fd)

    def _check_epoch(self, connection: sqlite3.Connection) -> None:
        now = time.time()
        found = connection.execute(
            "UPDATE studies SET seen_at = ? WHERE id = ? AND epoch = ?", (now, self._study_id, self._epoch)
        )
        if found.rowcount != 1:
            raise StudyOwnedError(
                f"Another driver has taken over this study in {self.path}, or it was deleted. This one stops here; "
                f"nothing it wrote before is lost."
            )
        self._seen_at = now

    def _take(self, spec: StudySpec, resume: bool) -> History:
        connection = self._require()
        self._owner = Owner.this_process()
        row = connection.execute(
            "SELECT id, epoch, owner, seen_at FROM studies WHERE name = ?", (spec.name,)
        ).fetchone()
        if row is None:
            spec = replace(spec, seed=max(spec.seed, 0))
            self._study_id = connection.execute(
                "INSERT INTO studies (name, spec) VALUES (?, ?) RETURNING id", (spec.name, _json(spec))
            ).fetchone()[0]
            self._epoch = 1
            history = History(spec, [], {})
        else:
            study_id, epoch, owner, seen_at = row
            if owner:
                _check_owner(self.path, spec.name, msgspec.json.decode(owner, type=Owner), seen_at)
            _check_whole(connection)
            history = read_history(connection, study_id)
            try:
                check_match(history.spec, spec, resume=resume, where=str(self.path))
                spec = replace(spec, seed=history.spec.seed, created_at=history.spec.created_at)
            except StudyMismatchError:
                if history.has_outcomes:
                    raise
                _forget_trials(connection, study_id)  # nothing that would be mixed up, or lost
                spec = replace(spec, seed=max(spec.seed, 0))
                history = History(spec, [], {})
            history = replace(history, spec=spec)
            self._study_id, self._epoch = study_id, epoch + 1
        self._seen_at = time.time()
        connection.execute(
            "UPDATE studies SET spec = ?, epoch = ?, owner = ?, seen_at = ?, end_reason = '' WHERE id = ?",
            (_json(spec), self._epoch, self._owner.to_json(), self._seen_at, self._study_id),
        )
        return history


def _release(fd: int) -> None:
    fcntl.flock(fd, fcntl.LOCK_UN)


def _check_owner(path: Path, name: str, owner: Owner, seen_at: float) -> None:
    if owner.is_alive(seen_at):
        raise StudyOwnedError(
            f"The study {name!r} in {path} is being driven by {owner.describe()}. "
            f"Wait for it to end, stop it, or give another name=."
        )


def _forget_trials(connection: sqlite3.Connection, study_id: int) -> None:
    for table in ("trials", "splits", "reports", "logs"):
        connection.execute(f"DELETE FROM {table} WHERE study_id = ?", (study_id,))  # noqa: S608 - four fixed names


def _check_whole(connection: sqlite3.Connection) -> None:
    """Look before going on: what is missing could not be told from what was never there."""
    (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise sqlite3.DatabaseError(f"database disk image is malformed: {answer}")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _trial_row(study_id: int, trial: Trial) -> tuple[object, ...]:
    return (
        study_id,
        trial.id,
        _json(trial.point),
        trial.state.value,
        trial.value,
        trial.variance,
        _json(trial.metrics) if trial.metrics else "{}",
        _json(trial.split_values) if trial.split_values else "[]",
        trial.reason,
        trial.traceback,
        _json(trial.lost) if trial.lost else "[]",
        trial.started_at,
        trial.ended_at,
        trial.worker,
        trial.order,
    )
