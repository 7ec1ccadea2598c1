"""Objects of the SageMaker SDK's kind work as they are; the real ones are in test_golden_sdk.py."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from smrt_jupyter import codecs
from smrt_jupyter.codecs.adapter import SdkAdapter
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table


class Semicolons:
    CONTENT_TYPE = "text/x-semicolons"

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer

    def serialize(self, data: Any) -> Any:
        return self.answer if self.answer is not None else data.to_csv(sep=";", index=False, header=False)


class Numbers:
    ACCEPT = ("text/csv", "text/plain")

    def __init__(self) -> None:
        self.stream: Any = None

    def deserialize(self, stream: Any, content_type: str) -> Any:
        self.stream, self.content_type = stream, content_type
        return [float(line) for line in stream.read().split()]


class Stream:
    ACCEPT = "*/*"

    def deserialize(self, stream: Any, content_type: str) -> Any:
        return stream, content_type


class Broken:
    CONTENT_TYPE = "text/x-broken"
    ACCEPT = "text/x-broken"

    def serialize(self, data: Any) -> Any:
        raise KeyError("no such thing")

    def deserialize(self, stream: Any, content_type: str) -> Any:
        self.stream = stream
        raise RuntimeError("not today")


@pytest.mark.parametrize("answer", [b"1;2", "1;2", bytearray(b"1;2"), io.BytesIO(b"1;2"), io.StringIO("1;2")])
def test_whatever_a_serializer_gives_becomes_bytes(answer: Any) -> None:
    assert SdkAdapter(Semicolons(answer)).encode(None) == b"1;2"


def test_a_serializer_gets_each_part_of_a_table_in_the_users_own_library() -> None:
    write = SdkAdapter(Semicolons()).writer(Table.of(pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})))
    assert [write(0, 2), write(2, 3)] == [b"1;4\n2;5\n", b"3;6\n"]


def test_a_serializer_is_found_by_its_kind_and_names_the_content_type() -> None:
    assert codecs.find(Semicolons()).media_type.text == "text/x-semicolons"


def test_a_deserializer_gets_the_replys_own_content_type_and_a_stream_that_is_closed_after_it() -> None:
    numbers = Numbers()
    assert SdkAdapter(numbers, "text/csv; charset=utf-8").decode(b"1.5\n2") == [1.5, 2.0]
    assert numbers.content_type == "text/csv; charset=utf-8"
    assert numbers.stream.closed


def test_all_types_that_a_deserializer_takes_are_asked_for() -> None:
    assert SdkAdapter(Numbers()).accept == "text/csv, text/plain"
    assert codecs.accepted(Numbers()) == "text/csv, text/plain"
    assert SdkAdapter(Semicolons()).accept is None


def test_a_stream_that_is_handed_on_stays_open() -> None:
    stream, content_type = SdkAdapter(Stream(), "text/plain").decode(b"abc")
    assert (stream.read(), content_type) == (b"abc", "text/plain")


def test_a_failure_names_the_object_and_keeps_its_error() -> None:
    broken = Broken()
    with pytest.raises(CodecError, match="Broken cannot serialize DataFrame: KeyError: 'no such thing'") as caught:
        SdkAdapter(broken).encode(pd.DataFrame())
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(CodecError, match="Broken cannot read text/x-broken: RuntimeError: not today"):
        SdkAdapter(broken).decode(b"")
    assert broken.stream.closed


def test_what_is_neither_bytes_nor_text_is_refused() -> None:
    with pytest.raises(CodecError, match="Semicolons gave ndarray for DataFrame"):
        SdkAdapter(Semicolons(np.ones(2))).encode(pd.DataFrame())


def test_half_an_object_does_half_the_work() -> None:
    with pytest.raises(CodecError, match="Numbers only reads"):
        SdkAdapter(Numbers()).encode(b"")
    with pytest.raises(CodecError, match="Semicolons only writes"):
        SdkAdapter(Semicolons()).decode(b"")
    with pytest.raises(CodecError, match="object is no codec"):
        SdkAdapter(object())


def test_two_around_one_object_are_equal() -> None:
    semicolons = Semicolons()
    assert SdkAdapter(semicolons) == SdkAdapter(semicolons)
    assert hash(SdkAdapter(semicolons)) == hash(SdkAdapter(semicolons))
    assert SdkAdapter(semicolons) != SdkAdapter(semicolons, "text/plain")
