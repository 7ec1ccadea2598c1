"""Streams: frames as two SDKs take them, parts as the model gives them, and every way to end too early."""

from __future__ import annotations

import base64
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from botocore.exceptions import ClientError, EventStreamError
from speaking import echo

from smrt_jupyter.local import ContainerError, Faults, Limits, ModelReply, Runtime, eventstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from speaking import Wire

PART = (
    "AAAAfQAAAFl21xJHCzpldmVudC10eXBlBwALUGF5bG9hZFBhcnQNOmNvbnRlbnQtdHlwZQcAGGFwcGxpY2F0aW9uL29jdGV0LXN0cmVhbQ06bWVz"
    "c2FnZS10eXBlBwAFZXZlbnR7Im91dHB1dHMiOiBbIiBhIl19CgxaPA4="
)
FAILURE = (
    "AAAAmwAAAF5PJ7WbDzpleGNlcHRpb24tdHlwZQcAEE1vZGVsU3RyZWFtRXJyb3INOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1l"
    "c3NhZ2UtdHlwZQcACWV4Y2VwdGlvbnsiTWVzc2FnZSI6ICJtIiwgIkVycm9yQ29kZSI6ICJTdHJlYW1Ccm9rZW4ifc1m01U="
)
"""Frames that botocore and the JavaScript SDK are known to take, made by other code than ours."""


def test_frames_equal_the_known_ones() -> None:
    assert eventstream.part(b'{"outputs": [" a"]}\n') == base64.b64decode(PART)
    assert eventstream.failure("ModelStreamError", "m", "StreamBroken") == base64.b64decode(FAILURE)


def stream(client: Any, **members: Any) -> Any:
    return client.invoke_endpoint_with_response_stream(**({"EndpointName": "one", "Body": b"x"} | members))


def parts(reply: Any) -> Any:
    with closing(reply["Body"]) as events:
        return [event["PayloadPart"]["Bytes"] for event in events]


def content_type(reply: Any) -> Any:
    reply["Body"].close()
    return reply["ContentType"]


def test_a_generator_gives_a_part_for_each_thing_it_yields(runtime: Runtime, boto: Callable[..., Any]) -> Iterator[Any]:
    def speak(_: Any) -> Iterator[Any]:
        yield "Whyé"
        yield b"\xff\x00"
        yield {"token": {"text": "a"}}

    runtime.deploy("one", speak)
    reply = stream(boto(runtime))
    assert reply["ContentType"] == "text/plain; charset=utf-8"
    assert reply["InvokedProductionVariant"] == "AllTraffic"
    assert parts(reply) == ["Whyé".encode(), b"\xff\x00", b'{"token": {"text": "a"}}\n']


def test_the_content_type_is_the_callers_the_models_or_known_by_the_first_part(
    runtime: Runtime, boto: Callable[..., Any]
) -> None:
    runtime.deploy("one", lambda _: iter([{"a": 1}]))
    assert content_type(stream(boto(runtime))) == "application/jsonlines"
    assert content_type(stream(boto(runtime), Accept="text/event-stream")) == "text/event-stream"
    runtime.deploy("one", lambda _: iter([{"a": 1}]), content_type="text/x-own")
    assert content_type(stream(boto(runtime), Accept="text/event-stream")) == "text/x-own"


def test_the_frames_are_typed_as_an_event_stream_on_the_wire(runtime: Runtime, wire: Wire) -> None:
    runtime.deploy("one", lambda _: iter(["a"]))
    reply = wire.send("/endpoints/one/invocations-response-stream", b"x")
    assert reply.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert reply.headers["x-amzn-sagemaker-content-type"] == "text/plain; charset=utf-8"
    assert reply.content == eventstream.part(b"a")


def test_a_plain_invocation_of_a_generator_gets_the_whole(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda _: iter(["a", "b"]))
    reply = boto(runtime).invoke_endpoint(EndpointName="one", Body=b"x")
    assert (reply["Body"].read(), reply["ContentType"]) == (b"ab", "text/plain; charset=utf-8")


def test_a_stream_of_a_plain_function_is_one_part(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda frame: frame.sum(axis="columns"))
    reply = stream(boto(runtime), Body=b"1,2\n", ContentType="text/csv")
    assert (reply["ContentType"], parts(reply)) == ("text/csv; charset=utf-8", [b"3\n"])


def test_a_large_part_is_cut_below_what_decoders_take(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda _: iter([bytes(2_500_000)]))
    assert [len(part) for part in parts(stream(boto(runtime)))] == [1_048_576, 1_048_576, 402_848]


def test_parts_come_while_the_model_still_speaks(runtime: Runtime, boto: Callable[..., Any]) -> Iterator[Any]:
    heard = threading.Event()

    def speak(_: Any) -> Iterator[Any]:
        yield "first"
        assert heard.wait(20)
        yield "second"

    runtime.deploy("one", speak)
    with closing(stream(boto(runtime))["Body"]) as events:
        coming = iter(events)
        assert next(coming)["PayloadPart"]["Bytes"] == b"first"
        heard.set()
        assert next(coming)["PayloadPart"]["Bytes"] == b"second"


def test_a_model_stops_when_nobody_listens(runtime: Runtime, boto: Callable[..., Any]) -> Iterator[Any]:
    stopped = threading.Event()

    def speak(_: Any) -> Iterator[Any]:
        try:
            while True:
                yield "x" * 1000
        finally:
            stopped.set()

    runtime.deploy("one", speak)
    stream(boto(runtime))["Body"].close()
    assert stopped.wait(20)


