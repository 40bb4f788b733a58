"""The loop of a search: propose trials, evaluate them or wait for who does, and see whether to go on.

``FMinIter`` evaluates trials one after the other. With ``asynchronous`` trials somebody else does, who changes
documents in place; the loop keeps as many new ones waiting as it was told, and looks again now and then, or when the
trials' own ``wait_for_change(seconds)`` returns, if they have one. Whoever has a loop of his own needs ``propose``,
``note`` and ``goes_on`` of it.

With trials one after the other, a step costs the same after ten thousand trials as after ten: what a former step saw is
not looked at again.
"""

import collections
import logging
import math
import numbers
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Self

from manyhands.hyperopt import progress
from manyhands.hyperopt.algorithms import as_algo
from manyhands.hyperopt.documents import (
    CMD,
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
    Document,
    now,
    spec_from_misc,
)
from manyhands.hyperopt.domain import Ctrl, Domain
from manyhands.hyperopt.exceptions import AllTrialsFailed
from manyhands.hyperopt.mlflow_runs import ChildRuns
from manyhands.hyperopt.points import complete
from manyhands.hyperopt.pyll_utils import space_eval
from manyhands.hyperopt.saving import Saver, packed
from manyhands.hyperopt.seeds import Seeds
from manyhands.hyperopt.trials import TrialStore

logger = logging.getLogger(__name__)

#: The documents that are evaluated right now, by identity. A running trial that is not one of them was interrupted.
_IN_HAND: set[int] = set()

_NO_TASKS = "There are no evaluation tasks, cannot return argmin of task losses."


def validate_timeout(timeout: Any) -> None:
    """Refuse what is neither None nor a number above 0.

    Raises:
        Exception: As said; scripts know no narrower type.
    """
    if timeout is not None and (not _is_number(timeout) or not timeout > 0):
        raise Exception(f"The timeout argument should be None or a positive value. Given value: {timeout}")


def validate_loss_threshold(loss_threshold: Any) -> None:
    """Refuse what is neither None nor a number.

    Raises:
        Exception: As said; scripts know no narrower type.
    """
    if loss_threshold is not None and not _is_number(loss_threshold):
        raise Exception(f"The loss_threshold argument should be None or a numeric value. Given value: {loss_threshold}")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Number) and not isinstance(value, bool)


def _is_loss(loss: Any) -> bool:
    return loss is not None and not math.isnan(loss)


