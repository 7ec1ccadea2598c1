"""Triton's protocol, KServe v2: as JSON, and as a JSON header with raw tensors behind it."""

from __future__ import annotations

import json
import struct
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest

from smrt_jupyter.codecs.triton import Triton
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table

BINARY = "application/vnd.sagemaker-triton.binary+json"
DTYPES = ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


def reply(outputs: list[dict[str, Any]], *raw: bytes) -> tuple[Triton, bytes]:
    """What Triton itself sends: a header without padding, whose length the content type names."""
    header = json.dumps({"model_name": "m", "model_version": "1", "outputs": outputs}).encode()
    return Triton(f"{BINARY};json-header-size={len(header)}"), header + b"".join(raw)


def output(datatype: str, shape: Any, size: Any) -> dict[str, Any]:
    return {"name": "o", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}


def split(body: bytes) -> tuple[dict[str, Any], bytes]:
    return json.loads(body[:1024]), body[1024:]


def test_the_content_type_tells_the_length_of_the_header_before_there_is_one() -> None:
    codec = Triton()
    assert codec.media_type.text == f"{BINARY};json-header-size=1024"
    header, raw = split(codec.encode(np.array([[1.0, 2.0]], dtype="float32")))
    assert header["inputs"] == [
        {"name": "INPUT__0", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    ]
    assert raw == struct.pack("<ff", 1, 2)


def test_every_chunk_has_a_header_of_the_same_length() -> None:
    write = Triton(f"{BINARY};json-header-size=300").writer(Table.of(np.ones((1000, 3))))
    for start, stop in ((0, 1), (1, 1000)):
        assert json.loads(write(start, stop)[:300])["inputs"][0]["shape"] == [stop - start, 3]


@pytest.mark.parametrize("content_type", [BINARY, "application/json"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_datatype_comes_back_as_it_was(content_type: str, dtype: str) -> None:
    array = np.array([[0, 1], [1, 100]]).astype(dtype)
    back = Triton(content_type).decode(Triton(content_type).encode({"x": array}))["x"]
    assert back.dtype == array.dtype
    assert np.array_equal(array, back)


def test_floats_come_back_to_the_last_bit() -> None:
    array = np.random.default_rng(0).integers(0, 2**64, size=(50, 2), dtype=np.uint64).view(np.float64)
    assert Triton().decode(Triton().encode({"x": array}))["x"].tobytes() == array.tobytes()
    finite = array[np.isfinite(array).all(axis=1)]
    codec = Triton("application/json")
    assert codec.decode(codec.encode({"x": finite}))["x"].tobytes() == finite.tobytes()


@pytest.mark.parametrize("content_type", [BINARY, "application/json"])
def test_a_table_of_several_types_becomes_one_input_a_column(content_type: str) -> None:
    frame = pd.DataFrame({"age": [31, 54], "plan": ["basic", "größer"], "paid": [True, False]})
    back = Triton(content_type).decode(Triton(content_type).encode(frame))
    assert {name: values.tolist() for name, values in back.items()} == {
        "age": [[31], [54]],
        "plan": [["basic"], ["größer"]],
        "paid": [[True], [False]],
    }


def test_columns_become_inputs_when_there_is_no_input_for_the_whole() -> None:
    header, _ = split(Triton(input_name=None).encode(pd.DataFrame({"a": [1.0], "b": [2.0]})))
    assert [each["name"] for each in header["inputs"]] == ["a", "b"]


def test_the_reply_of_a_server_is_read() -> None:
    codec, body = reply(
        [
            output("FP32", [2, 1], 8),
            output("BYTES", [1], 7) | {"name": "text"},
            output("BF16", [1], 2) | {"name": "half"},
        ],
        struct.pack("<ff", 0.25, 0.5),
        struct.pack("<I", 3) + b"yes",
        b"\x80\x3f",
    )
    value = codec.decode(body)
    assert value["o"].tolist() == [[0.25], [0.5]]
    assert value["text"].tolist() == ["yes"]
    assert value["half"].tolist() == [1.0]


def test_tensors_in_json_may_be_nested_or_flat() -> None:
    message = {"outputs": [{"name": "o", "datatype": "INT32", "shape": [2, 2], "data": [[1, 2], [3, 4]]}]}
    nested = Triton("application/json").decode(json.dumps(message).encode())["o"]
    message["outputs"][0]["data"] = [1, 2, 3, 4]
    assert np.array_equal(nested, Triton("application/json").decode(json.dumps(message).encode())["o"])


def test_a_whole_message_keeps_what_else_it_says() -> None:
    message = {
        "id": "7",
        "parameters": {"sequence_id": 3},
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [0.5]}],
    }
    header, raw = split(Triton().encode(message))
    assert header["id"] == "7"
    assert header["parameters"] == {"binary_data_output": True, "sequence_id": 3}
    assert raw == struct.pack("<f", 0.5)


@pytest.mark.parametrize(
    ("frame", "column"),
    [
        (pd.DataFrame({"a": ["x"], "b": pd.to_datetime(["2020-01-01"])}), "b"),
        (pd.DataFrame({"a": ["x"], "b": pd.array([None], dtype="Int64")}), "b"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]}), "b"),
    ],
)
def test_a_column_that_cannot_be_carried_is_named(frame: pd.DataFrame, column: str) -> None:
    with pytest.raises(CodecError) as caught:
        Triton().writer(Table.of(frame))
    assert column == caught.value.column


