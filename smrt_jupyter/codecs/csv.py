"""``text/csv``: rows of cells, without a header unless the content type says ``; header=present``.

How each sort of cell is written. The left column is for a table of only numbers, which a container reads as one
matrix; the right one for a table in which any column is something else.

============================  ========================  ==========================================================
cell                          table of only numbers     any other table
============================  ========================  ==========================================================
missing (None, NaN, NA, NaT)  ``nan``                   an empty cell; ``""`` where it is the only one of its line
True, False                   ``1``, ``0``              ``True``, ``False``
integer                       all digits                all digits
float                         Python's ``repr``: shortest exact text, ``2.0`` keeps its ``.0``; ``inf``, ``-inf``
decimal                       its own digits            its own digits
text                                                    as it is; quoted where it has ``,`` ``"`` or a line break
date with a time                                        ``2024-01-02 03:04:05``, with 3, 6 or 9 more digits and the
                                                        offset (``+01:00``) where the column needs them; the day
                                                        alone where no cell of the whole column has a time
date, time, duration                                    ``2024-01-02``, ``03:04:05``, ``1 days 02:03:04``
category                      its value                 its value
list, mapping, bytes,         `CodecError` that names   `CodecError` that names the column
complex, other objects        the column
============================  ========================  ==========================================================

Lines end in LF; a table of a DataFrame library ends with one, an array or list does not. These are the bytes of the
SageMaker SDK's ``CSVSerializer`` with two corrections: a frame of only numbers has ``nan`` where the SDK leaves the
cell empty (scikit-learn's container reads that as -1, or drops the row) and ``1`` for True (``float("True")`` fails);
and a lone carriage return is quoted. How a date or a float is written is found once for the whole table, so it never
depends on where the table was cut.

Read, a body of only numbers is an array of two dimensions; any other, or one with a header, is a DataFrame with a
type for each column. An empty cell and a quoted empty one are both missing.
"""

from __future__ import annotations

import io
import math
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from smrt_jupyter.codecs import csv_arrow
from smrt_jupyter.codecs.base import Codec, Writer
from smrt_jupyter.codecs.cells import (
    Blocks,
    durations_writer,
    filled,
    moments_unit,
    moments_writer,
    number_blocks,
    number_lines,
    number_rows,
    scalar_texts,
)
from smrt_jupyter.codecs.charsets import recoding
from smrt_jupyter.codecs.csv_reader import read_csv
from smrt_jupyter.codecs.surrogates import half_a_pair, name_of
from smrt_jupyter.codecs.text_bodies import encoded, in_utf_8, raw_body
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import NUMBERS, Cells, Column, Kind, Table, is_table

_QUOTED = (",", '"', "\n", "\r")
_NEEDS_QUOTES = re.compile('[,"\n\r]').search
_CELLS_AT_ONCE = 16_384
"""Cells that are text at the same time: few enough to stay in the processor's cache until they are joined."""
_ColumnWriter = Callable[[Cells], list[str]]


class CSV(Codec):
    r"""Comma-separated values.

    Parameters
    ----------
    content_type : str, optional
        ``; header=present`` writes, and expects, a line of names; ``; charset=...`` is respected both ways.

    Examples
    --------
    >>> import pandas as pd
    >>> CSV().encode(pd.DataFrame({"age": [31.0, None], "member": [True, False]}))
    b'31.0,1\nnan,0\n'
    >>> CSV().encode(pd.DataFrame({"age": [31.0, None], "plan": ["a, b", None]}))
    b'31.0,"a, b"\n,\n'
    >>> CSV().decode(b"0.25\n0.75\n")
    array([[0.25],
           [0.75]])
    """

    content_types: ClassVar[tuple[str, ...]] = ("text/csv", "application/csv")
    has_types: ClassVar[bool] = False

    @property
    def has_header(self) -> bool:
        """Whether the first line holds names."""
        return self.media_type.parameters.get("header", "").lower() == "present"

    def encode(self, value: object) -> bytes:
        """Serialise one value.

        Parameters
        ----------
        value : object
            A table; a list or array, of which one dimension is one row; a list of lines; or bytes, text or an open
            file that is CSV already.

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            When a column, which it names, cannot be carried.
        """
        body = raw_body(value, self.media_type)
        if body is not None:
            return body
        if isinstance(value, list | tuple):
            if value and all(isinstance(line, str) for line in value):
                return encoded("\n".join(value), self.media_type)
            nested = bool(value) and isinstance(value[0], list | tuple | dict | np.ndarray)
            value = value if nested or not value else [list(value)]
        elif isinstance(value, np.ndarray) and not value.dtype.names:
            rows, width = (len(value), math.prod(value.shape[1:])) if value.ndim > 1 else (1, value.size)
            value = value.reshape(rows, width)
        elif not is_table(value):
            raise CodecError(f"{type(value).__name__} is no rows of cells, which is all {self.media_type.text} has.")
        table = Table.of(value)
        return self.writer(table)(0, len(table))

    def decode(self, body: bytes) -> object:
        """Read rows of cells.

        Parameters
        ----------
        body : bytes

        Returns
        -------
        ndarray or DataFrame
            Two dimensions either way.

        Raises
        ------
        CodecError
            When the lines have different numbers of cells, or the text is not of its charset.
        """
        return read_csv(body, self.media_type, header=self.has_header)

    def lines(self, body: bytes) -> bytes:
        """Give the lines of a reply in UTF-8, without a header.

        See `Codec.lines`.
        """
        lines = in_utf_8(body, self.media_type)
        return lines.partition(b"\n")[2] if self.has_header else lines

    def writer(self, table: Table) -> Writer:
        """Find out how every column is written, then write any rows.

        See `Codec.writer`.
        """
        blocks = _number_blocks(table) if table.dtype() is not None or not table.width else _cell_blocks(table)
        header = _header(table) + b"\n" if self.has_header else b""
        ends = not isinstance(table.native, np.ndarray | list | tuple)

        def write(start: int, stop: int) -> bytes:
            # One buffer that grows: at this size, touching fresh memory costs as much as the writing itself.
            out = io.BytesIO()
            out.write(header)
            blocks(start, min(stop, len(table)), out)
            if not ends and out.tell() > len(header):
                out.truncate(out.tell() - 1)
            return out.getvalue()

        return recoding(write, table, self.media_type, names=self.has_header)


