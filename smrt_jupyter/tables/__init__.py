"""Any table, as the codecs see it.

pandas, polars, Arrow (and whatever else narwhals knows as an eager frame), NumPy, scipy sparse, lists of rows: each is
a `Table` with names, rows to cut and columns to read. No library is imported before one of its tables arrives.
"""

from __future__ import annotations

from smrt_jupyter.tables.arrays import array_table, unmasked
from smrt_jupyter.tables.base import Table, are_positions, is_frame, is_sparse, is_table
from smrt_jupyter.tables.columns import NUMBERS, Array, Cells, Column, Kind

__all__ = ["NUMBERS", "Array", "Cells", "Column", "Kind", "Table", "are_positions", "is_sparse", "is_table", "unmasked"]


def _frame_table(data: object) -> Table | None:
    if not is_frame(data):
        return None
    from smrt_jupyter.tables.frames import frame_table  # here, because it loads narwhals

    return frame_table(data)


Table.readers = (array_table, _frame_table)
