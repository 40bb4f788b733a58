"""Whatever may be given as ``algo``, as a function that proposes trials."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from manyhands.errors import SettingsError
from manyhands.hyperopt.documents import Document
from manyhands.hyperopt.proposing import propose
from manyhands.samplers import make_sampler

Suggest = Callable[..., Any]

#: Modules whose algorithms ask more of a ``Domain`` than there is here. Those of users' own are welcome.
_THEIRS = ("hyperopt.rand", "hyperopt.tpe", "hyperopt.anneal", "hyperopt.atpe")


def as_algo(algo: Any) -> Suggest:
    """What proposes: ``(new_ids, domain, trials, seed) -> documents``.

    Args:
        algo: Such a function; or a sampler of Manyhands, or its name: ``"auto"``, ``"gp"``, ``"tpe"``, ``"random"``,
            ``"sobol"``, ``"grid"``. By default, ``tpe.suggest``.

    Raises:
        TypeError: It is none.
    """
    if algo is None:
        found: Suggest = import_module("manyhands.hyperopt.tpe").suggest
        return found
    function = algo
    while isinstance(function, partial):
        function = function.func
    if getattr(function, "__module__", None) in _THEIRS:
        raise TypeError(
            f"algo={algo!r} is of the package hyperopt, and needs its inside. Import {function.__module__[9:]} from "
            "manyhands.hyperopt as well."
        )
    if callable(algo):
        return algo  # type: ignore[no-any-return]
    if hasattr(algo, "suggest") and not hasattr(algo, "observe"):
        name = getattr(algo, "__name__", "").rpartition(".")[2]
        raise TypeError(f"algo={algo!r} is no function. Give its function: algo={name}.suggest.")
    try:
        sampler = make_sampler(algo)
    except SettingsError as error:
        raise TypeError(
            f"algo={algo!r} proposes nothing: {error} Or give a function, such as tpe.suggest or rand.suggest."
        ) from error
    return partial(suggest, sampler=algo if isinstance(algo, str) else sampler)


def suggest(new_ids: Sequence[Any], domain: Any, trials: Any, seed: Any, sampler: Any) -> list[Document]:
    """Propose trials by a sampler of Manyhands.

    Args:
        new_ids: The new trials' ids.
        domain: What is searched.
        trials: What is known.
        seed: Of the sampler.
        sampler: Its name, or a sampler. The latter serves one search after another.

    Returns:
        Trial documents. There are none when all of a finite space was tried.
    """
    key = sampler if isinstance(sampler, str) else id(sampler)
    return propose(new_ids, domain, trials, seed, lambda: make_sampler(sampler), key, repeats=False)
