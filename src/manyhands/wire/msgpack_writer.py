"""MessagePack, as far as workers speak it, in a few lines: no library that a worker would have to import.

The driver reads it with a library that checks every type (``manyhands.wire.messages``).
"""

from __future__ import annotations

from struct import Struct

_pack_float = Struct(">Bd").pack
_pack_whole = Struct(">Bq").pack
_pack_length = Struct(">BI").pack


def encode(value: object) -> bytes:
    """Return None, bools, numbers, text, bytes, lists, tuples and dicts in MessagePack.

    Whole numbers that do not fit into 64 bits become floats, half characters (as odd file names have them) a ``?``.

    Raises:
        TypeError: There is something else in ``value``.
    """
    out = bytearray()
    _write(value, out)
    return bytes(out)


def _write(value: object, out: bytearray) -> None:
    if isinstance(value, float):
        out += _pack_float(0xCB, value)
    elif value is None:
        out.append(0xC0)
    elif isinstance(value, bool):
        out.append(0xC3 if value else 0xC2)
    elif isinstance(value, int):
        _write_whole(value, out)
    elif isinstance(value, str | bytes):
        data = value.encode("utf-8", "replace") if isinstance(value, str) else value
        out += _pack_length(0xDB if isinstance(value, str) else 0xC6, len(data))
        out += data
    elif isinstance(value, dict):
        out += _pack_length(0xDF, len(value))
        for key, item in value.items():
            _write(key, out)
            _write(item, out)
    elif isinstance(value, list | tuple):
        out += _pack_length(0xDD, len(value))
        for item in value:
            _write(item, out)
    else:
        raise TypeError(f"a message cannot hold {type(value).__name__} objects")


def _write_whole(value: int, out: bytearray) -> None:
    if 0 <= value < 128:
        out.append(value)
    elif -(1 << 63) <= value < 1 << 63:
        out += _pack_whole(0xD3, value)
    else:
        out += _pack_float(0xCB, _rounded(value))


def _rounded(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
