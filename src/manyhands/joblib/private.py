"""What is needed of joblib and is no part of its public interface."""

from concurrent.futures.process import BrokenProcessPool


def terminated_worker_error() -> type[Exception]:
    """What joblib's own backend raises when a worker died; its base in the standard library, if that has moved."""
    try:
        from joblib.externals.loky.process_executor import TerminatedWorkerError
    except ImportError:
        return BrokenProcessPool
    error: type[Exception] = TerminatedWorkerError
    return error
