"""What can be read from a store's file without owning it: for the command line, and for ``load_study``."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from manyhands.errors import StudyNotFoundError
from manyhands.incumbents import Incumbents
from manyhands.objectives import Direction, n_objectives, values_of
from manyhands.ports import History, Moment, StudySpec
from manyhands.space import Space
from manyhands.stores.connecting import DamagedError, connect_read_only, explained
from manyhands.stores.owner import Owner
from manyhands.trial import Part, Report, Result, Trial, TrialState


class StudyInfo(Struct, frozen=True):
    """A study at a glance.

    Attributes:
        name: Its name.
        direction: ``"minimize"`` or ``"maximize"``; several objectives have one each.
        counts: Number of trials by state.
        best_value: The best value of a feasible finished trial; None if there is none, or with several objectives.
        n_front: How many trials are on the Pareto front; 0 with one objective.
        created_at: Seconds since 1970.
        end_reason: Why its last run ended; empty if one goes on, or was cut off.
        driver: The process that drives it now, in words; empty if none does.
    """

    name: str
    direction: str | tuple[str, ...]
    counts: dict[str, int]
    best_value: float | None
    n_front: int
    created_at: float
    end_reason: str
    driver: str


def list_studies(path: str | os.PathLike[str]) -> list[StudyInfo]:
    """All studies of a store, the oldest first."""
    path = Path(path)
    with closing(connect_read_only(path)) as connection, explained(path):
        rows = connection.execute("SELECT id, spec, end_reason, owner, seen_at FROM studies ORDER BY id").fetchall()
        return [_info(connection, row) for row in rows]


def load_history(path: str | os.PathLike[str], name: str) -> History:
    """Everything that is known of a study but its reports and its output."""
    path = Path(path)
    with closing(connect_read_only(path)) as connection, explained(path):
        return read_history(connection, _find(connection, path, name))


def load_log(path: str | os.PathLike[str], name: str, trial_id: int) -> str:
    """Everything a trial printed, its parts and attempts one after another."""
    path = Path(path)
    with closing(connect_read_only(path)) as connection, explained(path):
        return read_log(connection, _find(connection, path, name), trial_id)


def load_reports(path: str | os.PathLike[str], name: str, trial_id: int) -> list[Report]:
    """A trial's intermediate values, in the order of their arrival."""
    path = Path(path)
    with closing(connect_read_only(path)) as connection, explained(path):
        rows = connection.execute(
            "SELECT step, value, metrics, at FROM reports WHERE study_id = ? AND trial_id = ? ORDER BY id",
            (_find(connection, path, name), trial_id),
        )
        return [_read_report(*row) for row in rows]


def read_history(connection: sqlite3.Connection, study_id: int) -> History:
    """The history of the study with this number, over an open connection."""
    text, end_reason = connection.execute("SELECT spec, end_reason FROM studies WHERE id = ?", (study_id,)).fetchone()
    spec = msgspec.json.decode(text, type=StudySpec)
    space = Space.from_spec(spec.space)
    rows = connection.execute("SELECT * FROM trials WHERE study_id = ? ORDER BY id", (study_id,))
    n_values = n_objectives(spec.direction)
    trials = [_read_trial(i, row, space, n_values) for i, row in enumerate(rows)]
    rows = connection.execute("SELECT trial_id, split, result FROM splits WHERE study_id = ?", (study_id,))
    open_ids = {trial.id for trial in trials if not trial.state.is_end}
    splits = {(i, split): msgspec.json.decode(text, type=Result) for i, split, text in rows if i in open_ids}
    rows = connection.execute(
        "SELECT trial_id, state, n_reports FROM moments WHERE study_id = ? ORDER BY id", (study_id,)
    )
    return History(spec, trials, splits, end_reason, [_read_moment(row, len(trials)) for row in rows])


def read_reports(connection: sqlite3.Connection, study_id: int) -> Iterator[tuple[Part, Report]]:
    """All intermediate values of a study in the order of their arrival, over an open connection."""
    rows = connection.execute(
        "SELECT trial_id, split, attempt, step, value, metrics, at FROM reports WHERE study_id = ? ORDER BY id",
        (study_id,),
    )
    for trial_id, split, attempt, *rest in rows:
        yield Part(trial_id, split, attempt), _read_report(*rest)


def read_log(connection: sqlite3.Connection, study_id: int, trial_id: int) -> str:
    """A trial's output, over an open connection."""
    rows = connection.execute(
        "SELECT text FROM logs WHERE study_id = ? AND trial_id = ? ORDER BY split, attempt, id",
        (study_id, trial_id),
    )
    return "".join(text for (text,) in rows)


