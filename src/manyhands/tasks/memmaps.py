"""Arrays that are files of this machine already: workers on it open them too, to read or write as is done here."""

import mmap
import os
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided


def reduce_memmap(array: Any) -> Any:
    """How to pickle a ``numpy.memmap``, or a view of one: by the file's name, and where in it the array is."""
    if not isinstance(array.filename, str | os.PathLike) or not os.path.exists(array.filename) or not array.size:
        return np.asarray(array).__reduce_ex__(5)  # it is in memory only, or its file is gone
    mapped = np.frombuffer(array._mmap, np.uint8)
    page = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY  # where in the file the mapping begins
    steps = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
    before = -sum(step for step in steps if step < 0)  # bytes: an array that is read backwards begins at its end
    n_bytes = before + sum(step for step in steps if step > 0) + array.itemsize
    start = page + _address(array) - _address(mapped) - before
    mode = "r+" if array.mode == "w+" else array.mode  # it would be emptied
    return open_memmap, (
        os.path.abspath(array.filename),
        mode,
        start,
        n_bytes,
        before,
        array.dtype,
        array.shape,
        array.strides,
    )


def open_memmap(
    path: str, mode: Any, start: int, n_bytes: int, before: int, dtype: Any, shape: Any, strides: Any
) -> Any:
    """Open a part of a file as an array; the other end of ``reduce_memmap``."""
    raw = np.memmap(path, np.uint8, mode, start, (n_bytes,))
    first = raw[before : before + np.dtype(dtype).itemsize].view(dtype)
    return as_strided(first, shape, strides, subok=True)


def _address(array: Any) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
