"""One evaluation in another process: what is sent there, and what comes back.

Workers import this, so it imports nothing that only the driver needs.
"""

import pickle
import time
from collections import OrderedDict
from typing import Any

from manyhands.hyperopt.documents import Document, spec_from_misc
from manyhands.hyperopt.domain import Ctrl, Domain
from manyhands.hyperopt.trials import TrialStore

_MOST_KEPT = 2

#: In a worker: what was searched lately, by its name. It is unpickled once, and not for each trial.
_domains: OrderedDict[str, Domain] = OrderedDict()

Returned = tuple[Document, dict[str, Any], float]


class PackedDomain:
    """An objective and its space, pickled once for all trials of a search; see ``manyhands.hyperopt.crew``.

    Args:
        name: Its own.
        parts: Arrays of bytes: the pickle, and the buffers that it refers to.
    """

    def __init__(self, name: str, parts: list[Any]) -> None:
        self.name = name
        self._parts = parts

    def unpacked(self) -> Domain:
        """The domain, from what this process has of it already, if it has."""
        if self.name not in _domains:
            message, *large = self._parts
            _domains[self.name] = pickle.loads(message, buffers=large)  # noqa: S301 - from our own driver
            if len(_domains) > _MOST_KEPT:
                _domains.popitem(last=False)
        return _domains[self.name]


class Evaluation:
    """The evaluation of one trial; it is called in a worker.

    Args:
        packed: What is searched.
        doc: The trial's document.
    """

    def __init__(self, packed: PackedDomain, doc: Document) -> None:
        self._packed = packed
        self._doc = {key: value for key, value in doc.items() if key not in ("book_time", "refresh_time")}

    def __call__(self) -> Returned:
        """Evaluate it.

        Returns:
            The result, what is attached to the trial, and how many seconds it took.

        Raises:
            Exception: As the objective raised.
        """
        domain = self._packed.unpacked()
        trials = TrialStore()
        ctrl = Ctrl(trials, self._doc)
        began = time.perf_counter()
        result = domain.evaluate(spec_from_misc(self._doc["misc"]), ctrl)
        return result, trials.attachments, time.perf_counter() - began
