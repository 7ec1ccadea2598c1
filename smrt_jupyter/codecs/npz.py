"""NumPy's file of several arrays, or of a sparse matrix: ``application/x-npz``.

It is a zip archive, so what it says it unpacks to is checked before anything is unpacked.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from smrt_jupyter.codecs.base import Codec, Writer
from smrt_jupyter.codecs.given import DECODED_FACTOR, DECODED_FLOOR, given
from smrt_jupyter.codecs.numpy import read_npy, refuse_objects, rows_of
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table, is_sparse, unmasked

if TYPE_CHECKING:
    from smrt_jupyter.tables import Array

_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, OSError, EOFError),
    *(ValueError, KeyError, OverflowError),
)
"""What ``zipfile`` raises on nonsense."""


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
            arrays = {str(name): np.asarray(unmasked(each)) for name, each in value.items()}
            for name, each in arrays.items():
                refuse_objects(each.dtype, name)
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

        See `Codec.writer`.
        """
        if is_sparse(table.native):
            return lambda start, stop: _sparse_bytes(table[start:stop].native)
        rows = rows_of(table, self.media_type.text)

        def write(start: int, stop: int) -> bytes:
            from scipy import sparse

            matrix = rows(start, stop)
            if matrix.dtype.kind not in "biuf":
                raise CodecError(f"{self.media_type.text} carries numbers, not {matrix.dtype}.")
            if matrix.dtype == np.float16:  # scipy has no sparse matrix of these, and each is a float32, too
                matrix = matrix.astype(np.float32)
            return _sparse_bytes(sparse.csr_matrix(matrix))

        return write


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
