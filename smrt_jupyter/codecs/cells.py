"""The text of single cells: numbers as Python's ``repr`` has them, dates and durations as pandas writes a whole column.

NumPy arrays go through orjson, which is some twenty times faster than Python's own loop. It differs from ``repr`` in
the few floats written with an exponent and has no word for infinity, so those cells are written one by one.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any, AnyStr

import numpy as np
import orjson

from smrt_jupyter.tables import Array, Cells, Column, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Blocks = Callable[[int, int, io.BytesIO], None]
"""``(start, stop, out)``: writes rows of a table, each with its line end."""

UNITS = ("D", "s", "ms", "us", "ns")
"""Of moments and durations, from the coarsest."""

_REPR_PLAIN = (1e-4, 1e16)
"""Python writes floats from the first up to the second without an exponent, and so does orjson."""

_MANY = 100
"""One missing cell in so many: from there on they are searched for in the text all at once."""
_SEARCHED = 262_144
"""Bytes that are searched at once. Less memory is touched that way, which costs more than the search."""
_T_PLACE = len("2024-01-02")
_ORJSON_KNOWS = (1, 2, 4, 8)
"""Bytes of the numbers that orjson writes."""

_FEW = 4
"""Cells that Python has written before NumPy and orjson have begun: a row a request has as few in its answer."""


def number_rows(matrix: Array, missing: AnyStr) -> list[AnyStr]:
    """Write each row of a matrix of numbers as ``1.0,2.5``.

    Parameters
    ----------
    matrix : ndarray
        Of two dimensions, C-contiguous, of integers, floats or booleans.
    missing : bytes or str
        What stands for NaN; the rows are of its type.

    Returns
    -------
    list of bytes or str

    Examples
    --------
    >>> number_rows(np.array([[2.0, 1e-05], [np.nan, -np.inf]]), b"nan")
    [b'2.0,1e-05', b'nan,-inf']
    """
    if not matrix.size:
        return []
    if matrix.dtype.kind == "b":
        matrix = matrix.view(np.uint8)
    if _goes_by_cells(matrix):
        return [_as(",", missing).join([_word(cell, missing) for cell in row]) for row in matrix]
    written = orjson.dumps(matrix, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2]
    whole: AnyStr = written.decode() if isinstance(missing, str) else written
    rows = whole.split(_as("],[", missing))
    if matrix.dtype.kind == "f":
        correct(rows, matrix, missing)
    return rows


def number_lines(matrix: Array, missing: bytes) -> bytes:
    r"""Write a whole matrix of numbers, one row a line.

    The numbers are written as one list, in which every so-manieth comma then becomes a line end: no text is searched
    for or taken apart, which would take as long as the writing.

    Parameters
    ----------
    matrix : ndarray
        As for `number_rows`.
    missing : bytes
        What stands for NaN.

    Returns
    -------
    bytes

    Examples
    --------
    >>> number_lines(np.array([[2.0, 1e-05], [np.nan, -np.inf]]), b"nan")
    b'2.0,1e-05\nnan,-inf'
    """
    if _goes_by_cells(matrix):
        return b"\n".join(number_rows(matrix, missing))
    flat = (matrix.view(np.uint8) if matrix.dtype.kind == "b" else matrix).ravel()
    odd = odd_places(flat) if flat.dtype.kind == "f" else np.empty(0, np.intp)
    text = bytearray(orjson.dumps(flat, option=orjson.OPT_SERIALIZE_NUMPY))
    signs = np.frombuffer(text, np.uint8)
    commas = np.concatenate(
        [np.flatnonzero(signs[at : at + _SEARCHED] == ord(",")) + at for at in range(0, len(text), _SEARCHED)]
    )
    signs[commas[matrix.shape[1] - 1 :: matrix.shape[1]]] = ord("\n")
    whole = memoryview(text)[1:-1]
    if not len(odd):
        return bytes(whole)
    if len(odd) > len(flat) // _MANY and np.isnan(flat[odd]).all():
        return bytes(whole).replace(b"null", missing)
    # Where a cell is in the text follows from the commas; the first one and the last one have a bracket beside them.
    starts = np.concatenate(([0], commas))[odd].tolist()
    ends = np.concatenate((commas, [len(text) - 1]))[odd].tolist()
    pieces: list[bytes | memoryview] = []
    done = 0
    for start, stop, cell in zip(starts, ends, flat[odd], strict=True):
        pieces += (whole[done:start], _word(cell, missing))
        done = stop - 1
    return b"".join((*pieces, whole[done:]))


def _goes_by_cells(matrix: Array) -> bool:
    if matrix.size <= _FEW and matrix.dtype != np.float32:  # of which orjson writes some in another way
        return True
    return not matrix.size or matrix.dtype.itemsize not in _ORJSON_KNOWS or matrix.dtype == np.float16


def _as(text: str, like: AnyStr) -> AnyStr:
    return text if isinstance(like, str) else text.encode()


def odd_places(matrix: Array) -> Array:
    """Find the floats that orjson writes differently: missing ones, infinities, and those that take an exponent.

    Parameters
    ----------
    matrix : ndarray of float

    Returns
    -------
    ndarray of int
        Their places in the flattened matrix.
    """
    size = np.abs(matrix)
    low, high = _REPR_PLAIN
    return np.flatnonzero(~((size >= low) & (size < high) | (size == 0)).ravel())


def correct(rows: list[AnyStr], matrix: Array, missing: AnyStr) -> None:
    """Rewrite, in place, the floats that orjson writes differently.

    Parameters
    ----------
    rows : list of bytes or str
        As orjson wrote them.
    matrix : ndarray of float
        What they were made of.
    missing : bytes or str
        What stands for NaN.
    """
    places = odd_places(matrix)
    if not len(places):
        return
    odd = matrix.ravel()[places]
    width = matrix.shape[1]
    if np.isnan(odd).all():
        for row in np.unique(places // width).tolist():
            rows[row] = rows[row].replace(_as("null", missing), missing)
        return
    comma = _as(",", missing)
    for row, group in groupby(zip(places.tolist(), odd, strict=True), key=lambda pair: int(pair[0]) // width):
        cells = rows[row].split(comma)
        for place, cell in group:
            cells[place - row * width] = _word(cell, missing)
        rows[row] = comma.join(cells)


def _word(cell: Any, missing: AnyStr) -> AnyStr:
    """Write one NumPy number by the rule of Python's ``repr``, which NumPy's ``str`` follows for 64 bits alone."""
    if np.isnan(cell):
        return missing
    if isinstance(cell, np.integer | np.float64) or np.isinf(cell):
        text = str(cell)
    elif cell == 0 or _REPR_PLAIN[0] <= abs(float(cell)) < _REPR_PLAIN[1]:
        text = np.format_float_positional(cell, trim="0")
    else:
        text = np.format_float_scientific(cell, trim="-", exp_digits=2)
    return _as(text, missing)


def number_blocks(cells: Sequence[Cells], *, with_booleans: bool = False) -> Iterator[tuple[list[int], Array | None]]:
    """Put neighbouring columns of one number type together, so that they are written in one go.

    Parameters
    ----------
    cells : sequence of Cells
        The same rows of all columns.
    with_booleans : bool, default=False
        Whether booleans are written as 1 and 0.

    Yields
    ------
    places : list of int
        Which columns.
    block : ndarray, optional
        Their numbers; None for columns that are not numbers, or have missing cells.
    """
    types = [_block_type(each, with_booleans=with_booleans) for each in cells]
    for dtype, group in groupby(range(len(cells)), key=types.__getitem__):
        places = list(group)
        yield places, np.stack([cells[place].values for place in places], axis=1, dtype=dtype) if dtype else None


def _block_type(cells: Cells, *, with_booleans: bool) -> str:
    dtype = cells.values.dtype
    if cells.missing is not None or dtype.itemsize not in _ORJSON_KNOWS:
        return ""
    if dtype.kind == "f":
        return dtype.newbyteorder("=").str
    if dtype.kind in "iu" or (dtype.kind == "b" and with_booleans):
        return "u8" if dtype == np.uint64 else "i8"
    return ""


def filled(cells: Cells, missing: str, write: Callable[[Array], list[str]]) -> list[str]:
    """Write the present cells of a column and put a word for the missing ones.

    Parameters
    ----------
    cells : Cells
    missing : str
    write : callable
        ``array -> list of str``, for the present cells alone.

    Returns
    -------
    list of str
    """
    if cells.missing is None:
        return write(cells.values)
    texts = np.full(len(cells.values), missing, dtype=object)
    present = ~cells.missing
    texts[present] = write(cells.values[present])
    return texts.tolist()


def moments_unit(column: Column, rows: int, *, day_alone: bool) -> str:
    """Find how precisely a column of dates is written, from all its rows.

    Parameters
    ----------
    column : Column
        DATETIME or DATE.
    rows : int
        All rows of the table.
    day_alone : bool
        Whether the day alone will do when no cell of the whole column has a time.

    Returns
    -------
    str
        One of `UNITS`.
    """
    cells = column.cells(0, rows)
    unit = "D" if column.kind is Kind.DATE else resolution(cells.values)
    if unit == "D" and column.kind is Kind.DATETIME and (cells.offset is not None or not day_alone):
        return "s"
    return unit


def moments_writer(unit: str, between: str) -> Callable[[Cells, str], list[str]]:
    """Fix how a column of dates is written.

    Parameters
    ----------
    unit : str
        What `moments_unit` found.
    between : str
        Stands between the day and the time.

    Returns
    -------
    callable
        ``(cells, missing) -> list of str``.
    """

    def texts(values: Any) -> list[str]:
        written = np.datetime_as_string(values.astype(f"datetime64[{unit}]"))
        return written.tolist() if between == "T" or unit == "D" else _spaced(written)

    def write(cells: Cells, missing: str) -> list[str]:
        if cells.offset is None:
            return filled(cells, missing, texts)
        present = np.ones(len(cells.values), dtype=bool) if cells.missing is None else ~cells.missing
        offsets = np.full(len(cells.values), "", dtype=object)
        minutes = (cells.offset[present] // np.timedelta64(1, "m")).astype(np.int64)
        offsets[present] = [f"{'-' if m < 0 else '+'}{abs(m) // 60:02}:{abs(m) % 60:02}" for m in minutes.tolist()]
        return [a + b for a, b in zip(filled(cells, missing, texts), offsets.tolist(), strict=True)]

    return write


def _spaced(written: Array) -> list[str]:
    """Put a space for the T of ISO 8601: in the array, where all years have four digits, so that it is at one place."""
    if not len(written):
        return []
    signs = written.view(np.uint32).reshape(len(written), -1)
    if (signs[:, _T_PLACE] == ord("T")).all():
        signs[:, _T_PLACE] = ord(" ")
        return list(written.tolist())
    return [text.replace("T", " ") for text in written.tolist()]


def resolution(values: Array) -> str:
    """Find the coarsest of `UNITS` that writes every moment, or duration, without loss."""
    present = values[~np.isnat(values)]
    kind = present.dtype.kind
    for unit in UNITS[:-1]:
        if (present.astype(f"{kind}8[{unit}]") == present).all():
            return unit
    return UNITS[-1]


def durations_writer(column: Column, rows: int) -> Callable[[Array], list[str]]:
    """Fix how a column of durations is written: as pandas writes the whole column.

    Parameters
    ----------
    column : Column
        DURATION.
    rows : int
        All rows of the table.

    Returns
    -------
    callable
        ``array of present timedelta64 -> list of str``, such as ``1 days 02:03:04.500000``.
    """
    unit = resolution(column.cells(0, rows).values)
    digits = {"D": None, "s": 0, "ms": 6, "us": 6, "ns": 9}[unit]

    def texts(values: Array) -> list[str]:
        scale = 10 ** (digits or 0)
        counted = values.astype(f"m8[{ {0: 's', 6: 'us', 9: 'ns', None: 'D'}[digits] }]").astype(np.int64).tolist()
        if digits is None:
            return [f"{days} days" for days in counted]
        written = []
        for count in counted:
            days, rest = divmod(count, 86_400 * scale)
            seconds, fraction = divmod(rest, scale)
            clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
            sign = "+" if days < 0 else ""
            written.append(f"{days} days {sign}{clock}" + (f".{fraction:0{digits}}" if digits else ""))
        return written

    return texts


def scalar_texts(values: Array) -> list[str]:
    """Write Python objects as Python does.

    Parameters
    ----------
    values : ndarray of object

    Returns
    -------
    list of str
    """
    return list(map(str, values.tolist()))
