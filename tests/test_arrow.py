"""Parquet and Arrow: read by pyarrow itself, and back again; and what is refused."""

from __future__ import annotations

import datetime as dt
import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smrt_jupyter.codecs.arrow import ArrowFile, ArrowStream, Parquet
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table

if TYPE_CHECKING:
    from smrt_jupyter.codecs.base import Codec

CODECS = [Parquet, ArrowStream, ArrowFile]
MOMENTS = pd.to_datetime(["2020-01-02 00:00", "2021-03-04 05:06"])
FRAME = pd.DataFrame(
    {
        "age": [31, 54],
        "id": [2**53 + 1, -(2**63)],
        "income": [0.1, np.nan],
        "member": pd.array([True, None], dtype="boolean"),
        "visits": pd.array([2**53 + 1, None], dtype="Int64"),
        "plan": ["a", None],
        "when": MOMENTS,
        "local": MOMENTS.tz_localize("Europe/Berlin"),
        "spent": pd.to_timedelta(["1s", "2days"]),
        "sort": pd.Categorical(["x", "y"]),
        "day": [dt.date(2020, 1, 2), None],
        "tags": [np.array([1, 2]), np.array([3])],
    },
    index=["p", "q"],
)


def read(codec: type[Codec], body: bytes) -> Any:
    """What pyarrow makes of a body without our help."""
    if codec is Parquet:
        return pq.read_table(io.BytesIO(body))
    return (pa.ipc.open_stream if codec is ArrowStream else pa.ipc.open_file)(body).read_all()


@pytest.mark.parametrize("codec", CODECS)
def test_a_frame_comes_back_with_its_types_and_without_its_index(codec: type[Codec]) -> None:
    back = codec().decode(codec().encode(FRAME))
    pd.testing.assert_frame_equal(FRAME.reset_index(drop=True), back)


@pytest.mark.parametrize("codec", CODECS)
def test_pyarrow_reads_what_is_written(codec: type[Codec]) -> None:
    table = read(codec, codec().encode(FRAME))
    assert table.column_names == list(FRAME.columns)
    assert table["visits"].to_pylist() == [2**53 + 1, None]
    assert table["plan"].to_pylist() == ["a", None]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame({"a": [1, None], "b": ["x", "y"]}),
        pl.Series("a", [1.5, 2.5]),
        pa.table({"a": [1, None]}),
        pd.Series([1, 2], name="a"),
        np.array([[1.0, np.nan]]),
        np.array([1, 2, 3]),
        [[1, "a"], [2, None]],
        [{"a": 1, "b": None}, {"a": 2, "b": None}],
    ],
    ids=lambda table: type(table).__name__,
)
def test_every_sort_of_table_can_be_sent(codec: type[Codec], table: Any) -> None:
    whole = Table.of(table)
    back: Any = codec().decode(codec().encode(table))
    assert back.shape == (len(whole), whole.width)
    assert list(back.columns) == [str(whole.label(place)) for place in range(whole.width)]


def test_nan_of_an_array_stays_nan_and_nan_of_a_frame_is_missing() -> None:
    assert read(Parquet, Parquet().encode(np.array([[np.nan]])))["0"].null_count == 0
    assert read(Parquet, Parquet().encode(pd.DataFrame({"a": [np.nan]})))["a"].null_count == 1


@pytest.mark.parametrize("codec", CODECS)
def test_every_chunk_has_the_schema_of_the_whole(codec: type[Codec]) -> None:
    """The first chunk of this column holds nothing, by which alone no type can be told."""
    frame = pd.DataFrame({"a": [None, None, "x"], "b": [None, 1, 2.5]}, dtype=object)
    write = codec().writer(Table.of(frame))
    parts = [read(codec, write(row, row + 1)) for row in range(3)]
    assert len({str(part.schema) for part in parts}) == 1
    assert pa.concat_tables(parts)["b"].to_pylist() == [None, 1, 2.5]


@pytest.mark.parametrize(
    "column",
    [pd.Series([1, "x"], dtype=object), pd.Series(pd.period_range("2020", periods=2, freq="D")), pd.Series([1j, 2])],
)
def test_a_column_that_cannot_be_carried_is_named(column: Any) -> None:
    with pytest.raises(CodecError) as caught:
        Parquet().writer(Table.of(pd.DataFrame({"fine": [1, 2], "odd": column})))
    assert caught.value.column == "odd"


def test_feather_is_an_arrow_file() -> None:
    body = io.BytesIO()
    pd.DataFrame({"a": ["x"] * 1000}).to_feather(body)
    assert ArrowFile().decode(body.getvalue()).shape == (1000, 1)


