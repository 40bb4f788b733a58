"""Studies and trials as tables, for the command line and for files."""

import csv
import io
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from manyhands.errors import ManyhandsError
from manyhands.incumbents import incumbents_of
from manyhands.objectives import goal, value_names, values_of
from manyhands.ports import History
from manyhands.results import best_first, failures_by_reason, rows, show, show_seconds, summary
from manyhands.space import Space
from manyhands.stores.reading import StudyInfo
from manyhands.trial import Trial

_WIDE = 100_000  # columns of a file: nothing is cut off or folded there
_N_FAILURES_IN_SUMMARY = 3


def print_table(titles: Sequence[str], cells: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print a table, folded to fit a terminal, and as wide as it is elsewhere.

    Args:
        titles: One for each column.
        cells: The rows.
        right: The titles of columns of numbers, aligned at the right and never folded.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_terminal = sys.stdout.isatty()
    table = Table(box=None, padding=(0, 1 if is_terminal else 2, 0, 0), pad_edge=False)
    for title in titles:
        is_number = title in right
        table.add_column(
            title,
            justify="right" if is_number else "left",
            no_wrap=is_number,
            min_width=min(12, len(title)),
            overflow="fold",
        )
    for row in cells:
        table.add_row(*map(Text, row))
    console = Console(file=sys.stdout, width=None if is_terminal else _WIDE)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())


def print_studies(studies: Sequence[StudyInfo]) -> None:
    """Print a line for each study."""
    titles = ["name", "direction", "finished", "failed", "stopped", "open", "best", "created", "state"]
    cells = [
        [
            study.name,
            goal(study.direction),
            *(str(study.counts.get(state, 0)) for state in ("finished", "failed", "stopped")),
            str(sum(study.counts.get(state, 0) for state in ("running", "paused", "interrupted"))),
            _best_of(study),
            _date(study.created_at),
            _state(study),
        ]
        for study in studies
    ]
    print_table(titles, cells, right=["finished", "failed", "stopped", "open", "best", "created"])


def print_study(history: History, info: StudyInfo, n_top: int) -> None:
    """Print what came out of a study: a summary, its best trials, its failures and its times."""
    space = Space.from_spec(history.spec.space)
    spec = history.spec
    found = incumbents_of(history.trials, spec.direction)
    reason = "" if info.driver else history.end_reason
    print(summary(info.name, history.trials, found, space, reason, metric=spec.metric, n_front=0))
    if info.driver:
        print(f"It goes on: {_state(info)}.")
    elif not history.end_reason:
        print("It was cut off. The same search under the same name goes on where it stood.")
    names = value_names(spec.direction, spec.metric)
    if found.best is not None:
        best = best_first(history.trials, spec.direction)
        _print_trials(f"The best {{}} of {len(best)} finished trials:", best[:n_top], space, names)
    else:
        _print_trials(f"{{}} of the {found.n_front} trials on the Pareto front:", found.front[:n_top], space, names)
    _print_failures(history)
    _print_lost(history)
    _print_times(history)


def _print_trials(title: str, best: Sequence[Trial], space: Space, values: Sequence[str]) -> None:
    if not best:
        return
    print("\n" + title.format(len(best)))
    labels = [space.label(trial.point) for trial in best]
    names = [name for name in space.parameters if any(name in label for label in labels)]
    cells = [
        [
            str(trial.id),
            *map(show, values_of(trial)),
            *(show(label[name]) if name in label else "" for name in names),
            "" if trial.duration_s is None else show_seconds(trial.duration_s),
        ]
        for trial, label in zip(best, labels, strict=True)
    ]
    print_table(["trial", *values, *names, "time"], cells, right=["trial", *values, "time"])


def _best_of(study: StudyInfo) -> str:
    if isinstance(study.direction, tuple):
        return f"{study.n_front} on the front"
    return "" if study.best_value is None else show(study.best_value)


def _print_failures(history: History) -> None:
    failures = failures_by_reason(history.trials)
    if len(failures) > _N_FAILURES_IN_SUMMARY:
        print("\nAll failures:")
        cells = [[str(n), str(first), _first_line(reason)] for reason, n, first in failures]
        print_table(["trials", "first", "reason"], cells, right=["trials", "first"])


def _print_lost(history: History) -> None:
    lost = [(trial.id, _first_line(cause)) for trial in history.trials for cause in trial.lost]
    if lost:
        print("\nAttempts lost with their workers:")
        print_table(["trial", "cause"], [[str(trial_id), cause] for trial_id, cause in lost], right=["trial"])


def _print_times(history: History) -> None:
    times = [t.duration_s for t in history.trials if t.state.is_end and t.duration_s is not None]
    if times:
        median, total = show_seconds(statistics.median(times)), show_seconds(sum(times))
        print(f"\nA trial took {median} (median); all {len(times)} together {total}.")


def _state(study: StudyInfo) -> str:
    if study.driver:
        return f"run by {study.driver}"
    return f"ended: {study.end_reason}" if study.end_reason else "cut off"


def _date(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at))


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


# -- files -------------------------------------------------------------------------------------------------------


def export_rows(history: History) -> list[dict[str, Any]]:
    """One flat dict for each trial; see ``manyhands.results.rows``."""
    spec = history.spec
    return rows(history.trials, Space.from_spec(spec.space), value_names(spec.direction, spec.metric))


def to_csv(table: Sequence[dict[str, Any]]) -> bytes:
    """Rows as CSV with a column for every key that any of them has; what has no value stays empty."""
    import msgspec

    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in table for key in row)), lineterminator="\n")
    writer.writeheader()
    for row in table:
        writer.writerow(
            {k: msgspec.json.encode(v).decode() if isinstance(v, dict | list) else v for k, v in row.items()}
        )
    return text.getvalue().encode("utf-8", "replace")


def to_json(table: Sequence[dict[str, Any]]) -> bytes:
    """Rows as a JSON array of objects."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(table)) + b"\n"


def to_parquet(table: Sequence[dict[str, Any]]) -> bytes:
    """Rows as Parquet. A column of values of several kinds becomes one of text, which is all that Parquet can hold.

    Raises:
        ManyhandsError: pandas or pyarrow is not installed.
    """
    try:
        import pandas as pd
        import pyarrow  # noqa: F401 - pandas needs it, and says so at greater length
    except ImportError as error:
        raise ManyhandsError(
            f"Parquet needs pandas and pyarrow, and {error.name} is not installed: pip install 'manyhands[parquet]'. "
            f"--csv and --json work without."
        ) from error
    frame = pd.DataFrame(list(table))
    for name in frame.columns:
        kinds = {type(value) for value in frame[name] if value is not None and value == value}
        if (len(kinds) > 1 and not kinds <= {int, float}) or kinds & {dict, list}:
            frame[name] = [None if value is None or value != value else show(value) for value in frame[name]]
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
