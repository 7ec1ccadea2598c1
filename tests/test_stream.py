"""A reply in parts: frames off a real socket, whatever the network, the service or the container does to them."""

from __future__ import annotations

import base64
import gc
import itertools
import struct
import threading
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_server import RawServer, Request, error

from smrt_jupyter import Endpoint, Policy, ReplyStream, errors
from smrt_jupyter.stream.events import EventReader, LineReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Accepted by botocore 1.44.5 and by @aws-sdk/client-sagemaker-runtime 3.1162.0; neither was made by us.
OUTPUTS = base64.b64decode(
    "AAAAfQAAAFl21xJHCzpldmVudC10eXBlBwALUGF5bG9hZFBhcnQNOmNvbnRlbnQtdHlwZQcAGGFwcGxpY2F0aW9uL29jdGV0LXN0cmVhbQ06"
    "bWVzc2FnZS10eXBlBwAFZXZlbnR7Im91dHB1dHMiOiBbIiBhIl19CgxaPA4="
)
MODEL_STREAM_ERROR = base64.b64decode(
    "AAAAmwAAAF5PJ7WbDzpleGNlcHRpb24tdHlwZQcAEE1vZGVsU3RyZWFtRXJyb3INOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24N"
    "Om1lc3NhZ2UtdHlwZQcACWV4Y2VwdGlvbnsiTWVzc2FnZSI6ICJtIiwgIkVycm9yQ29kZSI6ICJTdHJlYW1Ccm9rZW4ifc1m01U="
)


def frame(payload: bytes, **headers: str) -> bytes:
    """Frame a message as the specification says; `test_the_frames_of_these_tests_are_those_of_the_sdks` holds it."""
    told = headers or {"event_type": "PayloadPart", "content_type": "application/octet-stream", "message_type": "event"}
    packed = b""
    for name, value in told.items():
        named = b":" + name.replace("_", "-").encode()
        packed += bytes([len(named)]) + named + b"\x07" + struct.pack("!H", len(value)) + value.encode()
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack("!I", zlib.crc32(message))


def test_the_frames_of_these_tests_are_those_of_the_sdks():
    assert frame(b'{"outputs": [" a"]}\n') == OUTPUTS
    told = {"exception_type": "ModelStreamError", "content_type": "application/json", "message_type": "exception"}
    assert frame(b'{"Message": "m", "ErrorCode": "StreamBroken"}', **told) == MODEL_STREAM_ERROR


HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nx-amzn-RequestId: 77\r\n"
    b"X-Amzn-SageMaker-Content-Type: %s\r\nx-Amzn-Invoked-Production-Variant: blue\r\n"
    b"X-Amzn-SageMaker-Custom-Attributes: a=1\r\n"
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.fixture(autouse=True)
def credentials(clean_aws: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


Opener = "Callable[..., ReplyStream]"


@pytest.fixture
def open_stream() -> Iterator[Callable[..., ReplyStream]]:
    """Open a stream of these pieces: bytes are sent as one HTTP chunk each, a callable is called with the request."""
    opened = []

    def start(
        *pieces: bytes | Callable[[Request], None], content_type: str = "application/octet-stream", **changes: object
    ) -> ReplyStream:
        def answer(request: Request) -> bytes:
            request.connection.sendall(HEAD % content_type.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
            for piece in pieces:
                if callable(piece):
                    piece(request)
                else:
                    request.connection.sendall(chunk(piece))
            return b"0\r\n\r\n"

        server = RawServer(answer).__enter__()
        opened.append(server)
        return Endpoint("teller", endpoint_url=server.url).stream(b"{}", content_type="application/json", **changes)

    start.servers = opened
    yield start
    for server in opened:
        server.__exit__()


def parts(*payloads: bytes) -> list[bytes]:
    return [frame(payload) for payload in payloads]


def test_iterating_gives_the_raw_parts(open_stream):
    stream = open_stream(*parts(b"one", b"\xff\x00", b"three"))
    assert list(stream) == [b"one", b"\xff\x00", b"three"]
    assert list(stream) == []
    assert stream.received == 10


def test_a_stream_tells_what_the_service_said_about_it(open_stream):
    stream = open_stream(*parts(b"one"), content_type="text/plain; charset=utf-8")
    assert stream.content_type == "text/plain; charset=utf-8"
    assert (stream.invoked_production_variant, stream.custom_attributes, stream.request_id) == ("blue", "a=1", "77")
    assert (stream.status, stream.attempts) == (200, 1)
    assert stream.elapsed > 0
    assert stream.headers["x-amzn-requestid"] == "77"
    assert repr(stream) == "<ReplyStream text/plain; charset=utf-8 · 0 bytes · open>"
    assert stream.read() == b"one"
    assert repr(stream) == "<ReplyStream text/plain; charset=utf-8 · 3 bytes · closed>"


def test_the_request_asks_for_a_stream(open_stream):
    stream = open_stream(
        *parts(b"one"), accept="text/event-stream", session_id="s-1", inference_component_name="c", target_variant="v"
    )
    stream.read()
    [request] = open_stream.servers[0].requests
    assert request.line == "POST /endpoints/teller/invocations-response-stream HTTP/1.1"
    assert request.headers["x-amzn-sagemaker-accept"] == "text/event-stream"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-amzn-sagemaker-session-id"] == "s-1"
    assert request.headers["x-amzn-sagemaker-inference-component"] == "c"
    assert request.headers["x-amzn-sagemaker-target-variant"] == "v"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"session_id": "NEW_SESSION"}, "session_id"),
        ({"target_model": "a.tar.gz"}, "no `target_model`"),
        ({"enable_explanations": "`true`"}, "no `enable_explanations`"),
        ({"routing_target_name": "t"}, "router"),
    ],
)
def test_what_a_stream_cannot_do_is_refused_before_it_is_sent(changes, words):
    endpoint = Endpoint("teller", endpoint_url="http://127.0.0.1:1", region="us-east-1")
    with pytest.raises(errors.ValidationFailed, match=words):
        endpoint.stream(b"{}", **changes)


@pytest.mark.parametrize("size", [1, 3, 7, 64, 1000])
def test_frames_may_arrive_in_pieces_of_any_size(open_stream, size):
    whole = b"".join(parts(b"one", b"two" * 40, b"three"))
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert list(open_stream(*pieces)) == [b"one", b"two" * 40, b"three"]


def test_several_frames_may_arrive_at_once(open_stream):
    assert list(open_stream(b"".join(parts(b"one", b"two", b"three")))) == [b"one", b"two", b"three"]


def test_a_large_frame_arrives_whole(open_stream):
    payload = bytes(range(256)) * 4096
    assert open_stream(*parts(payload, b"end")).read() == payload + b"end"


def test_events_of_other_types_and_empty_parts_are_left_out(open_stream):
    other = frame(b"{}", event_type="Metrics", content_type="application/json", message_type="event")
    assert list(open_stream(other, *parts(b"", b"one"), other)) == [b"one"]


def test_a_stream_with_a_content_length_is_read_too(open_stream):
    whole = b"".join(parts(b"one", b"two"))

    def answer(request: Request) -> bytes:
        return HEAD % b"text/plain" + b"Content-Length: %d\r\n\r\n%s" % (len(whole), whole)

    with RawServer(answer) as server:
        assert list(Endpoint("teller", endpoint_url=server.url).stream(b"{}")) == [b"one", b"two"]


def test_an_announced_length_that_does_not_come_is_an_error_even_between_frames():
    [whole] = parts(b"one")

    def answer(request: Request) -> None:
        request.connection.sendall(HEAD % b"text/plain" + b"Content-Length: %d\r\n\r\n%s" % (2 * len(whole), whole))
        request.connection.close()

    with RawServer(answer) as server:
        stream = Endpoint("teller", endpoint_url=server.url).stream(b"{}")
        assert next(stream) == b"one"
        with pytest.raises(errors.StreamError, match="cut short"):
            next(stream)


# -- lines -----------------------------------------------------------------------------------------------------------


def test_lines_are_put_together_across_parts_and_the_last_needs_no_end(open_stream):
    stream = open_stream(*parts(b"o", b"ne\ntw", b"o\r\n\nfo", b"ur"))
    assert list(stream.lines()) == ["one", "two", "", "four"]


