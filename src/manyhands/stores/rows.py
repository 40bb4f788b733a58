"""What is to be kept, as rows of the tables in ``schema.sql``."""

from collections.abc import Iterable, Sequence

import msgspec

from manyhands.events import Save, SaveReports, SaveSplit, SaveTrial
from manyhands.trial import Part, Trial

Row = tuple[object, ...]

_TRIAL = "INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SPLIT = "INSERT OR REPLACE INTO splits VALUES (?, ?, ?, ?)"
_REPORT = (
    "INSERT INTO reports (study_id, trial_id, split, attempt, step, value, metrics, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_LOG = "INSERT INTO logs (study_id, trial_id, split, attempt, text) VALUES (?, ?, ?, ?, ?)"


def rows_of(study_id: int, saves: Sequence[Save], logs: Iterable[tuple[Part, str]]) -> dict[str, list[Row]]:
    """The statements that write these things, each with its rows."""
    rows: dict[str, list[Row]] = {_TRIAL: [], _SPLIT: [], _REPORT: [], _LOG: []}
    for save in saves:
        match save:
            case SaveTrial(trial):
                rows[_TRIAL].append(_trial_row(study_id, trial))
            case SaveReports(part, batch):
                key = (study_id, part.trial_id, part.split, part.attempt)
                rows[_REPORT] += [(*key, r.step, r.value, as_json(r.metrics), r.at) for r in batch]
            case SaveSplit(trial_id, split, result):
                rows[_SPLIT].append((study_id, trial_id, split, as_json(result)))
    rows[_LOG] += [(study_id, part.trial_id, part.split, part.attempt, text) for part, text in logs]
    return {statement: found for statement, found in rows.items() if found}


def as_json(value: object) -> str:
    """A value as the text that a column holds."""
    return msgspec.json.encode(value).decode()


def _trial_row(study_id: int, trial: Trial) -> Row:
    return (
        study_id,
        trial.id,
        as_json(trial.point),
        trial.state.value,
        trial.value,
        trial.variance,
        as_json(trial.metrics) if trial.metrics else "{}",
        as_json(trial.split_values) if trial.split_values else "[]",
        trial.reason,
        trial.traceback,
        as_json(trial.lost) if trial.lost else "[]",
        trial.started_at,
        trial.ended_at,
        trial.worker,
        trial.order,
        as_json(trial.values) if trial.values else "[]",
        as_json(trial.constraints) if trial.constraints else "[]",
    )
