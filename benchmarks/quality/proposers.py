"""Searches by name: our samplers through ``mh.Study``, and other libraries'."""

from importlib import import_module
from typing import Any

import manyhands as mh
from benchmarks.quality.peers import PEERS
from benchmarks.quality.problems import Problem
from benchmarks.quality.simulate import Proposer


class Ours:
    """One of our samplers, used as anybody would by ask-and-tell.

    Args:
        sampler: A name that ``mh.Study`` knows, or ``"module:Class"`` of one that is still being written.
        problem: What is searched.
        seed: Of the study.
        n_trials: How many there will be.
    """

    def __init__(self, sampler: str, problem: Problem, seed: int, n_trials: int):
        self._study = mh.Study(problem.tree, sampler=chosen(sampler), seed=seed, max_trials=n_trials)

    def ask(self) -> tuple[Any, Any] | None:
        """Return a trial and its params."""
        try:
            trial = self._study.ask()
        except mh.SearchEndedError:
            return None
        return trial, trial.params

    def tell(self, handle: Any, loss: float) -> None:
        """Say what the trial cost."""
        self._study.tell(handle, loss)


def make_proposer(sampler: str, problem: Problem, *, seed: int, n_trials: int) -> Proposer:
    """A fresh search."""
    if sampler in PEERS:
        return PEERS[sampler](problem.space, seed, n_trials)
    return Ours(sampler, problem, seed, n_trials)


def chosen(sampler: str) -> Any:
    """What ``mh.Study`` takes: the name as it is, or an instance of the class at ``"module:Class"``."""
    module, colon, name = sampler.partition(":")
    return getattr(import_module(module), name)() if colon else sampler
