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
from manyhands.events import Save
from manyhands.ports import History, StudySpec
from manyhands.stores.connecting import check_whole, connect, explained, hold, storable
from manyhands.stores.matching import check_match, continued
from manyhands.stores.owner import Owner
from manyhands.stores.reading import read_history, read_log, read_reports
from manyhands.stores.rows import as_json, rows_of
from manyhands.trial import Part, Report

_BEAT_S = 5.0


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
            self._look_before(spec.name)
            with self._transaction():
                return self._take(spec, resume)
        except BaseException:
            self.close()
            raise

    def write(self, saves: Sequence[Save], logs: Iterable[tuple[Part, str]] = ()) -> None:
        """Keep all of it or none; on return it is durable."""
        logs = list(logs)  # what reading them raises is no fault of the store
        with storable(self.path):
            statements = rows_of(self._study_id, saves, logs)
        with self._transaction() as connection:
            self._check_epoch(connection)
            with storable(self.path):
                for statement, rows in statements.items():
                    connection.executemany(statement, rows)

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

    def reports(self) -> Iterator[tuple[Part, Report]]:
        """All intermediate values of the open study, in the order of their arrival."""
        with explained(self.path):
            yield from read_reports(self._require(), self._study_id)

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

    def _look_before(self, name: str) -> None:
        """Refuse what is damaged; without the lock, as reading a large file takes long and others have to write."""
        connection = self._require()
        with explained(self.path):
            if self._find(connection, name) is not None:
                check_whole(connection)

    def _find(self, connection: sqlite3.Connection, name: str) -> tuple[int, int] | None:
        """Id and epoch of a study that nobody drives; None if there is no study of that name."""
        row = connection.execute("SELECT id, epoch, owner, seen_at FROM studies WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        study_id, epoch, owner, seen_at = row
        if owner:
            _check_owner(self.path, name, msgspec.json.decode(owner, type=Owner), seen_at)
        return study_id, epoch

    def _take(self, spec: StudySpec, resume: bool) -> History:
        connection = self._require()
        self._owner = Owner.this_process()
        found = self._find(connection, spec.name)
        if found is None:
            spec = replace(spec, seed=max(spec.seed, 0))
            self._study_id = connection.execute(
                "INSERT INTO studies (name, spec) VALUES (?, ?) RETURNING id", (spec.name, as_json(spec))
            ).fetchone()[0]
            self._epoch = 1
            history = History(spec, [], {})
        else:
            study_id, epoch = found
            history = read_history(connection, study_id)
            try:
                check_match(history.spec, spec, resume=resume, where=str(self.path))
                spec = continued(history.spec, spec)
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
            (as_json(spec), self._epoch, self._owner.to_json(), self._seen_at, self._study_id),
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
    for table in ("trials", "moments", "splits", "reports", "logs"):
        connection.execute(f"DELETE FROM {table} WHERE study_id = ?", (study_id,))  # noqa: S608 - five fixed names
    connection.execute("UPDATE studies SET n_reports = 0 WHERE id = ?", (study_id,))
