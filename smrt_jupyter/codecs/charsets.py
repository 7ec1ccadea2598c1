"""Tables in another charset than UTF-8, in which all of them are written first.

JSON can escape what a charset lacks. CSV cannot, so that is looked for in the whole table before anything is sent.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from smrt_jupyter.codecs.text_bodies import charset_of
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Kind

if TYPE_CHECKING:
    from smrt_jupyter.codecs.base import MediaType, Writer
    from smrt_jupyter.tables import Column, Table

_BEYOND_ASCII = re.compile("[^\x00-\x7f]+")


def recoding(write: Writer, table: Table, media_type: MediaType, *, names: bool) -> Writer:
    """Have the rows of a table written in the charset of a media type.

    Parameters
    ----------
    write : callable
        ``(start, stop) -> bytes``, in UTF-8.
    table : Table
        All that will be written.
    media_type : MediaType
    names : bool
        Whether the columns' names are written too.

    Returns
    -------
    callable
        The same one for UTF-8.

    Raises
    ------
    CodecError
        Naming the column with a character that the charset lacks.
    """
    charset = charset_of(media_type)
    if charset == "utf-8":
        return write
    for place in range(table.width if names else 0):
        _check([str(table.label(place))], charset, table.label(place))
    for column in () if table.dtype() is not None else table.fields():
        if column.kind in (Kind.TEXT, Kind.SCALAR):
            _check(_texts(column, len(table)), charset, column.label)
    return lambda start, stop: write(start, stop).decode().encode(charset)


def _texts(column: Column, rows: int) -> list[str]:
    cells = column.cells(0, rows)
    present = cells.values if cells.missing is None else cells.values[~cells.missing]
    return list(map(str, present.tolist()))


def _check(texts: list[str], charset: str, label: object) -> None:
    try:
        "\n".join(texts).encode(charset)
    except UnicodeEncodeError as error:
        raise CodecError(
            f"{error.object[error.start]!r} has no bytes in {charset}.",
            column=str(label),
            next_step="Use charset=utf-8.",
        ) from error


def escaping(write: Writer, media_type: MediaType) -> Writer:
    """Have rows of JSON written in the charset of a media type.

    Parameters
    ----------
    write : callable
        ``(start, stop) -> bytes``, in UTF-8.
    media_type : MediaType

    Returns
    -------
    callable
        The same one for UTF-8.
    """
    if charset_of(media_type) == "utf-8":
        return write
    return lambda start, stop: escaped(write(start, stop), media_type)


def escaped(body: bytes, media_type: MediaType) -> bytes:
    r"""Recode JSON; outside ASCII its characters only stand in strings, where they can be escaped.

    Parameters
    ----------
    body : bytes
        In UTF-8.
    media_type : MediaType

    Returns
    -------
    bytes

    Examples
    --------
    >>> from smrt_jupyter.codecs.base import MediaType
    >>> escaped('["Größe"]'.encode(), MediaType("application/json; charset=latin-1"))
    b'["Gr\\u00f6\\u00dfe"]'
    """
    charset = charset_of(media_type)
    if charset == "utf-8":
        return body
    return _BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], body.decode()).encode(charset)