def test_a_character_may_be_split_between_parts(open_stream):
    text = "naïve Straße 空 🦜"
    stream = open_stream(*parts(*[bytes([each]) for each in text.encode()]))
    assert "".join(stream.lines()) == text


def test_a_line_ends_at_a_newline_only(open_stream):
    """JSON may hold U+2028 and form feeds, which `str.splitlines` cuts at."""
    stream = open_stream(*parts("a\u2028b\x0cc\x85d\ne".encode()))
    assert list(stream.lines()) == ["a\u2028b\x0cc\x85d", "e"]


def test_what_is_no_text_does_not_end_a_stream(open_stream):
    assert list(open_stream(*parts(b"ok \xff\xfe", b" ok")).lines()) == ["ok \ufffd\ufffd ok"]


def test_the_charset_of_the_content_type_counts(open_stream):
    assert list(open_stream(*parts(b"Stra\xdfe"), content_type="text/plain; charset=latin-1").text()) == ["Straße"]
    assert list(open_stream(*parts(b"ok"), content_type="text/plain; charset=klingon").text()) == ["ok"]


@given(text=st.text(alphabet="ab\n\r"), cuts=st.lists(st.integers(0, 40)))
def test_lines_do_not_depend_on_where_the_parts_end(text, cuts):
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    reader = LineReader()
    found = [line for start, stop in itertools.pairwise(places) for line in reader.feed(text[start:stop])]
    found += reader.end()
    expected = [line.removesuffix("\r") for line in text.split("\n")]
    assert found == (expected if text.split("\n")[-1] else expected[:-1])


# -- events ----------------------------------------------------------------------------------------------------------


def events(body: str) -> list[object]:
    lines, reader = LineReader(), EventReader()
    found = [event.value for line in (*lines.feed(body), *lines.end()) for event in reader.feed(line)]
    return [*found, *(event.value for event in reader.end())]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('data:{"a":1}\n\ndata: {"a":2}\n\n', [{"a": 1}, {"a": 2}]),
        ('{"a":1}\n{"a":2}\n', [{"a": 1}, {"a": 2}]),
        ('{"a":1}\n{"a":2}', [{"a": 1}, {"a": 2}]),
        ('{"a":1}\n\n\n{"a":2}\n', [{"a": 1}, {"a": 2}]),
        ('data: {"a":1}\n\ndata: [DONE]\n\n', [{"a": 1}]),
        ('data: {"a":1}\n\ndata: [DONE]\n\ndata: {"late":1}\n\n', [{"a": 1}]),
        (': ping\n\nevent: token\nid: 7\nretry: 5\ndata: {"a":1}\n\n', [{"a": 1}]),
        ('data: {\ndata:   "a": 1\ndata: }\n\n', [{"a": 1}]),
        ("data: two\ndata: lines\n\n", ["two\nlines"]),
        ("data: no end", ["no end"]),
        ('data: {"a":1}\ndata: {"a":2}\n', [{"a": 1}, {"a": 2}]),
        ('{\n  "a": [\n    1\n  ]\n}\n', [{"a": [1]}]),
        ('{"broken": \n{"a":2}\n', ['{"broken": ', {"a": 2}]),
        ("plain\ntext\n", ["plain", "text"]),
        ('"token"\n5\nnull\n', ["token", 5, None]),
        ("", []),
        ("data:\n\n", [""]),
    ],
)
def test_events_are_sniffed_and_put_together(body, expected):
    assert events(body) == expected


def test_an_event_is_given_before_its_blank_line():
    reader = EventReader()
    assert [event.value for event in reader.feed('data: {"a": 1}')] == [{"a": 1}]


def test_several_events_may_share_a_part_and_one_may_span_many(open_stream):
    stream = open_stream(
        *parts(b'data: {"a": 1}\n\ndata: {"a": 2}\n\ndata: {"a"', b": 3", b"}\n\nda", b"ta: [DONE]\n\n")
    )
    assert list(stream.events()) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert stream.closed


def test_what_sagemakers_own_documentation_splits_is_one_event(open_stream):
    assert list(open_stream(*parts(b'{"outputs": ', b'[" problem"]}\n')).events()) == [{"outputs": [" problem"]}]


# -- text --------------------------------------------------------------------------------------------------------------


