"""``text/libsvm``: one row a line, ``label index:value index:value``.

Columns are counted from 1, as the format has it: SageMaker's XGBoost container takes rows to be counted from 1 where no
index is 0, so a body counted from 0 whose rows all lack their first column would be read one column to the left.

A table writes every cell, also its zeros and, as ``nan``, what is missing: one reader takes what is absent for 0, the
other for missing. A sparse matrix writes what it holds.
"""

from __future__ import annotations

from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.codecs.base import Codec
from smrt_jupyter.codecs.exactness import check_exact, inexact
from smrt_jupyter.codecs.given import given
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import NUMBERS, Column, Kind, Table, is_sparse
from smrt_jupyter.tables.columns import is_missing

if TYPE_CHECKING:
    from collections.abc import Hashable

    from smrt_jupyter.codecs.base import Writer

_NO_LABEL = "0"


class LibSVM(Codec):
    r"""LibSVM's text format, from tables and sparse matrices.

    Parameters
    ----------
    content_type : str, optional
        ``text/libsvm`` or ``text/x-libsvm``.
    label : hashable, optional
        The column (name, or position where there are no names) that is the label. None: every label is 0, which
        inference ignores.

    Examples
    --------
    >>> LibSVM().encode(np.array([[1.5, 0.0], [np.nan, 2.0]]))
    b'0 1:1.5 2:0.0\n0 1:nan 2:2.0\n'
    >>> LibSVM().decode(b"1 1:0.5\n0 2:1\n").toarray()
    array([[0.5, 0. ],
           [0. , 1. ]])
    """

    content_types = ("text/libsvm", "text/x-libsvm")

    def __init__(self, content_type: str | None = None, *, label: Hashable | None = None) -> None:
        super().__init__(content_type)
        self.label = label

    def encode(self, value: object) -> bytes:
        """Write a table; text and bytes are taken as they are.

        Parameters
        ----------
        value : table, sparse matrix, str or bytes

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            Naming the column that is not of numbers.
        """
        body = value.encode() if isinstance(value, str) else given(value)
        if body is not None:
            return body
        table = Table.of(value)
        return self.writer(table)(0, len(table))

    def decode(self, body: bytes) -> Any:
        """Read the rows; their labels are left out.

        Parameters
        ----------
        body : bytes
            Counted from 1, or from 0 where an index is 0.

        Returns
        -------
        ndarray or sparse matrix
            An array when every row has every column, in order.

        Raises
        ------
        CodecError
            Naming the line that is not LibSVM.
        """
        keys, values, ends = array("q"), array("d"), array("q", [0])
        lines = body.splitlines()
        for number, line in enumerate(lines, 1):
            tokens = line.partition(b"#")[0].split()
            if not tokens:
                continue
            try:
                _label(tokens)
                for token in tokens:
                    key, _, value = token.partition(b":")
                    keys.append(int(key))
                    values.append(float(value))
            except (ValueError, OverflowError) as error:
                raise CodecError(f"Line {number} is not LibSVM: {line[:40]!r}.") from error
            ends.append(len(keys))
        return _assembled(np.asarray(keys), np.asarray(values), np.asarray(ends))

    def writer(self, table: Table) -> Writer:
        """Prepare a table.

        See `Codec.writer`.
        """
        if is_sparse(table.native):
            return self._sparse_writer(table)
        fields = table.fields()
        for field in fields:
            if field.kind not in NUMBERS:
                raise CodecError(
                    f"{field.detail or field.kind.value} cannot be carried by LibSVM, which has only numbers.",
                    column=field.label,
                    next_step="Encode it as numbers.",
                    instead=("text/csv", "application/json"),
                )
            check_exact(field, len(table))  # readers of LibSVM read floats
        labels = [field for field in fields if self.label is not None and field.label == self.label]
        if self.label is not None and len(labels) != 1:
            raise CodecError("the label must be one column of the table.", column=self.label)
        features = [field for field in fields if field not in labels]

        def write(start: int, stop: int) -> bytes:
            columns = [_texts(labels[0], start, stop) if labels else [_NO_LABEL] * (stop - start)]
            for index, field in enumerate(features, 1):
                columns.append([f"{index}:{text}" for text in _texts(field, start, stop)])
            return "".join([" ".join(row) + "\n" for row in zip(*columns, strict=True)]).encode()

        return write

    def _sparse_writer(self, table: Table) -> Writer:
        if self.label is not None:
            raise CodecError("A sparse matrix has no label column.", next_step="Send it without `label`.")
        if table.dtype() is None:
            raise CodecError(f"{table.native.dtype} cannot be carried by LibSVM, which has only numbers.")
        if inexact(table.native.data).any():
            raise CodecError("The matrix has integers that no float64 equals, and readers of LibSVM read floats.")

        def write(start: int, stop: int) -> bytes:
            part = table.native[start:stop].tocsr()
            if not part.has_canonical_format:
                part = part.copy()
                part.sum_duplicates()
            cells = [
                f" {index + 1}:{text}" for index, text in zip(part.indices.tolist(), _plain(part.data), strict=True)
            ]
            ends = part.indptr.tolist()
            return "".join([_NO_LABEL + "".join(cells[first:last]) + "\n" for first, last in pairwise(ends)]).encode()

        return write


def _label(tokens: list[bytes]) -> None:
    """Drop the label, which inference may leave out."""
    if b":" not in tokens[0]:
        float(tokens.pop(0).partition(b",")[0])


def _assembled(keys: np.ndarray[Any, Any], values: np.ndarray[Any, Any], ends: np.ndarray[Any, Any]) -> Any:
    rows = len(ends) - 1
    if len(keys) and keys.min() < 0:
        raise CodecError("The body is not LibSVM: an index is negative.")
    keys = keys - (1 if len(keys) and keys.min() > 0 else 0)
    width = int(keys.max(initial=-1)) + 1
    if rows * width == len(keys) and (keys.reshape(rows, width) == np.arange(width)).all():
        return values.reshape(rows, width)
    from scipy.sparse import csr_matrix

    if width > np.iinfo(np.int64).max:
        raise CodecError("The body is not LibSVM: an index is too large.")
    return csr_matrix((values, keys, ends), shape=(rows, width))


def _texts(field: Column, start: int, stop: int) -> list[str]:
    cells = field.cells(start, stop)
    if field.kind is Kind.NOTHING:
        return ["nan"] * (stop - start)
    if field.kind is Kind.NUMBER:
        return ["nan" if is_missing(cell) else str(cell) for cell in cells.values.tolist()]
    texts = _plain(cells.values)
    if cells.missing is not None:
        return ["nan" if missing else text for text, missing in zip(texts, cells.missing.tolist(), strict=True)]
    return texts


def _plain(values: np.ndarray[Any, Any]) -> list[str]:
    """Write the shortest text that reads back as the same number, float32 as float32 has it."""
    if values.dtype.kind == "b":
        values = values.astype(np.int8)
    if values.dtype.kind == "f" and values.dtype.itemsize != 8:  # noqa: PLR2004 - Python's own float has 8 bytes
        return [str(value) for value in values]
    return list(map(repr, values.tolist()))
