from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import io
import json
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
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table

BERLIN = dt.timezone(dt.timedelta(hours=1))
SECOND = dt.datetime(2024, 1, 2, 3, 4, 5)  # noqa: DTZ001 - as the wall clock shows it

# The table in the module's docstring: the cell and its JSON.
STORY: list[tuple[str, Any, str]] = [
    ("None", None, "null"),
    ("nan", float("nan"), "null"),
    ("pandas' NA", pd.NA, "null"),
    ("pandas' NaT", pd.NaT, "null"),
    ("True", True, "true"),
    ("False", False, "false"),
    ("an integer", 2**53 + 1, "9007199254740993"),
    ("a long integer", 2**70 + 1, "1180591620717411303425"),
    ("a decimal", decimal.Decimal("1.10"), "1.10"),
    ("a float", 0.1, "0.1"),
    ("a whole float", 2.0, "2.0"),
    ("text", 'say "hi"\n', '"say \\"hi\\"\\n"'),
    ("text beyond ASCII", "Größe", '"Größe"'),
    ("a date with a time", SECOND, '"2024-01-02T03:04:05"'),
    ("a date with a time zone", SECOND.replace(tzinfo=BERLIN), '"2024-01-02T03:04:05+01:00"'),
    ("a date", dt.date(2024, 1, 2), '"2024-01-02"'),
    ("a time", dt.time(3, 4, 5), '"03:04:05"'),
    ("a duration", pd.Timedelta("1 days 02:03:04"), '"1 days 02:03:04"'),
    ("a UUID", uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    ("a list", [1, None], "[1, null]"),
    ("a mapping", {"a": float("nan")}, '{"a": null}'),
    ("an array", np.array([1.5, 2.0]), "[1.5,2.0]"),
]
REFUSED = {
    "infinity": float("inf"),
    "an infinite decimal": decimal.Decimal("-Infinity"),
    "bytes": b"a",
    "a complex number": 1j,
    "an object": object(),
    "a list with an infinity": [1, float("inf")],
    "a mapping with bytes": {"a": b"a"},
}


def written(table: Any, content_type: str = "application/json", template: Any = None) -> str:
    seen = Table.of(table)
    return codecs.find(content_type, template=template).writer(seen)(0, len(seen)).decode()


def read(body: str | bytes, content_type: str = "application/json") -> Any:
    return codecs.find(content_type).decode(body if isinstance(body, bytes) else body.encode())


def same(sent: Any, got: Any) -> bool:
    """Compare two values of JSON: floats by their bits, and NaN as null."""
    if isinstance(sent, float) and math.isnan(sent):
        return got is None
    if isinstance(sent, float):
        return isinstance(got, float) and sent.hex() == got.hex()
    if isinstance(sent, list):
        return isinstance(got, list) and len(sent) == len(got) and all(map(same, sent, got))
    if isinstance(sent, dict):
        return isinstance(got, dict) and sent.keys() == got.keys() and all(same(sent[name], got[name]) for name in sent)
    return type(sent) is type(got) and bool(sent == got)


# -- what a cell becomes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "wanted"), [pytest.param(*row[1:], id=row[0]) for row in STORY])
def test_the_table_in_the_documentation_is_true(cell: Any, wanted: str) -> None:
    for beside in (0.5, "t"):
        frame = pd.DataFrame({"x": [beside], "c": pd.Series([cell], dtype=object)})
        assert written(frame) == f"[[{json.dumps(beside)},{wanted}]]"
        assert written(frame, "application/jsonlines") == f"[{json.dumps(beside)},{wanted}]"


@pytest.mark.parametrize("cell", REFUSED.values(), ids=REFUSED.keys())
def test_a_column_that_cannot_be_carried_is_named(cell: Any) -> None:
    frame = pd.DataFrame({"good": [1, 2], "bad": pd.Series([None, cell], dtype=object)})
    with pytest.raises(CodecError) as caught:
        written(frame)
    assert caught.value.column == "bad"


def test_an_infinity_is_found_in_the_whole_table_before_anything_is_written() -> None:
    frame = pd.DataFrame({"good": [1.0, 2.0], "bad": [0.5, -math.inf]})
    with pytest.raises(CodecError, match=r"column 'bad'.*infinity.*row 1"):
        codecs.find("application/json").writer(Table.of(frame))
    with pytest.raises(CodecError, match="infinity"):
        codecs.find("application/json").encode({"a": [1, math.inf]})


def test_typed_columns_follow_the_same_table_in_every_library() -> None:
    frame = pd.DataFrame(
        {
            "whole": pd.array([2**53 + 1, None], dtype="Int64"),
            "yes": pd.array([True, None], dtype="boolean"),
            "narrow": np.array([0.1, np.nan], dtype="float32"),
            "text": ["a", None],
            "code": pd.Categorical(["b", None]),
            "at": pd.to_datetime(["2024-01-02", None]),
        }
    )
    wanted = '[[9007199254740993,true,0.1,"a","b","2024-01-02T00:00:00"],[null,null,null,null,null,null]]'
    for table in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        assert written(table) == wanted


@given(st.lists(st.floats(allow_infinity=False), min_size=1, max_size=30), st.integers(1, 3))
def test_floats_are_read_back_to_the_last_bit(values: list[float], width: int) -> None:
    matrix = np.array(values * width).reshape(-1, width)
    for table in (matrix, pd.DataFrame(matrix).assign(t=1)):
        rows = [[*row, 1] if isinstance(table, pd.DataFrame) else row for row in matrix.tolist()]
        assert same(rows, json.loads(written(table)))
        assert same(rows, [json.loads(line) for line in written(table, "application/jsonlines").split("\n")])


@pytest.mark.parametrize("content_type", ["application/json", "application/jsonlines"])
@given(data=st.data())
def test_the_bytes_of_a_row_do_not_depend_on_where_the_table_is_cut(content_type: str, data: st.DataObject) -> None:
    moments = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))  # noqa: DTZ001 - naive on purpose
    rows = data.draw(st.lists(st.tuples(st.none() | st.integers(-9, 9), st.text(max_size=3), moments), min_size=1))
    frame = pd.DataFrame(rows, columns=["n", "t", "at"])
    writer = codecs.find(content_type).writer(Table.of(frame))
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(frame)), max_size=3))), len(frame)]
    parts = [writer(start, stop).decode() for start, stop in pairwise(cuts) if stop > start]
    separator = "," if content_type == "application/json" else "\n"
    inner = [part[1:-1] if separator == "," else part for part in parts]
    whole = writer(0, len(frame)).decode()
    assert separator.join(inner) == (whole[1:-1] if separator == "," else whole)