def test_a_path_points_at_the_new_text(open_stream):
    stream = open_stream(*parts(b'{"my": {"words": "a"}}\n{"other": 1}\n{"my": {"words": "b"}}\n'), path="my.words")
    assert list(stream.text()) == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "words", "code"),
    [
        ('data:{"error":"Input too long","error_type":"validation"}\n\n', "Input too long", "validation"),
        ('data: {"error": {"message": "boom", "code": 500}}\n\n', "boom", None),
        ('data: {"object": "error", "message": "boom", "code": 400}\n\n', "boom", "400"),
        ('{"token": {"id": -1, "text": ""}, "details": {"finish_reason": "error"}}\n', "failed", None),
    ],
)
def test_an_error_that_the_model_reports_with_200_is_an_error(open_stream, body, words, code):
    stream = open_stream(*parts(b'{"token": {"text": "fine"}}\n', body.encode()))
    found = []
    with pytest.raises(errors.StreamError, match=f"'teller': .*{words}.*request 77") as caught:
        found.extend(stream.text())
    assert found == ["fine"]
    assert caught.value.error_code == code
    assert stream.closed


# -- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_model_error_in_the_middle_keeps_its_code_and_what_came_before(open_stream):
    stream = open_stream(*parts(b"one"), MODEL_STREAM_ERROR)
    assert next(stream) == b"one"
    with pytest.raises(errors.StreamError, match=r"endpoint 'teller': m.*request 77") as caught:
        next(stream)
    assert caught.value.error_code == "StreamBroken"
    assert stream.closed


def test_a_model_that_takes_too_long_is_told_what_else_there_is(open_stream):
    told = b'{"Message": "Your model primary did not complete", "ErrorCode": "ModelInvocationTimeExceeded"}'
    headers = {"exception_type": "ModelStreamError", "content_type": "application/json", "message_type": "exception"}
    with pytest.raises(errors.StreamError, match="8 minutes") as caught:
        open_stream(frame(told, **headers)).read()
    assert caught.value.error_code == "ModelInvocationTimeExceeded"


@pytest.mark.parametrize("payload", [b'{"Message": "gone"}', b"gone", b'"gone"'])
def test_a_failure_of_the_service_in_the_middle_is_an_error(open_stream, payload):
    headers = {
        "exception_type": "InternalStreamFailure",
        "content_type": "application/json",
        "message_type": "exception",
    }
    with pytest.raises(errors.StreamError, match="gone") as caught:
        open_stream(frame(payload, **headers)).read()
    assert caught.value.error_code == "InternalStreamFailure"


def test_an_error_that_is_not_in_the_model_is_one_all_the_same(open_stream):
    told = frame(b"", error_code="Strange", error_message="Nobody knows", message_type="error")
    with pytest.raises(errors.StreamError, match="Nobody knows") as caught:
        open_stream(told).read()
    assert caught.value.error_code == "Strange"


@pytest.mark.parametrize("missing", [1, 5, 60, 120])
def test_a_stream_that_ends_inside_a_frame_is_an_error(open_stream, missing):
    """boto3 ends silently here, and the answer looks complete."""
    stream = open_stream(OUTPUTS, OUTPUTS[:-missing])
    found = []
    with pytest.raises(errors.StreamError, match="cut short"):
        found.extend(stream)
    assert stream.received == 20


def test_a_connection_that_is_cut_is_an_error(open_stream):
    stream = open_stream(OUTPUTS, Request.reset)
    with pytest.raises(errors.StreamError, match="broke in the middle"):
        stream.read()


def test_a_connection_that_is_closed_between_frames_is_an_error_when_chunks_were_promised(open_stream):
    def close(request: Request) -> None:
        request.connection.close()

    with pytest.raises(errors.StreamError, match="broke in the middle"):
        open_stream(OUTPUTS, close).read()


def test_a_stall_is_an_error(open_stream):
    release = threading.Event()
    stream = open_stream(OUTPUTS, lambda _: release.wait(30), policy=Policy(read_timeout=1))
    assert next(stream)  # which has to come before a second is over
    with pytest.raises(errors.StreamError, match=r"nothing came for 1 s"):
        next(stream)
    release.set()
    assert stream.closed