def test_repeated_names_stay_repeated() -> None:
    frame = pd.DataFrame([[1, 2.5]], columns=["a", "a"])
    assert list(ArrowStream().decode(ArrowStream().encode(frame)).columns) == ["a", "a"]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("body", [b"", b"PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"{}" * 50])
def test_another_format_is_refused(codec: type[Codec], body: bytes) -> None:
    with pytest.raises(CodecError):
        codec().decode(body)


def parquet(table: pa.Table, **options: Any) -> bytes:
    body = io.BytesIO()
    pq.write_table(table, body, **options)
    return body.getvalue()


BOMBS = {
    "rows that take no bytes": lambda: parquet(pa.table({"a": pa.nulls(20_000_000)})),
    "one number ten million times": lambda: parquet(pa.table({"a": pa.array(np.zeros(10_000_000))})),
    "a long text, said often": lambda: parquet(
        pa.table({"a": pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, "i4")), ["x" * 100_000])})
    ),
    "texts that differ in their ends": lambda: parquet(
        pa.table({"a": ["x" * 20_000 + str(n) for n in range(5_000)]}),
        use_dictionary=False,
        column_encoding={"a": "DELTA_BYTE_ARRAY"},
    ),
    "a long text in lists": lambda: parquet(
        pa.table({"a": pa.array([["x" * 100_000] * 20] * 500)}), compression="zstd"
    ),
    "zeros, compressed": lambda: parquet(
        pa.table({"a": np.zeros(12_000_000)}), use_dictionary=False, compression="zstd"
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_in_parquet_is_refused(name: str) -> None:
    body = BOMBS[name]()
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(CodecError, match="limit"):
        Parquet().decode(body)
    assert pa.default_memory_pool().max_memory() <= max(before, 64 << 20)


def test_a_page_that_claims_gigabytes_is_refused() -> None:
    """The claim is in front of the page, where no metadata tells of it."""
    body = bytearray(parquet(pa.table({"a": np.arange(1000.0)}), use_dictionary=False, compression="zstd"))
    place = pq.read_metadata(io.BytesIO(body)).row_group(0).column(0).data_page_offset
    assert bytes(body[place : place + 3]) == b"\x15\x00\x15"
    end = place + 3
    while body[end] & 0x80:
        end += 1
    claim = 2_000_000_000 << 1
    varint = bytearray()
    while claim > 0x7F:
        varint.append(claim & 0x7F | 0x80)
        claim >>= 7
    varint.append(claim)
    with pytest.raises(CodecError, match="limit"):
        Parquet().decode(bytes(body[: place + 3] + varint + body[end + 1 :]))


def test_a_constant_column_is_no_bomb() -> None:
    """A hundred thousand equal answers take some hundred bytes of Parquet."""
    body = parquet(pa.table({"label": ["stays"] * 100_000, "score": np.ones(100_000)}))
    assert len(body) < 5_000
    assert Parquet().decode(body).shape == (100_000, 2)


@pytest.mark.parametrize(("codec", "new"), [(ArrowStream, pa.ipc.new_stream), (ArrowFile, pa.ipc.new_file)])
def test_a_decompression_bomb_in_arrow_is_refused(codec: type[Codec], new: Any) -> None:
    table = pa.table({"a": np.zeros(20_000_000)})
    body = io.BytesIO()
    with new(body, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    with pytest.raises(CodecError, match="limit"):
        codec().decode(body.getvalue())


@pytest.mark.parametrize(("codec", "new"), [(ArrowStream, pa.ipc.new_stream), (ArrowFile, pa.ipc.new_file)])
def test_nulls_that_take_no_bytes_are_counted(codec: type[Codec], new: Any) -> None:
    lists = pa.FixedSizeListArray.from_arrays(pa.nulls(100_000_000), 100_000_000)
    for table in (pa.table({"a": pa.nulls(100_000_000)}), pa.table({"a": lists})):
        body = io.BytesIO()
        with new(body, table.schema) as writer:
            writer.write_table(table)
        with pytest.raises(CodecError, match="limit"):
            codec().decode(body.getvalue())


UNION = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
INTERVAL = pa.array([(1, 2, 3)], type=pa.month_day_nano_interval())


@pytest.mark.parametrize("odd", [UNION, INTERVAL, pa.array([[(1, 2, 3)]], type=pa.list_(INTERVAL.type))])
def test_types_that_are_not_plain_are_refused_by_the_name_of_their_column(odd: Any) -> None:
    table = pa.table({"odd": odd})
    body = io.BytesIO()
    with pa.ipc.new_stream(body, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(CodecError, match=r"column 'odd'.*not a plain type"):
        ArrowStream().decode(body.getvalue())


def test_what_is_parquet_already_goes_out_as_it_is(tmp_path: Any) -> None:
    file = tmp_path / "table.parquet"
    file.write_bytes(parquet(pa.table({"a": [1]})))
    assert Parquet().encode(file) == file.read_bytes()


def test_offsets_outside_of_their_text_are_refused() -> None:
    body = bytearray(ArrowStream().encode(pa.table({"a": ["abc", "defg"]})))
    place = body.rindex(struct.pack("<iii", 0, 3, 7))
    body[place + 4 : place + 8] = struct.pack("<i", 1_000_000)
    with pytest.raises(CodecError, match=r"is not application/vnd\.apache\.arrow\.stream"):
        ArrowStream().decode(bytes(body))


@pytest.mark.parametrize("codec", CODECS)
def test_a_name_that_is_not_unicode_is_told(codec: type[Codec]) -> None:
    with pytest.raises(CodecError, match="half of a surrogate pair") as caught:
        codec().encode(pd.DataFrame([[1]], columns=pd.Index(["\ud83d"], dtype=object)))
    assert caught.value.column == "\ud83d"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("series", [pl.Series("s", [2**100]), pl.Series("s", [object()])], ids=["Int128", "Object"])
def test_what_polars_alone_has_is_refused_by_its_name(codec: type[Codec], series: pl.Series) -> None:
    for table in (series, pl.DataFrame({"x": [1], "s": series})):
        with pytest.raises(
            CodecError, match=f"column 's': Arrow cannot carry it: it is polars' {series.dtype}\\. Give"
        ):
            codec().encode(table)
