from __future__ import annotations

import contextlib
import csv
import datetime as dt
import decimal
import io
import math
import uuid
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from smrt_jupyter import codecs
from smrt_jupyter.codecs import csv_arrow
from smrt_jupyter.errors import CodecError
from smrt_jupyter.local.rows import encode
from smrt_jupyter.tables import Table

BERLIN = dt.timezone(dt.timedelta(hours=1))
SECOND = dt.datetime(2024, 1, 2, 3, 4, 5)  # noqa: DTZ001 - as the wall clock shows it

# The table in the module's docstring: the cell, its text beside numbers, its text in any other table.
STORY: list[tuple[str, Any, str | None, str | None]] = [
    ("None", None, "nan", ""),
    ("nan", float("nan"), "nan", ""),
    ("pandas' NA", pd.NA, "nan", ""),
    ("pandas' NaT", pd.NaT, "nan", ""),
    ("True", True, "1", "True"),
    ("False", False, "0", "False"),
    ("an integer", 2**70 + 1, "1180591620717411303425", "1180591620717411303425"),
    ("a float", 0.1, "0.1", "0.1"),
    ("a whole float", 2.0, "2.0", "2.0"),
    ("a small float", 1e-05, "1e-05", "1e-05"),
    ("a large float", 1e16, "1e+16", "1e+16"),
    ("infinity", float("inf"), "inf", "inf"),
    ("minus infinity", float("-inf"), "-inf", "-inf"),
    ("a decimal", decimal.Decimal("1.10"), "1.10", "1.10"),
    ("text", "plain", None, "plain"),
    ("text with a comma", "a, b", None, '"a, b"'),
    ("text with quotes", 'say "hi"', None, '"say ""hi"""'),
    ("text with a line feed", "a\nb", None, '"a\nb"'),
    ("text with a carriage return", "a\rb", None, '"a\rb"'),
    ("a date with a time", SECOND, None, "2024-01-02 03:04:05"),
    ("a date with a time zone", SECOND.replace(tzinfo=BERLIN), None, "2024-01-02 03:04:05+01:00"),
    ("a date", dt.date(2024, 1, 2), None, "2024-01-02"),
    ("a time", dt.time(3, 4, 5), None, "03:04:05"),
    ("a duration", pd.Timedelta("1 days 02:03:04"), None, "1 days 02:03:04"),
    ("a UUID", uuid.UUID(int=1), None, "00000000-0000-0000-0000-000000000001"),
    ("a period", pd.Period("2024-01", "M"), None, "2024-01"),
    ("an interval", pd.Interval(0, 1), None, '"(0, 1]"'),
]
REFUSED = {
    "a list": [1, 2],
    "a mapping": {"a": 1},
    "an array": np.zeros(2),
    "bytes": b"a",
    "a complex number": 1j,
    "an object": object(),
}


def written(table: Any, content_type: str = "text/csv") -> str:
    seen = Table.of(table)
    return codecs.find(content_type).writer(seen)(0, len(seen)).decode()


def read(text: str | bytes, content_type: str = "text/csv") -> Any:
    return codecs.find(content_type).decode(text if isinstance(text, bytes) else text.encode())


WAYS = ["plain", "Arrow"]


