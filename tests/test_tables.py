# ruff: noqa: PD011 - `values` is a field of our Cells, not pandas' attribute
from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Kind, Table, is_table

FRAME = pd.DataFrame({"age": [31, 54, 7], "plan": ["a", None, "b"]}, index=["x", "x", "y"])
TABLES: dict[str, Any] = {
    "pandas": FRAME,
    "polars": pl.DataFrame({"age": [31, 54, 7], "plan": ["a", None, "b"]}),
    "arrow": pa.table({"age": [31, 54, 7], "plan": ["a", None, "b"]}),
    "record batch": pa.record_batch({"age": [31, 54, 7], "plan": ["a", None, "b"]}),
    "structured array": np.array([(31, "a"), (54, ""), (7, "b")], dtype=[("age", "i8"), ("plan", "U1")]),
    "mappings": [{"age": 31, "plan": "a"}, {"age": 54}, {"plan": "b", "age": 7}],
}


@pytest.mark.parametrize("library", TABLES)
def test_a_table_has_names_rows_and_columns_whatever_its_library(library: str) -> None:
    table = Table.of(TABLES[library])
    assert (table.columns, table.width, len(table)) == (("age", "plan"), 2, 3)
    age, plan = table.fields()
    assert (age.kind, plan.kind) == (Kind.INTEGER, Kind.TEXT)
    assert age.cells(1, 3).values.tolist() == [54, 7]
    assert plan.cells(2, 9).values.tolist() == ["b"]
    assert [field.cells(0, 1).values.tolist() for field in table[1:].fields()] == [
        [54],
        plan.cells(1, 2).values.tolist(),
    ]


@pytest.mark.parametrize("library", TABLES)
def test_columns_are_taken_by_name_in_the_order_asked_for(library: str) -> None:
    table = Table.of(TABLES[library]).select(["plan", "age"])
    assert table.columns == ("plan", "age")
    assert table.fields()[1].cells(0, 3).values.tolist() == [31, 54, 7]


def test_a_missing_column_is_named_with_those_that_there_are() -> None:
    with pytest.raises(CodecError, match=r"column 'size'.*age, plan"):
        Table.of(FRAME).select(["age", "size"])


def test_two_columns_of_one_name_are_written_but_not_selected() -> None:
    table = Table.of(pd.DataFrame([[1, 2.5]], columns=["a", "a"]))
    assert [field.kind for field in table.fields()] == [Kind.INTEGER, Kind.FLOAT]
    with pytest.raises(CodecError, match="two columns"):
        table.select(["a"])


def test_what_has_one_dimension_is_one_column() -> None:
    for one in (pd.Series([1, 2]), np.array([1, 2]), pl.Series([1, 2]), pa.chunked_array([[1], [2]]), [1, 2]):
        table = Table.of(one)
        assert (table.width, len(table), table.columns) == (1, 2, None)
        assert table.fields()[0].cells(0, 2).values.tolist() == [1, 2]


def test_a_sparse_matrix_is_read_row_by_row_whatever_its_format() -> None:
    matrix = sp.random(20, 5, density=0.3, random_state=0)
    for form in ("csr", "csc", "coo", "lil"):
        table = Table.of(matrix.asformat(form))
        assert table.matrix(3, 7).tolist() == matrix.toarray()[3:7].tolist()
        assert table.fields()[2].cells(3, 7).values.tolist() == matrix.toarray()[3:7, 2].tolist()


def test_rows_that_are_not_alike_are_named() -> None:
    with pytest.raises(CodecError, match="row 0 has 2 values, but row 1 has 3"):
        Table.of([[1, 2], [1, 2, 3]])
    with pytest.raises(CodecError, match="row 0 is a list, row 1 a dict"):
        Table.of([[1, 2], {"a": 1}])


@pytest.mark.parametrize("data", [np.zeros((2, 2, 2)), np.array(1.0), "1,2", {"a": 1}, 5, None])
def test_what_is_no_table_is_refused_with_what_would_be(data: Any) -> None:
    with pytest.raises(CodecError, match="not a table"):
        Table.of(data)
    assert not is_table(data)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([True, None], Kind.BOOLEAN),
        ([1, None, 2], Kind.INTEGER),
        ([1, 2**64 - 1], Kind.INTEGER),
        ([-1, 2**64 - 1], Kind.NUMBER),
        ([2**70], Kind.NUMBER),
        ([1, 2.5], Kind.NUMBER),
        ([True, 2], Kind.NUMBER),
        ([decimal.Decimal("1.10")], Kind.NUMBER),
        ([1.5, float("nan")], Kind.FLOAT),
        (["a", float("nan"), pd.NA], Kind.TEXT),
        ([None, float("nan"), pd.NaT], Kind.NOTHING),
        ([dt.date(2024, 1, 2), None], Kind.SCALAR),
        (["a", 1], Kind.SCALAR),
        ([[1], None], Kind.NESTED),
        ([{"a": 1}], Kind.NESTED),
        ([1j], Kind.OTHER),
        ([b"bytes"], Kind.OTHER),
        ([object()], Kind.OTHER),
    ],
)
def test_python_objects_have_the_kind_of_all_cells_that_are_there(cells: list[Any], kind: Kind) -> None:
    assert Table.of(pd.DataFrame({"a": pd.Series(cells, dtype=object)})).fields()[0].kind is kind


def test_the_kind_of_objects_comes_from_all_rows_and_not_the_first_ones() -> None:
    late = pd.DataFrame({"a": pd.Series(["text"] * 500 + [1], dtype=object)})
    assert Table.of(late).fields()[0].kind is Kind.SCALAR


