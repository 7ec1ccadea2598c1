"""A table as bodies, and what to do about a column that a content type refuses: the codecs are asked, not a list."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from smrt_jupyter import codecs
from smrt_jupyter.codecs import adapter
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Column, Kind, Table
from smrt_jupyter.tables.base import no_columns
from smrt_jupyter.tables.columns import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def writer(codec: codecs.Codec, table: Table) -> codecs.Writer:
    """Prepare a table to be serialised piece by piece.

    Parameters
    ----------
    codec : Codec
    table : Table

    Returns
    -------
    callable
        ``(start, stop) -> bytes``

    Raises
    ------
    CodecError
        When the table has no columns, or one that cannot be carried; the next step names only content types, and
        conversions, with which the table can be.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"tags": [["a"], ["b", "c"]]})
    >>> writer(codecs.find("text/libsvm"), Table.of(frame))
    Traceback (most recent call last):
        ...
    smrt_jupyter.errors.CodecError: column 'tags': ... Encode it as numbers, or use application/json.
    """
    if not table.width and len(table):
        raise no_columns()
    try:
        return adapter.writer(codec, table)
    except CodecError as error:
        if error.column is not None:
            _advise(error, codec, table)
        raise


def _advise(error: CodecError, codec: codecs.Codec, table: Table) -> None:
    """Keep of an advice what helps; a conversion comes first where one does."""
    carrying = [each for each in error.instead if _carries(codecs.find(each), table)]
    column = next((each for each in table.fields() if str(each.label) == str(error.column)), None)
    conversions = list(_conversions(column, codec, table)) if column and column.kind is Kind.SCALAR else []
    if conversions or error.instead:
        error.propose(carrying, f"Convert it with {' or '.join(conversions)}" if conversions else None)


def _carries(codec: codecs.Codec, table: Table) -> bool:
    try:
        adapter.writer(codec, table)(0, min(1, len(table)))
    except Exception:  # noqa: BLE001 - whatever it is, it must not hide the error that is to be explained
        return False
    return True


def _conversions(column: Column, codec: codecs.Codec, table: Table) -> Iterator[str]:
    """Try what pandas makes of Python's own objects."""
    native = table.native
    if not (hasattr(native, "iloc") and hasattr(native, "astype")):
        return
    import pandas as pd

    place = (table.columns or (column.label,)).index(column.label)
    series = native if native.ndim == 1 else native.iloc[:, place]
    told = "series" if native.ndim == 1 else f"df[{column.label!r}]"
    tries: dict[str, Callable[[], Any]] = {f"`{told}.astype(str)`": lambda: series.astype(str)}
    if all(isinstance(cell, dt.date) or is_missing(cell) for cell in series.tolist()):
        tries = {f"`pd.to_datetime({told})`": lambda: pd.to_datetime(series)} | tries
    for words, convert in tries.items():
        try:
            converted = convert()
        except (ValueError, TypeError, OverflowError):
            continue
        if native.ndim > 1:
            whole = native.copy(deep=False)
            whole.isetitem(place, converted)
            converted = whole
        if _carries(codec, Table.of(converted)):
            yield words
