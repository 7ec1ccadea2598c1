"""Signatures: what is good passes, and what is not gets the service's own refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from speaking import echo

from smrt_jupyter.local.refusals import Refusal
from smrt_jupyter.local.signature import DATE, Arrived, Keys, Scope, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from speaking import Wire

    from smrt_jupyter.local import Runtime

DOCUMENTED = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "")
"""The keys, the time and the signature of AWS's own test suite for Signature Version 4 (get-vanilla)."""
DOCUMENTED_TIME = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
WRONG, STALE = {"aws_secret_access_key": "wrong"}, {"aws_session_token": "stale"}
DOCUMENTED_REQUEST = Arrived(
    "GET",
    "/",
    "",
    [
        ("host", "example.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        (
            "authorization",
            (
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;x-amz-date, "
                "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
            ),
        ),
    ],
    b"",
)


def test_the_documented_signature_is_good() -> None:
    assert verify(DOCUMENTED_REQUEST, DOCUMENTED, now=DOCUMENTED_TIME) == Scope("us-east-1", "service")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"method": "POST"}, "InvalidSignatureException"),
        ({"path": "/other"}, "InvalidSignatureException"),
        ({"query": "a=1"}, "InvalidSignatureException"),
        ({"body": b"x"}, "InvalidSignatureException"),
        ({"headers": []}, "MissingAuthenticationTokenException"),
        ({"headers": [("authorization", "Bearer x")]}, "IncompleteSignatureException"),
    ],
)
def test_any_change_to_it_is_refused(change: Any, code: Any) -> None:
    with pytest.raises(Refusal) as caught:
        verify(DOCUMENTED_REQUEST._replace(**change), DOCUMENTED, now=DOCUMENTED_TIME)
    assert (caught.value.status, caught.value.code) == (403, code)


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (16, "Signature expired: {} is now earlier than 20150830T123700Z (20150830T125200Z - 15 min.)"),
        (-6, "Signature not yet current: {} is still later than 20150830T123500Z (20150830T123000Z + 5 min.)"),
    ],
)
def test_a_clock_that_is_wrong_is_named(minutes: Any, text: Any) -> None:
    with pytest.raises(Refusal) as caught:
        verify(DOCUMENTED_REQUEST, DOCUMENTED, now=DOCUMENTED_TIME + timedelta(minutes=minutes))
    assert caught.value.code == "InvalidSignatureException"
    assert caught.value.members["message"] == text.format("20150830T123600Z")


@pytest.mark.parametrize("minutes", [15, -5])
def test_a_clock_that_is_a_little_wrong_passes(minutes: Any) -> None:
    verify(DOCUMENTED_REQUEST, DOCUMENTED, now=DOCUMENTED_TIME + timedelta(minutes=minutes))


def refused(client: Any, **members: Any) -> Any:
    with pytest.raises(ClientError) as caught:
        client.invoke_endpoint(EndpointName="echo", Body=b"x", **members)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def test_a_wrong_secret_is_refused(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("echo", echo, takes="body")
    status, code, message = refused(boto(runtime, **WRONG))
    assert (status, code) == (403, "InvalidSignatureException")
    assert message.startswith("The request signature we calculated does not match the signature you provided.")


def test_an_unknown_key_is_refused(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("echo", echo, takes="body")
    assert refused(boto(runtime, aws_access_key_id="AKIAUNKNOWN")) == (
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )


def test_a_session_token_is_checked_where_there_is_one(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("echo", echo, takes="body")
    good = boto(runtime, aws_session_token=runtime.environ["AWS_SESSION_TOKEN"])
    assert good.invoke_endpoint(EndpointName="echo", Body=b"x")["Body"].read() == b"x"
    assert refused(boto(runtime, **STALE))[1] == "UnrecognizedClientException"


def test_another_region_is_refused(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("echo", echo, takes="body")
    assert refused(boto(runtime, region_name="eu-west-1")) == (
        403,
        "InvalidSignatureException",
        "Credential should be scoped to a valid region, not 'eu-west-1'. ",
    )


def test_an_unsigned_request_is_refused(runtime: Runtime, wire: Wire) -> None:
    runtime.deploy("echo", echo, takes="body")
    reply = wire.http.post("/endpoints/echo/invocations", content=b"x")
    assert (reply.status_code, reply.headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
    assert reply.json() == {"message": "Missing Authentication Token"}


def test_an_altered_body_is_refused(runtime: Runtime, wire: Wire) -> None:
    runtime.deploy("echo", echo, takes="body")
    signed = wire.signed("/endpoints/echo/invocations", b"10")
    altered = wire.http.build_request("POST", signed.url, content=b"99", headers=signed.headers)
    assert wire.http.send(altered).headers["x-amzn-errortype"] == "InvalidSignatureException"
    assert wire.http.send(signed).content == b"10"
    assert runtime.executions("echo") == 1


def test_a_digest_that_claims_another_body_does_not_help(runtime: Runtime, wire: Wire) -> None:
    """The JavaScript SDK signs the digest as a header: the header is as good as the body that it goes with."""
    runtime.deploy("echo", echo, takes="body")
    digest = {"X-Amz-Content-SHA256": "4a44dc15364204a80fe80e9039455cc1608281820fe2b24f1e5233ade6af1dd5"}  # of b"10"
    signed = wire.signed("/endpoints/echo/invocations", b"10", **digest)
    altered = wire.http.build_request("POST", signed.url, content=b"99", headers=signed.headers)
    assert wire.http.send(altered).status_code == 403
    assert wire.http.send(signed).content == b"10"


def test_an_altered_header_is_refused(runtime: Runtime, wire: Wire) -> None:
    runtime.deploy("echo", echo, takes="body")
    signed = wire.signed("/endpoints/echo/invocations", b"x", **{"X-Amzn-SageMaker-Custom-Attributes": "user=me"})
    signed.headers["X-Amzn-SageMaker-Custom-Attributes"] = "user=you"
    assert wire.http.send(signed).headers["x-amzn-errortype"] == "InvalidSignatureException"


def test_a_request_that_was_signed_long_ago_is_refused(runtime: Runtime, wire: Wire) -> None:
    runtime.deploy("echo", echo, takes="body")
    then = datetime.now(UTC) - timedelta(hours=1)
    with mock.patch("botocore.auth.get_current_datetime", return_value=then):
        reply = wire.send("/endpoints/echo/invocations", b"x")
    assert reply.headers["x-amzn-errortype"] == "InvalidSignatureException"
    assert reply.json()["message"].startswith(f"Signature expired: {then.strftime(DATE)} is now earlier than ")


def test_a_six_megabyte_body_is_checked(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("size", lambda body: str(len(body)), takes="body")
    reply = boto(runtime).invoke_endpoint(EndpointName="size", Body=bytes(6_291_456))
    assert reply["Body"].read() == b"6291456"


def test_the_control_plane_and_s3_check_too(runtime: Runtime, boto: Callable[..., Any]) -> None:
    for service, operation, code in [
        ("sagemaker", "list_endpoints", "InvalidSignatureException"),
        ("logs", "filter_log_events", "InvalidSignatureException"),
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
    ]:
        client = boto(runtime, service, **WRONG)
        members = {"logGroupName": "x"} if service == "logs" else {}
        with pytest.raises(ClientError) as caught:
            getattr(client, operation)(**members)
        assert caught.value.response["Error"]["Code"] == code