def _header(table: Table) -> bytes:
    names = [name_of(table.label(place)) for place in range(table.width)]
    return ",".join(_quoted(names, alone=table.width == 1)).encode()


def _number_blocks(table: Table) -> Blocks:
    step = max(1, _CELLS_AT_ONCE // max(1, table.width))

    def blocks(start: int, stop: int, out: io.BytesIO) -> None:
        for at in range(start, stop if table.width else start, step):
            out.write(number_lines(table.matrix(at, min(at + step, stop)), b"nan"))
            out.write(b"\n")

    return blocks


def _cell_blocks(table: Table) -> Blocks:
    columns = table.fields()
    only_numbers = all(column.kind in NUMBERS for column in columns)
    dates = (Kind.DATETIME, Kind.DATE)
    units = [moments_unit(each, len(table), day_alone=True) if each.kind in dates else "" for each in columns]
    writers = [
        _column_writer(column, len(table), table.width, unit, only_numbers=only_numbers)
        for column, unit in zip(columns, units, strict=True)
    ]

    def rows_of(part: list[Cells]) -> list[str]:
        texts: list[list[str]] = []
        for places, block in number_blocks(part, with_booleans=only_numbers):
            if block is None:
                texts.extend(writers[place](part[place]) for place in places)
            else:
                texts.append(number_rows(block, "nan" if only_numbers else ""))
        return list(map(",".join, zip(*texts, strict=True)))

    def blocks(start: int, stop: int, out: io.BytesIO) -> None:
        cells = [column.cells(start, stop) for column in columns]
        step = max(1, _CELLS_AT_ONCE // len(columns))
        for at in range(0, stop - start, step):
            part = [each[at : at + step] for each in cells]
            try:
                out.write("\n".join([*rows_of(part), ""]).encode())
            except UnicodeEncodeError as error:
                half = error.object[error.start]
                pairs = zip(columns, part, strict=True)
                of = (column.label for column, cells in pairs if half in "".join(map(str, cells.values.tolist())))
                raise half_a_pair(error, next(of, None)) from error

    if only_numbers:
        return blocks
    if _arrow_is_worth_it(len(table) * table.width):
        return csv_arrow.blocks_writer(columns, units, writers)
    return blocks


def _arrow_is_worth_it(cells: int) -> bool:
    """Tell whether a table is large enough for Arrow to be faster, and to be loaded where it is not yet."""
    least = csv_arrow.CELLS_LOADED if "pyarrow" in sys.modules else csv_arrow.CELLS_NOT_LOADED
    return cells >= least and find_spec("pyarrow") is not None


def _column_writer(  # noqa: PLR0911 - one return for each kind of column
    column: Column, rows: int, width: int, unit: str, *, only_numbers: bool
) -> _ColumnWriter:
    kind, missing = column.kind, "nan" if only_numbers else ('""' if width == 1 else "")
    if kind in (Kind.NESTED, Kind.OTHER):
        raise CodecError(
            f"text/csv cannot carry {column.detail}.",
            column=str(column.label),
            next_step="Leave the column out, or turn it into text or numbers.",
            instead=("application/json",),
        )
    if kind is Kind.BOOLEAN:
        words = np.array(["0", "1"] if only_numbers else ["False", "True"], dtype=object)
        return lambda cells: filled(cells, missing, lambda values: words[values.astype(np.intp)].tolist())
    if kind in (Kind.INTEGER, Kind.FLOAT):
        return lambda cells: filled(
            cells, missing, lambda values: number_rows(np.ascontiguousarray(values)[:, None], missing)
        )
    if kind in (Kind.DATETIME, Kind.DATE):
        moments = moments_writer(unit, " ")
        return lambda cells: moments(cells, missing)
    if kind is Kind.DURATION:
        durations = durations_writer(column, rows)
        return lambda cells: filled(cells, missing, durations)
    if kind is Kind.TEXT:
        return lambda cells: filled(cells, missing, lambda values: _quoted(values.tolist(), alone=width == 1))
    if kind is Kind.NUMBER and only_numbers:
        return lambda cells: filled(cells, missing, _number_texts)
    return lambda cells: filled(cells, missing, lambda values: _quoted(scalar_texts(values), alone=width == 1))


def _number_texts(values: np.ndarray[Any, Any]) -> list[str]:
    return [str(int(cell) if isinstance(cell, bool | np.bool_) else cell) for cell in values.tolist()]


def _quoted(texts: list[str], *, alone: bool) -> list[str]:
    """Quote what needs it; most columns need nothing, so they are searched as one text first."""
    whole = "".join(texts)
    if any(sign in whole for sign in _QUOTED):
        marked = {text: '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES(text) else text for text in set(texts)}
        texts = list(map(marked.__getitem__, texts))
    return [text or '""' for text in texts] if alone else texts
