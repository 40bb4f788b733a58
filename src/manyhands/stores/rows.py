"""What is to be kept, as rows of the tables in ``schema.sql``."""

from collections.abc import Iterable, Sequence

import msgspec

from manyhands.events import Save, SaveReports, SaveSplit, SaveTrial
from manyhands.trial import Part, Trial

Row = tuple[object, ...]

_TRIAL = "INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# How many reports came before is counted by the study's row, so that nobody has to look through them.
_MOMENT = """
    INSERT INTO moments (study_id, trial_id, state, n_reports)
    SELECT id, ?, ?, n_reports + ? FROM studies WHERE id = ?
"""
_N_REPORTS = "UPDATE studies SET n_reports = n_reports + ? WHERE id = ?"
_SPLIT = "INSERT OR REPLACE INTO splits VALUES (?, ?, ?, ?)"
_REPORT = (
    "INSERT INTO reports (study_id, trial_id, split, attempt, step, value, metrics, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_LOG = "INSERT INTO logs (study_id, trial_id, split, attempt, text) VALUES (?, ?, ?, ?, ?)"


def rows_of(study_id: int, saves: Sequence[Save], logs: Iterable[tuple[Part, str]]) -> dict[str, list[Row]]:
    """The statements that write these things, in the order in which to execute them, each with its rows."""
    rows: dict[str, list[Row]] = {_TRIAL: [], _MOMENT: [], _N_REPORTS: [], _SPLIT: [], _REPORT: [], _LOG: []}
    n_reports = 0
    for save in saves:
        match save:
            case SaveTrial(trial):
                rows[_TRIAL].append(_trial_row(study_id, trial))
                rows[_MOMENT].append((trial.id, trial.state.value, n_reports, study_id))
            case SaveReports(part, batch):
                n_reports += len(batch)
                key = (study_id, part.trial_id, part.split, part.attempt)
                rows[_REPORT] += [(*key, r.step, r.value, as_json(r.metrics), r.at) for r in batch]
            case SaveSplit(trial_id, split, result):
                rows[_SPLIT].append((study_id, trial_id, split, as_json(result)))
    if n_reports:
        rows[_N_REPORTS].append((n_reports, study_id))
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
        trial.parent,
        trial.paused_s,
    )