def go(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write with Arrow however small the table is, or without it."""
    for least in ("CELLS_LOADED", "CELLS_NOT_LOADED"):
        monkeypatch.setattr(csv_arrow, least, 0 if way == "Arrow" else math.inf)


@pytest.fixture(params=WAYS)
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    go(request.param, monkeypatch)


# -- what a cell becomes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "beside_numbers", "beside_text"), [pytest.param(*row[1:], id=row[0]) for row in STORY]
)
@pytest.mark.usefixtures("either_way")
def test_the_table_in_the_documentation_is_true(cell: Any, beside_numbers: str | None, beside_text: str | None) -> None:
    column = pd.Series([cell], dtype=object)
    if beside_numbers is not None:
        assert written(pd.DataFrame({"n": [0.5], "c": column})) == f"0.5,{beside_numbers}\n"
    if beside_text is not None:
        assert written(pd.DataFrame({"t": ["t"], "c": column})) == f"t,{beside_text}\n"


@pytest.mark.parametrize("cell", REFUSED.values(), ids=REFUSED.keys())
def test_a_column_that_cannot_be_carried_is_named_before_anything_is_written(cell: Any) -> None:
    frame = pd.DataFrame({"good": [1, 2], "bad": pd.Series([None, cell], dtype=object)})
    with pytest.raises(CodecError, match=r"column 'bad'.*first in row 1") as caught:
        codecs.find("text/csv").writer(Table.of(frame))
    assert caught.value.column == "bad"


@pytest.mark.parametrize("dtype", [object, pd.StringDtype("python")], ids=str)
@pytest.mark.usefixtures("either_way")
def test_half_of_a_surrogate_pair_is_refused_by_the_name_of_its_column(dtype: Any) -> None:
    frame = pd.DataFrame({"good": ["a"], "bad": pd.Series(["\ud800"], dtype=dtype)})
    with pytest.raises(CodecError, match="surrogate") as caught:
        written(frame)
    assert caught.value.column == "bad"


@pytest.mark.usefixtures("either_way")
def test_typed_columns_follow_the_same_table() -> None:
    """pandas', polars' and Arrow's own types, with and without missing cells."""
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None], dtype="Int64"),
            "big": np.array([2**64 - 1, 0], dtype="uint64"),
            "yes": pd.array([True, None], dtype="boolean"),
            "narrow": np.array([0.1, np.nan], dtype="float32"),
        }
    )
    assert written(frame) == "1,18446744073709551615,1,0.1\nnan,0,nan,nan\n"
    frame["text"] = ["a", None]
    frame["code"] = pd.Categorical([7, None])
    assert written(frame) == "1,18446744073709551615,True,0.1,a,7\n,0,,,,\n"
    for other in (pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        assert written(other) == written(frame)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (["2024-01-02", "2024-01-03"], ["2024-01-02", "2024-01-03"]),
        (["2024-01-02", "2024-01-03 04:05:06"], ["2024-01-02 00:00:00", "2024-01-03 04:05:06"]),
        (["2024-01-02", "2024-01-03 00:00:00.5"], ["2024-01-02 00:00:00.000", "2024-01-03 00:00:00.500"]),
        (["2024-01-02", None], ["2024-01-02", ""]),
        (["0900-01-02", "2024-01-03"], ["0900-01-02", "2024-01-03"]),
        (["12024-01-02 00:00:01"], ["12024-01-02 00:00:01"]),
    ],
)
@pytest.mark.usefixtures("either_way")
def test_dates_are_as_precise_as_the_whole_column_needs(values: list[Any], texts: list[str]) -> None:
    moments = np.array(values, dtype="datetime64[us]" if len(values[0]) < 20 else "datetime64[s]")
    frame = pd.DataFrame({"d": moments, "t": "t"})
    for table in (frame, pa.Table.from_pandas(frame)):
        writer = codecs.find("text/csv").writer(Table.of(table))
        assert writer(0, len(values)).decode().splitlines() == [f"{text},t" for text in texts]
        assert [writer(row, row + 1).decode() for row in range(len(values))] == [f"{text},t\n" for text in texts]


# -- the form of the whole --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("either_way")
def test_a_missing_cell_that_is_alone_on_its_line_does_not_make_an_empty_line() -> None:
    assert written(pd.DataFrame({"t": ["a", None, "", "b"]})) == 'a\n""\n""\nb\n'
    assert written(pd.DataFrame({"n": [1.5, None, 2.0]})) == "1.5\nnan\n2.0\n"
    assert written(pd.DataFrame({"d": pd.to_datetime(["2024-01-02", None])})) == '2024-01-02\n""\n'
    assert written(pd.DataFrame({"b": pd.array([True, None], dtype="boolean"), "s": ["", None]})) == "True,\n,\n"


def test_a_header_is_written_with_each_chunk_and_quoted_like_a_cell() -> None:
    frame = pd.DataFrame({"a": [1, 2], 'b, "c"': [0.5, 1.5]})
    writer = codecs.find("text/csv; header=present").writer(Table.of(frame))
    assert writer(1, 2) == b'a,"b, ""c"""\n2,1.5\n'
    assert writer(0, 0) == b'a,"b, ""c"""\n'
    assert written(np.ones((1, 2)), "text/csv; header=present") == "0,1\n1.0,1.0"
    assert read(writer(0, 2), "text/csv; header=present").equals(frame)


def test_an_array_or_list_of_one_dimension_is_one_row_and_a_series_one_column() -> None:
    codec = codecs.find("text/csv")
    assert codec.encode(np.array([1.0, 2.5])) == codec.encode([1.0, 2.5]) == b"1.0,2.5"
    assert codec.encode(pd.Series([1.0, 2.5])) == b"1.0\n2.5\n"
    assert written(np.array([1.0, 2.5])) == "1.0\n2.5"


