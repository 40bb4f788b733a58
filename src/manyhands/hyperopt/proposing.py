"""A Manyhands sampler behind Hyperopt's ``suggest(new_ids, domain, trials, seed)``.

Hyperopt's algorithms know nothing from call to call and read all trials each time. A sampler keeps what it knows; so
for each search there is a ``Conversation`` with one, which is told what is new in the trials and then asked. It ends
with the trials object that it is about.
"""

import logging
import math
import weakref
from collections.abc import Callable, Hashable, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from manyhands.errors import SpaceError
from manyhands.hyperopt.documents import (
    JOB_STATE_CANCEL,
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    STATUS_OK,
    Document,
    point_misc,
    spec_from_misc,
)
from manyhands.hyperopt.graph import SpaceGraph
from manyhands.hyperopt.labelled import LabelledSpace
from manyhands.ports import Outcome, Problem, Sampler
from manyhands.space import Point
from manyhands.trial import Trial, TrialState

logger = logging.getLogger(__name__)

#: So many points are drawn for one that is tried again, and the best of them is.
_DRAWN = 8

#: What is known of each trials object, for as long as there is one: (which algorithm, conversation).
_conversations: "weakref.WeakKeyDictionary[Any, dict[Hashable, Conversation]]" = weakref.WeakKeyDictionary()


def propose(
    new_ids: Sequence[Any],
    domain: Any,
    trials: Any,
    seed: Any,
    make: Callable[[], Sampler],
    key: Hashable,
    repeats: bool = True,
) -> list[Document]:
    """Propose a trial for each id.

    Args:
        new_ids: Ids of the trials.
        domain: What is searched.
        trials: What was tried.
        seed: The search's seed, if it is the first one for these trials; others give other points for the same id.
        make: Makes the sampler.
        key: The same for the same sampler with the same settings.
        repeats: Where nothing new is left, as in a space of a few options, try good points again. If not so, there are
            no more trials then.

    Returns:
        Trial documents; fewer than ids if there is nothing more to try.
    """
    known = _conversations.setdefault(trials, {})
    graph = getattr(domain, "graph", None) or SpaceGraph(domain.expr)
    talk = known.get(key)
    if talk is None or not talk.suits(domain, new_ids, seed):
        talk = known[key] = Conversation(make(), domain, graph, seed)
    talk.listen(trials)
    docs = []
    for tid in new_ids:
        vals = talk.ask(tid, seed)
        if vals is None:
            if not repeats:
                break
            vals = talk.again(tid, seed)
        misc = point_misc(tid, vals, graph.nodes)
        misc["cmd"], misc["workdir"] = domain.cmd, domain.workdir
        docs.extend(trials.new_trial_docs([tid], [None], [domain.new_result()], [misc]))
    return docs


