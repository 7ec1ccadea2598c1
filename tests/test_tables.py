# ruff: noqa: PD011 - `values` is a field of our Cells, not pandas' attribute
from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
import uuid
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

from smrt_jupyter import LocalRuntime, codecs
from smrt_jupyter.endpoint import encode
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


@pytest.mark.parametrize(
    ("cells", "detail"),
    [
        ([None, dt.date(2024, 1, 2)], "date values (first in row 1)"),
        ([uuid.UUID(int=1)], "UUID values (first in row 0)"),
        ([pd.Period("2024-01")], "Period values (first in row 0)"),
        (["a", 1], "values of several sorts (int, str)"),
    ],
)
def test_a_column_of_pythons_objects_says_what_they_are(cells: list[Any], detail: str) -> None:
    [column] = Table.of(pd.DataFrame({"c": pd.Series(cells, dtype=object)})).fields()
    assert (column.kind, column.detail) == (Kind.SCALAR, detail)


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


# -- answers that a library has no type for ---------------------------------------------------------------------------

ODD_ANSWERS: dict[str, Any] = {
    "numbers beside text": [1, 1, "n/a"],
    "large integers": [2**63, 1, -1],
    "larger ones": [2**200, 1, None],
    "lists beside numbers": [[1], 2, None],
    "lists of several sorts": [[1], ["a"], []],
    "mappings of several sorts": [{"a": 1}, {"a": "x"}, {"a": [1]}],
    "names that are no text": [{1: 2}, {(1, 2): 3}, {}],
    "half an emoji": ["\ud83d", "a", None],
    "half an emoji in a list": [["\ud83d"], ["a"], None],
    "bytes beside numbers": [b"\xff", 1, None],
    "booleans beside numbers": [True, 1, None],
    "arrays": [np.zeros((2, 2))] * 3,
    "any objects": [object(), object(), None],
    "three dimensions": np.zeros((3, 2, 2)),
    "objects of two dimensions": np.array([[1, "a"], [2, None], ["b", 3]], dtype=object),
    "years": np.array(["2020", "2021", "2022"], dtype="M8[Y]"),
    "big-endian": np.array([1.0, 2.0, 3.0], dtype=">f8"),
    "complex": np.zeros(3, complex),
}


@pytest.mark.parametrize("fields", [[], ["\ud83d", "b"]], ids=["plain", "fields"])
@pytest.mark.parametrize("answers", ODD_ANSWERS)
@pytest.mark.parametrize("form", ["pandas", "polars", "arrow"])
def test_no_answer_is_lost_to_a_type_that_a_library_lacks(form: str, answers: str, fields: list[str]) -> None:
    given = ODD_ANSWERS[answers]
    back = Table.of(TABLES[form]).like(dict.fromkeys(fields, given) or given)
    assert len(back) == 3
    if isinstance(given, list) and not fields:
        missing = [cell is None for cell in given]
        assert [cell is None for cell in list(back) if form != "arrow"] in ([], missing)
        assert form != "arrow" or [cell is None for cell in back.to_pylist()] == missing


def test_answers_without_a_type_in_arrow_are_text_as_in_a_file(runtime: LocalRuntime) -> None:
    mixed = runtime.deploy("mixed", lambda frame: [1, "n/a", ["a", None]])
    found = mixed.predict(pa.table({"x": [1.0, 2.0, 3.0]}), accept="application/json")
    assert found.to_pylist() == ["1", "n/a", '["a", null]']
    large = runtime.deploy("large", lambda frame: [2**64, 1, 2])
    assert large.predict(pa.table({"x": [1, 2, 3]}), accept="application/json").to_pylist() == [str(2**64), "1", "2"]


# -- masks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "body"),
    [(float, b"1.0,nan\n3.0,4.0"), (int, b"1,nan\n3,4"), (bool, b"1,nan\n1,1"), ("f2", b"1.0,nan\n3.0,4.0")],
)
def test_what_is_masked_is_missing(dtype: Any, body: bytes) -> None:
    masked = np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]], dtype=dtype)
    assert codecs.find("text/csv").encode(masked) == body
    assert np.isnan(codecs.find("application/x-npy").decode(encode(codecs.find("application/x-npy"), masked))[0, 1])


def test_masks_of_dates_of_fields_of_rows_and_of_more_dimensions_are_heeded() -> None:
    days = np.ma.array(["2020-01-01", "2021-01-01"], mask=[0, 1], dtype="M8[D]")
    assert encode(codecs.find("application/json"), days) == b'[["2020-01-01"],[null]]'
    fields = np.ma.array([(1, 2.0), (3, 4.0)], mask=[(0, 1), (1, 0)], dtype=[("a", "i8"), ("b", "f8")])
    assert encode(codecs.find("text/csv"), fields) == b"1,nan\nnan,4.0"
    assert encode(codecs.find("text/csv"), [np.ma.array([1.0, 2.0], mask=[0, 1])]) == b"1.0,nan"
    rows = codecs.find("application/x-npy").encode([np.ma.array([1.0, 2.0], mask=[0, 1])])
    assert np.isnan(codecs.find("application/x-npy").decode(rows)[0, 1])
    deep = np.ma.array(np.ones((1, 1, 2)), mask=[[[0, 1]]])
    assert encode(codecs.find("application/json"), deep) == b"[[[1.0,null]]]"
    assert np.isnan(codecs.find("application/x-npy").decode(encode(codecs.find("application/x-npy"), deep))[0, 0, 1])


# -- columns of one name, and none ------------------------------------------------------------------------------------

TWINS = pa.table([[1, 2, 3], ["x", "y", "z"], [1.5, 2.5, 3.5]], names=["a", "a", "b"])


def test_arrow_columns_of_one_name_are_read_by_their_place(runtime: LocalRuntime) -> None:
    table = Table.of(TWINS)
    assert (table.columns, table.width) == (("a", "a", "b"), 3)
    assert table[1:].native.equals(TWINS[1:])
    assert table.select(["b"]).native.to_pydict() == {"b": [1.5, 2.5, 3.5]}
    with pytest.raises(CodecError, match="column 'a': two columns have this name"):
        table.select(["a"])
    endpoint = runtime.deploy("widths", lambda frame: [frame.shape[1]] * len(frame))
    assert endpoint.predict(TWINS).to_pylist() == [3, 3, 3]


@pytest.mark.parametrize(
    "table",
    [pd.DataFrame(index=[1, 2]), np.zeros((2, 0)), [{}, {}]],
    ids=["pandas", "array", "mappings"],
)
@pytest.mark.parametrize("content_type", ["text/csv", "application/json", "application/x-npy"])
def test_a_table_without_columns_is_refused_before_anything_is_sent(
    runtime: LocalRuntime, table: Any, content_type: str
) -> None:
    endpoint = runtime.deploy("any", lambda frame: [0] * len(frame))
    with pytest.raises(CodecError, match="the table has no columns to send"):
        endpoint.predict(table, content_type=content_type)
    assert not runtime.requests


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_column_of_models_alone_is_no_table(runtime: LocalRuntime, library: Any) -> None:
    endpoint = runtime.deploy("many", models={"m": lambda frame: [0] * len(frame)})
    with pytest.raises(CodecError, match="the table has no columns to send"):
        endpoint.predict(library({"model": ["m", "m"]}), target_model_column="model")
    assert not runtime.requests
