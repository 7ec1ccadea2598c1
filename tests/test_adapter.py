"""Objects of the SageMaker SDK's kind work as they are; the real ones are in test_golden_sdk.py."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from smrt_jupyter import Codec, Endpoint, LocalRuntime, PartialResultError, Policy, codecs
from smrt_jupyter.codecs.adapter import SdkAdapter
from smrt_jupyter.dry_run import dry_run
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


class Lines(Codec):
    """A codec of somebody else: a number a line."""

    content_types = ("text/x-lines",)

    def encode(self, value: Any) -> Any:
        return b"".join(b"%d\n" % cell for cell in np.ravel(value).tolist())

    def decode(self, body: bytes) -> Any:
        return np.array(body.split(), dtype=float)


class Unwritable(Lines):
    def encode(self, value: Any) -> Any:
        names = dict.fromkeys({*range(100)} - {40}, "known")
        return super().encode([cell for cell in np.ravel(value).tolist() if names[cell]])


class Unreadable(Lines):
    def decode(self, body: bytes) -> Any:
        if b"40\n" in body:
            raise KeyError("40")
        return super().decode(body)


class Empty(Lines):
    def encode(self, value: Any) -> Any:
        return None


@pytest.fixture
def echo(runtime: LocalRuntime) -> Endpoint:
    """Deploy an endpoint that answers with what it was sent, and asks a row at a time."""
    deployed: Endpoint = runtime.deploy("echo", lambda body: body, takes="body", content_type="text/x-lines")
    return deployed.replace(accept=Lines(), policy=Policy(chunk_rows=1))


NUMBERS = np.arange(100.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"content_type": Unwritable()},
            "Unwritable cannot write text/x-lines: KeyError: 40.0. Correct its `encode`, or name another",
        ),
        (
            {"content_type": Lines(), "accept": Unreadable()},
            "Unreadable cannot read text/x-lines: KeyError: '40'. Correct its `decode`; with `journal` the reply is",
        ),
    ],
)
def test_what_somebody_elses_codec_raises_fails_its_rows_alone(
    echo: Endpoint, changes: dict[str, Any], message: str
) -> None:
    answers, report = echo.replace(**changes).score(NUMBERS, on_error="return")
    assert np.flatnonzero(np.isnan(answers)).tolist() == [40] == report.failed_rows.tolist()
    [error] = report.errors
    assert type(error) is CodecError
    assert f"row 40: {message}" in str(error)
    assert isinstance(error.__cause__, KeyError)
    with pytest.raises(PartialResultError, match=r"first cause: CodecError, .*row 40: Un\w+ cannot .* Correct its `"):
        echo.predict(NUMBERS, **changes)


def test_what_a_codec_cannot_write_at_all_is_said_before_anything_is_sent(
    echo: Endpoint, runtime: LocalRuntime
) -> None:
    with pytest.raises(CodecError, match=r"^row 0: Empty gave NoneType, which is not bytes\. Correct its `encode`, or"):
        echo.predict(NUMBERS, content_type=Empty())
    with pytest.raises(CodecError, match=r"^Unwritable cannot write text/x-lines: KeyError: 40\. Correct"):
        echo.invoke([40], content_type=Unwritable())
    assert not runtime.requests


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_is_no_fault_of_a_codec_stays_what_it_is(echo: Endpoint, kind: type[BaseException]) -> None:
    class Stopping(Lines):
        def encode(self, value: Any) -> Any:
            raise kind

    with pytest.raises(kind):
        echo.invoke([1], content_type=Stopping())


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


class Strict(Codec):
    content_types = ("text/csv",)

    def decode(self, body: bytes) -> Any:
        return {b"yes": 1}[body]


def test_an_own_codec_that_stumbles_over_a_reply_is_our_error_in_its_value(runtime: LocalRuntime) -> None:
    reply = runtime.deploy("sums", lambda frame: frame.sum(axis=1)).invoke("1,2", accept=Strict())
    with pytest.raises(CodecError, match=r"Strict cannot read text/csv.*: KeyError: b'3") as caught:
        _ = reply.value
    assert isinstance(caught.value.__cause__, KeyError)


class Unprepared(Lines):
    def writer(self, table: Table) -> Any:
        return {}[table.width]


def test_an_own_codec_that_stumbles_over_a_table_is_our_error_before_anything_is_sent(
    runtime: LocalRuntime, echo: Endpoint
) -> None:
    own = echo.replace(content_type=Unprepared())
    for ask in (own.predict, lambda table: dry_run(own, table)):
        with pytest.raises(CodecError, match="Unprepared cannot write text/x-lines: KeyError: 1"):
            ask(NUMBERS)
    assert not runtime.requests
