"""Which checkpoints may go, and their removal while the search runs.

Once a trial's outcome is on disk its checkpoints go, but for those

    of the best trial so far (with several objectives, of those on the Pareto front), and of the one it was forked from,
    whose last checkpoint is its own if it ended before it saved another one,
    of a trial from which one was forked that has no outcome yet,
    of any trial that did not fail, for as long as a scheduler may still fork from it.

A search that was interrupted, and can go on, may still fork; so there the last ones stay for its next run.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from manyhands.incumbents import Incumbents
from manyhands.ports import StudySpec, Tracker
from manyhands.trial import Trial, TrialState
from manyhands.worker.checkpoints import trial_of_folder
from manyhands.worker.storage import is_url, storage_at

log = logging.getLogger("manyhands")

_EVERY_S = 1.0
_PATIENCE_S = 10.0  # for the last removals, at the end of a search


class Rule(NamedTuple):
    """What a keeper has to know of its search.

    Attributes:
        incumbents: The best trials, as the search keeps them.
        forks: Whether the scheduler may begin a trial with the checkpoint of another one.
        goes_on: Whether what is left without an outcome when the search ends can be taken up by another run.
    """

    incumbents: Incumbents
    forks: bool = False
    goes_on: bool = True


class CheckpointKeeper(Tracker):
    """Removes the checkpoints that nobody needs any more, beside the search: a slow disk does not hold it up.

    A removal that fails costs one line in the log, and nothing else.

    Args:
        root: The path or URL below which the study's trials have their checkpoints.
        rule: Which of them may go.
    """

    def __init__(self, root: str, rule: Rule):
        self._root = root
        self._rule = rule
        self._ended: dict[int, int] = {}  # trials with an outcome, and how many had one before
        self._failed: set[int] = set()
        self._alive: dict[int, int | None] = {}  # trials without an outcome, and from which each was forked
        self._has_work = False
        self._next_at = 0.0
        self._round: threading.Thread | None = None
        self._has_complained = False

    # -- what it hears -----------------------------------------------------------------------------------------

    def started(self, spec: StudySpec, n_workers: int, trials: Mapping[int, Trial], max_trials: int | None) -> None:
        """Learn of the trials of earlier runs, whose checkpoints may have been left behind by a run that was killed."""
        for trial in trials.values():
            self._learn(trial)

    def trial_started(self, trial: Trial) -> None:
        """Learn that a trial needs its checkpoint, and its parent's."""
        self._learn(trial)

    def trial_ended(self, trial: Trial) -> None:
        """Learn of an outcome."""
        self._learn(trial)

    def tick(self, at: float) -> None:
        """Begin a round, if there is something to do and the last one is over."""
        if self._has_work and at >= self._next_at and not self._is_at_work():
            self._next_at = at + _EVERY_S
            self._begin_round(is_last=False)

    def ended(self, reason: str) -> None:
        """Remove what can go now that the search is over; waits for it, but not for ever."""
        give_up_at = time.monotonic() + _PATIENCE_S
        if self._finish_round(give_up_at):
            self._begin_round(is_last=True)
            if self._finish_round(give_up_at):
                return
        self._complain(f"after {_PATIENCE_S:g} seconds there was still something to remove")

    def _learn(self, trial: Trial) -> None:
        if trial.state.is_end:
            self._alive.pop(trial.id, None)
            self._ended[trial.id] = len(self._ended)
            if trial.state is TrialState.FAILED:
                self._failed.add(trial.id)
            self._has_work = True
        else:
            self._alive[trial.id] = trial.parent

    # -- the rule ----------------------------------------------------------------------------------------------

    def _stays(self, is_last: bool) -> Callable[[int], bool]:
        """Whether a trial's checkpoints stay, as things are now; to be asked by another thread."""
        incumbents, forks, goes_on = self._rule
        best = [incumbents.best] if isinstance(incumbents.direction, str) else incumbents.front
        needed = {id_ for trial in best if trial is not None for id_ in (trial.id, trial.parent)}
        if is_last and not goes_on:
            return needed.__contains__
        needed.update(self._alive.values())
        may_fork = forks and not (is_last and not self._alive)
        n_ended = len(self._ended)  # one that ends while somebody asks may be the new best

        def stays(trial_id: int) -> bool:
            if trial_id in needed or self._ended.get(trial_id, n_ended) >= n_ended:
                return True
            return may_fork and trial_id not in self._failed

        return stays

    # -- rounds ------------------------------------------------------------------------------------------------

    def _begin_round(self, *, is_last: bool) -> None:
        self._has_work = False
        if is_url(self._root) or os.path.isdir(self._root):  # most searches have no checkpoints
            stays = self._stays(is_last)
            self._round = threading.Thread(target=self._go_round, args=(stays,), name="checkpoints", daemon=True)
            self._round.start()

    def _is_at_work(self) -> bool:
        return self._round is not None and self._round.is_alive()

    def _finish_round(self, give_up_at: float) -> bool:
        if self._round is not None:
            self._round.join(max(0.0, give_up_at - time.monotonic()))
        return not self._is_at_work()

    def _go_round(self, stays: Callable[[int], bool]) -> None:
        try:
            storage = storage_at(self._root)
            names = storage.names()
        except Exception as error:  # of a file system of the user's choice
            self._complain(f"{type(error).__name__}: {error}")
            return
        for name in sorted(names):
            trial_id = trial_of_folder(name)
            if trial_id is None or stays(trial_id):
                continue
            try:
                storage.remove(name)
            except Exception as error:
                self._complain(f"{name}: {type(error).__name__}: {error}")

    def _complain(self, why: str) -> None:
        if not self._has_complained:
            self._has_complained = True
            log.warning("Not all old checkpoints below %s can be removed: %s", self._root, why)