# -- the form of the whole --------------------------------------------------------------------------------------------


def test_tables_and_arrays_of_every_sort_are_a_list_of_rows() -> None:
    for table in (np.eye(2), pd.DataFrame(np.eye(2)), sp.csr_matrix(np.eye(2)), [[1.0, 0.0], [0.0, 1.0]]):
        assert written(table) == "[[1.0,0.0],[0.0,1.0]]"
    assert written(np.array([1, 2])) == "[[1],[2]]"
    assert written(np.array([[True, False]])) == "[[true,false]]"
    assert written(np.empty((0, 3))) == "[]"
    assert written(np.empty((0, 3)), "application/jsonlines") == ""
    assert codecs.find("application/json").encode(np.zeros((1, 2, 2))) == b"[[[0.0,0.0],[0.0,0.0]]]"
    assert (
        codecs.find("application/json").encode(np.asfortranarray(np.eye(2)).astype(">f4")) == b"[[1.0,0.0],[0.0,1.0]]"
    )


def test_plain_values_have_the_bytes_of_json_dumps() -> None:
    encode = codecs.find("application/json").encode
    for value in ({"a": [1, 2.5, None, True], "b": "ä"}, [1e-05, 1e16, 2**70], "text", 5, None, True, {}, [[]]):
        assert encode(value) == json.dumps(value).encode()


