"""Writing JSON: rows of a table into the places of a template, and any plain value.

A matrix of one number type goes through orjson whole. Other tables are written column by column, numbers of
neighbouring columns together, and the rows joined.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import uuid
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from smrt_jupyter.codecs.cells import durations_writer, filled, moments_unit, moments_writer, number_blocks
from smrt_jupyter.codecs.surrogates import half_a_pair
from smrt_jupyter.codecs.template import Hole, Template
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Array, Cells, Column, Kind, Table, is_table, unmasked
from smrt_jupyter.tables.columns import is_missing

if TYPE_CHECKING:
    from smrt_jupyter.codecs.base import Writer

_ColumnWriter = Callable[[Cells], list[str]]
_Records = Callable[[int, int, bytes, bytes], bytes]
"""Writes the records of some rows, with what stands before and after all of them."""
_NUMPY = orjson.OPT_SERIALIZE_NUMPY


def rows_writer(table: Table, template: Template, *, lines: bool) -> Writer:
    """Fit a template to a table.

    Parameters
    ----------
    table : Table
    template : Template
    lines : bool
        Whether to write one record a line, without the content around them.

    Returns
    -------
    callable
        ``(start, stop) -> bytes``.

    Raises
    ------
    CodecError
        When a column, which it names, cannot be carried.
    """
    columns = table.fields()
    for column in columns:
        _check(column, len(table))
    nested = bool(columns) and columns[0].kind is Kind.NESTED
    layout = template.layout(table.columns, table.width, nested=nested)
    before, after = (b"", b"") if lines and not layout.one_row else (layout.before, layout.after)
    record: tuple[bytes | Hole, ...] = layout.record
    if lines and layout.one_row:
        record, before, after = (before, *record, after), b"", b""
    separator = b"\n" if lines else b","
    if table.dtype() is not None and [part for part in record if isinstance(part, Hole)] == [Hole()]:
        records = _matrix_records(table, record, separator)
    else:
        records = _cell_records(table, columns, record, separator)

    def write(start: int, stop: int) -> bytes:
        stop = min(stop, len(table))
        if layout.one_row and not lines and stop - start != 1:
            raise CodecError(
                f"the template has room for one row a request, and {max(0, stop - start)} are given.",
                next_step="Use $records, or Policy(chunk_rows=1).",
            )
        return records(start, stop, before, after) if stop > start else before + after

    return write


def _check(column: Column, rows: int) -> None:
    if column.kind is Kind.OTHER:
        raise CodecError(
            f"JSON cannot carry {column.detail}.",
            column=str(column.label),
            next_step="Leave the column out, or turn it into text or numbers.",
        )
    if column.kind is Kind.FLOAT:
        infinite = np.isinf(column.cells(0, rows).values)
        row = int(infinite.argmax()) if infinite.any() else None
    elif column.kind in (Kind.NUMBER, Kind.SCALAR):
        cells = column.cells(0, rows).values.tolist()
        row = next((place for place, cell in enumerate(cells) if _is_infinite(cell)), None)
    else:
        row = None
        if column.kind is Kind.NESTED:
            _column_writer(column, rows)(column.cells(0, rows))  # only writing tells what is inside
    if row is not None:
        raise CodecError(
            f"JSON has no infinity, which is in row {row}.",
            column=str(column.label),
            next_step="Replace it.",
            instead=("text/csv", "application/x-npy"),
        )


def _is_infinite(cell: object) -> bool:
    return isinstance(cell, float | np.floating | decimal.Decimal) and not is_missing(cell) and math.isinf(cell)


def _matrix_records(table: Table, record: tuple[bytes | Hole, ...], separator: bytes) -> _Records:
    """Write records that hold the list of a row's numbers once, by rewriting what is between two lists."""
    place = record.index(Hole())
    start_of_record = b"".join(part for part in record[:place] if isinstance(part, bytes))
    end_of_record = b"".join(part for part in record[place + 1 :] if isinstance(part, bytes))
    between = b"]" + end_of_record + separator + start_of_record + b"["

    def write(start: int, stop: int, before: bytes, after: bytes) -> bytes:
        matrix = table.matrix(start, stop)
        if matrix.dtype.itemsize > 8 or matrix.dtype == np.float16:  # noqa: PLR2004 - what orjson does not write
            matrix = matrix.astype(np.float64)
        written = orjson.dumps(matrix, option=_NUMPY)
        head, tail = before + start_of_record, end_of_record + after
        if between == b"],[":
            return written if (head, tail) == (b"[", b"]") else b"".join((head, memoryview(written)[1:-1], tail))
        rows = written[1:-1].split(b"],[")
        rows[0] = head + rows[0]
        rows[-1] += tail
        return between.join(rows)

    return write


def _cell_records(
    table: Table, columns: tuple[Column, ...], record: tuple[bytes | Hole, ...], separator: bytes
) -> _Records:
    writers = [_column_writer(column, len(table)) for column in columns]
    holes = [part for part in record if isinstance(part, Hole)]
    singles = {hole.column for hole in holes if hole.column is not None}
    whole_rows = Hole() in holes

    def write(start: int, stop: int, before: bytes, after: bytes) -> bytes:
        written = {place: writers[place](columns[place].cells(start, stop)) for place in singles}
        rows = (
            _rows([column.cells(start, stop) for column in columns], writers)
            if whole_rows and columns
            else [""] * (stop - start)
        )
        parts: list[Any] = []
        for part in record:
            if isinstance(part, bytes):
                parts.append(repeat(part.decode(), stop - start))
            elif part.column is None:
                parts.extend((repeat("[", stop - start), rows, repeat("]", stop - start)))
            else:
                parts.append(map(_inside, written[part.column]) if part.inside else written[part.column])
        try:
            body = separator.decode().join(map("".join, zip(*parts, strict=True))).encode()
        except UnicodeEncodeError as error:
            raise half_a_pair(error, None) from error
        return b"".join((before, body, after)) if before or after else body

    return write