def test_no_rows_and_no_columns_are_no_bytes() -> None:
    for table in (
        np.empty((0, 3)),
        np.empty((2, 0)),
        [],
        pd.DataFrame(),
        pd.DataFrame({"a": []}),
        sp.csr_matrix((0, 2)),
    ):
        assert written(table) == ""


def test_what_is_written_already_is_sent_as_it_is() -> None:
    codec = codecs.find("text/csv; charset=latin-1")
    assert codec.encode(b"\xff") == b"\xff"
    assert codec.encode("ä,1") == b"\xe4,1"
    assert codec.encode(io.StringIO("ä,1")) == b"\xe4,1"
    with pytest.raises(CodecError, match="dict is no rows"):
        codec.encode({"a": 1})


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=40), st.integers(1, 4))
def test_floats_have_pythons_repr(values: list[float], width: int) -> None:
    matrix = np.array(values * width).reshape(-1, width)
    wanted = [",".join(map(repr, row)) for row in matrix.tolist()]
    assert written(matrix).split("\n") == wanted
    assert written(pd.DataFrame(matrix).assign(t="t")).splitlines() == [f"{line},t" for line in wanted]


@pytest.mark.parametrize("width", [16, 32])
@given(data=st.data())
def test_narrow_floats_have_the_shortest_text_that_is_the_same_number(width: Any, data: st.DataObject) -> None:
    dtype = f"f{width // 8}"
    column = np.array(data.draw(st.lists(st.floats(width=width), min_size=1)), dtype=dtype)
    texts = written(column).split("\n")
    assert np.array_equal(np.array(texts, dtype=dtype), column, equal_nan=True)
    finite = [(text, cell) for text, cell in zip(texts, column, strict=True) if np.isfinite(cell)]
    assert all(("." in text or "e" in text) and len(text) <= len(repr(float(cell))) for text, cell in finite)


# -- the same bytes, however it is cut and whatever is installed ------------------------------------------------------

CELLS: dict[str, st.SearchStrategy[Any]] = {
    "float64": st.floats(),
    "float32": st.floats(width=32),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint8": st.integers(0, 255),
    "bool": st.booleans(),
    "boolean": st.none() | st.booleans(),
    "Int64": st.none() | st.integers(-(2**63), 2**63 - 1),
    "str": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    "object": st.none() | st.text('",\n\r a', max_size=4),
    "category": st.none() | st.sampled_from(["a", "b,c", ""]),
    "datetime64[ns]": st.none() | st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)),  # noqa: DTZ001
    "timedelta64[ns]": st.none() | st.timedeltas(dt.timedelta(-999), dt.timedelta(999)),
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(1, 8))
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5))
    return pd.DataFrame(
        {
            str(place): pd.Series(draw(st.lists(CELLS[kind], min_size=rows, max_size=rows)), dtype=kind)
            for place, kind in enumerate(kinds)
        }
    )


@pytest.mark.usefixtures("either_way")
def test_a_missing_category_is_an_empty_cell_whatever_the_categories_are() -> None:
    texts, dates = pd.Categorical(["a", None]), pd.Categorical(pd.to_datetime(["2020-01-01", None]))
    assert written(pd.DataFrame({"t": texts, "d": dates})) == "a,2020-01-01\n,\n"


@given(frames(), st.data())
def test_the_bytes_do_not_depend_on_where_the_table_is_cut(frame: pd.DataFrame, data: st.DataObject) -> None:
    writer = codecs.find("text/csv").writer(Table.of(frame))
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(frame)), max_size=3))), len(frame)]
    assert b"".join(writer(start, stop) for start, stop in pairwise(cuts)) == writer(0, len(frame))


@given(frames())
def test_arrow_makes_the_same_bytes(frame: pd.DataFrame) -> None:
    bodies = {}
    for way in WAYS:
        with pytest.MonkeyPatch.context() as patch:
            go(way, patch)
            bodies[way] = written(frame)
    assert bodies["Arrow"] == bodies["plain"]


@given(frames())
def test_the_standard_library_reads_the_rows_and_cells_that_were_written(frame: pd.DataFrame) -> None:
    rows = list(csv.reader(io.StringIO(written(frame), newline="")))
    assert [len(row) for row in rows] == [frame.shape[1]] * len(frame)
    for place, column in enumerate(frame):
        if isinstance(frame[column].dtype, pd.StringDtype):
            wanted = [
                "" if missing else cell for cell, missing in zip(frame[column], frame[column].isna(), strict=True)
            ]
            assert [row[place] for row in rows] == wanted


