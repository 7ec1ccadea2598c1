"""Answers as columns of the table libraries: whatever a model answers with, nothing of it is lost.

Answers are paid for, so a library that has no type for them gets their text: a text as it is, all else as JSON.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.tables.columns import Array, object_array

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    import pyarrow as pa


def as_text(cell: Any) -> str | None:
    r"""Write one answer as text.

    Parameters
    ----------
    cell : object

    Returns
    -------
    str, optional
        None for None; half of a surrogate pair, for which no library has bytes, is escaped.

    Examples
    --------
    >>> as_text("n/a"), as_text(2**64), as_text(["a", None]), as_text("\ud83d")
    ('n/a', '18446744073709551616', '["a", null]', '\\ud83d')
    """
    if cell is None:
        return None
    cell = cell.tolist() if isinstance(cell, np.generic | np.ndarray) else cell
    text = cell if isinstance(cell, str) else str(cell)
    if isinstance(cell, bool | int | float | list | dict):
        with suppress(TypeError, ValueError):  # JSON does not have all names
            text = json.dumps(cell, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace").decode()


def series_cells(values: Any) -> Array:
    """Turn answers into an array of one dimension, whatever the cells are.

    Parameters
    ----------
    values : ndarray or list

    Returns
    -------
    ndarray
        A list becomes objects; the rows of an array of two dimensions become lists.
    """
    if isinstance(values, np.ndarray):
        return values if values.ndim == 1 else object_array(values.tolist())
    return object_array(values)


def arrow_array(values: Any, mask: Array | None = None) -> pa.Array:
    """Make an Arrow array of answers.

    Parameters
    ----------
    values : ndarray or list
    mask : ndarray of bool, optional
        Which of them are missing.

    Returns
    -------
    pyarrow.Array
        Of text where Arrow has no type that holds them all.

    Examples
    --------
    >>> arrow_array([1, "n/a"]).to_pylist()
    ['1', 'n/a']
    """
    import pyarrow as pa

    flat = isinstance(values, np.ndarray) and values.ndim == 1
    tries: list[Callable[[], Any]] = [lambda: values if flat else list(values)]
    if isinstance(values, np.ndarray):
        tries.append(values.tolist)  # NumPy has orders of bytes, and units of time, that only Python's objects get over
    for cells in tries:
        with suppress(Exception):  # whatever a library stumbles over, the answers are there
            return pa.array(cells(), mask=mask)
    return pa.array([as_text(value) for value in list(values)], pa.string(), mask=mask)


def polars_series(polars: Any, name: str, values: Any) -> Any:
    """Make a polars Series of answers.

    Parameters
    ----------
    polars : module
    name : str
    values : ndarray or list

    Returns
    -------
    polars.Series
        Of text where polars has no type that holds them all.
    """
    cells = values if isinstance(values, list) or values.ndim == 1 else values.tolist()
    with suppress(Exception):
        series = polars.Series(name, cells, strict=False)
        # A null stands for what its largest type does not hold.
        if not isinstance(cells, list) or series.null_count() == sum(cell is None for cell in cells):
            return series
    return polars.Series(name, [as_text(value) for value in list(cells)], dtype=polars.String)


def pandas_frame(fields: Mapping[str, Any], index: Any = None) -> pd.DataFrame:
    """Make a DataFrame of answers.

    Parameters
    ----------
    fields : mapping of str to (ndarray or list)
    index : Index, optional

    Returns
    -------
    DataFrame
    """
    import pandas as pd

    try:
        return pd.DataFrame({name: _pandas_cells(values) for name, values in fields.items()}, index=index)
    except UnicodeEncodeError:  # half of a surrogate pair, for which only Python's own text has room
        columns = [pandas_series(values, index) for values in fields.values()]
        frame = pd.DataFrame(dict(enumerate(columns)), index=index)
        frame.columns = pd.Index(list(fields), dtype=object)
        return frame


def pandas_series(values: Any, index: Any = None) -> pd.Series[Any]:
    """Make a Series of answers.

    Parameters
    ----------
    values : ndarray or list
    index : Index, optional

    Returns
    -------
    Series
    """
    import pandas as pd

    cells = _pandas_cells(values)
    try:
        return pd.Series(cells, index=index)
    except UnicodeEncodeError:
        return pd.Series(cells, index=index, dtype=object)


def _pandas_cells(values: Any) -> Any:
    """Leave text to pandas' own choice of a text dtype; everything else is an array already."""
    if isinstance(values, list) and all(cell is None or isinstance(cell, str) for cell in values):
        return values
    return series_cells(values)