def _read_report(step: int, value: float | None, metrics: str, at: float) -> Report:
    try:
        return Report(step, value, msgspec.json.decode(metrics), at)
    except msgspec.MsgspecError as error:
        raise DamagedError(f"one of its reports makes no sense ({error})") from error


_numbers = msgspec.json.Decoder(tuple[float, ...]).decode
_split_values = msgspec.json.Decoder(tuple[float | tuple[float, ...], ...]).decode


def _find(connection: sqlite3.Connection, path: Path, name: str) -> int:
    row = connection.execute("SELECT id FROM studies WHERE name = ?", (name,)).fetchone()
    if row is None:
        names = [n for (n,) in connection.execute("SELECT name FROM studies ORDER BY id DESC LIMIT 10")]
        known = f"It has: {', '.join(map(repr, names))}." if names else "It has no studies yet."
        raise StudyNotFoundError(f"The store {path} has no study {name!r}. {known}")
    return int(row[0])


def _info(connection: sqlite3.Connection, row: Sequence[Any]) -> StudyInfo:
    study_id, text, end_reason, owner_text, seen_at = row
    spec = msgspec.json.decode(text, type=StudySpec)
    counts = dict(
        connection.execute(
            "SELECT state, count(*) FROM trials WHERE study_id = ? GROUP BY state", (study_id,)
        ).fetchall()
    )
    found = _incumbents(connection, study_id, spec.direction)
    best = None if found.best is None else found.best.value
    n_front = found.n_front if isinstance(spec.direction, tuple) else 0
    owner = msgspec.json.decode(owner_text, type=Owner) if owner_text else None
    driver = owner.describe() if owner is not None and owner.is_alive(seen_at) else ""
    return StudyInfo(spec.name, spec.direction, counts, best, n_front, spec.created_at, end_reason, driver)


def _incumbents(connection: sqlite3.Connection, study_id: int, direction: Direction) -> Incumbents:
    """The best trials of a study, of which only the values are read."""
    rows = connection.execute(
        'SELECT id, value, "values", constraints FROM trials WHERE study_id = ? AND state = ?',
        (study_id, TrialState.FINISHED.value),
    )
    found = Incumbents(direction)
    for trial_id, value, values, constraints in rows:
        try:
            given, limits = _numbers(values), _numbers(constraints)
            found.add(Trial(trial_id, {}, None, TrialState.FINISHED, value, values=given, constraints=limits))
        except (msgspec.MsgspecError, ValueError) as error:
            raise DamagedError(f"its trial {trial_id!r} makes no sense ({error})") from error
    return found


def _read_trial(i: int, row: Sequence[Any], space: Space, n_values: int) -> Trial:
    """The ``i``-th trial, which must be number ``i``, of a study with so many objectives.

    Raises:
        DamagedError: It is not, or makes no sense.
    """
    try:
        trial = _trial(row, space)
        if len(values_of(trial)) not in (0, n_values):
            raise ValueError(f"it has {len(values_of(trial))} values, and the study {n_values} objectives")
    except (msgspec.MsgspecError, ValueError, LookupError, TypeError) as error:
        raise DamagedError(f"its trial {row[1]!r} makes no sense ({error})") from error
    if trial.id != i:
        raise DamagedError(f"there is a trial {trial.id}, but no trial {i}")
    return trial


def _read_moment(row: tuple[int, str, int], n_trials: int) -> Moment:
    trial_id, state, n_reports = row
    if not 0 <= trial_id < n_trials:
        raise DamagedError(f"it knows when trial {trial_id} was written, and has no such trial")
    try:
        return Moment(trial_id, TrialState(state), n_reports)
    except ValueError as error:
        raise DamagedError(f"it knows of a moment of trial {trial_id} that makes no sense ({error})") from error


def _trial(row: Sequence[Any], space: Space) -> Trial:
    (_, trial_id, point_text, state, value, variance, metrics, split_values, *rest) = row
    reason, traceback, lost, started_at, ended_at, worker, order, values, constraints, parent, paused_s = rest
    point = msgspec.json.decode(point_text)
    return Trial(
        trial_id,
        point,
        space.build(point),
        TrialState(state),
        value,
        variance,
        msgspec.json.decode(metrics),
        _split_values(split_values),
        reason,
        traceback,
        tuple(msgspec.json.decode(lost)),
        started_at,
        ended_at,
        worker,
        order,
        _numbers(values),
        _numbers(constraints),
        parent,
        paused_s,
    )
