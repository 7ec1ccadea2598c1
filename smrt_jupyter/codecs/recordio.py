"""``application/x-recordio-protobuf``: what SageMaker's built-in algorithms read and write fastest.

Numbers only. Booleans travel as 0 and 1; a missing number as NaN, which needs floats. Integers travel as int32, as the
SageMaker SDK has it, and whatever does not fit is refused by the name of its column.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.codecs.base import Codec
from smrt_jupyter.codecs.exactness import check_exact, inexact
from smrt_jupyter.codecs.given import given
from smrt_jupyter.codecs.recordio_frames import FEATURES, LABEL, Field, Sparse, frames
from smrt_jupyter.codecs.recordio_records import read
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import NUMBERS, Column, Kind, Table, is_sparse
from smrt_jupyter.tables.columns import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smrt_jupyter.codecs.base import Writer

    Read = Callable[[int, int], np.ndarray[Any, Any]]

_FLOAT32: np.dtype[Any] = np.dtype("<f4")
_FLOAT64: np.dtype[Any] = np.dtype("<f8")
_INT32: np.dtype[Any] = np.dtype("<i4")
_DTYPES: dict[str, np.dtype[Any]] = {"float32": _FLOAT32, "float64": _FLOAT64, "int32": _INT32}
_BLOCK_CELLS = 1 << 20
_AS_TEXT = ("text/csv", "application/json")


class RecordIO(Codec):
    """RecordIO-wrapped protobuf, dense and sparse.

    Parameters
    ----------
    content_type : str, optional
        ``application/x-recordio-protobuf``, with parameters if need be.
    dtype : {"float32", "float64", "int32"}, optional
        What the features become. None: what they are. Linear learner takes only ``"float32"``.
    label : hashable, optional
        The column (name, or position where there are no names) that goes into the label of each record.

    Examples
    --------
    >>> body = RecordIO().encode(np.array([[1.0, 2.0]], dtype="float32"))
    >>> body[:8].hex(), RecordIO().decode(body)
    ('0a23d7ce18000000', array([[1., 2.]], dtype=float32))
    """

    content_types = ("application/x-recordio-protobuf",)

    def __init__(
        self, content_type: str | None = None, *, dtype: str | None = None, label: Hashable | None = None
    ) -> None:
        super().__init__(content_type)
        if dtype is not None and dtype not in _DTYPES:
            raise CodecError(f"recordio-protobuf has no {dtype!r}.", next_step=f"It has {', '.join(_DTYPES)}.")
        self.dtype = dtype
        self.label = label

    def encode(self, value: object) -> bytes:
        """Write a table as features, or a mapping of names to values as the labels that a model answers with.

        Parameters
        ----------
        value : table or mapping
            A mapping such as ``{"score": array}`` has one number, or one vector, for each record.

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            Naming the column that cannot be carried.
        """
        body = given(value)
        if body is not None:
            return body
        if isinstance(value, Mapping):
            return frames([self._answer(str(name), answer) for name, answer in value.items()])
        if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.names is None:
            value = value.reshape(1, -1)  # one record, as the SageMaker SDK has it
        table = Table.of(value)
        return self.writer(table)(0, len(table))

    def _answer(self, name: str, answer: Any) -> Field:
        values = np.asarray(answer)
        flat = values.reshape(len(values), -1) if values.ndim else values.reshape(1, 1)
        if flat.dtype.kind not in "biuf":
            raise CodecError(f"{flat.dtype} is no number; recordio-protobuf carries numbers.", column=name)
        target = _target(flat.dtype, name)
        _check(flat, target, lambda _: name)
        return LABEL, name, flat.astype(target)

    def decode(self, body: bytes) -> Any:
        """Read records.

        Parameters
        ----------
        body : bytes
            Whole records.

        Returns
        -------
        ndarray, sparse matrix or dict
            Records with nothing but features give the matrix of them. Otherwise a mapping of all fields: a model's
            answers by their names, ``{"score": array}``; the label of training data as ``"label"``.

        Raises
        ------
        CodecError
            When it is not recordio-protobuf.
        """
        rows, fields = read(body)
        found = {key: _assembled(values, rows) for key, values in fields.items()}
        if not found:
            return np.empty((rows, 0))
        if found.keys() == {(FEATURES, "values")}:
            return found[FEATURES, "values"]
        named = {name: values for (section, name), values in found.items() if section == FEATURES}
        for (section, name), values in found.items():
            if section == LABEL:
                narrow = isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == 1  # noqa: PLR2004
                named["label" if name == "values" else name] = values[:, 0] if narrow else values
        return named

    def writer(self, table: Table) -> Writer:
        """Prepare a table; every column is checked here.

        See `Codec.writer`.
        """
        if table.width == 0:
            raise CodecError("A table without columns has nothing to carry.")
        place = None if self.label is None else _place(table, self.label)
        if is_sparse(table.native):
            return self._sparse_writer(table, place)
        target = None if self.dtype is None else _DTYPES[self.dtype]
        read_features = _reader(table, [each for each in range(table.width) if each != place], target)
        read_label = None if place is None else _reader(table, [place], None)

        def write(start: int, stop: int) -> bytes:
            fields: list[Field] = [(FEATURES, "values", read_features(start, stop))]
            if read_label is not None:
                fields.append((LABEL, "values", read_label(start, stop)))
            return frames(fields)

        return write

    def _sparse_writer(self, table: Table, place: int | None) -> Writer:
        matrix = table.native.tocsr()
        labels = None
        if place is not None:
            labels = matrix[:, [place]].toarray()
            labels = labels.astype(_target(labels.dtype, self.label))
            matrix = matrix[:, [each for each in range(table.width) if each != place]].tocsr()
        width = matrix.shape[1]
        target = _target(matrix.dtype, "data") if self.dtype is None else _DTYPES[self.dtype]
        data = np.asarray(matrix.data)
        _check(data.reshape(-1, 1), target, lambda _: "data")

        def write(start: int, stop: int) -> bytes:
            first, last = matrix.indptr[start], matrix.indptr[stop]
            indptr = (matrix.indptr[start : stop + 1] - first).astype(np.int64)
            rows = Sparse(data[first:last].astype(target), matrix.indices[first:last], indptr, width)
            fields: list[Field] = [(FEATURES, "values", rows)]
            if labels is not None:
                fields.append((LABEL, "values", labels[start:stop]))
            return frames(fields)

        return write


def _assembled(values: Any, rows: int) -> Any:
    if not isinstance(values, Sparse):
        return values
    from scipy.sparse import csr_matrix

    return csr_matrix((values.data, values.indices, values.indptr), shape=(rows, values.width))


def _place(table: Table, label: Hashable) -> int:
    places = [place for place in range(table.width) if table.label(place) == label]
    if len(places) != 1:
        raise CodecError("the label must be one column of the table.", column=label)
    return places[0]


def _target(dtype: np.dtype[Any], column: object) -> np.dtype[Any]:
    """Choose what numbers travel as: the narrowest of the three that holds all of a dtype, int32 for integers."""
    if dtype.kind in "biu":
        return _INT32
    if dtype.kind == "f" and dtype.itemsize <= _FLOAT64.itemsize:
        return _FLOAT32 if dtype.itemsize <= _FLOAT32.itemsize else _FLOAT64
    raise CodecError(f"{dtype} does not fit into float64.", column=column, next_step="Convert it to float64.")


def _reader(table: Table, places: list[int], target: np.dtype[Any] | None) -> Read:
    """Prepare some columns: what they are read as, checked for the whole table."""
    dtype = table.dtype() if len(places) == table.width else None
    if dtype is not None:
        read_cells: Read = table.matrix
        chosen = target or _target(dtype, table.label(0))
        fits = np.can_cast(dtype, chosen) and not (dtype.kind in "iu" and chosen == _FLOAT64)
    else:
        fields = table.fields()
        columns = [fields[place] for place in places]
        for column in columns:
            _refuse_text(column)
            check_exact(column, len(table))
        chosen = target or _common_target(columns, len(table))
        source = chosen if chosen.kind == "f" and target is None else _FLOAT64
        read_cells, fits = _stacked(columns, source), False
    if not fits:
        for start, stop in _blocks(len(table), len(places)):
            _check(read_cells(start, stop), chosen, lambda place: table.label(places[place]))
    return lambda start, stop: read_cells(start, stop).astype(chosen, copy=False)


def _blocks(rows: int, width: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BLOCK_CELLS // max(1, width))
    return ((start, min(rows, start + step)) for start in range(0, rows, step))


def _check(block: np.ndarray[Any, Any], target: np.dtype[Any], label: Callable[[int], object]) -> None:
    """Refuse what would be another number after the conversion: integers that overflow, floats that become infinite."""
    if target.kind == "i":
        limits = np.iinfo(target)
        # Without an array of answers where all is well, as it nearly always is.
        if block.dtype.kind != "f" and limits.min <= block.min(initial=0) and block.max(initial=0) <= limits.max:
            return
        odd = (block < limits.min) | (block > limits.max)
        if block.dtype.kind == "f":
            odd |= block != np.trunc(block)
    else:
        with np.errstate(over="ignore"):
            odd = np.isinf(block.astype(target)) & ~np.isinf(block)
        if target == _FLOAT64:
            odd |= inexact(block)
    if odd.any():
        row, place = np.argwhere(odd)[0].tolist()
        raise CodecError(
            f"{block[row, place]} does not fit into {target.name}.",
            column=label(place),
            next_step="Convert the column.",
            instead=_AS_TEXT,
        )


def _refuse_text(column: Column) -> None:
    if column.kind not in NUMBERS:
        what = column.detail or column.kind.value
        raise CodecError(
            f"{what} cannot be carried by recordio-protobuf, which has only numbers.",
            column=column.label,
            next_step="Convert the column.",
            instead=_AS_TEXT,
        )


def _common_target(columns: list[Column], rows: int) -> np.dtype[Any]:
    """Choose one type for all columns: int32 if all are whole and complete, else the widest float."""
    whole = {Kind.INTEGER, Kind.BOOLEAN}
    if all(column.kind in whole and column.cells(0, rows).missing is None for column in columns):
        return _INT32
    floats = [column.cells(0, 0).values.dtype for column in columns if column.kind is Kind.FLOAT]
    narrow = len(floats) == len(columns) and all(_target(dtype, None) == _FLOAT32 for dtype in floats)
    return _FLOAT32 if narrow else _FLOAT64


def _stacked(columns: list[Column], dtype: np.dtype[Any]) -> Read:
    def read_cells(start: int, stop: int) -> np.ndarray[Any, Any]:
        out = np.empty((stop - start, len(columns)), dtype)
        for place, column in enumerate(columns):
            out[:, place] = _numbers(column, start, stop)
        return out

    return read_cells


def _numbers(column: Column, start: int, stop: int) -> np.ndarray[Any, Any]:
    cells = column.cells(start, stop)
    if column.kind is Kind.NOTHING:
        return np.full(stop - start, np.nan)
    if column.kind is Kind.FLOAT:
        _target(cells.values.dtype, column.label)
        return cells.values
    if column.kind is Kind.NUMBER:
        return np.array([np.nan if is_missing(cell) else float(cell) for cell in cells.values.tolist()])
    numbers = cells.values.astype(_FLOAT64)
    return numbers if cells.missing is None else np.where(cells.missing, np.nan, numbers)
