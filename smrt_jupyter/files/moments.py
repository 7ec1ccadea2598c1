"""Moments and durations of a whole file: how precisely a column of them is written, no batch alone may decide."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.codecs.cells import UNITS, resolution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from smrt_jupyter.file_formats import Source


def most_precise(source: Source, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """Find the cells of a file that take the most digits to write.

    Parameters
    ----------
    source : Source
        Gone through once more, where it has moments or durations.
    columns : sequence of str
        Those that are written.

    Returns
    -------
    dict of str to pyarrow.ChunkedArray
        One cell for each column of moments or durations that has any.
    """
    import pyarrow as pa

    types = {name: source.schema.field(name).type for name in columns}
    timed = [name for name, kind in types.items() if pa.types.is_timestamp(kind) or pa.types.is_duration(kind)]
    found: dict[str, pa.ChunkedArray] = {}
    finest = dict.fromkeys(timed, -1)
    if not timed:
        return found
    with closing(source.batches(timed)) as batches:
        for batch in batches:
            for name in timed:
                values = batch[name].to_numpy()
                unit = UNITS.index(resolution(values))
                if unit > finest[name] and not np.isnat(values).all():
                    finest[name] = unit
                    place = _first_finer_than(values, UNITS[unit - 1] if unit else None)
                    found[name] = batch[name].slice(place, 1)
    return found


def _first_finer_than(values: np.ndarray[Any, Any], unit: str | None) -> int:
    present = ~np.isnat(values)
    if unit is not None:
        present &= values.astype(f"{values.dtype.kind}8[{unit}]") != values
    return int(np.argmax(present))


def beside(table: pa.Table, cells: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """Add a row that is not sent: a codec looks at all rows of a table to find how a column is written.

    Parameters
    ----------
    table : pyarrow.Table
        A batch of one row at least.
    cells : mapping
        What `most_precise` found; the row's other cells are those of the first one.

    Returns
    -------
    pyarrow.Table
        The same one where there is nothing to add.
    """
    import pyarrow as pa

    if not cells:
        return table
    row = table.slice(0, 1)
    for name, cell in cells.items():
        row = row.set_column(table.schema.get_field_index(name), table.schema.field(name), cell)
    return pa.concat_tables([table, row])