def test_a_damaged_frame_is_an_error(open_stream):
    damaged = bytearray(OUTPUTS)
    damaged[-10] ^= 1
    with pytest.raises(errors.StreamError, match="damaged"):
        open_stream(bytes(damaged)).read()


def test_an_error_before_the_first_byte_is_what_it_is():
    said = {"Message": "x", "OriginalStatusCode": 500, "OriginalMessage": "boom"}
    with (
        RawServer(lambda _: error(424, "ModelError", **said)) as server,
        pytest.raises(errors.ModelError, match="answered 500: boom"),
    ):
        Endpoint("teller", endpoint_url=server.url).stream(b"{}")


def test_throttling_before_the_first_byte_is_sent_again():
    replies = [
        error(400, "ThrottlingException", message=None),
        HEAD % b"text/plain" + b"Content-Length: %d\r\n\r\n%s" % (len(OUTPUTS), OUTPUTS),
    ]
    with RawServer(lambda _: replies.pop(0)) as server:
        stream = Endpoint("teller", endpoint_url=server.url, policy=Policy(wait_initial=0)).stream(b"{}")
        assert stream.attempts == 2
        assert stream.read()


# -- closing ---------------------------------------------------------------------------------------------------------


def gone(events: list[bytes], seen: threading.Event) -> Callable[[Request], None]:
    """Wait until the client has gone, and say so."""

    def watch(request: Request) -> None:
        events.append(request.connection.recv(1))
        seen.set()

    return watch


def test_leaving_the_block_closes_the_connection(open_stream):
    left, seen = [], threading.Event()
    with open_stream(OUTPUTS, gone(left, seen)) as stream:
        assert next(stream)
    assert seen.wait(10)
    assert left == [b""]
    assert list(stream) == []


def test_an_interrupt_while_it_waits_closes_the_connection(open_stream, monkeypatch):
    left, seen = [], threading.Event()
    stream = open_stream(OUTPUTS, gone(left, seen))
    assert next(stream)

    def interrupt(*_: object, **__: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(stream._source._raw, "read1", interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert seen.wait(10)
    assert stream.closed


def test_closing_from_another_thread_ends_the_waiting(open_stream):
    left, seen = [], threading.Event()
    stream = open_stream(OUTPUTS, gone(left, seen))
    assert next(stream)
    rest: list[bytes] = []
    reader = threading.Thread(target=lambda: rest.extend(stream))
    reader.start()
    stream.close()
    reader.join(10)
    assert not reader.is_alive()
    assert rest == []
    assert seen.wait(10)


def test_a_stream_that_was_read_to_its_end_gives_its_connection_back(open_stream):
    connections = set()
    whole = b"".join(parts(b"one"))

    def answer(request: Request) -> bytes:
        connections.add(request.connection)
        return HEAD % b"text/plain" + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(whole) + b"0\r\n\r\n"

    with RawServer(answer) as server:
        endpoint = Endpoint("teller", endpoint_url=server.url)
        assert [endpoint.stream(b"{}").read() for _ in range(3)] == [b"one"] * 3
    assert len(connections) == 1


def test_the_hook_sees_each_finished_stream_once(open_stream):
    seen = []
    whole = open_stream(*parts(b"one"), after_reply=seen.append)
    whole.read()
    whole.close()
    broken = open_stream(MODEL_STREAM_ERROR, after_reply=seen.append)
    with pytest.raises(errors.StreamError) as caught:
        broken.read()
    reported = open_stream(*parts(b'{"error": "boom"}\n'), after_reply=seen.append)
    with pytest.raises(errors.StreamError) as caught_in_text:
        list(reported.text())
    left = open_stream(OUTPUTS, OUTPUTS, after_reply=seen.append)
    next(left)
    left.close()
    assert seen == [whole, caught.value, caught_in_text.value, left]


def test_the_hook_sees_a_stream_that_is_left_unread(open_stream):
    """Neither closed nor read to its end: a loop was left, and nobody holds the stream any more."""
    seen, left, gone_from = [], [], threading.Event()
    stream = open_stream(
        OUTPUTS, gone(left, gone_from), after_reply=lambda told: seen.append((told.status, told.closed))
    )
    for _ in stream.text():
        break
    del stream
    gc.collect()
    assert seen == [(200, True)]
    assert gone_from.wait(10)
