"""The module ``bson`` for Hyperopt's own tests, which encode documents to see that they can be. It does encode them.

It is copied to ``bson.py`` beside them. pymongo, which has one too, would change what Hyperopt itself does wherever it
is installed.
"""

import datetime
import struct

_EPOCH = datetime.datetime(1970, 1, 1)  # in UTC, without saying so, as documents have their times


class BSON:
    """Encodes documents."""

    @staticmethod
    def encode(document):
        """A document's bytes.

        Raises:
            TypeError: BSON has no type for something in it.
        """
        body = b"".join(_element(key, value) for key, value in document.items())
        return struct.pack("<i", len(body) + 5) + body + b"\0"


def _element(key, value):
    if not isinstance(key, str):
        raise TypeError(f"a key is a string, not {key!r}")
    kind, data = _encoded(value)
    return kind + key.encode() + b"\0" + data


def _encoded(value):
    match value:
        case None:
            return b"\x0a", b""
        case _ if type(value) is bool:
            return b"\x08", struct.pack("?", value)
        case _ if type(value) is int:
            return (
                (b"\x10", struct.pack("<i", value))
                if -(2**31) <= value < 2**31
                else (b"\x12", struct.pack("<q", value))
            )
        case _ if type(value) is float:
            return b"\x01", struct.pack("<d", value)
        case _ if type(value) is str:
            data = value.encode() + b"\0"
            return b"\x02", struct.pack("<i", len(data)) + data
        case _ if type(value) is bytes:
            return b"\x05", struct.pack("<ib", len(value), 0) + value
        case datetime.datetime():
            return b"\x09", struct.pack("<q", round((value - _EPOCH) / datetime.timedelta(milliseconds=1)))
        case dict():
            return b"\x03", BSON.encode(value)
        case list() | tuple():
            return b"\x04", BSON.encode({str(i): item for i, item in enumerate(value)})
    raise TypeError(f"BSON has no type for {value!r}, a {type(value).__name__}")
