"""``text/plain`` and bytes that nobody looks into.

Neither has rows: of a table of one column, each cell is one request.
"""

from __future__ import annotations

from typing import ClassVar

from smrt_jupyter.codecs.base import Codec, Writer
from smrt_jupyter.codecs.text_bodies import decoded, encoded, in_utf_8, raw_body
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Cells, Column, Kind, Table


class Text(Codec):
    r"""Text as it is.

    Parameters
    ----------
    content_type : str, optional
        ``; charset=...`` is respected both ways; UTF-8 without it.

    Examples
    --------
    >>> Text().encode("Größe")
    b'Gr\xc3\xb6\xc3\x9fe'
    >>> Text("text/plain; charset=latin-1").decode(b"Gr\xf6\xdfe")
    'Größe'
    """

    content_types: ClassVar[tuple[str, ...]] = ("text/plain", "application/x-text", "text/*", "application/xml")
    has_types: ClassVar[bool] = False

    @property
    def rows_at_once(self) -> int:
        """One: each cell is a request of its own."""
        return 1

    def encode(self, value: object) -> bytes:
        """Serialise text.

        Parameters
        ----------
        value : str, bytes or open file

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            When it is anything else.
        """
        body = raw_body(value, self.media_type)
        if body is None:
            raise CodecError(f"{type(value).__name__} is not text, which is all that {self.media_type.text} carries.")
        return body

    def decode(self, body: bytes) -> object:
        """Read text.

        Parameters
        ----------
        body : bytes

        Returns
        -------
        str

        Raises
        ------
        CodecError
            When the bytes are not of the charset.
        """
        return decoded(body, self.media_type)

    def lines(self, body: bytes) -> bytes:
        """Give the lines of a reply in UTF-8.

        See `Codec.lines`.
        """
        return in_utf_8(body, self.media_type)

    def writer(self, table: Table) -> Writer:
        """Prepare one column of text, one cell a request.

        See `Codec.writer`.
        """
        column = _only_column(table, self)
        if column.kind is not Kind.TEXT:
            raise CodecError(
                f"{self.media_type.text} carries text, and this column holds {column.detail or column.kind.value}.",
                column=str(column.label),
            )

        def write(start: int, stop: int) -> bytes:
            cells = _one_cell(column, start, stop, self)
            if cells.missing is not None:
                raise CodecError(f"row {start} has no text.", column=str(column.label))
            return encoded(str(cells.values[0]), self.media_type)

        return write


class Raw(Codec):
    r"""Bytes as they are.

    Examples
    --------
    >>> Raw().decode(Raw().encode(b"\x00\x01"))
    b'\x00\x01'
    """

    content_types: ClassVar[tuple[str, ...]] = (
        "application/octet-stream",
        "application/x-binary",
        "file-path/raw-bytes",
    )

    @property
    def rows_at_once(self) -> int:
        """One: each cell is a request of its own."""
        return 1

    def encode(self, value: object) -> bytes:
        """Give bytes as they are, and text as UTF-8.

        Parameters
        ----------
        value : bytes, str or open file

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            When it is anything else.
        """
        body = raw_body(value, self.media_type)
        if body is None:
            raise CodecError(
                f"{type(value).__name__} is not bytes, which is all that {self.media_type.text} carries.",
                next_step="Name a content type that has rows, such as text/csv or application/json.",
            )
        return body

    def decode(self, body: bytes) -> object:
        """Give the bytes.

        Parameters
        ----------
        body : bytes

        Returns
        -------
        bytes
        """
        return body

    def writer(self, table: Table) -> Writer:
        """Prepare one column of bytes or text, one cell a request.

        See `Codec.writer`.
        """
        column = _only_column(table, self)

        def write(start: int, stop: int) -> bytes:
            cells = _one_cell(column, start, stop, self)
            if cells.missing is not None:
                raise CodecError(f"row {start} has no bytes.", column=str(column.label))
            return self.encode(cells.values[0])

        return write


def _only_column(table: Table, codec: Codec) -> Column:
    if table.width != 1:
        raise CodecError(
            f"{codec.media_type.text} has no columns: it carries one cell a request, and the table has {table.width}.",
            next_step="Pass one column, or name a content type that has columns, such as text/csv.",
        )
    return table.fields()[0]


def _one_cell(column: Column, start: int, stop: int, codec: Codec) -> Cells:
    cells = column.cells(start, stop)
    if len(cells.values) != 1:
        raise CodecError(
            f"{codec.media_type.text} carries one row a request, and {len(cells.values)} are given.",
            next_step="Set Policy(chunk_rows=1).",
        )
    return cells
