"""One part from start to end: build the params, call the objective, read what it returned."""

from __future__ import annotations

from manyhands.errors import TrialStopped
from manyhands.job import Job
from manyhands.worker.handle import TrialHandle
from manyhands.worker.result import Unclear, clean, read_result

_LONGEST_TEXT = 20_000  # characters; nobody reads more, and every trial's text is kept in memory
_LONGEST_LINE = 300


def run_part(job: Job, handle: TrialHandle) -> list[object]:
    """Run the objective and return how it ended: a tag, and what belongs to it.

    Returns:
        ``["finished", [value, variance, metrics, values, constraints]]``, ``["failed", [reason, traceback, fatal]]``
        or ``["stopped", reason]``.
    """
    try:
        returned = job.objective(handle.params, handle) if job.takes_trial else job.objective(handle.params)
        return ["finished", list(read_result(returned, job.metric, job.n_objectives))]
    except TrialStopped as stopped:
        return ["stopped", _shortened(str(stopped))]
    except Unclear as unclear:
        return ["failed", [unclear.reason, "", unclear.fatal]]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: an objective's exception is the trial's outcome, not the engine's
        return ["failed", [_one_line(error), _traceback(error), False]]


def _one_line(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # somebody's __str__
        text = "(its message cannot be shown)"
    text = clean(" ".join(text[:_LONGEST_TEXT].split()))[:_LONGEST_LINE]
    name = type(error).__name__
    return f"it raised {name}: {text}" if text else f"it raised {name}"


def _traceback(error: BaseException) -> str:
    import traceback  # slow to import, and most trials do not fail

    below = error.__traceback__.tb_next if error.__traceback__ is not None else None
    try:
        return _shortened("".join(traceback.format_exception(type(error), error, below)))
    except Exception:
        return _one_line(error)


def _shortened(text: str) -> str:
    """The text as it can be stored; of a long one, how it begins and how it ends."""
    n_too_many = len(text) - _LONGEST_TEXT
    if n_too_many <= 0:
        return clean(text)
    half = _LONGEST_TEXT // 2
    return clean(f"{text[:half]}\n... {n_too_many} characters are left out here ...\n{text[-half:]}")
