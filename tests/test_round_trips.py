"""Any table through any codec that can carry it, and back, is the same table: whole, and cut anywhere.

The codecs are those of the literal table, so a new one is picked up by itself. What a codec cannot carry it refuses,
naming the column; what it carries comes back: numbers as the same numbers (floats to the last bit), text as the same
text, a missing cell as a missing cell. The few things that a format has no way to tell apart are in `UNTOLD`.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from fuzzing import places
from hypothesis import given, settings
from hypothesis import strategies as st

from smrt_jupyter import codecs
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table

# Text that no reader of a format without types takes for something else.
WORDS = st.text("abcxyzäß ,;\"'\t\n\r", min_size=1).map(lambda text: f"w{text}w")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MOMENTS = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001 - as the wall clock shows it

CELLS: dict[str, st.SearchStrategy[Any]] = {
    "floats": st.floats(),
    "narrow floats": st.floats(width=32),
    "integers": st.integers(-(2**63), 2**63 - 1),
    "small integers": st.integers(-(2**31), 2**31 - 1),
    "large integers": st.integers(0, 2**64 - 1),
    "booleans": st.booleans(),
    "words": WORDS,
    "text": TEXT,
    "moments": MOMENTS,
    "integers or nothing": st.none() | st.integers(-(2**63), 2**63 - 1),
    "booleans or nothing": st.none() | st.booleans(),
    "words or nothing": st.none() | WORDS,
    "nothing": st.none(),
}
PANDAS = {
    "floats": "float64",
    "narrow floats": "float32",
    "integers": "int64",
    "small integers": "int32",
    "large integers": "uint64",
    "booleans": "bool",
    "moments": "datetime64[us]",
    "integers or nothing": "Int64",
    "booleans or nothing": "boolean",
    "nothing": object,
}
POLARS = {
    "floats": pl.Float64,
    "narrow floats": pl.Float32,
    "integers": pl.Int64,
    "small integers": pl.Int32,
    "large integers": pl.UInt64,
    "booleans": pl.Boolean,
    "moments": pl.Datetime("us"),
    "integers or nothing": pl.Int64,
    "booleans or nothing": pl.Boolean,
    "nothing": pl.Null,
}
UNTOLD = {"CSV": {"text"}}  # a cell has no type: the text 1 reads as a number, an empty text as missing
NO_NEGATIVE_ZERO = {"Npz": "a sparse matrix leaves out what equals zero"}
NO_ROWS = {"Image": "a picture is no cell of these tables: test_images.py", "Audio": "nor is a recording"}
ARROW = {"Parquet", "ArrowStream", "ArrowFile"}
EXACT = {"CSV", "JSON", "JSONLines", "Npy", "Npz", "Triton", "TorchTensor", *ARROW}
NUMBERS = {"RecordIO", "LibSVM", *EXACT}
CARRIED: dict[str, tuple[list[Any], set[str]]] = {  # so that no codec passes by refusing everything
    "floats": ([0.1, -1e300, 5e-324], NUMBERS),
    "narrow floats": ([0.5, -(2.0**100), 2.0**-140], NUMBERS),
    "small integers": ([1, -2, 2**31 - 1], NUMBERS),
    "integers": ([2**53 + 1, -(2**63)], EXACT),
    "booleans": ([True, False], NUMBERS),
    "words": (['w, "x"w', "w\nw"], {"Text", "Raw", *EXACT} - {"Npz"}),
    "text": (["1", "nan", "ä"], {"Text", *EXACT} - {"CSV", "Npz"}),
    "integers or nothing": ([2**53 + 1, None], {"CSV", "JSON", "JSONLines", *ARROW}),
}


@st.composite
def columns(draw: st.DrawFn, without: set[str]) -> list[tuple[str, list[Any]]]:
    rows = draw(st.integers(1, 6))
    some = st.lists(st.sampled_from(sorted(set(CELLS) - without)), min_size=1, max_size=4)
    one = st.sampled_from(sorted(set(CELLS) - without)).flatmap(lambda kind: st.sampled_from([[kind], [kind] * 3]))
    kinds = draw(some | one)
    return [(kind, draw(st.lists(CELLS[kind], min_size=rows, max_size=rows))) for kind in kinds]


def table_of(drawn: list[tuple[str, list[Any]]], library: str) -> Any:
    """Build the same table in a library."""
    if library == "pandas":
        made = {
            f"c{place}": pd.Series(cells, dtype=PANDAS.get(kind, "str")) for place, (kind, cells) in enumerate(drawn)
        }
        return pd.DataFrame(made)
    if library == "polars":
        return pl.DataFrame(
            [pl.Series(f"c{n}", cells, dtype=POLARS.get(kind, pl.String)) for n, (kind, cells) in enumerate(drawn)]
        )
    if library == "array" and len({PANDAS.get(kind) for kind, _ in drawn}) == 1 and drawn[0][0] in POLARS:
        return np.column_stack([np.array(cells, dtype=_numpy(drawn[0][0])) for _, cells in drawn])
    return [list(row) for row in zip(*(cells for _, cells in drawn), strict=True)]


def _numpy(kind: str) -> Any:
    dtype = PANDAS[kind]
    return dtype if isinstance(dtype, str) and dtype.islower() and "or" not in kind else object


def cells_of(value: Any) -> list[list[Any]]:
    """Take what was read apart, into rows of plain cells."""
    if isinstance(value, pd.DataFrame):
        each_column = [value.iloc[:, place].tolist() for place in range(value.shape[1])]
        return [list(row) for row in zip(*each_column, strict=True)]
    if isinstance(value, dict):  # Triton's inputs: one of all columns, or one a column
        return np.column_stack([np.asarray(each, dtype=object) for each in value.values()]).tolist()
    if sp.issparse(value):
        value = value.toarray()
    rows = value.tolist() if isinstance(value, np.ndarray) else value
    return [row if isinstance(row, list) else [row] for row in rows]


def missing(cell: Any) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and math.isnan(cell))


def same(kind: str, sent: Any, got: Any, name: str) -> bool:
    """Tell whether a cell came back."""
    if missing(sent) or missing(got):
        return missing(sent) and missing(got)
    if kind == "moments":
        return bool(pd.Timestamp(got) == pd.Timestamp(sent))
    if isinstance(sent, str):
        return isinstance(got, str) and sent == got
    if isinstance(got, str):
        return False
    if kind == "narrow floats":
        got = float(np.float32(got))
    if isinstance(sent, float) and sent == 0 and name not in NO_NEGATIVE_ZERO:
        return bool(got == 0 and math.copysign(1, sent) == math.copysign(1, got))
    return bool(sent == got)


def read(codec: codecs.Codec, write: Any, rows: int, cut: int) -> list[list[Any]]:
    """Write a table in two parts and read it; one row at a time where a body has no rows."""
    if getattr(codec, "rows_at_once", None) == 1:
        decoded = [codec.decode(write(row, row + 1)) for row in range(rows)]
        return [[each.decode() if isinstance(each, bytes) else each] for each in decoded]
    parts = [write(start, stop) for start, stop in ((0, cut), (cut, rows)) if start < stop]
    return [row for part in parts for row in cells_of(codec.decode(part))]


@pytest.mark.parametrize("name", sorted(set(places()) - set(NO_ROWS)))
def test_a_table_comes_back(name: str) -> None:
    codec = codecs.find(next(essence for essence, place in codecs.BUILT_IN.items() if place == places()[name]))

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        drawn = data.draw(columns(without=UNTOLD.get(name, set())))
        library = data.draw(st.sampled_from(["pandas", "polars", "array", "rows"]))
        rows = len(drawn[0][1])
        cut = data.draw(st.integers(0, rows))
        table = Table.of(table_of(drawn, library))
        try:
            write = codec.writer(table)
            body = read(codec, write, rows, 0)
        except CodecError:
            return
        for found in (body, read(codec, write, rows, cut)):
            assert len(found) == rows
            for place, (kind, cells) in enumerate(drawn):
                for row, sent in enumerate(cells):
                    assert same(kind, sent, found[row][place], name), (kind, sent, found[row][place])

    check()


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, (_, names) in CARRIED.items() for name in sorted(names)]
)
def test_what_a_codec_is_for_is_carried(kind: str, name: str) -> None:
    codec = codecs.find(next(essence for essence, place in codecs.BUILT_IN.items() if place == places()[name]))
    cells = CARRIED[kind][0]
    found = read(codec, codec.writer(Table.of(table_of([(kind, cells)], "pandas"))), len(cells), 1)
    assert [same(kind, sent, row[0], name) for sent, row in zip(cells, found, strict=True)] == [True] * len(cells)


def test_every_exception_is_of_a_codec_that_is_there() -> None:
    named = (
        set(UNTOLD) | set(NO_NEGATIVE_ZERO) | set(NO_ROWS) | {each for _, names in CARRIED.values() for each in names}
    )
    assert named <= set(places())
