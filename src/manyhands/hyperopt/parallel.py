"""Trials that run at the same time, on workers: what ``SparkTrials`` and ``ProcessTrials`` share.

    algorithm ──▶ documents ──▶ crew ──▶ workers
        ▲                        │
        └─── outcomes ◀──────────┘

A trial is proposed when there is a worker for it, so every proposal knows all outcomes there are, and what runs.
"""

import logging
import math
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from manyhands.hyperopt.base import Trials
from manyhands.hyperopt.crew import Crew, Ended
from manyhands.hyperopt.documents import (
    JOB_STATE_CANCEL,
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
    Document,
    now,
)
from manyhands.hyperopt.domain import Domain
from manyhands.hyperopt.loop import FMinIter, best_of, validate_loss_threshold, validate_timeout
from manyhands.hyperopt.points import add_points
from manyhands.hyperopt.saving import load_trials
from manyhands.tasks.packing import RemoteTraceback, unpack
from manyhands.tasks.pools import Kind

_LOOK_S = 0.5  # at whether somebody has cancelled the search

#: Why a search ended early, under the names by which scripts compare.
FMIN_CANCELLED_REASON_EARLY_STOPPING = "early stopping condition"
FMIN_CANCELLED_REASON_TIMEOUT = "fmin run timeout"
_THRESHOLD = "loss threshold reached"
FMIN_CANCELLED_REASON_USER = "fmin run cancelled by user"


class ParallelTrials(Trials):
    """Trials that workers evaluate, several at a time.

    Args:
        timeout: As of ``fmin``, and counts more than that.
        loss_threshold: The same.

    Raises:
        Exception: One of these makes no sense.
    """

    asynchronous = True

    #: Whether an objective that raises ends the search, unless ``catch_eval_exceptions`` is set.
    ends_on_error = True

    #: Whether workers stay for the next search.
    keeps_workers = True

    logger = logging.getLogger("manyhands.hyperopt")

    #: What is not pickled: only this process can use it.
    _own: tuple[str, ...] = ()

    #: At the end of the time, kill what runs; if not so, wait for it. Its outcome counts in neither case.
    _spark_supports_job_cancelling = True

    def __init__(self, timeout: float | None = None, loss_threshold: float | None = None) -> None:
        validate_timeout(timeout)
        validate_loss_threshold(loss_threshold)
        self.timeout = timeout
        self.loss_threshold = loss_threshold
        self._fmin_cancelled = False
        self._fmin_cancelled_reason: str | None = None
        super().__init__()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name not in self._own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**dict.fromkeys(self._own), **state})

    # What the kinds of workers differ in

    @property
    def parallelism(self) -> int:
        """How many trials run at the same time."""
        raise NotImplementedError

    def _kind(self) -> Kind:
        """Which workers."""
        raise NotImplementedError

    # What became of the search

    @property
    def fmin_cancelled_reason(self) -> str | None:
        """Why the last search ended before all its trials had; None if it did not."""
        return self._fmin_cancelled_reason

    def count_successful_trials(self) -> int:
        """How many trials have a result."""
        return self.count_by_state_unsynced(JOB_STATE_DONE)

    def count_failed_trials(self) -> int:
        """How many trials raised."""
        return self.count_by_state_unsynced(JOB_STATE_ERROR)

    def count_cancelled_trials(self) -> int:
        """How many trials were cancelled."""
        return self.count_by_state_unsynced(JOB_STATE_CANCEL)

    def count_total_trials(self) -> int:
        """How many trials there are, in whatever state."""
        return len(self._dynamic_trials)

    def delete_all(self) -> None:
        """Forget all documents and attachments, and that a search was cancelled."""
        self._fmin_cancelled = False
        self._fmin_cancelled_reason = None
        super().delete_all()

    def wait_for_change(self, seconds: float) -> None:
        """Refuse to be searched by a loop that waits for others to evaluate trials: there are none.

        Raises:
            TypeError: Always.
        """
        name = type(self).__name__
        raise TypeError(f"{name} evaluates trials by a method of its own. Leave allow_trials_fmin as it is, True.")

    def fmin(
        self,
        fn: Any,
        space: Any,
        algo: Any = None,
        max_evals: float | None = None,
        timeout: float | None = None,
        loss_threshold: float | None = None,
        max_queue_len: int = 1,
        rstate: Any = None,
        verbose: bool = False,
        pass_expr_memo_ctrl: bool | None = None,
        catch_eval_exceptions: bool = False,
        return_argmin: bool = True,
        show_progressbar: Any = True,
        early_stop_fn: Any = None,
        trials_save_file: str = "",
        points_to_evaluate: Any = None,
    ) -> Any:
        """Search, and keep the trials here. See ``fmin`` for everything else.

        A trial that was running when the time was over, or when there was another reason to end, is cancelled. If
        ``trials_save_file`` exists and there are no trials here yet, the search goes on with those in the file.

        Raises:
            ExecutorError: There are no workers any more.
            PicklingError: The objective cannot be sent to workers.
        """
        validate_timeout(timeout)
        validate_loss_threshold(loss_threshold)
        if trials_save_file and not self._dynamic_trials and Path(trials_save_file).exists():
            self._adopt(load_trials(trials_save_file))
        if points_to_evaluate is not None:
            add_points(self, points_to_evaluate, space)
        domain = Domain(fn, space, pass_expr_memo_ctrl=pass_expr_memo_ctrl)
        self._space = domain.expr
        self._fmin_cancelled = False
        self._fmin_cancelled_reason = None
        search = ParallelSearch(
            algo,
            domain,
            self,
            rstate,
            max_queue_len=max_queue_len,
            max_evals=sys.maxsize if max_evals is None or max_evals == math.inf else max_evals,
            timeout=timeout if self.timeout is None else self.timeout,
            loss_threshold=loss_threshold if self.loss_threshold is None else self.loss_threshold,
            verbose=verbose,
            show_progressbar=show_progressbar,
            early_stop_fn=early_stop_fn,
            trials_save_file=trials_save_file,
        )
        search.catch_eval_exceptions = catch_eval_exceptions or not self.ends_on_error
        try:
            search.exhaust()
        except KeyboardInterrupt:
            self._cancelled(FMIN_CANCELLED_REASON_USER)
            self.logger.debug("fmin thread terminated by user.")
            raise
        except BaseException:
            self.logger.debug("fmin thread exits with an exception raised.")
            raise
        else:
            self.logger.debug("fmin thread exits normally.")
        finally:
            self.refresh()
            self._log_counts()
        return best_of(self, domain.expr, return_argmin, search.first_error)

    def _adopt(self, former: Trials) -> None:
        """Go on with the trials of a former search."""
        self.insert_trial_docs(former._dynamic_trials)
        self.attachments.update(former.attachments)
        self._seeds.extend(getattr(former, "_seeds", ()))
        self.refresh()

    def _cancelled(self, reason: str) -> None:
        self._fmin_cancelled = True
        self._fmin_cancelled_reason = reason
        self.logger.warning("fmin cancelled because of %s", reason)

    def _log_counts(self) -> None:
        self.logger.info(
            "Total Trials: %d: %d succeeded, %d failed, %d cancelled.",
            self.count_total_trials(),
            self.count_successful_trials(),
            self.count_failed_trials(),
            self.count_cancelled_trials(),
        )


