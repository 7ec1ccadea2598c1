"""Replies that botocore's parser cannot read, and what there is to say where nobody says anything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import botocore.exceptions
import pytest
from raw_server import RawServer, Request, error, http

from smrt_jupyter import Endpoint, Policy, errors
from smrt_jupyter.wire.translation import LARGE_BODY, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUICK = Policy(attempts=3, wait_initial=0.001, wait_max=0.002, wait_for_capacity=0.05)
LATIN = "<html>Accès refusé</html>".encode("latin-1")


@pytest.fixture(autouse=True)
def credentials(clean_aws: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[RawServer, Endpoint]]]:
    opened = []

    def start(answer: bytes | Callable[[Request], bytes | None], **options: bool) -> tuple[RawServer, Endpoint]:
        server = RawServer(answer if callable(answer) else lambda _: answer, **options).__enter__()
        opened.append(server)
        return server, Endpoint("churn", endpoint_url=server.url, policy=QUICK)

    yield start
    for server in opened:
        server.__exit__()


@pytest.mark.parametrize(
    ("reply", "kind", "attempts", "words"),
    [
        (http(403, LATIN), errors.AccessDenied, 1, "Acc"),
        (http(503, LATIN), errors.ServiceError, 3, "Service Unavailable"),
        (http(503, b"\xe9t\xe9"), errors.ServiceError, 3, "t"),
        (http(429, b"[]"), errors.Throttled, 3, "[]"),
        (http(503, b'["busy"]'), errors.ServiceError, 3, "busy"),
        (http(500, b'"busy"'), errors.ServiceError, 3, "busy"),
        (http(504, b"[]"), errors.ServiceError, 1, "[]"),
        (http(400, b'{"__type": 5}'), errors.ValidationFailed, 1, "__type"),
        (http(429, b"[]", {"x-amzn-ErrorType": "ModelNotReadyException:x"}), errors.ModelNotReady, None, "[]"),
        (http(400, b"[]", {"x-amzn-ErrorType": "com.aws#ThrottlingException"}), errors.Throttled, 3, "[]"),
        (http(413, LATIN), errors.PayloadTooLarge, 1, "Acc"),
        (http(424, LATIN), errors.ModelError, 1, "Acc"),
    ],
)
def test_an_error_that_cannot_be_parsed_is_ours_by_its_status_and_tried_as_often(serve, reply, kind, attempts, words):
    server, endpoint = serve(reply)
    with pytest.raises(kind) as caught:
        endpoint.invoke([[1]])
    assert type(caught.value) is kind
    assert attempts is None or len(server.requests) == caught.value.attempts == attempts
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "endpoint 'churn'" in str(caught.value)


def test_an_error_that_cannot_be_parsed_is_passed_over_once_the_service_answers(serve):
    left = [http(429, b"[]"), http(503, LATIN)]
    server, endpoint = serve(lambda _: left.pop(0) if left else http(200, b"[7]", {"Content-Type": "application/json"}))
    assert endpoint.invoke([[1]]).value == [7]
    assert len(server.requests) == 3


def test_an_error_that_cannot_be_parsed_keeps_its_request_id_and_its_cause(serve):
    _, endpoint = serve(http(403, LATIN, {"x-amzn-RequestId": "77"}))
    with pytest.raises(errors.AccessDenied) as caught:
        endpoint.invoke([[1]])
    assert caught.value.request_id == "77"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert isinstance(caught.value.__cause__, botocore.exceptions.ClientError)


def test_a_good_status_with_a_body_that_cannot_be_parsed_is_told_as_that(serve):
    server, endpoint = serve(http(202, b"[1]"))
    with pytest.raises(errors.InvokeError, match=r"The reply \(HTTP 202\) cannot be read"):
        endpoint.invoke_async([[1]])
    assert len(server.requests) == 1


def test_a_mistake_in_a_hook_stays_that_mistake(serve):
    _, endpoint = serve(http(429, b"[]"))

    def mistaken(_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(errors.Throttled):
        endpoint.invoke([[1]])
    with pytest.raises(ZeroDivisionError):
        endpoint.invoke([[1]], before_sign=mistaken)


def test_a_large_body_whose_sending_was_cut_is_told_of_its_size(serve):
    _, endpoint = serve(Request.reset, read_bodies=False)
    with pytest.raises(errors.ConnectionFailed) as caught:
        endpoint.invoke(b"1" * 20_000_000, content_type="text/csv")
    assert caught.value.request_was_cut
    assert "20,000,000 bytes" in str(caught.value)
    assert "`predict` cuts" in str(caught.value)


def test_a_small_body_whose_sending_was_cut_is_a_matter_of_the_network():
    cut = botocore.exceptions.ConnectionClosedError(endpoint_url="http://x")
    small = translate(cut, request_was_whole=False, size=LARGE_BODY)
    assert small.next_step == errors.ConnectionFailed.next_step
    assert "too large" in translate(cut, request_was_whole=False, size=LARGE_BODY + 1).next_step


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            error(424, "ModelError", OriginalStatusCode=500, OriginalMessage="", Message=""),
            "answered 500 without a word.",
        ),
        (http(424), "The container failed: neither its status nor its words came."),
        (error(424, "ModelError", Message="Out of memory"), "The container failed: Out of memory."),
        (error(424, "ModelError", OriginalStatusCode=0, Message=""), "The container never answered without a word."),
    ],
)
def test_a_container_without_words_is_told_as_that(serve, reply, words):
    _, endpoint = serve(reply)
    with pytest.raises(errors.ModelError) as caught:
        endpoint.invoke([[1]])
    assert words in str(caught.value)
    assert "None" not in str(caught.value)


def test_a_reply_that_stops_half_way_names_no_address_that_nobody_knows(serve):
    _, endpoint = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12")
    with pytest.raises(errors.TimedOut, match="rest did not come in time") as caught:
        endpoint.invoke([[1]], policy=Policy(read_timeout=1))
    assert "None" not in str(caught.value)


@pytest.mark.parametrize(
    ("ask", "action"),
    [
        (lambda endpoint: endpoint.invoke([[1]]), "sagemaker:InvokeEndpoint"),
        (lambda endpoint: endpoint.stream([[1]]), "sagemaker:InvokeEndpoint"),
        (lambda endpoint: endpoint.invoke_async([[1]]), "sagemaker:InvokeEndpointAsync"),
    ],
)
def test_a_permission_has_the_name_that_iam_has_for_it(serve, ask, action):
    _, endpoint = serve(error(403, "AccessDeniedException", Message="No."))
    with pytest.raises(errors.AccessDenied, match=f"Ask for `{action}`"):
        ask(endpoint)


def test_a_permission_on_s3_is_one_of_s3(serve, monkeypatch):
    server, endpoint = serve(http(403, b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    with pytest.raises(errors.AccessDenied, match="Ask for `s3:PutObject`"):
        endpoint.invoke_async(b"1" * 128_001, content_type="text/csv", s3_input_prefix="s3://bucket/in")


@pytest.mark.parametrize("told", ["abc", "2.5"])
def test_a_number_of_attempts_that_is_none_names_its_variable(monkeypatch, told):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", told)
    with pytest.raises(errors.ValidationFailed, match=f"AWS_MAX_ATTEMPTS, '{told}', is no whole number"):
        Endpoint("churn").invoke([[1]])


def test_a_number_of_attempts_that_is_none_names_the_profile(clean_aws):
    (clean_aws / "config").write_text("[default]\nmax_attempts = abc\n")
    assert "AWS_MAX_ATTEMPTS" not in os.environ
    with pytest.raises(errors.ValidationFailed, match="The profile's `max_attempts` is no whole number"):
        Endpoint("churn").invoke([[1]])


@pytest.mark.parametrize(
    "url", ["runtime", "http://127.0.0.1:99999", "http://", "ftp://host", "http://[::1", "host:80"]
)
def test_an_address_that_is_none_says_how_to_write_one(url):
    with pytest.raises(errors.ValidationFailed, match=r"is no address: .*Write it as `https://host`") as refused:
        Endpoint("churn", endpoint_url=url).invoke([[1]])
    assert f"`endpoint_url` {url!r}" in str(refused.value)


def test_an_address_of_the_configuration_that_is_none_is_told_as_that(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "ftp://host")
    with pytest.raises(errors.ValidationFailed, match="of the AWS configuration is no address"):
        Endpoint("churn").invoke([[1]])


@pytest.mark.parametrize(
    ("message", "step"),
    [
        (
            "Endpoint a is asynchronous: it can only receive asynchronous invocations.",
            "Use `invoke_async`, or `predict`",
        ),
        ("Endpoint a does not take asynchronous invocations.", "Use `invoke`, or `predict`"),
        ("Session s does not exist or has expired.", "Open another"),
        ("Endpoint a is not a multi-model endpoint.", "Correct what it names."),
    ],
)
def test_a_refusal_says_what_helps_against_it(serve, message, step):
    _, endpoint = serve(error(400, "ValidationError", Message=message))
    with pytest.raises(errors.ValidationFailed) as refused:
        endpoint.invoke([[1]])
    assert step in str(refused.value)
