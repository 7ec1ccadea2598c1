"""What makes a run the one that a journal belongs to: the table, to the last cell, and who is asked, and how."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from smrt_jupyter.codecs import Writer
    from smrt_jupyter.tables import Table

ROWS_AT_ONCE = 65_536

SAMPLED = 8
"""Rows whose bodies are compared."""

NEVER_THE_SAME = "never the same twice"
"""Stands for bodies that hold a moment or a random number: they say nothing about what writes them."""

NOT_COMPARED = frozenset(
    {
        "profile", "endpoint_url",  # how the endpoint is reached
        "policy", "before_sign", "after_reply",  # how it is asked
        "session_id", "inference_id", "prefix_aware_id",  # labels of requests, and hints to the router
        "path",  # how a kept reply is read
        "content_type",  # the codec that was chosen is compared instead, and what it writes
    }
)  # fmt: skip
"""Fields of an endpoint that may differ between two runs of one journal, because the answers are the same ones."""

NOT_WRITTEN = frozenset({"custom_attributes"})
"""Fields of which only a digest is kept: the service calls them sensitive."""


def of_table(table: Table) -> dict[str, str]:
    """Describe a table so that any change shows.

    Parameters
    ----------
    table : Table

    Returns
    -------
    dict of str to str
        ``rows columns dtypes content``; the last is a digest of every cell, in row order.
    """
    digest = hashlib.blake2b(digest_size=16)
    dtype = table.dtype()
    if dtype is not None:
        dtypes = str(dtype)
        for start in range(0, len(table), ROWS_AT_ONCE):
            digest.update(_as_bytes(table.matrix(start, start + ROWS_AT_ONCE)))
    else:
        fields = table.fields()
        dtypes = ", ".join(field.kind.value for field in fields)
        for start in range(0, len(table), ROWS_AT_ONCE):
            for field in fields:
                cells = field.cells(start, start + ROWS_AT_ONCE)
                for values in (cells.values, cells.missing, cells.offset):
                    digest.update(_as_bytes(values))
    columns = "without names" if table.columns is None else ", ".join(map(str, table.columns))
    return {"rows": str(len(table)), "columns": columns, "dtypes": dtypes, "content": digest.hexdigest()}


def of_endpoint(asked: Any, codec: str) -> dict[str, str]:
    """Describe who is asked, as far as it changes answers.

    Parameters
    ----------
    asked : Endpoint
        Any dataclass with its fields.
    codec : str
        The content type that the table is sent as.

    Returns
    -------
    dict of str to str
    """
    told = {"codec": codec}
    for field in dataclasses.fields(asked):
        value = getattr(asked, field.name)
        if field.name in NOT_COMPARED or value is None:
            continue
        text = str(getattr(value, "ACCEPT", value))
        told[field.name] = _digest(text) if field.name in NOT_WRITTEN else text
    return told


def of_bodies(write: Writer, rows: int) -> str:
    """Describe how a table is written, by what a few of its rows become.

    Two codecs of one content type may differ in an option, and a serializer of the user's own in anything; of neither
    can be asked what it is, but both can be asked to write. Each row is written by itself, because how a run cuts the
    table is not part of what must agree.

    Parameters
    ----------
    write : callable
        The codec's, for the whole table.
    rows : int
        How many it has.

    Returns
    -------
    str
        A digest.

    Examples
    --------
    >>> of_bodies(lambda start, stop: b"1", 3) == of_bodies(lambda start, stop: b"1.0", 3)
    False
    """
    digest = hashlib.blake2b(digest_size=16)
    for row in sorted({int(place) for place in np.linspace(0, rows - 1, min(rows, SAMPLED))}):
        body = _body(write, row)
        if body != _body(write, row):
            return NEVER_THE_SAME
        digest.update(b"%d " % len(body))
        digest.update(body)
    return digest.hexdigest()


def _body(write: Writer, row: int) -> bytes:
    try:
        return write(row, row + 1)
    except Exception:  # noqa: BLE001 - what a codec raises for a row is the run's to tell, once it gets there
        return b"cannot be written"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _as_bytes(values: np.ndarray[Any, Any] | None) -> Any:
    if values is None:
        return b"-"
    if values.dtype == object:
        return repr(values.tolist()).encode("utf-8", "surrogatepass")
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
