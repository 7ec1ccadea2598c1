"""recordio-protobuf: what is written, what is read, and what is refused; the SDK's bytes are in test_golden_sdk.py."""

from __future__ import annotations

import base64
import struct
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from smrt_jupyter.codecs.recordio import RecordIO
from smrt_jupyter.codecs.recordio_frames import FEATURES, frames
from smrt_jupyter.codecs.recordio_walk import walk
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table

# From the service's documentation and the SDK, executed: see vectors.jsonl.
SPARSE_REQUEST = base64.b64decode("CiPXzh8AAAAKHQoGdmFsdWVzEhMSEQoIAACAPwAAgEASAgIEGgEFAA==")
SCORE_RESPONSE = base64.b64decode("CiPXzhMAAAASEQoFc2NvcmUSCBIGCgTNzMw+AA==")


def record(payload: bytes, flag: int = 0) -> bytes:
    return struct.pack("<II", 0xCED7230A, flag << 29 | len(payload)) + payload + bytes(-len(payload) % 4)


def varint(value: int) -> bytes:
    """Write a number as protobuf's documentation has it: negative ones as 64 bits."""
    value &= 2**64 - 1
    return bytes([value]) if value < 128 else bytes([value & 0x7F | 0x80]) + varint(value >> 7)


def field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def integers(values: list[int]) -> bytes:
    """Write the record of one row of int32, number by number."""
    packed = b"".join(map(varint, values))
    tensor = field(7, field(1, packed) if values else b"")
    return record(field(1, field(1, b"values") + field(2, tensor)))


def label(name: str, value: bytes) -> bytes:
    return field(2, field(1, name.encode()) + field(2, value))


def test_a_sparse_row_is_written_as_the_documentation_has_it() -> None:
    matrix = sp.csr_matrix(([1.0, 4.0], [2, 4], [0, 2]), shape=(1, 5), dtype="float32")
    assert RecordIO().encode(matrix) == SPARSE_REQUEST


def test_the_answer_of_linear_learner_is_read_by_its_name() -> None:
    value = RecordIO().decode(SCORE_RESPONSE * 3)
    assert list(value) == ["score"]
    assert np.array_equal(np.float32([0.4] * 3), value["score"])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_a_matrix_comes_back_as_it_was(dtype: str) -> None:
    matrix = (np.random.default_rng(0).normal(size=(50, 7)) * 1000).astype(dtype)
    back = RecordIO().decode(RecordIO().encode(matrix))
    assert back.dtype == dtype
    assert np.array_equal(matrix, back)


def test_floats_come_back_to_the_last_bit() -> None:
    bits = np.random.default_rng(1).integers(0, 2**64, size=(100, 10), dtype=np.uint64)
    matrix = bits.view(np.float64)
    assert bits.tobytes() == RecordIO().decode(RecordIO().encode(matrix)).tobytes()


INT32 = st.integers(-(2**31), 2**31 - 1) | st.sampled_from(
    [sign * 2**bits + near for bits in (0, 7, 14, 21, 28, 30) for sign in (1, -1) for near in (-1, 0, 1)]
    + [2**31 - 1, -(2**31)]
)


@given(st.integers(0, 40).flatmap(lambda width: st.lists(st.lists(INT32, min_size=width, max_size=width), min_size=1)))
def test_integers_are_protobufs_own_and_come_back(rows: list[list[int]]) -> None:
    matrix = np.array(rows, np.int32)
    body = b"".join(map(integers, rows))
    assert body == frames([(FEATURES, "values", matrix)])
    assert walk(body) is not None
    back = RecordIO().decode(body)
    assert back.dtype == np.int32
    assert np.array_equal(matrix, back)


@given(st.lists(st.lists(INT32, max_size=30), min_size=1))
def test_rows_of_integers_need_not_be_as_long(rows: list[list[int]]) -> None:
    back = RecordIO().decode(b"".join(map(integers, rows)))
    assert rows == [each.tolist() for each in back]


@given(st.integers(1, 9).flatmap(lambda width: st.lists(st.lists(INT32, min_size=width, max_size=width), min_size=1)))
def test_sparse_integers_come_back(rows: list[list[int]]) -> None:
    matrix = sp.csr_matrix(np.array(rows, np.int32))
    body = RecordIO().encode(matrix)
    assert walk(body) is not None
    back = RecordIO().decode(body)
    assert np.array_equal(rows, back.toarray() if sp.issparse(back) else back)