def test_a_category_is_the_value_that_it_stands_for() -> None:
    for values, kind in (([2, 1, None], Kind.INTEGER), (["b", None, "a"], Kind.TEXT), ([0.5, None, 1.5], Kind.FLOAT)):
        field = Table.of(pd.DataFrame({"c": pd.Categorical(values)})).fields()[0]
        cells = field.cells(0, 3)
        assert field.kind is kind
        gone = np.isnan(cells.values) if kind is Kind.FLOAT else cells.missing
        assert [None if out else value for value, out in zip(cells.values.tolist(), gone, strict=True)] == values
    for categories in (
        pl.Series(["b", None], dtype=pl.Categorical),
        pa.chunked_array([["b", None]]).dictionary_encode(),
    ):
        assert Table.of(categories).fields()[0].cells(0, 1).values.tolist() == ["b"]


def test_wall_clock_and_offset_are_read_of_dates_with_a_time_zone() -> None:
    summer = pd.Series(pd.to_datetime(["2024-01-02 12:00", "2024-07-02 12:00"])).dt.tz_localize("Europe/Berlin")
    for column in (summer, pl.Series(summer), pa.chunked_array([pa.array(summer)])):
        cells = Table.of(column).fields()[0].cells(0, 2)
        assert cells.values.astype("datetime64[h]").astype(str).tolist() == ["2024-01-02T12", "2024-07-02T12"]
        assert cells.offset is not None
        assert (cells.offset / np.timedelta64(1, "h")).tolist() == [1, 2]


@pytest.mark.parametrize("index", [["b", "b", "a"], pd.MultiIndex.from_tuples([(1, "x"), (1, "x"), (2, "y")])])
def test_answers_come_back_with_the_index_of_pandas(index: Any) -> None:
    table = Table.of(FRAME.set_axis(index, axis=0))
    series = table.like(np.array([0.5, 1.5, 2.5]))
    pd.testing.assert_series_equal(series, pd.Series([0.5, 1.5, 2.5], index=table.native.index))
    pd.testing.assert_index_equal(table.like(["a", None, "b"]).index, table.native.index)
    frame = table.like({"label": ["a", "b", "c"], "scores": np.ones((3, 2))})
    assert list(frame.columns) == ["label", "scores"]
    assert frame["scores"].iloc[0] == [1.0, 1.0]
    assert table.like(np.ones((3, 2))).shape == (3, 2)


def test_answers_come_back_in_the_library_that_the_table_came_in() -> None:
    scores, fields = np.array([0.5, 1.5, 2.5]), {"label": ["a", None, "c"], "score": np.array([1, 2, 3])}
    polars = Table.of(TABLES["polars"])
    assert polars.like(scores).to_list() == [0.5, 1.5, 2.5]
    assert polars.like(fields).rows() == [("a", 1), (None, 2), ("c", 3)]
    assert polars.like(np.ones((3, 2))).shape == (3, 2)
    arrow = Table.of(TABLES["arrow"])
    assert arrow.like(scores).to_pylist() == [0.5, 1.5, 2.5]
    assert arrow.like(fields).to_pydict() == {"label": ["a", None, "c"], "score": [1, 2, 3]}
    assert arrow.like(np.ones((3, 2))).num_columns == 2
    for plain in (np.zeros((3, 2)), [[1], [2], [3]], sp.csr_matrix(np.eye(3))):
        assert Table.of(plain).like(scores) is scores
        assert Table.of(plain).like(["a", [1], None]).tolist() == ["a", [1], None]
        assert list(Table.of(plain).like(fields).columns) == ["label", "score"]


def test_a_slice_is_not_a_copy() -> None:
    array = np.zeros((100, 3))
    assert np.shares_memory(Table.of(array)[10:20].native, array)
    assert np.shares_memory(Table.of(array).matrix(10, 20), array)


def test_every_layout_of_numbers_becomes_what_the_writers_take() -> None:
    wanted = np.arange(12.0).reshape(4, 3)
    layouts = [np.asfortranarray(wanted), wanted.astype(">f8"), np.repeat(wanted, 2, axis=1)[:, ::2]]
    for layout in [
        *layouts,
        pd.DataFrame(wanted),
        pl.DataFrame(wanted),
        pa.table(pd.DataFrame(wanted, columns=list("abc"))),
    ]:
        table = Table.of(layout)
        matrix = table.matrix(1, 3)
        assert matrix.flags.c_contiguous
        assert matrix.dtype == table.dtype() == np.dtype("<f8")
        assert matrix.tolist() == wanted[1:3].tolist()


def test_there_is_no_one_number_type_where_an_integer_is_missing_or_columns_differ() -> None:
    assert Table.of(pd.DataFrame({"a": pd.array([1, None], dtype="Int64")})).dtype() is None
    assert Table.of(pl.DataFrame({"a": [1, None]})).dtype() is None
    assert Table.of(pl.DataFrame({"a": [1.0, None]})).dtype() == np.float64
    assert Table.of(pd.DataFrame({"a": [1], "b": [1.0]})).dtype() is None


def test_no_library_of_tables_is_loaded_before_one_of_its_tables_arrives() -> None:
    code = """
import sys
import numpy as np
from smrt_jupyter import answers, codecs
from smrt_jupyter.tables import Table
for content_type in ("text/csv", "application/json", "application/jsonlines", "application/x-npy"):
    codec = codecs.find(content_type)
    codec.decode(codec.writer(Table.of(np.ones((2, 3))))(0, 2))
print([name for name in ("pandas", "polars", "pyarrow", "narwhals", "scipy", "boto3") if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
