"""Tables without a library of their own: NumPy arrays, scipy sparse matrices, lists of rows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables.base import Table, is_sparse
from smrt_jupyter.tables.columns import Array, Cells, Column, Kind, object_array, of_array

_MISSING = {"f": np.nan, "c": np.nan, "M": "NaT", "m": "NaT"}
_PLAIN = {"b": Kind.BOOLEAN, "i": Kind.INTEGER, "u": Kind.INTEGER, "f": Kind.FLOAT}


def array_table(data: object) -> Table | None:
    """See an array, a sparse matrix or a list as a table.

    Parameters
    ----------
    data : object

    Returns
    -------
    Table, optional
        None when it is none of these.
    """
    if isinstance(data, np.ndarray):
        return ArrayTable(unmasked(data))
    if is_sparse(data):
        return SparseTable(data)
    return RowsTable(data) if isinstance(data, list | tuple) else None


def tidy(values: Array) -> Array:
    """Lay numbers out as every writer takes them.

    Parameters
    ----------
    values : ndarray

    Returns
    -------
    ndarray
        The same numbers, C-contiguous and in the machine's byte order; a copy only where that is needed.
    """
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))


def unmasked(values: Any) -> Any:
    """Have the masked cells of an array missing: what is behind a mask was never meant to be seen.

    Parameters
    ----------
    values : ndarray or object
        Masked or not.

    Returns
    -------
    ndarray or object
        What has no mask as it is; an array without its mask. NaN, or NaT, stands for masked cells; where a type has
        neither, all become objects, beside None.

    Examples
    --------
    >>> unmasked(np.ma.array([[1.0, 1e9]], mask=[[False, True]]))
    array([[ 1., nan]])
    """
    if not isinstance(values, np.ma.MaskedArray):
        return values
    whole: Array
    if values.dtype.names:
        fields = {name: unmasked(values[name]) for name in values.dtype.names}
        whole = np.empty(values.shape, [(name, each.dtype, each.shape[1:]) for name, each in fields.items()])
        for name, each in fields.items():
            whole[name] = each
        return whole
    mask = np.ma.getmaskarray(values)
    if not mask.any():
        return np.asarray(values.data)
    missing = _MISSING.get(values.dtype.kind)
    whole = np.array(values.data, dtype=object if missing is None else None)
    whole[mask] = missing
    return whole


class ArrayTable(Table):
    """A NumPy array; the fields of a structured one are its columns."""

    def __init__(self, native: Array) -> None:
        names = native.dtype.names
        if native.ndim not in ((1,) if names else (1, 2)):
            raise CodecError(f"an array of {native.ndim} dimensions is not a table; one of one or two is.")
        self.native = native
        self.columns = names
        if names:
            self.width = len(names)
        else:
            self.width = native.shape[1] if native.ndim > 1 else 1

    def __len__(self) -> int:
        return len(self.native)

    def __getitem__(self, rows: slice | Array) -> Table:
        return ArrayTable(self.native[rows])

    def _select(self, names: list[Hashable]) -> Table:
        return ArrayTable(self.native[names])

    def dtype(self) -> np.dtype[Any] | None:
        """Find the one number type of all cells; None when there is none."""
        return self.native.dtype.newbyteorder("=") if self.native.dtype.kind in _PLAIN else None

    def matrix(self, start: int, stop: int) -> Array:
        """Read rows of a table that has one `dtype`."""
        part = self.native[start:stop]
        return tidy(part.reshape(len(part), self.width))

    def _field(self, place: int) -> Column:
        if self.columns:
            return of_array(self.columns[place], self.native[self.columns[place]])
        return of_array(place, self.native if self.native.ndim == 1 else self.native[:, place])


class SparseTable(Table):
    """A scipy sparse matrix, by rows; only the rows that are being written become dense."""

    columns = None

    def __init__(self, native: Any) -> None:
        self.native = native.tocsr() if native.ndim > 1 else native.reshape(-1, 1).tocsr()
        self.width = int(self.native.shape[1])

    def __len__(self) -> int:
        return int(self.native.shape[0])

    def __getitem__(self, rows: slice | Array) -> Table:
        return SparseTable(self.native[rows])

    def dtype(self) -> np.dtype[Any] | None:
        """Find the one number type of all cells; None when there is none."""
        dtype: np.dtype[Any] = self.native.dtype
        return dtype if dtype.kind in _PLAIN else None

    def matrix(self, start: int, stop: int) -> Array:
        """Read rows of a table that has one `dtype`."""
        return tidy(self.native[start:stop].toarray())

    def _field(self, place: int) -> Column:
        kind = _PLAIN.get(self.native.dtype.kind)
        return Column(
            place,
            kind or Kind.OTHER,
            lambda start, stop: Cells(self.native[start:stop, [place]].toarray()[:, 0]),
            "" if kind else f"{self.native.dtype} values",
        )


class RowsTable(Table):
    """A list of rows: of lists, of mappings, or of single values."""

    def __init__(self, native: Sequence[Any]) -> None:
        self.native = native
        self.columns = None
        self.width = 0
        forms: tuple[Any, ...] = (Mapping, list | tuple | np.ndarray)
        form = next((form for form in forms if native and isinstance(native[0], form)), None)
        for place, row in enumerate(native):
            if (form and not isinstance(row, form)) or (form is None and isinstance(row, forms)):
                raise CodecError(f"the rows are not alike: row 0 is {_told(native[0])}, row {place} {_told(row)}.")
            if form is forms[1] and len(row) != len(native[0]):
                raise CodecError(f"row 0 has {len(native[0])} values, but row {place} has {len(row)}.")
        self._by_name = form is Mapping
        self._by_place = form is forms[1]
        if self._by_name:
            self.columns = tuple(dict.fromkeys(name for row in native for name in row))
            self.width = len(self.columns)
        elif native:
            self.width = len(native[0]) if self._by_place else 1

    def __len__(self) -> int:
        return len(self.native)

    def __getitem__(self, rows: slice | Array) -> Table:
        taken = self.native[rows] if isinstance(rows, slice) else [self.native[row] for row in rows]
        part = RowsTable.__new__(RowsTable)  # the rows were checked when the whole was made
        part.__dict__.update(self.__dict__, native=taken)
        return part

    def _select(self, names: list[Hashable]) -> Table:
        return RowsTable([{name: row.get(name) for name in names} for row in self.native])

    def dtype(self) -> np.dtype[Any] | None:
        """Find the one number type of all cells; None when there is none."""
        return None

    def _field(self, place: int) -> Column:
        if self._by_name:
            cells = [row.get(self.label(place)) for row in self.native]
        else:
            cells = [row[place] for row in self.native] if self._by_place else self.native
        return of_array(self.label(place), object_array(cells))


def _told(row: object) -> str:
    return f"a {type(row).__name__}"