@pytest.mark.parametrize("value", [1, 200, -1])
@pytest.mark.parametrize("length", [127, 128, 16_383, 16_384])
def test_a_length_may_need_one_byte_more(length: int, value: int) -> None:
    """Every length around the values crosses the border somewhere in here, in one block with records that do not."""
    size = len(varint(value))
    for width in range((length - 40) // size, length // size + 2):
        matrix = np.full((3, width), value)
        matrix[1, :] = 3
        body = b"".join(integers(row) for row in matrix.tolist())
        assert body == RecordIO().encode(matrix)
        assert np.array_equal(matrix, RecordIO().decode(body))


def test_integers_of_many_blocks_are_those_of_each_row() -> None:
    chance = np.random.default_rng(3)
    matrix = (chance.normal(size=(5_000, 40)) * 10.0 ** chance.integers(0, 9, size=(5_000, 1))).astype(np.int32)
    body = RecordIO().encode(matrix)
    assert body == b"".join(integers(row) for row in matrix.tolist())
    assert np.array_equal(matrix, RecordIO().decode(body))
    one_row = matrix.reshape(1, -1)
    assert np.array_equal(one_row, RecordIO().decode(RecordIO().encode(one_row)))


def test_records_that_are_made_in_another_way_are_read_one_by_one() -> None:
    """The shape stands in front of the values, or the values are in two runs: all of it is protobuf."""
    turned = record(label("n", field(7, field(3, b"\x02") + field(1, varint(-1) + varint(300)))))
    halves = record(label("n", field(7, field(1, varint(-1)) + field(1, varint(300)) + field(3, b"\x02"))))
    usual = record(label("n", field(7, field(1, varint(-1) + varint(300)) + field(3, b"\x02"))))
    assert [walk(body) is None for body in (turned, halves, usual, usual + turned)] == [True, True, False, True]
    for body in (turned, halves, usual):
        assert RecordIO().decode(body + usual)["n"].tolist() == [[-1, 300]] * 2


def test_a_record_of_many_fields_is_read_on_its_own() -> None:
    """Side by side it would take a second for each ten thousand."""
    payload = record(b"".join(label(f"n{place}", field(7, field(1, b"\x01"))) for place in range(70)))
    assert walk(payload) is None
    assert len(RecordIO().decode(payload)) == 70


def test_the_magic_number_among_the_values_ends_no_record() -> None:
    floats = np.frombuffer(struct.pack("<I", 0xCED7230A) * 6, "<f4")
    bodies = [RecordIO().encode({"score": floats[:size].reshape(1, -1)}) for size in (4, 5, 6)]
    back = RecordIO().decode(b"".join(bodies))["score"]
    assert [each.tobytes() for each in back] == [floats[:size].tobytes() for size in (4, 5, 6)]


def test_a_label_of_integers_stands_beside_floats() -> None:
    frame = pd.DataFrame({"y": [1, -1, 300], "a": [0.5, 1.5, 2.5]})
    body = RecordIO(label="y").encode(frame)
    assert walk(body) is not None
    back = RecordIO().decode(body)
    assert back["label"].tolist() == [1, -1, 300]
    assert back["values"].tolist() == [[0.5], [1.5], [2.5]]


def test_rows_without_any_value_stay_rows() -> None:
    matrix = sp.csr_matrix(np.array([[0, 0.0], [0, 1.5], [0, 0]]))
    back = RecordIO().decode(RecordIO().encode(matrix))
    assert back.shape == (3, 2)
    assert np.array_equal(matrix.toarray(), back.toarray())
    assert RecordIO().decode(RecordIO().encode(sp.csr_matrix((4, 9)))).shape == (4, 9)


def test_chunks_put_together_are_the_whole() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [1.5, None, 2.5], "c": pd.array([1, None, 3], dtype="Int64")})
    write = RecordIO().writer(Table.of(frame))
    assert write(0, 3) == write(0, 1) + write(1, 2) + write(2, 3)


def test_every_table_of_the_same_numbers_has_the_same_bytes() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.5]})
    expected = RecordIO().encode(frame.to_numpy())
    for table in (frame, pl.from_pandas(frame), frame.to_numpy().tolist(), np.asfortranarray(frame.to_numpy())):
        assert expected == RecordIO().encode(table)


def test_integers_booleans_and_missing_numbers_share_a_table_of_floats() -> None:
    frame = pd.DataFrame({"n": [1, -2], "flag": [True, False], "x": [None, 0.5], "none": [None, None]})
    back = RecordIO().decode(RecordIO().encode(frame))
    assert np.array_equal([[1, 1, np.nan, np.nan], [-2, 0, 0.5, np.nan]], back, equal_nan=True)


def test_linear_learner_gets_the_float32_that_it_asks_for() -> None:
    body = RecordIO(dtype="float32").encode(pd.DataFrame({"a": [1, 2], "b": [0.1, 0.2]}))
    assert RecordIO().decode(body).dtype == np.float32


def test_one_column_becomes_the_label() -> None:
    frame = pd.DataFrame({"y": [1, 0], "a": [0.5, 1.5]})
    back = RecordIO().decode(RecordIO(label="y").encode(frame))
    assert np.array_equal([[0.5], [1.5]], back["values"])
    assert back["label"].tolist() == [1, 0]
    sparse = RecordIO().decode(RecordIO(label=0).encode(sp.csr_matrix(frame.to_numpy())))
    assert np.array_equal([[0.5], [1.5]], sparse["values"].toarray())
    assert sparse["label"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("frame", "column"),
    [
        (pd.DataFrame({"a": [1.0], "b": ["x"]}), "b"),
        (pd.DataFrame({"a": [1.0], "b": pd.to_datetime(["2020-01-01"])}), "b"),
        (pd.DataFrame({"a": [1], "b": [2**31]}), "b"),
        (pd.DataFrame({"a": [0.5], "b": [2**53 + 1]}), "b"),
        (pd.DataFrame({"a": [0.5], "b": [[1, 2]]}), "b"),
    ],
)
def test_a_column_that_cannot_be_carried_is_named(frame: pd.DataFrame, column: str) -> None:
    with pytest.raises(CodecError) as caught:
        RecordIO().writer(Table.of(frame))
    assert column == caught.value.column


