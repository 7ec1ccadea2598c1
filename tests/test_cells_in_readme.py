"""The README's table of cells is what the codecs write: it is made here, from the bytes themselves."""

from __future__ import annotations

import contextlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from smrt_jupyter import CodecError, codecs
from smrt_jupyter.tables import Table

README = Path(__file__).parent.parent / "README.md"

CELLS = {
    "missing, beside numbers": pd.DataFrame({"x": [None, 1.5], "y": [1.0, 2.0]}),
    "missing, beside text": pd.DataFrame({"x": [None, 1.5], "y": ["t", "u"]}),
    "missing text": pd.DataFrame({"x": [None, "t"], "y": [1.0, 2.0]}),
    "True, beside numbers": pd.DataFrame({"x": [True, False], "y": [1.0, 2.0]}),
    "True, beside text": pd.DataFrame({"x": [True, False], "y": ["t", "u"]}),
    "the float 2": pd.DataFrame({"x": [2.0, 1.5], "y": [1.0, 2.0]}),
    "the integer 2⁶²+1": pd.DataFrame({"x": [2**62 + 1, 1], "y": [1, 2]}),
    "infinity": pd.DataFrame({"x": [np.inf, 1.5], "y": [1.0, 2.0]}),
    "a day": pd.DataFrame({"x": pd.to_datetime(["2024-01-02", "2024-01-03"]), "y": ["t", "u"]}),
    "a moment": pd.DataFrame(
        {"x": np.array(["2024-01-02T03:04", "2024-01-03T00:00"], dtype="datetime64[ns]"), "y": ["t", "u"]}
    ),
    "a moment with its zone": pd.DataFrame({"x": [datetime(2024, 1, 2, 3, 4, tzinfo=UTC)] * 2, "y": ["t", "u"]}),
    "a category": pd.DataFrame({"x": pd.Categorical(["red", "blue"]), "y": ["t", "u"]}),
    'text with , or "': pd.DataFrame({"x": ['a,"b"', "c"], "y": ["t", "u"]}),
    "a list": pd.DataFrame({"x": [[1, 2], [3]], "y": ["t", "u"]}),
}


def csv_cell(body: bytes) -> str:
    first = body.decode().splitlines()[0]
    return first.rpartition(",")[0]


def json_cell(body: bytes) -> str:
    return json.dumps(json.loads(body)[0][0], ensure_ascii=False)


def npy_cell(body: bytes) -> str:
    return str(np.load(io.BytesIO(body), allow_pickle=False)[0, 0])


def libsvm_cell(body: bytes) -> str:
    return " ".join(body.decode().splitlines()[0].split()[1:-1])


def recordio_cell(body: bytes) -> str:
    return str(np.asarray(codecs.find("application/x-recordio-protobuf").decode(body))[0, 0])


def parquet_cell(body: bytes) -> str:
    return str(pq.read_table(io.BytesIO(body)).column(0)[0].as_py())


READ = {
    "text/csv": csv_cell,
    "application/json": json_cell,
    "application/x-npy": npy_cell,
    "text/libsvm": libsvm_cell,
    "application/x-recordio-protobuf": recordio_cell,
    "application/x-parquet": parquet_cell,
}


def table() -> str:
    """Make the README's table from what each codec writes for the first cell of a small frame."""
    lines = [f"| cell | {' | '.join(f'`{name}`' for name in READ)} |", "| --- " * (len(READ) + 1) + "|"]
    for told, frame in CELLS.items():
        written = []
        for content_type, read in READ.items():
            try:
                cell = read(codecs.find(content_type).writer(Table.of(frame))(0, 2))
                written.append(f"`{cell}`" if cell else "an empty cell")
            except CodecError:
                written.append("refused")
        lines.append(f"| {told} | {' | '.join(written)} |")
    return "\n".join(lines)


def test_the_readme_says_how_each_cell_is_written() -> None:
    """Print `table()` and put it between the two marks when a codec's way of writing changes."""
    told = README.read_text(encoding="utf-8").partition("<!-- cells -->\n")[2].partition("\n<!-- end -->")[0]
    assert told == table()


@pytest.mark.parametrize("content_type", READ)
def test_what_cannot_be_carried_names_its_column(content_type: str) -> None:
    """A refusal in the table is an error that names the column."""
    named = set()
    for frame in CELLS.values():
        with contextlib.suppress(CodecError):
            codecs.find(content_type).writer(Table.of(frame))(0, 2)
            continue
        with pytest.raises(CodecError) as refused:
            codecs.find(content_type).writer(Table.of(frame))(0, 2)
        named.add(refused.value.column)
    assert named <= {"x", "y"}