class Conversation:
    """A sampler in one search.

    Args:
        sampler: The sampler. It is started here.
        domain: What is searched.
        graph: Its space.
        seed: The one source of the sampler's randomness.
    """

    def __init__(self, sampler: Sampler, domain: Any, graph: SpaceGraph, seed: Any) -> None:
        self._domain = weakref.ref(domain)
        self._labelled = LabelledSpace(graph)
        self._sampler = sampler
        sampler.start(Problem(self._labelled.space, _as_seed(seed)))
        self._numbers: dict[Any, int] = {}  # ids are anything; a sampler's are numbers from 0, in order
        self._points: dict[int, Point] = {}
        self._running: dict[int, Point] = {}
        self._asked: dict[Any, Any] = {}  # id -> the seed that came with it, until there is a document
        self._told: set[int] = set()
        self._open: list[Document] = []
        self._read: tuple[Any, int, Any] = (None, 0, None)
        self._lowest = math.inf
        self._losses: dict[int, list[float]] = {}  # of a finite space: place of a point -> what came out there

    def suits(self, domain: Any, new_ids: Sequence[Any], seed: Any) -> bool:
        """Whether these questions go on with it, and do not ask for other draws of what it answered before."""
        return self._domain() is domain and all(self._asked.get(tid, seed) == seed for tid in new_ids)

    def listen(self, trials: Any) -> None:
        """Hear what is new in the trials."""
        docs = getattr(trials, "_dynamic_trials", trials.trials)
        experiment = getattr(trials, "_exp_key", None)
        for doc in self._unread(docs):
            if experiment is None or doc.get("exp_key") == experiment:
                self._asked.pop(doc["tid"], None)
                self._open.append(doc)
        self._open = [doc for doc in self._open if not self._hear(doc)]

    def ask(self, tid: Any, seed: Any) -> dict[Any, Any] | None:
        """The raw values of a new trial's active labels; None if there is nothing to try."""
        self._asked[tid] = seed
        number = self._number(tid)
        self._running.pop(number, None)
        point = self._sampler.suggest(number, self._running)
        if point is None:
            return None
        self._points[number] = self._running[number] = point
        return self._labelled.to_vals(point)

    def again(self, tid: Any, seed: Any) -> dict[Any, Any]:
        """The raw values of a point that was tried before, one with low losses more often than others."""
        rng = np.random.default_rng([self._number(tid), _as_seed(seed)])
        space, labelled = self._labelled.space, self._labelled
        points = [labelled.to_point(labelled.graph.draw(rng)) for _ in range(_DRAWN)]
        points.sort(key=lambda point: fmean(self._losses.get(space.index(point), [math.inf])))
        self._points[self._number(tid)] = self._running[self._number(tid)] = points[0]
        return labelled.to_vals(points[0])

    def _unread(self, docs: list[Document]) -> list[Document]:
        """The documents that were added; all of them if others were taken out."""
        known, n_read, last = self._read
        if docs is not known or len(docs) < n_read or (n_read and docs[n_read - 1] is not last):
            n_read = 0
            self._open.clear()
            self._running.clear()
        elif self._asked:  # what was proposed and never inserted does not run
            for tid in [tid for tid in self._asked if self._numbers[tid] in self._running]:
                del self._running[self._numbers[tid]]
        self._read = docs, len(docs), docs[-1] if docs else None
        return docs[n_read:]

    def _hear(self, doc: Document) -> bool:
        """Learn what became of a trial. Returns whether it is over."""
        number = self._number(doc["tid"])
        state = doc["state"]
        if number in self._told or state == JOB_STATE_CANCEL:
            self._running.pop(number, None)
            return True
        point = self._point(number, doc)
        if point is None:
            return True
        if state not in (JOB_STATE_DONE, JOB_STATE_ERROR):
            self._running[number] = point
            return False
        self._running.pop(number, None)
        self._told.add(number)
        del self._points[number]
        loss, variance = self._loss(doc) if state == JOB_STATE_DONE else (None, None)
        if self._labelled.space.size is not None:
            self._losses.setdefault(self._labelled.space.index(point), []).append(math.inf if loss is None else loss)
        ending = TrialState.FAILED if loss is None else TrialState.FINISHED
        trial = Trial(number, point, None, ending, loss, variance, order=len(self._told) - 1)
        self._sampler.observe(trial, None if loss is None else Outcome((loss,), variance=variance))
        return True

    def _point(self, number: int, doc: Document) -> Point | None:
        if number not in self._points:
            try:
                self._points[number] = self._labelled.to_point(spec_from_misc(doc["misc"]))
            except (SpaceError, TypeError, ValueError, OverflowError) as error:
                logger.warning("Trial %s is left out, as it is of another space: %s", doc["tid"], error)
                return None
        return self._points[number]

    def _loss(self, doc: Document) -> tuple[float | None, float | None]:
        """A trial's loss and the variance of its noise, None if there is none."""
        result = doc["result"]
        loss = result.get("loss")
        if result.get("status") != STATUS_OK or loss is None or math.isnan(loss) or loss == math.inf:
            return None, None
        if loss == -math.inf:  # models want numbers: as good as the best one, then
            loss = 0.0 if self._lowest == math.inf else self._lowest
        self._lowest = min(self._lowest, loss)
        variance = result.get("loss_variance")
        known = isinstance(variance, int | float) and 0 < variance < math.inf
        return float(loss), float(variance) if known else None

    def _number(self, tid: Any) -> int:
        return self._numbers.setdefault(tid, len(self._numbers))


def _as_seed(seed: Any) -> int:
    if isinstance(seed, int | np.integer):
        return abs(int(seed))
    return int(np.random.default_rng(seed).integers(2**31))