def test_custom_attributes_travel_both_ways(runtime: Runtime, boto: Callable[..., Any]) -> Any:
    def speak(_: Any, invocation: Any) -> Any:
        return ModelReply(value=iter(["a"]), custom_attributes=invocation.members["CustomAttributes"] + ";heard")

    runtime.deploy("one", speak)
    reply = stream(boto(runtime), CustomAttributes="said")
    assert (reply["CustomAttributes"], parts(reply)) == ("said;heard", [b"a"])


def test_a_model_that_fails_before_its_first_part_is_an_ordinary_error(
    runtime: Runtime, boto: Callable[..., Any]
) -> Iterator[Any]:
    def speak(_: Any) -> Iterator[Any]:
        raise ContainerError(400, "too long")
        yield

    runtime.deploy("one", speak)
    with pytest.raises(ClientError) as error:
        stream(boto(runtime))
    assert (error.value.response["Error"]["Code"], error.value.response["OriginalStatusCode"]) == ("ModelError", 400)


def test_a_model_that_fails_later_breaks_its_stream(runtime: Runtime, boto: Callable[..., Any]) -> Iterator[Any]:
    def speak(_: Any) -> Iterator[Any]:
        yield "a"
        raise RuntimeError("out of memory")

    runtime.deploy("one", speak)
    with closing(stream(boto(runtime))["Body"]) as events:
        coming = iter(events)
        assert next(coming)["PayloadPart"]["Bytes"] == b"a"
        with pytest.raises(EventStreamError) as error:
            next(coming)
    told = error.value.response["Error"]
    assert told["Code"] == "ModelStreamError"
    assert 'Received server error (500) from primary with message "RuntimeError: out of memory"' in told["Message"]
    assert "RuntimeError: out of memory" in runtime.logs("one")


def test_a_stream_that_takes_too_long_is_ended_in_the_services_words(boto: Callable[..., Any]) -> Iterator[Any]:
    release = threading.Event()

    def speak(_: Any) -> Iterator[Any]:
        yield "a"
        release.wait(20)
        yield "b"

    with Runtime(limits=Limits(stream_seconds=1)) as runtime:  # within which the first part has to come
        runtime.deploy("one", speak)
        with closing(stream(boto(runtime))["Body"]) as events, pytest.raises(EventStreamError) as error:
            list(events)
        release.set()
    assert error.value.response["Error"] == {
        "Code": "ModelStreamError",
        "Message": "Your model primary did not complete sending the inference response in the allotted time.",
    }


def test_the_error_code_is_in_the_frame(runtime: Runtime, wire: Wire) -> None:
    """boto3 drops it; the JavaScript SDK and this project's client do not."""
    runtime.deploy("one", lambda _: iter(["a", "b"]), faults=Faults(script=["stream_error"]))
    body = wire.send("/endpoints/one/invocations-response-stream", b"x").content
    assert b'"ErrorCode": "StreamBroken"' in body


FAULTS = {
    "cut": urllib3.exceptions.ProtocolError,
    "corrupt": Exception,
    "stream_error": EventStreamError,
    "stream_failure": EventStreamError,
    "stall": urllib3.exceptions.ReadTimeoutError,
}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("after", [0, 2])
def test_each_fault_comes_after_as_many_parts_as_told(
    runtime: Runtime, boto: Callable[..., Any], kind: Any, after: Any
) -> None:
    runtime.deploy("one", lambda _: iter(["a", "b", "c"]), faults=Faults(script=[kind], stream_after=after))
    client = boto(runtime, read_timeout=1 if kind == "stall" else 30)
    heard = []
    with closing(stream(client)["Body"]) as events, pytest.raises(FAULTS[kind]) as error:
        heard.extend(event["PayloadPart"]["Bytes"] for event in events)
    if kind == "corrupt":
        assert type(error.value).__name__ == "ChecksumMismatch"
    if kind.startswith("stream_"):
        expected = {"stream_error": "ModelStreamError", "stream_failure": "InternalStreamFailure"}
        assert error.value.response["Error"]["Code"] == expected[kind]


def test_a_truncated_stream_ends_inside_a_frame(runtime: Runtime, boto: Callable[..., Any], wire: Wire) -> None:
    """boto3 does not notice: it ends as if all were well."""
    faults = Faults(script=["truncate", "truncate"], stream_after=2)
    runtime.deploy("one", lambda _: iter(["a", "b", "c"]), faults=faults)
    assert parts(stream(boto(runtime))) == [b"a", b"b"]
    body = wire.send("/endpoints/one/invocations-response-stream", b"x").content
    whole = eventstream.part(b"a") + eventstream.part(b"b")
    assert body.startswith(whole)
    assert 0 < len(body) - len(whole) < len(eventstream.part(b"lost"))


def test_a_long_stream_is_not_gathered_in_the_runtime(runtime: Runtime, boto: Callable[..., Any]) -> Iterator[Any]:
    """200 MB pass; the process grows by much less."""
    import psutil

    def speak(_: Any) -> Iterator[Any]:
        part = bytes(1_000_000)
        for _ in range(200):
            yield part

    runtime.deploy("one", speak)
    process, total, grown = psutil.Process(), 0, 0
    with closing(stream(boto(runtime))["Body"]) as events:
        coming = iter(events)
        total += len(next(coming)["PayloadPart"]["Bytes"])
        before = process.memory_info().rss
        for event in coming:
            total += len(event["PayloadPart"]["Bytes"])
            grown = max(grown, process.memory_info().rss - before)
    assert total == 200_000_000
    assert grown < 40_000_000


def test_a_fault_of_streams_does_not_touch_a_plain_invocation(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", echo, takes="body", faults=Faults(truncate=1.0))
    assert boto(runtime).invoke_endpoint(EndpointName="one", Body=b"x")["Body"].read() == b"x"