def test_a_header_too_long_for_its_promise_says_what_to_promise() -> None:
    with pytest.raises(CodecError, match=r"content_type=.*json-header-size=196"):
        Triton(f"{BINARY};json-header-size=20").encode({"x": np.ones(1)})


def test_json_refuses_what_it_has_no_word_for() -> None:
    with pytest.raises(CodecError, match="NaN"):
        Triton("application/json").encode({"x": np.array([np.nan])})


@pytest.mark.parametrize(
    ("described", "raw"),
    [
        (output("FP32", [2], 8), b"1234"),
        (output("FP32", [3], 8), bytes(8)),
        (output("FP32", [-2], 8), bytes(8)),
        (output("FP32", [1 << 62, 1 << 62], 8), bytes(8)),
        (output("FP32", [0, 1 << 200], 0), b""),
        (output("FP32", "2", 8), bytes(8)),
        (output("FP32", [2], -8), bytes(8)),
        (output("FP32", [2], "8"), bytes(8)),
        (output("COMPLEX", [1], 8), bytes(8)),
        (output("BYTES", [1], 6), b"\xff\xff\xff\xffab"),
        (output("BYTES", [2], 7), struct.pack("<I", 3) + b"yes"),
        ({"name": "o", "datatype": "INT8", "shape": [1], "data": [300]}, b""),
        ({"name": "o", "datatype": "INT8", "shape": [1], "data": ["1"]}, b""),
        ({"name": "o", "datatype": "INT8", "shape": [1]}, b""),
        ({"name": "o"}, b""),
    ],
)
def test_a_broken_tensor_is_refused(described: dict[str, Any], raw: bytes) -> None:
    codec, body = reply([described], raw)
    tracemalloc.start()
    with pytest.raises(CodecError, match="'o'"):
        codec.decode(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000


@pytest.mark.parametrize("body", [b"[]", b"{}", b"{", b'{"outputs": 1}', b'{"outputs": [1]}', b"[" * 20_000, b"\xff"])
def test_a_broken_message_is_refused(body: bytes) -> None:
    for codec in (Triton("application/json"), Triton(f"{BINARY};json-header-size={len(body)}"), Triton()):
        with pytest.raises(CodecError):
            codec.decode(body)


def test_a_length_that_is_no_number_is_refused() -> None:
    with pytest.raises(CodecError, match="no number of bytes"):
        Triton(f"{BINARY};json-header-size=1e3").decode(b"{}")


def test_columns_of_one_name_are_not_one_input() -> None:
    with pytest.raises(CodecError, match="column 'a': two columns have this name"):
        Triton().encode(pd.DataFrame([[1, "x"]], columns=["a", "a"]))


def test_text_that_is_not_unicode_names_its_column() -> None:
    with pytest.raises(CodecError, match="column 't': the text holds"):
        Triton().encode(pd.DataFrame({"t": pd.Series(["\ud83d"], dtype=object)}))