def _rows(cells: list[Cells], writers: list[_ColumnWriter]) -> list[str]:
    """Join the cells of each row with commas; neighbouring columns of one number type are written as a block."""
    parts: list[list[str]] = []
    for places, block in number_blocks(cells):
        if block is None or block.dtype == np.float16:
            parts.extend(writers[place](cells[place]) for place in places)
        else:
            parts.append(orjson.dumps(block, option=_NUMPY)[2:-2].decode().split("],["))
    return list(map(",".join, zip(*parts, strict=True))) if len(parts) != 1 else parts[0]


def _numbers(values: Array) -> list[str]:
    if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
        values = values.astype(np.float64)
    tidy = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    return orjson.dumps(tidy, option=_NUMPY)[1:-1].decode().split(",") if len(tidy) else []


def _column_writer(column: Column, rows: int) -> _ColumnWriter:
    kind = column.kind
    if kind is Kind.BOOLEAN:
        words = np.array(["false", "true"], dtype=object)
        return lambda cells: filled(cells, "null", lambda values: words[values.astype(np.intp)].tolist())
    if kind in (Kind.INTEGER, Kind.FLOAT):
        return lambda cells: filled(cells, "null", _numbers)
    if kind is Kind.TEXT:
        return lambda cells: filled(cells, "null", _strings)
    if kind in (Kind.DATETIME, Kind.DATE):
        moments = moments_writer(moments_unit(column, rows, day_alone=False), "T")
        return lambda cells: [text if text == "null" else f'"{text}"' for text in moments(cells, "null")]
    if kind is Kind.DURATION:
        durations = durations_writer(column, rows)
        return lambda cells: filled(cells, "null", lambda values: [f'"{text}"' for text in durations(values)])
    label = str(column.label)
    return lambda cells: filled(cells, "null", lambda values: [_cell(cell, label) for cell in values.tolist()])


def column_texts(column: Column, rows: int) -> list[str]:
    """Write every cell of a column by itself.

    Parameters
    ----------
    column : Column
    rows : int
        How many it has.

    Returns
    -------
    list of str

    Raises
    ------
    CodecError
        When the column, which it names, cannot be carried.
    """
    _check(column, rows)
    return _column_writer(column, rows)(column.cells(0, rows))


def _strings(values: Array) -> list[str]:
    return list(map(json.encoder.encode_basestring, values.tolist()))


def _cell(cell: object, label: str) -> str:
    if isinstance(cell, decimal.Decimal):
        return str(cell)
    try:
        return dumps(cell).decode()
    except CodecError as error:
        error.column = label
        raise


def _inside(text: str) -> str:
    """Put the JSON of a cell inside a longer text: a string without its marks, a missing value as nothing."""
    if text.startswith('"'):
        return text[1:-1]
    return "" if text == "null" else json.encoder.encode_basestring(text)[1:-1]


def dumps(value: object) -> bytes:
    """Write any value, with the bytes that ``json.dumps`` gives where that gives JSON.

    Parameters
    ----------
    value : object
        Also with NumPy's and pandas' values, arrays, dates, decimals and UUIDs inside.

    Returns
    -------
    bytes

    Raises
    ------
    CodecError
        When there is something in it that JSON has no word for.

    Examples
    --------
    >>> dumps({"a": [1, float("nan")], "b": np.float32(0.5)})
    b'{"a": [1, null], "b": 0.5}'
    """
    value = unmasked(value) if isinstance(value, np.ndarray) else value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:  # noqa: PLR2004
        if value.dtype.kind == "f" and np.isinf(value).any():
            raise CodecError("JSON has no infinity.", next_step="Replace it.", instead=("application/x-npy",))
        wide = value.astype(np.float64) if value.dtype == np.float16 else value
        return orjson.dumps(np.ascontiguousarray(wide, dtype=wide.dtype.newbyteorder("=")), option=_NUMPY)
    try:
        try:
            return json.dumps(value, default=_plain, allow_nan=False).encode()
        except CodecError:
            raise
        except ValueError:
            return json.dumps(_without_nan(value), default=_plain, allow_nan=False).encode()
    except TypeError as error:
        raise CodecError(f"JSON cannot carry {error}.") from error
    except RecursionError as error:
        raise CodecError("JSON cannot carry a value nested this deep.") from error


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one return for each sort
    """Turn what ``json`` does not know into what it does."""
    if is_missing(value):
        return None
    if isinstance(value, np.generic | np.ndarray):
        if value.dtype.kind in "Mm":
            return value.astype(str).tolist()
        return _without_nan(value.tolist())
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        if value.is_infinite():
            raise CodecError("JSON has no infinity.", next_step="Replace it, or use another content type.")
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dt.timedelta | uuid.UUID) or type(value).__name__ in ("Period", "Interval"):
        return str(value)
    if is_table(value):
        table = Table.of(value)
        return json.loads(rows_writer(table, Template("$records", "$features"), lines=False)(0, len(table)))
    raise TypeError(f"{type(value).__name__} values")


def _without_nan(value: Any) -> Any:
    """Put null for NaN, at any depth."""
    if isinstance(value, float):
        if math.isinf(value):
            raise CodecError("JSON has no infinity.", next_step="Replace it, or use another content type.")
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        if any(isinstance(name, float) and not math.isfinite(name) for name in value):
            raise CodecError("JSON has no name for NaN or an infinity, which is a key of a mapping.")
        return {name: _without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return value
