"""One part from start to end: build the params, call the objective, read what it returned."""

from __future__ import annotations

from manyhands.errors import TrialStopped
from manyhands.job import Job
from manyhands.worker.handle import TrialHandle
from manyhands.worker.result import Unclear, clean, read_result


def run_part(job: Job, handle: TrialHandle) -> list[object]:
    """Run the objective and return how it ended: a tag, and what belongs to it.

    Returns:
        ``["finished", [value, variance, metrics]]``, ``["failed", [reason, traceback, fatal]]``
        or ``["stopped", reason]``.
    """
    try:
        returned = job.objective(handle.params, handle) if job.takes_trial else job.objective(handle.params)
        return ["finished", list(read_result(returned, job.metric))]
    except TrialStopped as stopped:
        return ["stopped", clean(str(stopped))]
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
    text = clean(" ".join(text.split()))
    name = type(error).__name__
    return f"it raised {name}: {text[:300]}" if text else f"it raised {name}"


def _traceback(error: BaseException) -> str:
    import traceback  # slow to import, and most trials do not fail

    below = error.__traceback__.tb_next if error.__traceback__ is not None else None
    try:
        return clean("".join(traceback.format_exception(type(error), error, below)))
    except Exception:
        return _one_line(error)