def test_values_of_numpy_and_pandas_are_written_at_any_depth() -> None:
    value = {
        "array": np.array([[1.5, np.nan]]),
        "numbers": [np.int64(1), np.float32(0.5), *np.array([True]), float("nan")],
        "frame": pd.DataFrame({"a": [1], "b": ["x"]}),
        "series": pd.Series([1, 2]),
        "at": pd.Timestamp("2024-01-02"),
        "gone": [pd.NA, pd.NaT],
        "amount": [decimal.Decimal("1.5"), decimal.Decimal(2**70)],
    }
    assert json.loads(codecs.find("application/json").encode(value)) == {
        "array": [[1.5, None]],
        "numbers": [1, 0.5, True, None],
        "frame": [[1, "x"]],
        "series": [[1], [2]],
        "at": "2024-01-02T00:00:00",
        "gone": [None, None],
        "amount": [1.5, 2**70],
    }


def test_what_json_has_no_word_for_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value in (b"a", {1, 2}, object(), {"a": 1j}, endless, {(1, 2): 3}):
        if isinstance(value, bytes):
            continue
        with pytest.raises(CodecError):
            codecs.find("application/json").encode(value)


def test_what_is_written_already_is_sent_as_it_is() -> None:
    for name in ("application/json", "application/jsonlines"):
        codec = codecs.find(name)
        assert codec.encode(b"{broken") == b"{broken"
        assert codec.encode(io.BytesIO(b"{}")) == b"{}"
        assert codec.encode('{"a":1}') == b'{"a":1}'
    assert codecs.find("application/json").encode("{not json") == b'"{not json"'
    assert codecs.find("application/jsonlines").encode('{"a":1}\n{"a":2}') == b'{"a":1}\n{"a":2}'


def test_each_item_of_a_list_is_a_line() -> None:
    codec = codecs.find("application/x-jsonlines")
    assert codec.encode([{"a": 1}, [2], "c", float("nan")]) == b'{"a": 1}\n[2]\n"c"\nnull'
    assert codec.encode({"a": 1}) == b'{"a": 1}'
    assert codec.encode([np.array([1.0]), np.array([2.0])]) == b"[1.0]\n[2.0]"


# -- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ('{"a": [1, 2.5, null, true, "ä"]}', {"a": [1, 2.5, None, True, "ä"]}),
        ("[Infinity, -Infinity]", [math.inf, -math.inf]),
        ("[18446744073709551616, -9223372036854775809]", [2**64, -(2**63) - 1]),
        (f"[{10**40}]", [10**40]),
        ("[0.000012345678901234567]", [1.2345678901234567e-05]),
        ("\ufeff[1]", [1]),
        (' "text" ', "text"),
    ],
)
def test_json_is_read_exactly(body: str, wanted: Any) -> None:
    assert read(body) == wanted
    assert read(body, "application/vnd.example+json; charset=utf-8") == wanted


def test_a_bare_nan_is_read() -> None:
    assert math.isnan(read('{"predictions": [{"score": NaN}]}')["predictions"][0]["score"])
    assert math.isnan(read('{"score": 1}\n{"score": NaN}', "application/jsonlines")[1]["score"])


def test_blank_lines_and_line_ends_of_any_sort_are_passed_over() -> None:
    assert read('\n{"a": 1}\r\n\n  \n{"a": 2}\n\n', "application/jsonlines") == [{"a": 1}, {"a": 2}]
    assert read("", "application/jsonlines") == []


@pytest.mark.parametrize("body", ["", "{", "[1,]", "nan", "1 2", '{"a": 1}{"a": 2}', '{"prob": [prob_1, prob_2]}'])
def test_what_is_not_json_is_refused_with_its_beginning(body: str) -> None:
    with pytest.raises(CodecError, match="not JSON"):
        read(body)


