"""Tables that are shown: those of every library the way pandas lays them out."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from smrt_jupyter.display.text import clean, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS_SHOWN, ROWS_WHEN_CUT = 60, 10
COLUMNS_SHOWN = 20
NAMELESS = "prediction"
"""What heads the column of a Series without a name: here it is what a model answered, a row each."""


def table_forms(value: Any) -> tuple[str, str]:
    """Give the plain and the rich form of a table.

    Parameters
    ----------
    value : DataFrame, Series, ndarray or Arrow table

    Returns
    -------
    (str, str)
        As its own library prints it, and as HTML.
    """
    frame = _as_frame(value)
    rows, columns = frame.shape
    rich = table_html(frame)
    if rows > ROWS_SHOWN or columns > COLUMNS_SHOWN:
        rich += f"<div><small>{counted(rows, 'row')} x {counted(columns, 'column')}</small></div>"
    return repr(value), rich


def table_html(frame: Any, *, index: bool = True) -> str:
    """Lay a DataFrame out as HTML, its cells escaped.

    Parameters
    ----------
    frame : DataFrame
    index : bool, default=True
        Whether its index is shown.

    Returns
    -------
    str
    """
    rows = ROWS_WHEN_CUT if len(frame) > ROWS_SHOWN else None
    look = {"notebook": True, "border": 0, "index": index, "escape": True}
    told: str = frame.to_html(max_rows=rows, max_cols=COLUMNS_SHOWN, **look)
    return clean(told)


def _as_frame(value: Any) -> Any:
    """Turn any table into pandas', which knows how to lay one out."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, pd.Series):
        return value.to_frame(NAMELESS if value.name in (None, "") else value.name)
    if hasattr(value, "to_pandas"):  # Arrow
        if type(value).__module__.startswith("pyarrow"):
            found = value.to_pandas()
            return found if isinstance(found, pd.DataFrame) else found.to_frame(NAMELESS)
        if hasattr(value, "to_dict"):
            return pd.DataFrame(value.to_dict(as_series=False))
        return pd.DataFrame({value.name or NAMELESS: value.to_list()})  # polars has no way to pandas without pyarrow
    return pd.DataFrame(value)


def is_records(value: Any) -> bool:
    """Tell whether a value is a list of records: instances of a dataclass."""
    return isinstance(value, tuple | list) and bool(value) and all(is_dataclass(each) for each in value)


def frame_of_records(records: Sequence[Any]) -> Any:
    """Lay records out, without the fields that none of them has."""
    import pandas as pd

    rows = [asdict(each) for each in records]
    said = [name for name in rows[0] if any(row[name] not in (None, (), "") for row in rows)]
    cells = [[", ".join(row[name]) if isinstance(row[name], tuple) else row[name] for name in said] for row in rows]
    return pd.DataFrame(cells, columns=[name.replace("_", " ") for name in said], dtype=object).fillna("")
