"""Integers that floats cannot hold: what becomes a float must still be the same number."""

from __future__ import annotations

import numpy as np

from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Array, Column, Kind
from smrt_jupyter.tables.columns import is_missing

_EXACT = 1 << 53
_NARROW_BYTES = 4


def inexact(values: Array) -> Array:
    """Find integers that no float64 equals; only beyond 2**53 is there any doubt.

    Parameters
    ----------
    values : ndarray
        Of any number type.

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> inexact(np.array([2**53, 2**53 + 1, 2**53 + 2])).tolist()
    [False, True, False]
    """
    odd = np.zeros(values.shape, bool)
    if values.dtype.kind in "iu" and values.dtype.itemsize > _NARROW_BYTES:
        for place in zip(*np.nonzero((values > _EXACT) | (values < -_EXACT)), strict=True):
            odd[place] = int(values[place]) != int(float(values[place]))
    return odd


def check_exact(column: Column, rows: int) -> None:
    """Refuse a column whose integers would change as floats.

    Parameters
    ----------
    column : Column
        Of numbers.
    rows : int
        How many it has.

    Raises
    ------
    CodecError
        With the first of them.
    """
    cells = column.cells(0, rows).values
    if column.kind is Kind.NUMBER:
        whole = [cell for cell in cells.tolist() if isinstance(cell, int) and not is_missing(cell)]
        changed = [cell for cell in whole if abs(cell) >= 1 << 1023 or int(float(cell)) != cell]
    else:
        changed = cells[inexact(cells)].tolist()
    if changed:
        raise CodecError(
            f"{changed[0]} has no float64 of its own.",
            column=column.label,
            next_step="Convert the column.",
            instead=("text/csv", "application/json"),
        )
