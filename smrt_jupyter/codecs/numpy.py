"""NumPy's own files: ``application/x-npy`` holds one array, ``application/x-npz`` several, or a sparse matrix.

An array has one type, so a table is carried when all its columns are numbers (integers beside floats become floats,
unless that would change one), or all text, or all dates without a time zone. A missing number is NaN. Objects are
refused both ways: they would be pickles.

The header of a body is checked against the bytes that are there before anything is allocated.
"""

from __future__ import annotations

import ast
import io
import math
import struct
import zipfile
import zlib
from typing import Any, ClassVar

import numpy as np

from smrt_jupyter.codecs.base import Codec, Writer
from smrt_jupyter.codecs.given import DECODED_FACTOR, DECODED_FLOOR, given
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Array, Column, Kind, Table, is_sparse, is_table

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 10_000
_VERSION_UNICODE = 3
_EXACT = 2**53
_HEADER_ERRORS = (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, OverflowError, Warning)
"""What ``ast.literal_eval`` and NumPy's dtypes raise on nonsense; warnings where they are errors."""
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, OSError, EOFError),
    *(ValueError, KeyError, OverflowError),
)
"""What ``zipfile`` raises on nonsense."""


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
            return npy_bytes(value)
        if is_table(value):
            table = Table.of(value)
            return self.writer(table)(0, len(table))
        try:
            return npy_bytes(np.asarray(value))
        except ValueError as error:
            raise CodecError(f"{self.media_type.text} needs lists of equal length: {error}.") from error

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

        Parameters
        ----------
        table : Table

        Returns
        -------
        callable
            ``(start, stop) -> bytes``.

        Raises
        ------
        CodecError
            Naming the column that does not fit to the others.
        """
        rows = _rows_of(table, self.media_type.text)
        return lambda start, stop: npy_bytes(rows(start, stop))


class Npz(Codec):
    """Several arrays by name, or a sparse matrix as ``scipy.sparse.save_npz`` writes it.

    A dense table is written as a sparse matrix, which is what containers expect of this type.

    Examples
    --------
    >>> import scipy.sparse
    >>> Npz().decode(Npz().encode(scipy.sparse.csr_matrix([[0.0, 2.5]]))).toarray()
    array([[0. , 2.5]])
    """

    content_types: ClassVar[tuple[str, ...]] = ("application/x-npz",)

    def encode(self, value: object) -> bytes:
        """Serialise a matrix, or arrays by name.

        Parameters
        ----------
        value : object
            A sparse matrix, a table of numbers, a mapping of names to arrays, or bytes, a path or an open file.

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            When it is something else.
        """
        body = given(value)
        if body is not None:
            return body
        if is_sparse(value):
            return _sparse_bytes(value)
        if isinstance(value, dict):
            arrays = {str(name): np.asarray(each) for name, each in value.items()}
            for name, each in arrays.items():
                _refuse_objects(each.dtype, name)
            file = io.BytesIO()
            np.savez_compressed(file, allow_pickle=False, **arrays)
            return file.getvalue()
        table = Table.of(value)
        return self.writer(table)(0, len(table))

    def decode(self, body: bytes) -> object:
        """Read a sparse matrix, an array, or several by name.

        Parameters
        ----------
        body : bytes

        Returns
        -------
        sparse matrix, ndarray or dict of str to ndarray
            An array that is alone comes without its name.

        Raises
        ------
        CodecError
            When the body is not a whole npz file, or would become far larger than it is.
        """
        arrays = _members(body)
        if {"format", "shape"} <= set(arrays):
            return _sparse(arrays)
        return next(iter(arrays.values())) if len(arrays) == 1 else arrays

    def writer(self, table: Table) -> Writer:
        """Find the one number type of a table, then write any rows as a sparse matrix.

        Parameters
        ----------
        table : Table

        Returns
        -------
        callable
            ``(start, stop) -> bytes``.

        Raises
        ------
        CodecError
            Naming a column that is not numbers.
        """
        if is_sparse(table.native):
            return lambda start, stop: _sparse_bytes(table[start:stop].native)
        rows = _rows_of(table, self.media_type.text)

        def write(start: int, stop: int) -> bytes:
            from scipy import sparse

            matrix = rows(start, stop)
            if matrix.dtype.kind not in "biuf":
                raise CodecError(f"{self.media_type.text} carries numbers, not {matrix.dtype}.")
            return _sparse_bytes(sparse.csr_matrix(matrix))

        return write


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
    _refuse_objects(array.dtype, None)
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=False)
    return file.getvalue()


def _refuse_objects(dtype: np.dtype[Any], name: str | None) -> None:
    if dtype.hasobject:
        raise CodecError(
            "NumPy's format carries an array of Python objects only as a pickle, which is not safe to read.",
            column=name,
            next_step="Give all columns one type, or use text/csv or application/json.",
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
    told = math.prod(shape) * dtype.itemsize
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


def _members(body: bytes) -> dict[str, Array]:
    """Read every array of an npz file, if they are not far larger than it."""
    limit = max(DECODED_FLOOR, DECODED_FACTOR * len(body))
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            infos = archive.infolist()
            _check_size(sum(info.file_size for info in infos), limit)
            return {info.filename.removesuffix(".npy"): read_npy(archive.read(info)) for info in infos}
    except CodecError:
        raise
    except _ZIP_ERRORS as error:
        raise CodecError(f"the body is no npz file: {error}.") from error


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise CodecError(f"the npz file unpacks to {size:,} bytes, far more than it has.")


def _sparse_bytes(matrix: Any) -> bytes:
    from scipy import sparse

    file = io.BytesIO()
    sparse.save_npz(file, matrix)
    return file.getvalue()


def _sparse(arrays: dict[str, Array]) -> Any:
    """Put a sparse matrix together, and have scipy check that every index is inside."""
    from scipy import sparse

    try:
        form = str(arrays["format"].item().decode("ascii"))
        shape = tuple(int(side) for side in arrays["shape"].tolist())
        kind = "array" if "_is_array" in arrays and arrays["_is_array"].item() else "matrix"
        make = getattr(sparse, f"{form}_{kind}") if form in ("csr", "csc", "coo") else None
        rows, columns = shape
        if form == "coo":
            _check_inside(arrays["row"], rows)
            _check_inside(arrays["col"], columns)
            matrix = make((arrays["data"], (arrays["row"], arrays["col"])), shape=shape) if make else None
        else:
            matrix = make((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape) if make else None
            if matrix is not None:
                matrix.check_format(full_check=True)
    except CodecError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, MemoryError) as error:
        raise CodecError(f"the npz file holds no sparse matrix: {error}.") from error
    if matrix is None:
        raise CodecError(f"the sparse format {form!r} is not read.", next_step="Save it as csr, csc or coo.")
    if rows > max(DECODED_FLOOR, DECODED_FACTOR * matrix.nnz):
        raise CodecError(f"the sparse matrix tells of {rows:,} rows and has {matrix.nnz:,} values.")
    return matrix


def _check_inside(places: Array, size: int) -> None:
    if len(places) and not (int(places.min()) >= 0 and int(places.max()) < size):
        raise CodecError("the sparse matrix has a value outside of its shape.")


def _rows_of(table: Table, content_type: str) -> Any:
    """Find how to read rows of a table as one array."""
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
        message, column=str(column.label), next_step="Leave the column out, or use text/csv or application/json."
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