class FMinIter:
    """A search under way.

    Args:
        algo: What proposes: ``(new_ids, domain, trials, seed) -> documents``.
        domain: What is searched.
        trials: What is known, and where trials are put.
        rstate: What seeds are drawn from, see ``Seeds``.
        asynchronous: Whether others evaluate the trials; by default as ``trials`` says.
        max_queue_len: So many trials are proposed ahead.
        poll_interval_secs: How long to wait for others until the next look.
        max_evals: End with so many trials.
        timeout: End after so many seconds.
        loss_threshold: End with a loss below it.
        verbose: Whether to show anything.
        show_progressbar: Whether to show a bar, or what to show instead, see ``progress``.
        early_stop_fn: ``(trials, *args) -> (stop, args)``, or only whether to stop.
        trials_save_file: Where to keep the trials.
    """

    catch_eval_exceptions = False
    pickle_protocol = -1

    def __init__(
        self,
        algo: Any,
        domain: Domain,
        trials: Any,
        rstate: Any,
        asynchronous: bool | None = None,
        max_queue_len: int = 1,
        poll_interval_secs: float = 1.0,
        max_evals: float = sys.maxsize,
        timeout: float | None = None,
        loss_threshold: float | None = None,
        verbose: bool = False,
        show_progressbar: Any = True,
        early_stop_fn: Callable[..., Any] | None = None,
        trials_save_file: str = "",
    ) -> None:
        self.algo = as_algo(algo)
        self.domain = domain
        self.trials = trials
        self.rstate = rstate
        self.asynchronous = trials.asynchronous if asynchronous is None else asynchronous
        self.max_queue_len = max_queue_len
        self.poll_interval_secs = poll_interval_secs
        self.max_evals = max_evals
        self.timeout = timeout
        self.loss_threshold = loss_threshold
        self.verbose = verbose
        self.progress_callback = _bar(show_progressbar, verbose)
        self.early_stop_fn = early_stop_fn
        self.early_stop_args: Iterable[Any] = []
        self.trials_save_file = trials_save_file
        self.start_time = time.monotonic()
        #: The traceback of the first trial that raised, for people to see if all did.
        self.first_error: str | None = None
        self._seeds = Seeds(rstate, trials.__dict__.setdefault("_seeds", []))
        self._saver = Saver(trials_save_file)
        self._runs = ChildRuns(domain.expr)
        self._best_loss = math.inf
        self._n_done = 0
        self._has_stopped = False
        self._proposed: dict[int, Document] = {}
        self._queue: collections.deque[Document] = collections.deque()
        self._looked_at: tuple[Any, int] = None, 0
        self._is_ours = not self.asynchronous and type(trials).refresh is TrialStore.refresh
        if self.asynchronous and not hasattr(trials, "_spark"):
            trials.attachments[CMD[1]] = packed(domain)

    # What others' loops need, too

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody said that it is enough."""
        return bool(getattr(self.trials, "_fmin_cancelled", False))

    @property
    def is_out_of_time(self) -> bool:
        """Whether the timeout is over."""
        return self.timeout is not None and time.monotonic() - self.start_time >= self.timeout

    def goes_on(self) -> bool:
        """Whether neither the time nor the loss says that it is enough. A loss that equals the threshold does not."""
        if self.is_out_of_time:
            return False
        return self.loss_threshold is None or self._best_loss >= self.loss_threshold

    def propose(self, n: int) -> list[Document]:
        """Have the algorithm propose trials, and insert them.

        Args:
            n: How many there may be.

        Returns:
            Their documents. There are none when the algorithm has no more.

        Raises:
            ValueError: The algorithm returned more than it was asked for.
        """
        self._refresh()
        tids = self.trials.new_trial_ids(n)
        docs = self.algo(tids, self.domain, self.trials, self._seeds.next())
        if len(docs) > n:
            raise ValueError(f"The algorithm returned {len(docs)} trials, and was asked for {n} at most.")
        unused = set(tids).difference([doc["tid"] for doc in docs])
        if unused and hasattr(self.trials, "return_trial_ids"):
            self.trials.return_trial_ids(unused)
        self.trials.insert_trial_docs(docs)
        self._refresh()
        return list(docs)

    def note(self) -> bool:
        """See what became of trials since the last time, save them, and ask whether to stop.

        Returns:
            Whether ``early_stop_fn`` says so.
        """
        self._refresh()
        if not self._is_ours:
            self._look_at_all()
        self._note_loss(self._former_best)
        self._saver.save(self.trials)
        self._has_stopped = self._stops_early()
        return self._has_stopped

    def evaluate(self, trial: Document) -> None:
        """Evaluate one trial, here and now, and note in its document what came out.

        Raises:
            Exception: As the objective raised, unless ``catch_eval_exceptions`` is set.
        """
        trial["state"] = JOB_STATE_RUNNING
        trial["book_time"] = trial["refresh_time"] = now()
        _IN_HAND.add(id(trial))
        try:
            result = self.domain.evaluate(spec_from_misc(trial["misc"]), Ctrl(self.trials, trial))
        except Exception as error:
            self._failed(trial, error)
            if not self.catch_eval_exceptions:
                raise
        except BaseException:  # Ctrl-C: nobody works on the trial now, and the next search begins with it
            trial.update(state=JOB_STATE_NEW, book_time=None, refresh_time=None)
            raise
        else:
            trial["state"] = JOB_STATE_DONE
            trial["result"] = result
            trial["refresh_time"] = now()
            self._n_done += 1
            self._note_loss(result.get("loss"))
        finally:
            _IN_HAND.discard(id(trial))
            if trial["state"] != JOB_STATE_NEW:
                self._runs.log(trial)

    def serial_evaluate(self, N: int = -1) -> None:  # noqa: N803 - scripts know it by this name
        """Evaluate the new trials, or N of them, as long as there is time."""
        while N != 0 and self._n_waiting() and not self.is_out_of_time:
            trial = self._queue.popleft()
            if trial["state"] == JOB_STATE_NEW:  # and the objective did not search with these trials, too
                self.evaluate(trial)
                N -= 1  # noqa: N806
        self._refresh()

    # The loop

    def run(self, N: float, block_until_done: bool = True) -> None:  # noqa: N803
        """Propose N trials, and have them evaluated.

        Args:
            N: How many.
            block_until_done: Whether to wait for trials that others evaluate.
        """
        self._begin()
        n_left = N
        n_shown = self._n_done
        with self.progress_callback(initial=n_shown, total=self.max_evals) as bar:
            try:
                stopped = False
                while not stopped and self.goes_on() and (n_left > 0 or self._n_open(block_until_done)):
                    n_new, stopped = self._top_up(n_left)
                    n_left -= n_new
                    if self.is_cancelled:
                        break
                    self._work()
                    stopped = self.note() or stopped
                    if self._best_loss < math.inf:
                        bar.postfix = f"best loss: {self._best_loss}"
                    if self._n_done > n_shown:
                        bar.update(self._n_done - n_shown)
                        n_shown = self._n_done
            finally:
                self._saver.finish(self.trials)
        self._end(block_until_done)

    def exhaust(self) -> Self:
        """Search until there are ``max_evals`` trials, or another reason to stop."""
        self.run(self.max_evals - len(self.trials), block_until_done=self.asynchronous)
        self.trials.refresh()
        return self

    def block_until_done(self) -> None:
        """Wait until nobody works on a trial, or evaluate the new ones if nobody else does."""
        if not self.asynchronous:
            self.serial_evaluate()
            return
        while self.trials.count_by_state_unsynced([JOB_STATE_NEW, JOB_STATE_RUNNING]) and not self.is_cancelled:
            self._wait()
        self.trials.refresh()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        self.run(1, block_until_done=self.asynchronous)
        if len(self.trials) >= self.max_evals or self._has_stopped:
            raise StopIteration
        return self.trials

    def _begin(self) -> None:
        """Look through all that is there already. What was interrupted is new again."""
        docs = self.trials._dynamic_trials
        self._runs = ChildRuns(self.domain.expr)
        if self._is_ours:
            for doc in docs:
                if doc["state"] == JOB_STATE_RUNNING and id(doc) not in _IN_HAND:
                    doc.update(state=JOB_STATE_NEW, book_time=None, refresh_time=None)
        complete(docs, self.domain.graph)
        self.trials.refresh()
        self._queue.clear()
        self._looked_at = None, 0
        self._n_done = self.trials.count_by_state_unsynced(JOB_STATE_DONE)
        # Losses of former searches count from the end of the first step on: so there always is one.
        self._best_loss = math.inf
        self._former_best = min((loss for loss in self.trials.losses() if _is_loss(loss)), default=math.inf)

    def _top_up(self, n_left: float) -> tuple[int, bool]:
        """Propose until enough trials wait.

        Returns:
            How many were proposed, and whether the algorithm has no more.
        """
        n_new = 0
        n_waiting = self._n_waiting()
        while n_waiting < self.max_queue_len and n_new < n_left and not self.is_cancelled:
            docs = self.propose(int(min(self.max_queue_len - n_waiting, math.ceil(n_left - n_new))))
            if not docs:
                return n_new, True
            self._proposed.update((id(doc), doc) for doc in docs)
            n_new += len(docs)
            n_waiting = self._n_waiting()
        return n_new, False

    def _work(self) -> None:
        if self.asynchronous:
            self._wait()
        else:
            self.serial_evaluate()
            self._proposed = {key: doc for key, doc in self._proposed.items() if doc["state"] == JOB_STATE_NEW}

    def _wait(self) -> None:
        wait = getattr(self.trials, "wait_for_change", None)
        (wait or time.sleep)(self.poll_interval_secs)

    def _n_waiting(self) -> int:
        """How many trials are new."""
        if self.asynchronous:
            n_new: int = self.trials.count_by_state_unsynced(JOB_STATE_NEW)
            return n_new
        docs = self.trials._dynamic_trials
        known, n_looked_at = self._looked_at
        if docs is not known or len(docs) < n_looked_at:  # somebody took some out
            self._queue.clear()
            n_looked_at = 0
        self._queue.extend(doc for doc in docs[n_looked_at:] if doc["state"] == JOB_STATE_NEW)
        self._looked_at = docs, len(docs)
        return len(self._queue)

    def _n_open(self, with_running: bool) -> int:
        """How many trials are still to come to an end."""
        if not self.asynchronous:
            return self._n_waiting()
        if not with_running:
            return 0
        n_open: int = self.trials.count_by_state_unsynced([JOB_STATE_NEW, JOB_STATE_RUNNING])
        return n_open

    def _refresh(self) -> None:
        if self._is_ours:
            self.trials.refresh_new()
        else:
            self.trials.refresh()

    def _look_at_all(self) -> None:
        self._n_done = self.trials.count_by_state_unsynced(JOB_STATE_DONE)
        for loss in self.trials.losses():
            self._note_loss(loss)

    def _note_loss(self, loss: Any) -> None:
        if _is_loss(loss) and loss < self._best_loss:
            self._best_loss = loss

    def _failed(self, trial: Document, error: Exception) -> None:
        logger.error("job exception: %s", error)
        if self.first_error is None:
            self.first_error = "".join(traceback.format_exception(error))
        trial["state"] = JOB_STATE_ERROR
        trial["misc"]["error"] = (str(type(error)), str(error))
        trial["refresh_time"] = now()
        self.trials.refresh()

    def _stops_early(self) -> bool:
        if self.early_stop_fn is None:
            return False
        answer = self.early_stop_fn(self.trials, *self.early_stop_args)
        stop, self.early_stop_args = answer if isinstance(answer, tuple | list) else (answer, self.early_stop_args)
        if stop:
            logger.info("Early stop triggered. Stopping iterations as condition is reach.")
        return bool(stop)

    def _end(self, block_until_done: bool) -> None:
        """Wait for others, if so; what was proposed and will not be evaluated never was."""
        if block_until_done:
            self.block_until_done()
        if not self.asynchronous and self._proposed:
            docs = self.trials._dynamic_trials
            docs[:] = [doc for doc in docs if id(doc) not in self._proposed]
            self.trials.return_trial_ids([doc["tid"] for doc in self._proposed.values()])
            self._proposed = {}
        self.trials.refresh()
        n_waiting = self._n_waiting()
        if n_waiting:
            logger.info("Exiting run, not waiting for %d jobs.", n_waiting)


def minimize(
    fn: Any,
    space: Any,
    trials: Any,
    algo: Any = None,
    max_evals: float | None = None,
    rstate: Any = None,
    pass_expr_memo_ctrl: bool | None = None,
    catch_eval_exceptions: bool = False,
    return_argmin: bool = True,
    **settings: Any,
) -> Any:
    """Search with the trials that are given, and return what is best; see ``fmin``.

    Raises:
        Exception: There is no trial whose loss could be returned, with a note of how the first one failed.
        AllTrialsFailed: There are trials, and none has a loss.
    """
    domain = Domain(fn, space, pass_expr_memo_ctrl=pass_expr_memo_ctrl)
    trials._space = domain.expr
    max_evals = sys.maxsize if max_evals is None or max_evals == math.inf else max_evals
    search = FMinIter(algo, domain, trials, rstate, max_evals=max_evals, **settings)
    search.catch_eval_exceptions = catch_eval_exceptions
    search.exhaust()
    return best_of(trials, domain.expr, return_argmin, search.first_error)


def best_of(trials: Any, space: Any, return_argmin: bool, first_error: str | None) -> Any:
    """What ``fmin`` returns.

    Args:
        trials: All trials.
        space: What was searched.
        return_argmin: Return raw values by label, and not what the objective was given.
        first_error: How the first trial failed, if one did, for the notes of what is raised.

    Returns:
        One or the other; None if there are no trials and ``return_argmin`` is not set.

    Raises:
        Exception: There are no trials, and ``return_argmin`` is set.
        AllTrialsFailed: There are trials, and none has a loss.
    """
    if not trials.trials:
        if not return_argmin:
            return None
        raise _explained(Exception(_NO_TASKS), first_error)
    try:
        argmin = trials.argmin
    except AllTrialsFailed as error:
        raise _explained(error, first_error) from None
    return argmin if return_argmin else space_eval(space, argmin)


def _explained(error: Exception, first_error: str | None) -> Exception:
    if first_error is not None:
        error.add_note(f"The first trial that raised did so here:\n{first_error}")
    return error


def _bar(show_progressbar: Any, verbose: bool) -> Any:
    if not show_progressbar or not verbose:
        return progress.no_progress_callback
    return progress.default_callback if show_progressbar is True else show_progressbar
