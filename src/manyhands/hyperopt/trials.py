"""All trials of a search, as a list of documents and as the questions that people ask of one."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from manyhands.hyperopt.documents import (
    JOB_STATE_DONE,
    JOB_STATES,
    JOB_VALID_STATES,
    STATUS_OK,
    Document,
    check_document,
    make_plain,
    miscs_to_idxs_vals,
    new_document,
)
from manyhands.hyperopt.exceptions import AllTrialsFailed
from manyhands.hyperopt.pyll_utils import space_eval

#: How often the best of noisy losses is drawn, and the seed of it: the same trials always have the same answer.
_DRAWS = 1000
_DRAWS_SEED = 232342


class Attachments:
    """What is attached to one trial, by name.

    Args:
        attachments: Those of all trials.
        key: The key there, for a name.
    """

    def __init__(self, attachments: dict[str, Any], key: Callable[[str], str]) -> None:
        self._all, self._key = attachments, key

    def __contains__(self, name: str) -> bool:
        return self._key(name) in self._all

    def __getitem__(self, name: str) -> Any:
        return self._all[self._key(name)]

    def __setitem__(self, name: str, value: Any) -> None:
        self._all[self._key(name)] = value

    def __delitem__(self, name: str) -> None:
        del self._all[self._key(name)]


class TrialStore:
    """The documents of a search; ``Trials`` is one that can search, too.

    Documents are plain dictionaries, in the order of their insertion. What is inserted, or changed in a document,
    is seen in ``trials`` and all that follows from it after ``refresh()``.

    Args:
        exp_key: Show the documents of this experiment only.
        refresh: Whether to refresh at once.
    """

    asynchronous = False

    #: The space that was searched last, for ``best_params``. It is not pickled: it may hold anything.
    _space: Any = None

    def __init__(self, exp_key: Any = None, refresh: bool = True) -> None:
        self._ids: set[Any] = set()
        self._dynamic_trials: list[Document] = []
        self._exp_key = exp_key
        self._seeds: list[int] = []
        self.attachments: dict[str, Any] = {}
        if refresh:
            self.refresh()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_space", "_synced")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__.setdefault("_seeds", [])

    def view(self, exp_key: Any = None, refresh: bool = True) -> Self:
        """The same documents, as far as they are of an experiment."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._exp_key = exp_key
        if refresh:
            other.refresh()
        return other

    # What is there

    def refresh(self) -> None:
        """Look through all documents again."""
        docs = [doc for doc in self._dynamic_trials if doc["state"] in JOB_VALID_STATES]
        if self._exp_key is not None:
            docs = [doc for doc in docs if doc["exp_key"] == self._exp_key]
        self._trials = docs
        self._synced = self._dynamic_trials, len(self._dynamic_trials)
        self._ids.update([doc["tid"] for doc in docs])

    def refresh_new(self) -> None:
        """Look at the documents that came since the last refresh: for whoever knows that no other changed."""
        known, n_synced = getattr(self, "_synced", (None, 0))
        if known is not self._dynamic_trials or n_synced > len(known):  # somebody took documents out
            self.refresh()
            return
        for doc in self._dynamic_trials[n_synced:]:
            if doc["state"] in JOB_VALID_STATES and self._exp_key in (None, doc["exp_key"]):
                self._trials.append(doc)
        self._synced = known, len(known)

    def __iter__(self) -> Iterator[Document]:
        return iter(self.trials)

    def __len__(self) -> int:
        return len(self.trials)

    def __getitem__(self, item: object) -> Any:
        raise NotImplementedError(
            f"trials[{item!r}] could mean a position or a tid. Use trials.trials[...] for a position."
        )

    @property
    def trials(self) -> list[Document]:
        """The documents of all trials but those that raised or were cancelled: these are in ``_dynamic_trials``."""
        try:
            return self._trials
        except AttributeError:
            raise AttributeError("These trials were never refreshed. Call refresh() first.") from None

    @property
    def tids(self) -> list[Any]:
        """The trials' ids."""
        return [doc["tid"] for doc in self.trials]

    @property
    def specs(self) -> list[Any]:
        """The trials' ``spec``, which is None."""
        return [doc["spec"] for doc in self.trials]

    @property
    def results(self) -> list[Document]:
        """What the objective returned for each trial, as a dictionary."""
        return [doc["result"] for doc in self.trials]

    @property
    def miscs(self) -> list[Document]:
        """The trials' ``misc``, with their params."""
        return [doc["misc"] for doc in self.trials]

    @property
    def idxs_vals(self) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
        """``idxs`` and ``vals``."""
        return miscs_to_idxs_vals(self.miscs)

    @property
    def idxs(self) -> dict[str, list[Any]]:
        """For each label, the ids of the trials that have it."""
        return self.idxs_vals[0]

    @property
    def vals(self) -> dict[str, list[Any]]:
        """For each label, its raw value in the trials that have it; for a choice, that is the option's index."""
        return self.idxs_vals[1]

    def losses(self, bandit: Any = None) -> list[Any]:
        """The trials' losses, None where there is none."""
        if bandit is None:
            return [result.get("loss") for result in self.results]
        return [bandit.loss(result, spec) for result, spec in zip(self.results, self.specs, strict=True)]

    def statuses(self, bandit: Any = None) -> list[Any]:
        """The trials' statuses."""
        if bandit is None:
            return [result.get("status") for result in self.results]
        return [bandit.status(result, spec) for result, spec in zip(self.results, self.specs, strict=True)]

    def count_by_state_synced(self, arg: Any, trials: Iterable[Document] | None = None) -> int:
        """How many documents are in a state, or in one of several.

        Args:
            arg: The state or states.
            trials: Of these; by default of those that the last refresh found.

        Raises:
            TypeError: ``arg`` is neither.
        """
        if isinstance(arg, Iterable):
            states = set(arg)
        elif arg in JOB_STATES:
            states = {arg}
        else:
            raise TypeError(f"{arg!r} is no state, and not several. States are {JOB_STATES}.")
        if not states <= set(JOB_STATES):
            raise TypeError(f"{sorted(states - set(JOB_STATES))} are no states. States are {JOB_STATES}.")
        return sum([doc["state"] in states for doc in (self.trials if trials is None else trials)])

    def count_by_state_unsynced(self, arg: Any) -> int:
        """The same, as it would be after a refresh, and with those that raised or were cancelled."""
        docs = self._dynamic_trials
        if self._exp_key is not None:
            docs = [doc for doc in docs if doc["exp_key"] == self._exp_key]
        return self.count_by_state_synced(arg, trials=docs)

    # What is put in

    def new_trial_ids(self, n: int) -> list[int]:
        """Ids that no document has and nobody was given."""
        ids: list[int] = []
        tid = len(self._ids)
        while len(ids) < n:
            if tid not in self._ids:
                ids.append(tid)
            tid += 1
        self._ids.update(ids)
        return ids

    def return_trial_ids(self, tids: Iterable[Any]) -> None:
        """Take back ids that were given and not used."""
        self._ids.difference_update(tids)

    def new_trial_docs(
        self, tids: Sequence[Any], specs: Sequence[Any], results: Sequence[Document], miscs: Sequence[Document]
    ) -> list[Document]:
        """Documents of new trials. They are not inserted."""
        return [
            new_document(tid, misc, self._exp_key, spec, result)
            for tid, spec, result, misc in zip(tids, specs, results, miscs, strict=True)
        ]

    def source_trial_docs(
        self,
        tids: Sequence[Any],
        specs: Sequence[Any],
        results: Sequence[Document],
        miscs: Sequence[Document],
        sources: Sequence[Document],
    ) -> list[Document]:
        """Documents of trials that go back to others, with those others' state, owner and times. They are not inserted.

        Raises:
            ValueError: A ``misc`` says something else of where it comes from.
        """
        docs = []
        for tid, spec, result, misc, source in zip(tids, specs, results, miscs, sources, strict=True):
            for key, value in (("tid", tid), ("cmd", None), ("from_tid", source["tid"])):
                if misc.setdefault(key, value) != value:
                    raise ValueError(f"misc[{key!r}] is {misc[key]!r} and should be {value!r}.")
            doc = new_document(tid, misc, source["exp_key"], spec, result)
            doc.update({key: source[key] for key in ("state", "owner", "book_time", "refresh_time")})
            docs.append(doc)
        return docs

    def assert_valid_trial(self, trial: Any) -> Document:
        """The document, if it may be inserted.

        Raises:
            InvalidTrial: Something is missing, or it is of another experiment.
        """
        check_document(trial, self._exp_key)
        document: Document = trial
        return document

    def insert_trial_doc(self, doc: Document) -> Any:
        """Insert a document, which is seen after the next refresh.

        Returns:
            Its id.

        Raises:
            InvalidTrial: It cannot be one.
        """
        return self.insert_trial_docs([doc])[0]

    def insert_trial_docs(self, docs: Iterable[Document]) -> list[Any]:
        """Insert documents, also those of other trials; they are seen after the next refresh.

        Returns:
            Their ids.

        Raises:
            InvalidTrial: One cannot be a trial's. None is inserted then.
        """
        docs = [self.assert_valid_trial(doc) for doc in docs]
        for doc in docs:
            make_plain(doc["misc"])
        return self._insert_trial_docs(docs)

    def _insert_trial_docs(self, docs: Iterable[Document]) -> list[Any]:
        docs = list(docs)
        tids = [doc["tid"] for doc in docs]
        self._dynamic_trials.extend(docs)
        self._ids.update(tids)
        return tids

    def delete_all(self) -> None:
        """Forget all documents and attachments."""
        self._dynamic_trials = []
        self._seeds = []
        self.attachments = {}
        self.refresh()

    # What is attached

    def aname(self, trial: Document, name: str) -> str:
        """The key in ``attachments`` of what is attached to a trial by a name."""
        return f"ATTACH::{trial['tid']}::{name}"

    def trial_attachments(self, trial: Document) -> Attachments:
        """What is attached to a trial, by name."""
        return Attachments(self.attachments, lambda name: self.aname(trial, name))

    # What is best

    @property
    def best_trial(self) -> Document:
        """The document of the trial with the lowest loss, among those with status ok and a loss that is a number.

        Raises:
            AllTrialsFailed: There is none.
        """
        best, lowest = None, math.inf
        for doc in self.trials:
            loss = doc["result"].get("loss")
            if doc["result"]["status"] != STATUS_OK or loss is None:
                continue
            loss = float(loss)
            if loss < lowest or (best is None and not math.isnan(loss)):
                best, lowest = doc, loss
        if best is None:
            raise AllTrialsFailed(self._why_none_is_best())
        return best

    def _why_none_is_best(self) -> str:
        done = [doc["result"] for doc in self.trials if doc["state"] == JOB_STATE_DONE]
        if not self._dynamic_trials:
            return "There are no trials."
        n_nan = sum(result["status"] == STATUS_OK for result in done)
        return (
            f"No trial has a loss to go by: of {len(self._dynamic_trials)}, {len(done) - n_nan} returned a status that "
            f"is not {STATUS_OK!r}, {n_nan} a loss that is not a number, "
            f"and {len(self._dynamic_trials) - len(self.trials)} raised or were cancelled."
        )

    @property
    def argmin(self) -> dict[str, Any]:
        """The best trial's raw value of each active label; for a choice, that is the option's index.

        Raises:
            AllTrialsFailed: No trial is best.
        """
        return {label: values[0] for label, values in self.best_trial["misc"]["vals"].items() if values}

    @property
    def best_params(self) -> Any:
        """What the objective was given in the best trial: the space with its values, and options instead of indices.

        Raises:
            AllTrialsFailed: No trial is best.
            AttributeError: These trials were loaded, and not searched with since.
        """
        if self._space is None:
            raise AttributeError("These trials do not know their space. Use space_eval(space, trials.argmin).")
        return space_eval(self._space, self.argmin)

    def average_best_error(self, bandit: Any = None) -> float:
        """The true loss of the best trial, weighted by how probable it is of each that it is the best.

        Args:
            bandit: A Domain, whose ``loss``, ``loss_variance`` and ``true_loss`` are to be used.

        Raises:
            ValueError: No trial has a loss, or one is not finite, if there is a ``bandit``.
        """
        ok = [doc for doc in self.trials if doc["result"]["status"] == STATUS_OK]
        if bandit is None:
            rows = [row for row in (_loss_row(doc["result"]) for doc in ok) if not math.isnan(row[0])]
        else:
            rows = [_bandit_row(bandit, doc["result"], doc["spec"]) for doc in ok]
        if not rows:
            raise ValueError("Empty loss vector: no trial has status 'ok' and a loss that is a number.")
        loss, variance, true_loss = np.array(sorted(rows), dtype=float).T
        if bandit is not None and not np.isfinite([loss, variance, true_loss]).all():
            raise ValueError("A loss, its variance or the true loss is not finite.")
        if not variance.any():
            return float(true_loss[np.argmin(loss)])
        near = slice(0, max(1, int(np.sum(loss < loss[0] + 3 * np.sqrt(variance[0])))))
        return float(_chance_of_being_best(loss[near], variance[near]) @ true_loss[near])


def _loss_row(result: Document) -> tuple[Any, Any, Any]:
    return result["loss"], result.get("loss_variance", 0), result.get("true_loss", result["loss"])


def _bandit_row(bandit: Any, result: Document, spec: Any) -> tuple[Any, Any, Any]:
    return bandit.loss(result, spec), bandit.loss_variance(result, spec), bandit.true_loss(result, spec)


def _chance_of_being_best(mean: Any, variance: Any) -> Any:
    draws = np.random.default_rng(_DRAWS_SEED).standard_normal((_DRAWS, len(mean))) * np.sqrt(variance) + mean
    wins = (draws == draws.min(axis=1, keepdims=True)).sum(axis=0)
    return wins / wins.sum()
