"""Frames of ``application/vnd.amazon.eventstream``, written by hand: no kept library encodes them."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"
PART_BYTES = 1_048_576
"""The most that one frame carries here; botocore's decoder refuses above 24 MiB."""

_STRING = 7
_OVERHEAD = 16


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Frame one message.

    Parameters
    ----------
    headers : mapping of str to str
        Such as ``:message-type``; all of them strings.
    payload : bytes
        As it is: no JSON, no base64.

    Returns
    -------
    bytes
        Lengths and their CRC-32, headers, payload, and the CRC-32 of all of it.

    Examples
    --------
    >>> frame({}, b"").hex()
    '000000100000000005c248eb7d98c8ff'
    """
    encoded = b"".join(
        struct.pack(f"!B{len(name)}sBH", len(name), name.encode(), _STRING, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", _OVERHEAD + len(encoded) + len(payload), len(encoded))
    message = b"".join((prelude, struct.pack("!I", zlib.crc32(prelude)), encoded, payload))
    return message + struct.pack("!I", zlib.crc32(message))


def part(payload: bytes) -> bytes:
    """Frame a piece of the container's reply.

    Parameters
    ----------
    payload : bytes
        Any piece: it may end inside a line or a character.

    Returns
    -------
    bytes
        One frame, or several when the piece is larger than `PART_BYTES`.
    """
    headers = {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    cuts = range(0, len(payload), PART_BYTES)
    return b"".join(frame(headers, payload[start : start + PART_BYTES]) for start in cuts)


def failure(kind: str, message: str, error_code: str | None = None) -> bytes:
    """Frame an error that ends a stream.

    Parameters
    ----------
    kind : str
        ``ModelStreamError`` or ``InternalStreamFailure``.
    message : str
        What happened.
    error_code : str, optional
        ``ModelInvocationTimeExceeded`` or ``StreamBroken``.

    Returns
    -------
    bytes
    """
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    members = {"Message": message} | ({"ErrorCode": error_code} if error_code else {})
    return frame(headers, json.dumps(members).encode())