def test_a_float_too_large_for_float32_is_refused() -> None:
    with pytest.raises(CodecError, match="1e\\+300 does not fit into float32"):
        RecordIO(dtype="float32").encode(np.array([[1.0, 1e300]]))


def test_records_of_different_lengths_come_back_as_a_list() -> None:
    body = RecordIO().encode({"topics": [[1.0, 2.0]]}) + RecordIO().encode({"topics": [[3.0]]})
    first, second = RecordIO().decode(body)["topics"]
    assert first.tolist() == [1.0, 2.0]
    assert second.tolist() == [3.0]


def test_values_that_are_not_packed_are_read_too() -> None:
    """Old protobuf writers put a tag in front of each value."""
    floats = b"".join(b"\x0d" + struct.pack("<f", value) for value in (0.5, 1.5))
    assert RecordIO().decode(record(label("score", field(2, floats))))["score"].tolist() == [[0.5, 1.5]]


def test_a_tensor_has_the_shape_that_it_names() -> None:
    tensor = field(1, np.arange(6, dtype="<f4").tobytes()) + field(3, b"\x02\x03")
    body = record(label("target", field(2, tensor)))
    assert RecordIO().decode(body * 2)["target"].shape == (2, 2, 3)


def test_a_record_that_mxnet_has_cut_is_put_together() -> None:
    """The cut is wherever the payload holds the magic number, which is left out."""
    payload = label("score", field(2, field(1, struct.pack("<fIf", 1.0, 0xCED7230A, 2.0))))
    place = payload.index(struct.pack("<I", 0xCED7230A))
    cut = record(payload[:place], 1) + record(payload[place + 4 :], 3)
    assert RecordIO().decode(record(payload))["score"].tobytes() == RecordIO().decode(cut)["score"].tobytes()


def test_bytes_in_a_record_are_bytes() -> None:
    assert RecordIO().decode(record(label("image", field(9, field(1, b"\xff\xd8")))))["image"] == [b"\xff\xd8"]


@pytest.mark.parametrize(
    "body",
    [
        b"\x00" * 12,
        SCORE_RESPONSE[:-5],
        SCORE_RESPONSE + b"\x0a\x23",
        record(b"\x12\xff\xff\xff\xff\x0f"),
        record(b"\x0b"),
        record(label("score", field(2, field(1, b"\x00\x00\x80")))),
        record(label("score", field(7, field(1, b"\xff")))),
        record(label("score", field(7, field(1, b"\x01\x80")))) + record(label("score", field(7, field(1, b"\x01")))),
        record(label("score", field(7, field(1, b"\x80" * 10 + b"\x01")))),
        record(label("score", field(7, field(1, b"\x01")))) * 2 + record(label("score", field(7, b"\x0d\x01\0\0\0"))),
        record(label("score", field(2, field(1, bytes(4)) + field(2, b"\x01\x02")))),
        record(label("score", field(2, field(1, bytes(4)) + field(3, b"\x07")))),
        record(label("score", field(2, field(1, bytes(4)) + field(2, b"\x09") + field(3, b"\x07")))),
        record(label("score", field(2, field(1, bytes(3))))) + record(label("score", field(2, field(1, bytes(5))))),
        record(label("score", b"")),
        record(label("a", field(2, field(1, bytes(4))))) + record(label("b", field(2, field(1, bytes(4))))),
        record(label("a", field(2, field(1, bytes(8))))) + record(label("a", field(3, field(1, bytes(8))))),
        record(b"", 2),
        record(b"", 1),
    ],
)
def test_a_broken_body_is_refused(body: bytes) -> None:
    with pytest.raises(CodecError, match="is not recordio-protobuf"):
        RecordIO().decode(body)


@pytest.mark.parametrize(
    "body",
    [
        record(label("score", field(2, field(2, b"\x01" + b"\x00" * 60) + field(3, b"\xff" * 8 + b"\x7f")))),
        struct.pack("<II", 0xCED7230A, (1 << 29) - 1) + bytes(64),
        record(b"") * 50_000,
        record(label("n", field(7, field(1, b"\x01" * 100)))) * 5_000,
    ],
)
def test_no_length_is_believed_before_it_is_checked(body: bytes) -> None:
    tracemalloc.start()
    try:
        RecordIO().decode(body)
    except CodecError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_000_000 + 40 * len(body)


def test_what_is_recordio_already_goes_out_as_it_is() -> None:
    body: Any = bytearray(SCORE_RESPONSE)
    assert RecordIO().encode(body) == SCORE_RESPONSE


def test_no_rows_are_no_bytes() -> None:
    assert RecordIO().encode(np.empty((0, 3))) == b""
    assert RecordIO().decode(b"").shape == (0, 0)