@pytest.mark.usefixtures("either_way")
def test_a_large_table_is_written_like_a_small_one() -> None:
    """Past every size at which something is written in blocks."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30_000, 4)) * 10.0 ** rng.integers(-9, 20, (30_000, 4)))
    frame["t"] = rng.choice(["a", "b,c", 'd"', ""], len(frame))
    assert written(frame) == frame.to_csv(header=False, index=False)


# -- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("0.1\n0.2\n0.3\n", [[0.1], [0.2], [0.3]]),
        ("0.1,0.2,0.3", [[0.1, 0.2, 0.3]]),
        ("1,2\r\n3,4\r\n", [[1, 2], [3, 4]]),
        ("1, 2\n3 ,4", [[1, 2], [3, 4]]),
        ("[0.25, 0.75],[0.5, 0.5]", [[0.25, 0.75], [0.5, 0.5]]),
        ("nan\n1.5\n", [[None], [1.5]]),
        ("1\n\n3\n", [[1], [None], [3]]),
        ("inf\n-inf\n", [[float("inf")], [float("-inf")]]),
        ("+1\n.5\n5.\n", [[1], [0.5], [5]]),
        ("1e3\n2E-2", [[1000], [0.02]]),
        ('"1.5"\n"2"', [[1.5], [2]]),
        ("9007199254740993\n1\n", [[9007199254740993], [1]]),
        ("18446744073709551615", [[18446744073709551615]]),
        ("\ufeff1\n2", [[1], [2]]),
        ("", []),
    ],
)
def test_numbers_are_read_as_an_array_of_two_dimensions(body: str, wanted: list[list[Any]]) -> None:
    array = read(body)
    assert isinstance(array, np.ndarray)
    assert array.ndim == 2
    assert [[None if np.isnan(cell) else cell for cell in row] for row in array.tolist()] == wanted


def test_anything_else_is_a_data_frame_with_a_type_for_each_column() -> None:
    frame = read('1,0.5,True,a\n,1.5,False,"b, ""c"""\n3,,True,\n')
    assert frame.dtypes.astype(str).tolist() == ["float64", "float64", "bool", "str"]
    assert frame.iloc[:, 3].tolist()[:2] == ["a", 'b, "c"']
    assert pd.isna(frame.iloc[2, 3])


def test_digits_are_never_lost() -> None:
    assert read("9007199254740993,0.5\n1,1.5").iloc[:, 0].tolist() == [9007199254740993, 1]
    assert read("123456789012345678901234567890\n1").iloc[:, 0].tolist() == [123456789012345678901234567890, 1]
    assert read("007\n042").iloc[:, 0].tolist() == ["007", "042"]
    assert read("1" * 5000 + ",2").iloc[0, 0] == "1" * 5000


def test_quoted_lists_stay_whole() -> None:
    frame = read('1,"[0.4, 0.6]"\n0,"[0.9, 0.1]"\n')
    assert frame.iloc[:, 1].tolist() == ["[0.4, 0.6]", "[0.9, 0.1]"]


def test_the_charset_of_the_content_type_is_respected() -> None:
    assert read("ä,1".encode("latin-1"), "text/csv; charset=latin-1").iloc[0, 0] == "ä"
    assert read("ä\nö".encode("utf-16"), "text/csv; charset=utf-16").iloc[1, 0] == "ö"
    with pytest.raises(CodecError, match="not utf-8 at byte 0"):
        read(b"\xff,1")
    with pytest.raises(CodecError, match=r"charset 'zip' .* is unknown"):
        read(b"a", "text/csv; charset=zip")


@pytest.mark.parametrize(("body", "told"), [("1,2\n3\n", "line 2 has 1 cells where 2"), ("a,b\n\nc,d", "line 2 has 1")])
def test_lines_of_different_lengths_are_named(body: str, told: str) -> None:
    with pytest.raises(CodecError, match=told):
        read(body)


@pytest.mark.parametrize("body", ['a"b,c\n', '"a\n', 'a,"b"c\n', '""a,b\n', '"a"\n"b'])
def test_quotation_marks_in_odd_places_are_read_as_the_standard_library_does(body: str) -> None:
    wanted = list(csv.reader(io.StringIO(body.rstrip("\n"), newline="")))
    assert read(body).to_numpy().tolist() == wanted


