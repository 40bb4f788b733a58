"""Opening a store's file: is it ours, is it whole, may we write it - and a sentence for each way it can go wrong.

Two facts about SQLite decide how files are written here. A commit in WAL mode with ``synchronous=FULL`` is on disk when
it returns. And before 3.51.3 two connections that write or checkpoint at the same moment could damage the file; so
every write, by whichever process, happens under one lock of our own beside the file.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manyhands.errors import StoreError, StudyNotFoundError

_APPLICATION_ID = 0x4D48_0001  # "MH"
SCHEMA_VERSION = 3  # 2: values and constraints of trials. 3: pauses, parents, and in which order all was learned
_UPGRADES = {
    2: """
    ALTER TABLE trials ADD COLUMN "values" TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE trials ADD COLUMN constraints TEXT NOT NULL DEFAULT '[]';
""",
    3: """
    ALTER TABLE trials ADD COLUMN parent INTEGER;
    ALTER TABLE trials ADD COLUMN paused_s REAL NOT NULL DEFAULT 0;
    ALTER TABLE studies ADD COLUMN n_reports INTEGER NOT NULL DEFAULT 0;
    UPDATE studies SET n_reports = (SELECT count(*) FROM reports WHERE reports.study_id = studies.id);
    CREATE TABLE moments (
        id        INTEGER PRIMARY KEY,
        study_id  INTEGER NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
        trial_id  INTEGER NOT NULL,
        state     TEXT    NOT NULL,
        n_reports INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX moments_by_study ON moments (study_id);
""",
}
#: For a file that is only read: views hide its tables, so that readers see the columns of today. They name those of
#: that version, as a driver may bring the file up to date in between.
_VIEW = """
    CREATE TEMP VIEW trials AS
    SELECT study_id, id, point, state, value, variance, metrics, split_values, reason, traceback, lost, started_at,
           ended_at, worker, "order", {values}, NULL AS parent, 0.0 AS paused_s
    FROM main.trials;
    CREATE TEMP VIEW moments AS
    SELECT 0 AS id, 0 AS study_id, 0 AS trial_id, '' AS state, 0 AS n_reports WHERE 0;
"""
_SEEN_FROM_VERSION = {
    1: _VIEW.format(values="""'[]' AS "values", '[]' AS constraints"""),
    2: _VIEW.format(values='"values", constraints'),
}
_PATIENCE_S = 30.0
_OLDEST_SQLITE = (3, 37, 0)  # the first with STRICT tables
_NETWORK_FILE_SYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "lustre",
    "beegfs",
    "glusterfs",
    "afs",
    "ceph",
}


def connect(path: Path) -> sqlite3.Connection:
    """Open a store for writing, making the file if there is none, and bringing one of an older version up to date.

    Raises:
        StoreError: It cannot be opened, is no store, is damaged, or was made by a newer version.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(
            f"A store needs SQLite {'.'.join(map(str, _OLDEST_SQLITE))} or newer, and this Python has "
            f"{sqlite3.sqlite_version}. Use a newer Python, or store=None to keep the study in memory."
        )
    if path.parent != Path() and not path.parent.is_dir():
        raise StoreError(f"The store {path} cannot be made: there is no folder {path.parent}.")
    with explained(path), write_lock(path):
        connection = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a store that exists, to read it only.

    Raises:
        StudyNotFoundError: The file is empty, as a driver leaves it that was killed while it made it.
        StoreError: There is no such file, or see ``connect``.
    """
    if not path.exists():
        raise StoreError(f"There is no store {path}.")
    with explained(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=_PATIENCE_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            if _check_identity(connection, path):
                raise StudyNotFoundError(f"The store {path} is empty: no study was begun in it.")
            connection.executescript(_SEEN_FROM_VERSION.get(_version(connection), ""))
            connection.execute("PRAGMA query_only = 1")
        except BaseException:
            connection.close()
            raise
    return connection


class DamagedError(Exception):
    """What was read makes no sense; ``explained`` says of which file."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into sentences about the file."""
    try:
        yield
    except DamagedError as error:
        raise StoreError(f"The store {path} is damaged: {error}. Give another store=.") from error
    except sqlite3.Error as error:
        text = str(error)
        for sign, sentence in _SENTENCES.items():
            if sign in text:
                raise StoreError(f"The store {path} {sentence} (SQLite says: {text}.)") from error
        raise StoreError(f"The store {path} cannot be used. (SQLite says: {text}.)") from error


_SENTENCES = {
    "not a database": "is not a Manyhands store: the file holds something else. Give another store=.",
    "malformed": "is damaged. Try sqlite3's .recover on a copy of it, or give another store=.",
    "locked": "is locked by another program. Close that program, or give another store=.",
    "full": "cannot be written: the disk is full. What was saved before is safe; free some space and run again.",
    "disk I/O": "cannot be written: the disk reports an error. What was saved before is safe; run again once it works.",
    "readonly": "cannot be written: it is read-only.",
    "unable to open": "cannot be opened. Does the folder exist, and may you write there?",
}


@contextmanager
def storable(path: Path) -> Iterator[None]:
    """Say which store it was, if something has no place in any."""
    try:
        yield
    except (OverflowError, ValueError, TypeError, sqlite3.InterfaceError, sqlite3.ProgrammingError) as error:
        raise StoreError(
            f"An outcome could not be written to the store {path}: {error}. What was saved before is safe."
        ) from error


def check_whole(connection: sqlite3.Connection) -> None:
    """Look before going on with a study: what is missing could not be told from what was never there."""
    (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise sqlite3.DatabaseError(f"database disk image is malformed: {answer}")


@contextmanager
def write_lock(path: Path) -> Iterator[None]:
    """Hold the lock under which every write to the store happens.

    Raises:
        StoreError: Another process has held it for longer than any write takes.
    """
    try:
        fd = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"The store {path} cannot be written: {error.strerror or error}.") from error
    try:
        hold(fd, path)
        yield
    finally:
        os.close(fd)


def hold(fd: int, path: Path) -> None:
    """Take the lock on an open file, waiting for its holder no longer than a write may take."""
    give_up_at = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                raise StoreError(
                    f"The store {path} has been locked by another process for {_PATIENCE_S:g} seconds."
                ) from None
            time.sleep(0.002)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    is_new = _check_identity(connection, path)
    mode = "DELETE" if _is_on_network(path) else "WAL"  # WAL needs memory that processes share
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = 1")
    while not is_new and (version := _version(connection) + 1) in _UPGRADES:
        connection.executescript(f"BEGIN IMMEDIATE; {_UPGRADES[version]} PRAGMA user_version = {version}; COMMIT;")
    if is_new:
        schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
        connection.executescript(
            f"BEGIN IMMEDIATE; {schema} PRAGMA application_id = {_APPLICATION_ID};"
            f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )


def _check_identity(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is still empty; raises if it is somebody else's."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version = _version(connection)
    (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application == 0 and n_tables == 0:
        return True
    if application != _APPLICATION_ID:
        raise StoreError(
            f"{path} is an SQLite database, but not a Manyhands store. Nothing was written to it; give another store=."
        )
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"The store {path} was made by a newer Manyhands (schema {version}; this one knows {SCHEMA_VERSION}). "
            f"Upgrade Manyhands, or give another store=. Nothing was changed."
        )
    return False


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _is_on_network(path: Path) -> bool:
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return False
    folder = str(path.absolute().parent)
    mounts = [line.split()[1:3] for line in lines]
    _, kind = max(
        (m for m in mounts if folder == m[0] or folder.startswith(m[0].rstrip("/") + "/")),
        key=lambda m: len(m[0]),
        default=("/", ""),
    )
    return kind in _NETWORK_FILE_SYSTEMS
