"""NumPy's own file of one array: ``application/x-npy``.

An array has one type, so a table is carried when all its columns are numbers (integers beside floats become floats,
unless that would change one), or all text, or all dates without a time zone. A missing number is NaN. Objects are
refused both ways: they would be pickles.

The header of a body is checked against the bytes that are there before anything is allocated.
"""

from __future__ import annotations

import ast
import io
import math
from typing import Any, ClassVar

import numpy as np

from smrt_jupyter.codecs.base import Codec, Writer
from smrt_jupyter.codecs.given import given
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Array, Column, Kind, Table, is_table, unmasked

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 10_000
_VERSION_UNICODE = 3
_MAX_EMPTY_SIDE = 2**31
_EXACT = 2**53
_HEADER_ERRORS = (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, OverflowError, Warning)
"""What ``ast.literal_eval`` and NumPy's dtypes raise on nonsense; warnings where they are errors."""


class Npy(Codec):
    """One array.

    Examples
    --------
    >>> Npy().decode(Npy().encode([[1.5, 2.0]]))
    array([[1.5, 2. ]])
    """

    content_types: ClassVar[tuple[str, ...]] = ("application/x-npy", "application/npy")

    def encode(self, value: object) -> bytes:
        """Serialise an array, of any shape.

        Parameters
        ----------
        value : object
            A table, an array, a list that NumPy makes an array of, or bytes, a path or an open file.

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            When it has no single type.
        """
        body = given(value)
        if body is not None:
            return body
        if isinstance(value, np.ndarray):
            return npy_bytes(unmasked(value))
        if is_table(value):
            table = Table.of(value)
            return self.writer(table)(0, len(table))
        try:
            array = np.asarray(list(map(unmasked, value)) if isinstance(value, list | tuple) else value)
        except ValueError as error:
            raise CodecError(f"{self.media_type.text} needs lists of equal length: {error}.") from error
        return npy_bytes(array)

    def decode(self, body: bytes) -> object:
        """Read an array; one of objects, which is a pickle, is refused.

        Parameters
        ----------
        body : bytes

        Returns
        -------
        ndarray

        Raises
        ------
        CodecError
            When the body is not a whole npy file.
        """
        return read_npy(body)

    def writer(self, table: Table) -> Writer:
        """Find the one type of a table, then write any rows as an array of two dimensions.

        See `Codec.writer`.
        """
        rows = rows_of(table, self.media_type.text)
        return lambda start, stop: npy_bytes(rows(start, stop))


def npy_bytes(array: Array) -> bytes:
    """Write an array as ``numpy.save`` does.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    bytes

    Raises
    ------
    CodecError
        For objects, which NumPy would pickle.
    """
    refuse_objects(array.dtype, None)
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=False)
    return file.getvalue()


def refuse_objects(dtype: np.dtype[Any], name: str | None) -> None:
    """Refuse an array that NumPy would write as a pickle.

    Parameters
    ----------
    dtype : dtype
    name : str, optional
        The array's, where it is one of several.

    Raises
    ------
    CodecError
    """
    if dtype.hasobject:
        raise CodecError(
            "NumPy's format carries an array of Python objects only as a pickle, which is not safe to read.",
            column=name,
            next_step="Give all columns one type.",
            instead=("text/csv", "application/json"),
        )


def read_npy(body: bytes) -> Array:
    """Read a whole npy file.

    Parameters
    ----------
    body : bytes

    Returns
    -------
    ndarray

    Raises
    ------
    CodecError
        When the header is nonsense, names objects, or tells of more or fewer bytes than there are.
    """
    dtype, shape, order, start = _header(body)
    if dtype.hasobject:
        raise CodecError("the array holds Python objects, that is a pickle, which is never read.")
    cells = math.prod(shape)
    told = cells * dtype.itemsize
    if (cells and not dtype.itemsize) or (not cells and max(shape) > _MAX_EMPTY_SIDE):
        raise CodecError(f"the header tells of an array of shape {shape} that takes no bytes.")
    if told != len(body) - start:
        raise CodecError(f"the header tells of {told} bytes, and {len(body) - start} are there.")
    try:
        if not told:
            return np.empty(shape, dtype, order=order)
        return np.frombuffer(body, dtype, offset=start).reshape(shape, order=order).copy(order="K")
    except _HEADER_ERRORS as error:
        raise CodecError(f"the header is not one of an array: {error}.") from error


