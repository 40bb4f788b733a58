"""``ProcessTrials``: trials in processes of this machine, several at a time, with no database in between."""

from typing import Any

from manyhands.checks import check_whole
from manyhands.executors.limits import available_cores
from manyhands.hyperopt.parallel import ParallelTrials
from manyhands.tasks.pools import Kind


class ProcessTrials(ParallelTrials):
    """Trials that processes of this machine evaluate, several at a time.

        fmin(fn, space, algo=tpe.suggest, max_evals=100, trials=ProcessTrials(4))

    Each process has its share of the cores for numeric libraries. An objective that raises ends the search, unless
    ``catch_eval_exceptions`` is set, as with ``Trials``; so does one whose process dies.

    Args:
        workers: How many processes; as many as there are cores if not given.
        timeout: As of ``fmin``, and counts more than that.
        loss_threshold: The same.
        executor: Other workers than processes: an executor of Manyhands, such as ``mh.Remote(...)``.

    Raises:
        SettingsError: ``workers`` is no whole number above 0.
        Exception: Another argument makes no sense.
    """

    _own = ("_executor",)

    def __init__(
        self,
        workers: int | None = None,
        timeout: float | None = None,
        loss_threshold: float | None = None,
        executor: Any = None,
    ) -> None:
        check_whole(workers=workers)
        self._workers = workers
        self._executor = executor
        super().__init__(timeout, loss_threshold)

    @property
    def parallelism(self) -> int:
        """How many trials run at the same time."""
        if self._executor is not None:
            n_slots = self._kind().n_slots()
            return min(self._workers or n_slots, n_slots)
        return self._workers or available_cores()

    def _kind(self) -> Kind:
        return Kind("processes" if self._executor is None else self._executor)
