"""Bodies that the user has made already, and how much a body may become when it is read."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from smrt_jupyter.errors import CodecError

if TYPE_CHECKING:
    from smrt_jupyter.codecs.base import Codec, Writer
    from smrt_jupyter.tables import Table

DECODED_FLOOR = 64 << 20
DECODED_FACTOR = 32
"""A compressed body may decode to this many times its size, or to `DECODED_FLOOR` bytes where that is more: a constant
column or a white page compresses a thousandfold, a decompression bomb a million times."""


def given(value: object) -> bytes | None:
    """Take a body as it is.

    Parameters
    ----------
    value : object
        Bytes, a path object, or a file open for reading bytes.

    Returns
    -------
    bytes or None
        None when the value is to be encoded.

    Raises
    ------
    CodecError
        When there is no such file.

    Examples
    --------
    >>> given(bytearray(b"abc")), given([1, 2])
    (b'abc', None)
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, os.PathLike):
        return read_file(value)
    if isinstance(value, io.RawIOBase | io.BufferedIOBase):
        return value.read() or b""
    return None


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Read a file whole.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    bytes

    Raises
    ------
    CodecError
        When it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        step = "Check the path, or pass the bytes."
        raise CodecError(f"The file cannot be read: {error}.", next_step=step) from error


def allowance(body: bytes) -> int:
    """Tell how many bytes a compressed body may become.

    Parameters
    ----------
    body : bytes

    Returns
    -------
    int
    """
    return max(DECODED_FLOOR, DECODED_FACTOR * len(body))


def refuse_bomb(size: int, body: bytes, what: str) -> None:
    """Refuse a body that would become too large.

    Parameters
    ----------
    size : int
        Bytes that it would take in memory.
    body : bytes
        The body.
    what : str
        What it holds, for the message.

    Raises
    ------
    CodecError
        When the size is beyond `allowance`.
    """
    if size > allowance(body):
        raise CodecError(
            f"{len(body):,} bytes would become {what} of {size:,} bytes; {allowance(body):,} is the limit.",
            next_step="Ask for fewer rows a reply, or read `.body` yourself.",
        )


def cell_writer(table: Table, codec: Codec) -> Writer:
    """Write one cell a request, for families whose bodies have no rows.

    Parameters
    ----------
    table : Table
        Of one column, each cell of which `codec` can encode: bytes, a path, an image.
    codec : Codec
        What writes a cell.

    Returns
    -------
    callable
        ``(start, stop) -> bytes``, for one row.

    Raises
    ------
    CodecError
        When there are more columns, or numbers.
    """
    if table.width != 1 or table.dtype() is not None:
        raise CodecError(
            f"{codec.media_type.text} carries one file a request, not the rows of a table.",
            next_step="Pass a Series of paths or bytes, or `invoke` one file at a time.",
        )
    column = table.fields()[0]

    def write(start: int, stop: int) -> bytes:
        cells = column.cells(start, stop)
        if stop - start != 1:
            raise CodecError(
                f"{codec.media_type.text} carries one file a request, but {stop - start} rows were to go out in one.",
                next_step="Set `Policy(chunk_rows=1)`.",
            )
        if cells.missing is not None:
            raise CodecError(f"row {start} is empty.", column=column.label)
        return codec.encode(cells.values[0])

    return write