def test_a_blank_line_beside_a_bare_quotation_mark_is_a_missing_cell() -> None:
    assert read('a"b\n\nc\n')[0].astype(object).where(pd.notna, None).tolist() == ['a"b', None, "c"]


@given(st.lists(st.lists(st.text('ab",\r\n ', max_size=5), min_size=3, max_size=3), min_size=1, max_size=5))
def test_whatever_the_standard_library_writes_is_read_back(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([["x", *row, "x"] for row in rows])
    wanted = [[cell or None for cell in row] for row in rows]
    frame = read(out.getvalue())
    inner = frame.iloc[:, 1:-1].astype(object)
    assert inner.where(inner.notna(), None).to_numpy().tolist() == wanted


@given(st.lists(st.floats(), min_size=1), st.integers(1, 3))
def test_floats_are_read_back_to_the_last_bit(values: list[float], width: int) -> None:
    matrix = np.array(values * width).reshape(-1, width)
    back = read(written(matrix)).astype(float)
    same = matrix.view("u8") == back.view("u8")
    assert (same | (np.isnan(matrix) & np.isnan(back))).all()


SIZE = 1_000_000
HOSTILE = {
    "one line of a million empty cells": b"," * SIZE,
    "one line of a million texts": b"a," * SIZE,
    "quotation marks": b'"' * (SIZE + 1),
    "quoted starts": b'"a' * SIZE,
    "empty lines": b"\n" * SIZE + b"a",
    "brackets": b"[" * SIZE,
    "one number of a million digits": b"1" * SIZE,
    "half numbers": b"1e" * SIZE,
}


@pytest.mark.timeout(60)  # not a measurement: a reader with a quadratic step takes hours for these
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(CodecError):
        read(body)


# -- other charsets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "cp1252"])
@pytest.mark.parametrize("rows", [2, 20_000])
def test_a_table_is_written_in_the_charset_that_is_promised(charset: str, rows: int) -> None:
    codec = codecs.find(f"text/csv; header=present; charset={charset}")
    frame = pd.DataFrame({"Größe": ["groß", "klein"] * (rows // 2), "n": [1.5, 2.5] * (rows // 2)})
    written = codec.encode(frame)
    assert written.decode(charset) == codecs.find("text/csv; header=present").encode(frame).decode()
    pd.testing.assert_frame_equal(codec.decode(written), frame, check_dtype=False, check_column_type=False)


@pytest.mark.parametrize("frame", [pd.DataFrame({"a": [1, 2], "b": ["x", "✓"]}), pd.DataFrame({"b": ["x", 5, "✓"]})])
def test_what_a_charset_lacks_is_refused_by_the_name_of_its_column(frame: pd.DataFrame) -> None:
    with pytest.raises(CodecError, match=r"column 'b': '✓' has no bytes in iso8859-1.*charset=utf-8"):
        codecs.find("text/csv; charset=latin-1").writer(Table.of(frame))
    headed = frame.rename(columns={"b": "✓"}).head(1)
    assert codecs.find("text/csv; charset=latin-1").encode(headed)
    with pytest.raises(CodecError, match="column '✓'"):
        codecs.find("text/csv; header=present; charset=latin-1").encode(headed)


def test_arrays_of_no_rows_are_no_bytes() -> None:
    for shape in ((0,), (0, 2), (0, 2, 3), (2, 0)):
        assert codecs.find("text/csv").encode(np.empty(shape)).strip() == b""


# -- as the embedded runtime replies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        ("text/csv", "text/csv; charset=utf-8", "ä\nö\n".encode()),
        ("text/csv; header=present", "text/csv; charset=utf-8; header=present", "x\nä\nö\n".encode()),
        ("text/csv; charset=latin-1", "text/csv; charset=latin-1", "ä\nö\n".encode("latin-1")),
    ],
)
def test_the_embedded_runtime_says_how_its_rows_are_read(accept: str, content_type: str, body: bytes) -> None:
    answers = pd.DataFrame({"x": ["ä", "ö"]})
    assert encode(answers, accept=accept, content_type=None, tabular=True) == (body, content_type)


def test_a_header_that_is_not_unicode_names_its_column() -> None:
    table = pd.DataFrame([[1, 2]], columns=pd.Index(["\ud83d", "b"], dtype=object))
    with pytest.raises(CodecError, match="half of a surrogate pair") as caught:
        codecs.find("text/csv; header=present").encode(table)
    assert caught.value.column == "\ud83d"
    assert codecs.find("text/csv").encode(table) == b"1,2\n"