class ParallelSearch(FMinIter):
    """A search whose trials workers evaluate; see ``FMinIter``."""

    trials: ParallelTrials

    def __init__(self, algo: Any, domain: Domain, trials: ParallelTrials, rstate: Any, **settings: Any) -> None:
        super().__init__(algo, domain, trials, rstate, asynchronous=False, **settings)
        self._log = trials.logger

    def run(self, N: float, block_until_done: bool = True) -> None:  # noqa: N803 - scripts know it by this name
        """Propose N trials, and have them evaluated.

        Args:
            N: How many.
            block_until_done: Unused: nothing runs afterwards.

        Raises:
            ExecutorError: There are no workers any more.
        """
        self._begin()
        self._n_left = N
        if N <= 0 and not self._n_waiting():
            return
        self._width = self.trials.parallelism
        self._open: dict[int, Document] = {}  # given to workers, and not over
        self._crew = Crew(self.trials._kind(), self._width, self.domain, stays=self.trials.keeps_workers)
        n_shown = self._n_done
        with self.progress_callback(initial=n_shown, total=self.max_evals) as bar:
            try:
                for _ in self._rounds():
                    if self._best_loss < math.inf:
                        bar.postfix = f"best loss: {self._best_loss}"
                    if self._n_done > n_shown:
                        bar.update(self._n_done - n_shown)
                        n_shown = self._n_done
            except KeyboardInterrupt:
                self._crew.cancel()
                for doc in self._open.values():  # nobody works on it now, and the next search begins with it
                    doc.update(state=JOB_STATE_NEW, book_time=None, refresh_time=None)
                self._open.clear()
                raise
            finally:
                self._give_up_running()
                self._crew.close()
                self.trials.refresh()
                self._saver.finish(self.trials)

    def _rounds(self) -> Any:
        """Start trials and take their outcomes, until there is a reason to end. Yields after each outcome."""
        stops = False
        while True:
            reason = FMIN_CANCELLED_REASON_EARLY_STOPPING if stops else self._reason_to_end()
            if reason is not None:
                if not self.is_cancelled:
                    self.trials._cancelled(reason)
                self._log.warning("fmin is cancelled, so new trials will not be launched.")
                return
            self._start_trials()
            if not self._crew.n_running:
                return
            ended = self._crew.wait(self._patience_s())
            errors = [error for error in map(self._take, ended) if error is not None]
            if errors:
                raise errors[0]
            if ended:
                stops = self.note()
                yield

    def _reason_to_end(self) -> str | None:
        if self.is_cancelled:
            return self.trials._fmin_cancelled_reason or FMIN_CANCELLED_REASON_USER
        if self.is_out_of_time:
            return FMIN_CANCELLED_REASON_TIMEOUT
        return None if self.goes_on() else _THRESHOLD

    def _patience_s(self) -> float:
        if self.timeout is None:
            return _LOOK_S
        return min(_LOOK_S, max(0.0, self.start_time + self.timeout - time.monotonic()))

    def _start_trials(self) -> None:
        """Give each free worker a trial, unless one has news meanwhile."""
        while self._crew.n_running < self._width and not self._crew.has_news and not self.is_out_of_time:
            if not self._n_waiting():
                n = min(self.max_queue_len, self._width - self._crew.n_running, self._n_left)
                docs = self.propose(math.ceil(n)) if n > 0 else []
                if not docs:
                    return
                self._n_left -= len(docs)
                continue
            doc = self._queue.popleft()
            if doc["state"] == JOB_STATE_NEW:
                doc["state"] = JOB_STATE_RUNNING
                doc["book_time"] = doc["refresh_time"] = now()
                self._log.debug("trial task %s started", doc["tid"])
                self._open[id(doc)] = doc
                self._crew.start(doc)

    def _take(self, ended: Ended) -> Exception | None:
        """Note in a trial's document what came out.

        Returns:
            What the objective raised, if that ends the search.

        Raises:
            ExecutorError: There are no workers any more.
        """
        doc, future = ended
        try:
            returned: Any = unpack(future.result())
        except BaseException as error:
            is_theirs = isinstance(error.__cause__, RemoteTraceback)
            if not is_theirs and (not isinstance(error, Exception) or not self._crew.is_alive):
                raise
            self._note_failure(doc, error)
            return error if isinstance(error, Exception) and not self.catch_eval_exceptions else None
        result, attachments, seconds = returned
        del self._open[id(doc)]
        doc["state"] = JOB_STATE_DONE
        doc["result"] = result
        doc["refresh_time"] = now()
        doc["book_time"] = doc["refresh_time"] - timedelta(milliseconds=round(seconds * 1000))
        self.trials.attachments.update(attachments)
        self._n_done += 1
        self._note_loss(result.get("loss"))
        self._runs.log(doc)
        self._log.debug("trial %s task thread exits normally", doc["tid"])
        return None

    def _note_failure(self, doc: Document, error: BaseException) -> None:
        del self._open[id(doc)]
        cause = error.__cause__
        text = cause.text if isinstance(cause, RemoteTraceback) else f"{type(error).__name__}: {error}"
        self._failed(doc, error)  # type: ignore[arg-type]
        doc["misc"]["error"] = (str(type(error)), text)
        self._runs.log(doc)
        self._log.error("trial %s failed:\n%s", doc["tid"], text)
        self._log.debug("trial %s task thread catches an exception", doc["tid"])

    def _give_up_running(self) -> None:
        """Cancel the trials that still run."""
        if not self._open:
            return
        kills = self.trials._spark_supports_job_cancelling
        if kills:
            self._log.debug("Cancelling all running jobs")
            self._crew.cancel()
        else:
            self._log.warning("SparkTrials will block until %d running trials have ended", len(self._open))
            while self._crew.n_running and self._crew.is_alive:
                self._crew.wait(_LOOK_S)
        for doc in self._open.values():
            doc["state"] = JOB_STATE_CANCEL
            doc["refresh_time"] = now()
            how = "catches an exception: it was cancelled" if kills else "exits normally"
            self._log.debug("trial task %s cancelled; trial %s task thread %s", doc["tid"], doc["tid"], how)
            self._runs.log(doc)
        self._open.clear()
