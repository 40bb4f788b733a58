"""Runs in processes of their own, each handed over when it is done."""

import traceback
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Run = TypeVar("_Run")


def make_all(make: Callable[[_Key], _Run], keys: Sequence[_Key], jobs: int) -> Iterator[tuple[_Key, _Run | str]]:
    """Do runs, several at once if so wished, and yield each when it is done, or the traceback of why it is not.

    Args:
        make: Does one; a function of a module, so that other processes can import it.
        keys: Which runs.
        jobs: How many processes do them; with 1 it is this one.
    """
    if jobs == 1:
        yield from ((key, _try(make, key)) for key in keys)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_try, make, key): key for key in keys}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _try(make: Callable[[_Key], _Run], key: _Key) -> _Run | str:
    try:
        return make(key)
    except Exception:  # a method may raise anything, and the others should go on
        return traceback.format_exc()
