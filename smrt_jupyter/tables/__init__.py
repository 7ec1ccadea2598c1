"""Any table, as the codecs see it.

pandas, polars, Arrow (and whatever else narwhals knows as an eager frame), NumPy, scipy sparse, lists of rows: each is
a `Table` with names, rows to cut and columns to read. No library is imported before one of its tables arrives.
"""

from __future__ import annotations

from smrt_jupyter.tables.base import Table, is_sparse, is_table
from smrt_jupyter.tables.columns import NUMBERS, Array, Cells, Column, Kind

__all__ = ["NUMBERS", "Array", "Cells", "Column", "Kind", "Table", "is_sparse", "is_table"]
