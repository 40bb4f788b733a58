"""Pickles without their large buffers, which travel beside them (PEP 574)."""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from pickle import PickleBuffer


def set_aside(buffers: list[memoryview], least_bytes: int) -> Callable[[PickleBuffer], bool]:
    """Return a pickler's ``buffer_callback`` that takes out the large buffers.

    Args:
        buffers: Where they go, in order.
        least_bytes: What is smaller stays in the pickle, and so does what is not contiguous.
    """

    def callback(buffer: PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # not contiguous
            return True
        if raw.nbytes < least_bytes:
            return True
        buffers.append(raw)
        return False

    return callback
