"""One evaluation in another process: what is sent there, and what comes back."""

import pickle
import time
import uuid
from collections import OrderedDict
from typing import Any

import numpy as np

from manyhands.hyperopt.documents import Document, spec_from_misc
from manyhands.hyperopt.domain import Ctrl, Domain
from manyhands.hyperopt.trials import TrialStore
from manyhands.joblib.packing import pickled
from manyhands.wire.culprit import explain_unpicklable

_LARGE_BYTES = 1 << 20
_MOST_KEPT = 2

#: In a worker: what was searched lately, by its name. It is unpickled once, and not for each trial.
_domains: OrderedDict[str, Domain] = OrderedDict()

Returned = tuple[Document, dict[str, Any], float]


class PackedDomain:
    """An objective and its space, pickled once for all trials of a search.

    Args:
        domain: What is searched.

    Raises:
        PicklingError: It cannot be sent; says which of the user's variables is to blame.
    """

    def __init__(self, domain: Domain) -> None:
        large: list[Any] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            try:
                raw = buffer.raw()
            except BufferError:  # not contiguous
                return True
            if raw.nbytes <= _LARGE_BYTES:
                return True
            large.append(np.frombuffer(raw, np.uint8))
            return False

        try:
            message = pickled(domain, keep)
        except pickle.PicklingError as error:
            raise pickle.PicklingError(explain_unpicklable(domain.fn, error.__cause__ or error)) from error  # type: ignore[arg-type]
        self.name = uuid.uuid4().hex
        self._parts = [np.frombuffer(message, np.uint8), *large]  # arrays: what is large travels once, in a file

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
