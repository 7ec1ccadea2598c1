"""CSV of mixed tables by polars, where it is installed: the same bytes, in a third of the time.

polars writes whole floats, quotes and missing cells as we do. What it writes otherwise it is not given: floats with an
exponent are rewritten in their rows, booleans and the rarer kinds of cells come to it as text, empty text as missing.
A block that it cannot write exactly is left to the plain way. Whether the installed version writes as it is expected
to is tried out once.
"""

from __future__ import annotations

import functools
import io
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.codecs.cells import Blocks, number_blocks, odd_places
from smrt_jupyter.tables import Array, Cells, Column, Kind
from smrt_jupyter.tables.columns import missing_or_none, object_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CELLS_LOADED = 10_000
CELLS_NOT_LOADED = 3_000_000
"""From how many cells on it is faster: loading polars alone takes as long as writing this many without it."""
_CELLS_AT_ONCE = 1_048_576
"""A call costs polars more than many cells do, so a request is one block."""
_FORMATS = {"s": "%Y-%m-%d %H:%M:%S", "ms": "%Y-%m-%d %H:%M:%S%.3f", "us": "%Y-%m-%d %H:%M:%S%.6f"}
_FORMATS["ns"] = "%Y-%m-%d %H:%M:%S%.9f"
_YEARS = np.array(["1000-01-01", "9999-12-31"], dtype="datetime64[D]")
"""Years that polars writes with four digits."""
_UNREAD = Cells(np.empty(0, dtype=object))
"""Stands for the cells of a column that polars gets as an Arrow array."""


@functools.cache
def writes_as_expected() -> bool:
    """Try out whether the installed version writes a small table as this one needs it."""
    import polars as pl

    numbers = [0.1, 2.0, -0.0, 1e-4, 1e15, 9999999999999998.0, 123456789.12345678, None]
    texts = ["a", None, "a,b", 'a"b', "a\nb", "a\rb", " a ", "1"]
    frame = pl.DataFrame([pl.Series("n", numbers), pl.Series("t", texts), pl.Series("i", [*range(7), None])])
    wanted = (
        '0.1,a,0\n2.0,,1\n-0.0,"a,b",2\n0.0001,"a""b",3\n1000000000000000.0,"a\nb",4\n'
        '9999999999999998.0,"a\rb",5\n123456789.12345678, a ,6\n,1,\n'
    )
    return frame.write_csv(include_header=False) == wanted


def blocks_writer(
    columns: Sequence[Column],
    units: Sequence[str],
    writers: Sequence[Callable[[Cells], list[str]]],
    rows_of: Callable[[list[Cells]], list[str]],
    plain: Blocks,
) -> Blocks:
    """Prepare the columns of a mixed table.

    Parameters
    ----------
    columns : sequence of Column
    units : sequence of str
        How precisely each column of dates is written; empty for the others.
    writers : sequence of callable
        What writes a column without polars, for the kinds that it is not given.
    rows_of, plain : callable
        What writes rows, and blocks, without polars.

    Returns
    -------
    callable
        ``(start, stop, out)``: writes rows, each with its line end.
    """
    moments = {unit for unit in units if unit in _FORMATS}
    unit_of_all = moments.pop() if len(moments) == 1 else None

    def block(start: int, stop: int, out: io.BytesIO) -> bool:
        as_arrow = "pyarrow" in sys.modules
        cells, made = [], []
        for place, column in enumerate(columns):
            if as_arrow and column.arrow is not None:
                cells.append(_UNREAD)
                made.append(column.arrow(start, stop))
            else:
                cells.append(column.cells(start, stop))
                made.append(_given(column.kind, cells[-1], units[place], unit_of_all, writers[place]))
        frame = None if any(one is None for one in made) else _frame(made)
        if frame is None:
            return False
        odd = _odd_rows(cells)
        body = io.BytesIO() if len(odd) else out
        frame.write_csv(body, include_header=False, datetime_format=_FORMATS.get(unit_of_all or ""))
        if not len(odd):
            return True

        def anew() -> list[str]:
            return rows_of([_some(part, given, odd) for part, given in zip(cells, made, strict=True)])

        return _patch(body.getbuffer(), odd, stop - start, anew, out)

    def blocks(start: int, stop: int, out: io.BytesIO) -> None:
        step = max(1, _CELLS_AT_ONCE // len(columns))
        for at in range(start, stop, step):
            if not block(at, min(at + step, stop), out):
                plain(at, min(at + step, stop), out)

    return blocks


def _given(
    kind: Kind, cells: Cells, unit: str, unit_of_all: str | None, writer: Callable[[Cells], list[str]]
) -> Array | list[str | None] | None:
    """Give a column the form in which polars writes it as we do; None when there is none."""
    if cells.missing is None and cells.offset is None:
        if kind is Kind.INTEGER or (kind is Kind.FLOAT and cells.values.dtype == np.float64):
            return cells.values
        if unit and unit in ("D", unit_of_all):
            return _dates(cells.values, unit)
    if kind is Kind.TEXT:
        texts = cells.values.tolist()
        if cells.missing is None:
            return list(texts)
        return [None if gone else text for text, gone in zip(texts, cells.missing.tolist(), strict=True)]
    written = writer(cells)
    return None if '"' in "".join(written) else list(written)  # polars would quote the quotes again


def _frame(columns: list[Any]) -> Any:
    """Build a frame; None when a text has half of a surrogate pair: the plain way says which column that is."""
    import polars as pl

    try:
        made = [
            pl.Series(str(place), column, dtype=pl.String if isinstance(column, list) else None)
            for place, column in enumerate(columns)
        ]
    except UnicodeEncodeError:
        return None
    text = pl.col(pl.String)
    return pl.DataFrame(made).with_columns(
        pl.col(pl.Float64).fill_nan(None), pl.when(text != "").then(text).name.keep()
    )


def _dates(values: Array, unit: str) -> Array | None:
    """Give dates the type that polars has; None when there are years that it does not write with four digits."""
    if len(values) and not (_YEARS[0] <= values.min() and values.max().astype("datetime64[D]") <= _YEARS[1]):
        return None
    return values.astype(f"datetime64[{'ms' if unit == 's' else unit}]")


def _odd_rows(cells: list[Cells]) -> Array:
    """Find the rows with a float that takes an exponent, or has none: what is missing polars was told."""
    found = []
    for _, block in number_blocks(cells):
        if block is not None and block.dtype == np.float64:
            places = odd_places(block)
            found.append(places[~np.isnan(block.ravel()[places])] // block.shape[1])
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.intp)


def _some(cells: Cells, given: Any, odd: Array) -> Cells:
    """Take some rows of a column; of one that only polars was given, from what it was given."""
    if cells is not _UNREAD:
        return cells[odd]
    texts = given.take(odd).to_pylist()
    return Cells(object_array(texts), missing_or_none(np.array([text is None for text in texts])))


def _patch(body: memoryview, odd: Array, rows: int, anew: Callable[[], list[str]], out: io.BytesIO) -> bool:
    """Write lines, some of them anew; or nothing, when they cannot be told apart, or are too many."""
    ends = np.flatnonzero(np.frombuffer(body, np.uint8) == ord("\n"))
    if len(ends) != rows or len(odd) > rows // 4:
        return False
    done = 0
    for row, text in zip(odd.tolist(), anew(), strict=True):
        out.write(body[done : ends[row - 1] + 1 if row else 0])
        out.write(text.encode())
        done = int(ends[row])
    out.write(body[done:])
    return True