@pytest.mark.parametrize("body", ["1,2", "[1],[2]", '"a\nb"'])
def test_a_line_that_is_not_json_is_named_even_where_the_whole_would_be(body: str) -> None:
    with pytest.raises(CodecError, match="line 2"):
        read(f"[0]\n{body}", "application/jsonlines")


HOSTILE = {
    "depth": b"[" * 1_000_000,
    "objects in depth": b'{"a":' * 1_000_000,
    "depth with a NaN": b"[" * 1_000_000 + b"NaN",
    "digits": b"1" * 1_000_000,
    "digits after a NaN": b"[NaN," + b"1" * 1_000_000 + b"]",
    "not UTF-8": b'"\xff"',
    "half a surrogate pair": b'"\\ud800"',
}


@pytest.mark.timeout(60)  # not a measurement: a reader with a quadratic step takes hours for these
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("content_type", ["application/json", "application/jsonlines"])
def test_a_hostile_body_is_read_or_refused(body: bytes, content_type: str) -> None:
    with contextlib.suppress(CodecError):
        read(body, content_type)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
        max_leaves=20,
    )
)
def test_any_value_of_json_comes_back(value: Any) -> None:
    body = json.dumps(value).encode()  # what a container sends, bare NaN included
    assert repr(read(body)) == repr(json.loads(body))
    assert repr(read(body + b"\n" + body, "application/jsonlines")) == repr([json.loads(body)] * 2)


def test_a_codec_is_found_for_every_name_of_json_lines() -> None:
    for name in ("jsonlines", "x-jsonlines", "jsonl", "x-jsonl", "x-ndjson", "json-lines", "jsons"):
        assert codecs.find(f"application/{name}").encode([1, 2]) == b"1\n2"


@pytest.mark.parametrize("charset", ["latin-1", "ascii", "utf-16"])
def test_in_another_charset_all_text_is_escaped(charset: str) -> None:
    frame = pd.DataFrame({"a": ["Größe", "😀"], "b": [1, 2]})
    for content_type, value in (("application/json", frame), ("application/jsonlines", frame)):
        codec = codecs.find(f"{content_type}; charset={charset}")
        written = codec.encode(value)
        assert written.decode(charset).isascii()
        assert codec.decode(written) == [["Größe", 1], ["😀", 2]]
        assert codec.decode(codec.encode([["Größe"]])) == [["Größe"]]
    features = codecs.find(f"application/json; charset={charset}", template={"record_template": "$features_kvp"})
    assert features.decode(features.encode(pd.DataFrame({"Größe": ["ß"]}))) == [{"Größe": "ß"}]


@pytest.mark.parametrize(
    "cell",
    [
        [decimal.Decimal("Infinity")],
        {"x": decimal.Decimal("-Infinity")},
        {float("nan"): 1},
        {"x": {float("inf"): 1}},
        [np.array([np.inf])],
        [b"bytes"],
    ],
    ids=repr,
)
def test_what_json_has_no_word_for_is_found_inside_cells_before_anything_is_written(cell: Any) -> None:
    table = Table.of(pd.DataFrame({"a": [1, 2, 3], "inside": [[1.0], [2.0], cell]}))
    for content_type in ("application/json", "application/jsonlines"):
        with pytest.raises(CodecError, match="column 'inside'"):
            codecs.find(content_type).writer(table)
    with pytest.raises(CodecError):
        codecs.find("application/json").encode({"deep": cell})


def test_half_of_a_surrogate_pair_is_read() -> None:
    assert codecs.find("application/json").decode(rb'{"text": "a\ud83d"}') == {"text": "a\ud83d"}
    assert codecs.find("application/jsonlines").decode(b'"\\uD83D"\n"b"\n') == ["\ud83d", "b"]
    assert codecs.find("application/json").decode(rb'"\ud83d\ude00"') == "😀"
    with pytest.raises(CodecError, match="not JSON"):
        codecs.find("application/json").decode(rb'["\ud83d"')
