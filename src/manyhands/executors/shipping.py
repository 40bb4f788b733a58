"""Writing a job down for workers, with errors that name what is in the way."""

from pathlib import Path

from manyhands.errors import ExecutorError, PayloadError
from manyhands.job import Job
from manyhands.wire.culprit import explain_unpicklable
from manyhands.wire.payload import dump


def write_payload(job: Job, path: Path) -> int:
    """Write the payload to a new file and return its size in bytes.

    Raises:
        PayloadError: The objective cannot be pickled.
        ExecutorError: The file cannot be written.
    """
    try:
        return dump(job, str(path))
    except OSError as error:
        raise ExecutorError(
            f"The objective and its data could not be written to {path}: {error}. "
            f"Set TMPDIR to a folder with more space."
        ) from error
    except Exception as error:
        raise PayloadError(explain_unpicklable(job.objective, error)) from error