def _header(body: bytes) -> tuple[np.dtype[Any], tuple[int, ...], Any, int]:
    if body[:6] != _MAGIC or len(body) < 10:  # noqa: PLR2004 - magic, version and the length of the header
        raise CodecError(f"the body is no npy file: it begins with {body[:16]!r}.")
    size = 2 if body[6] == 1 else 4
    length = int.from_bytes(body[8 : 8 + size], "little")
    start = 8 + size + length
    if body[6] not in (1, 2, 3) or length > _MAX_HEADER or start > len(body):
        raise CodecError("the header of the npy file is of an unknown version, cut short or too long.")
    try:
        text = body[8 + size : start].decode("utf-8" if body[6] == _VERSION_UNICODE else "latin-1")
        header = ast.literal_eval(text.strip())
        dtype = np.lib.format.descr_to_dtype(header["descr"])
        shape = header["shape"]
        order = "F" if header["fortran_order"] else "C"
    except (*_HEADER_ERRORS, KeyError, AttributeError) as error:
        raise CodecError(f"the header of the npy file is not one of an array: {error}.") from error
    if not isinstance(shape, tuple) or not all(type(side) is int and 0 <= side < 2**63 for side in shape):
        raise CodecError(f"the shape {shape!r} of the npy file is none.")
    return dtype, shape, order, start


def rows_of(table: Table, content_type: str) -> Any:
    """Find how to read rows of a table as one array.

    Parameters
    ----------
    table : Table
    content_type : str
        For the error.

    Returns
    -------
    callable
        ``(start, stop) -> ndarray`` of two dimensions.

    Raises
    ------
    CodecError
        Naming the column that does not fit to the others.
    """
    if table.dtype() is not None:
        return table.matrix
    columns = table.fields()
    numbers = {Kind.BOOLEAN, Kind.INTEGER, Kind.FLOAT, Kind.NOTHING}
    first = columns[0].kind if columns else Kind.FLOAT
    allowed = numbers if first in numbers else {first} & {Kind.TEXT, Kind.DATETIME, Kind.DATE, Kind.DURATION}
    for column in columns:
        if column.kind not in allowed:
            detail = column.detail or column.kind.value
            beside = f" beside {first.value}" if allowed else ""
            raise _unfit(column, f"{content_type} has one type for all cells and cannot carry {detail}{beside}.")
    if allowed is numbers:
        dtype = _common(columns, len(table), content_type)
        return lambda start, stop: _numbers(columns, start, min(stop, len(table)), dtype)
    for column in columns:
        cells = column.cells(0, len(table))
        if first is Kind.TEXT and any(str(text).endswith("\0") for text in cells.values.tolist()):
            raise _unfit(column, f"{content_type} drops the NUL character that a text of this column ends with.")
        if cells.offset is not None or (first is Kind.TEXT and cells.missing is not None):
            what = "time zones" if cells.offset is not None else "missing text"
            raise _unfit(column, f"{content_type} cannot carry {what}.")
    if first is Kind.TEXT:
        return lambda start, stop: np.column_stack([column.cells(start, stop).values.astype(str) for column in columns])
    return lambda start, stop: np.column_stack([column.cells(start, stop).values for column in columns])


def _unfit(column: Column, message: str) -> CodecError:
    return CodecError(
        message,
        column=str(column.label),
        next_step="Leave the column out.",
        instead=("text/csv", "application/json"),
    )


def _common(columns: tuple[Column, ...], rows: int, content_type: str) -> np.dtype[Any]:
    """Find the type that holds all columns exactly."""
    dtypes = []
    for column in columns:
        cells = column.cells(0, rows)
        dtypes.append(np.dtype(np.float64) if cells.missing is not None else cells.values.dtype)
    dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
    if dtype.kind == "f":
        for column in columns:
            if column.kind is Kind.INTEGER and rows:
                values = column.cells(0, rows).values
                if max(int(values.max()), -int(values.min())) > _EXACT:
                    raise _unfit(column, f"{content_type} would make this column floats and change its large integers.")
    return dtype


def _numbers(columns: tuple[Column, ...], start: int, stop: int, dtype: np.dtype[Any]) -> Array:
    matrix = np.empty((max(0, stop - start), len(columns)), dtype=dtype)
    for place, column in enumerate(columns):
        cells = column.cells(start, stop)
        if column.kind is Kind.NOTHING:
            matrix[:, place] = np.nan
        else:
            matrix[:, place] = cells.values
            if cells.missing is not None:
                matrix[cells.missing, place] = np.nan
    return matrix
