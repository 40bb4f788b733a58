"""Runs what uses joblib on this library's workers: ``joblib.parallel_config(backend="manyhands")``.

    joblib ──▶ backend ──▶ manyhands.tasks ──▶ an executor
                 └──▶ callbacks

Nothing here is loaded before it is needed.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from manyhands.tasks.pools import shutdown as shutdown

__all__ = ["register_joblib", "shutdown"]


def register_joblib() -> None:
    """Make the backend "manyhands" known to joblib.

    Example:
        manyhands.register_joblib()
        with joblib.parallel_config(backend="manyhands", n_jobs=-1, executor="spark"):
            GridSearchCV(...).fit(X, y)

    What ``parallel_config`` takes beside joblib's own arguments is in ``manyhands.joblib.backend.ManyhandsBackend``.

    Raises:
        SettingsError: joblib is not installed.
    """
    from manyhands.errors import SettingsError

    try:
        from manyhands.joblib.backend import register
    except ModuleNotFoundError as error:
        if error.name != "joblib":
            raise
        raise SettingsError("register_joblib() needs joblib: pip install 'manyhands[joblib]'.") from error
    register()


def __getattr__(name: str) -> object:
    if name == "shutdown":
        from manyhands.tasks.pools import shutdown

        return shutdown
    raise AttributeError(f"module 'manyhands.joblib' has no attribute {name!r}")
