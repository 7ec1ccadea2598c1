"""The service's limits and refusals: statuses, types, bodies and sentences as they are documented or were captured."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from speaking import Wire, echo

from smrt_jupyter.local import ContainerError, Faults, Limits, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 6_291_456


def caught(client: Any, operation: Any = "invoke_endpoint", **members: Any) -> Any:
    with pytest.raises(ClientError) as error:
        getattr(client, operation)(**({"EndpointName": "one", "Body": b"x"} | members))
    return error.value.response


def test_an_unknown_endpoint_is_the_services_validation_error(wire: Wire) -> None:
    for path in ("invocations", "invocations-response-stream", "async-invocations"):
        reply = wire.send(f"/endpoints/nowhere/{path}", b"x")
        assert reply.status_code == 400
        assert reply.headers["x-amzn-errortype"] == "ValidationError"
        assert reply.headers["content-type"] == "application/json"
        assert reply.content == b'{"Message":"Endpoint nowhere of account 123456789012 not found."}'
        assert len(reply.headers["x-amzn-requestid"]) == 36


def test_a_model_that_raises_is_a_model_error_word_for_word(runtime: Runtime, wire: Wire) -> None:
    """The shape and the sentence are those of aws/sagemaker-tensorflow-serving-container#109 and of many captures."""

    def broken(_: Any) -> None:
        raise ContainerError(502, "<html>\r\n<head>Bad Gateway</head>")

    runtime.deploy("one", broken, takes="body")
    reply = wire.send("/endpoints/one/invocations", b"x")
    assert (reply.status_code, reply.headers["x-amzn-errortype"]) == (424, "ModelError")
    assert list(reply.json()) == ["ErrorCode", "LogStreamArn", "Message", "OriginalMessage", "OriginalStatusCode"]
    assert reply.json() == {
        "ErrorCode": "INTERNAL_FAILURE_FROM_MODEL",
        "LogStreamArn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/one",
        "Message": 'Received server error (502) from primary with message "<html>\r\n<head>Bad Gateway</head>". See '
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group="
        "/aws/sagemaker/Endpoints/one in account 123456789012 for more information.",
        "OriginalMessage": "<html>\r\n<head>Bad Gateway</head>",
        "OriginalStatusCode": 502,
    }


@pytest.mark.parametrize(("status", "kind"), [(404, "client"), (500, "server")])
def test_boto3_parses_the_members_of_a_model_error(
    runtime: Runtime, boto: Callable[..., Any], wire: Wire, status: int, kind: str
) -> None:
    def broken(_: Any) -> None:
        raise ContainerError(status, "no")

    runtime.deploy("one", broken, takes="body")
    response = caught(boto(runtime))
    assert response["Error"]["Code"] == "ModelError"
    assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (status, "no")
    assert response["Error"]["Message"].startswith(f'Received {kind} error ({status}) from primary with message "no". ')
    code = {"client": "CLIENT_ERROR_FROM_MODEL", "server": "INTERNAL_FAILURE_FROM_MODEL"}[kind]
    assert wire.send("/endpoints/one/invocations", b"x").json()["ErrorCode"] == code


def test_any_other_exception_is_a_server_error_with_its_own_words(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda frame: frame["age"])
    response = caught(boto(runtime), Body=b"1,2\n", ContentType="text/csv")
    assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (500, "KeyError: 'age'")
    assert "KeyError: 'age'" in runtime.logs("one")


def test_messages_are_cut_where_the_service_cuts_them(runtime: Runtime, boto: Callable[..., Any]) -> None:
    def broken(_: Any) -> None:
        raise ContainerError(500, "x" * 5000)

    runtime.deploy("one", broken, takes="body")
    response = caught(boto(runtime))
    assert len(response["OriginalMessage"]) == len(response["Error"]["Message"]) == 2048


def test_a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not(
    runtime: Runtime, boto: Callable[..., Any]
) -> None:
    runtime.deploy("one", lambda body: str(len(body)), takes="body")
    assert boto(runtime).invoke_endpoint(EndpointName="one", Body=bytes(LIMIT))["Body"].read() == b"6291456"
    response = caught(boto(runtime), Body=bytes(LIMIT + 1))
    assert response["Error"] == {"Code": "413", "Message": f"HTTP content length exceeded {LIMIT} bytes."}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert runtime.executions("one") == 1


def test_a_body_that_is_far_too_large_breaks_the_connection(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", echo, takes="body")
    with pytest.raises((ConnectionClosedError, ClientError)) as error:
        boto(runtime).invoke_endpoint(EndpointName="one", Body=bytes(8 * LIMIT))
    assert isinstance(error.value, ConnectionClosedError)


def test_a_body_without_a_declared_length_meets_the_same_limit(runtime: Runtime, wire: Wire) -> None:
    runtime.deploy("one", echo, takes="body", faults=Faults(body_limit=1000))
    signed = wire.signed("/endpoints/one/invocations", b"x" * 2000)
    del signed.headers["content-length"]
    parts = (b"x" * 500 for _ in range(4))
    reply = wire.http.post(signed.url, content=parts, headers=signed.headers)
    assert (reply.status_code, reply.text) == (413, "HTTP content length exceeded 1000 bytes.")


def test_serverless_endpoints_take_four_megabytes_and_say_it_their_way(
    runtime: Runtime, boto: Callable[..., Any]
) -> None:
    runtime.deploy("one", lambda body: str(len(body)), takes="body", serverless=True)
    assert boto(runtime).invoke_endpoint(EndpointName="one", Body=bytes(4_194_304))["Body"].read() == b"4194304"
    response = caught(boto(runtime), Body=bytes(4_194_305))
    request_id = response["ResponseMetadata"]["RequestId"]
    assert response["Error"] == {"Code": "ValidationError", "Message": f"Request {request_id} has oversize body."}


def test_serverless_endpoints_throttle_above_their_concurrency_with_a_null_message(
    runtime: Runtime, boto: Callable[..., Any]
) -> Any:
    started, release = threading.Event(), threading.Event()

    def slow(_: Any) -> Any:
        started.set()
        release.wait(20)
        return b"done"

    runtime.deploy("one", slow, takes="body", serverless={"MemorySizeInMB": 1024, "MaxConcurrency": 1})
    first = threading.Thread(target=lambda: boto(runtime).invoke_endpoint(EndpointName="one", Body=b"x"))
    first.start()
    assert started.wait(20)
    speaking = Wire(runtime)
    reply = speaking.send("/endpoints/one/invocations", b"x")
    release.set()
    first.join()
    speaking.http.close()
    assert (reply.status_code, reply.headers["x-amzn-errortype"]) == (400, "ThrottlingException")
    assert reply.content == b'{"message":null}'


def test_a_reply_that_is_too_large_is_not_relayed(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda _: bytes(LIMIT + 1), takes="body")
    message = caught(boto(runtime))["Error"]["Message"]
    assert message.startswith(
        "Received server error (500) from primary and could not load the entire response body. See"
    )


def test_a_model_that_takes_too_long_is_status_zero(boto: Callable[..., Any]) -> Any:
    release = threading.Event()

    def slow(_: Any) -> Any:
        release.wait(20)
        return b"late"

    with Runtime(limits=Limits(invocation_seconds=0.2)) as runtime:
        runtime.deploy("one", slow, takes="body")
        response = caught(boto(runtime))
        release.set()
    assert response["OriginalStatusCode"] == 0
    assert response["Error"]["Message"].startswith(
        'Received server error (0) from primary with message "Your invocation timed out while waiting for a response '
        "from container primary. Review the latency metrics for each container in Amazon CloudWatch, resolve the "
        'issue, and try again.". See https://'
    )


MODELLED = {
    "not_ready": ("ModelNotReadyException", 429),
    "unavailable": ("ServiceUnavailable", 503),
    "internal": ("InternalFailure", 500),
    "dependency": ("InternalDependencyException", 530),
    "model_error": ("ModelError", 424),
    "timeout": ("ModelError", 424),
}
UNMODELLED = {
    "throttle": ("ThrottlingException", 400),
    "access_denied": ("AccessDeniedException", 403),
    "expired_token": ("ExpiredTokenException", 403),
    "bad_gateway": ("502", 502),
}


@pytest.mark.parametrize("kind", MODELLED)
def test_every_modelled_error_is_the_clients_own_class(runtime: Runtime, boto: Callable[..., Any], kind: Any) -> None:
    runtime.deploy("one", echo, takes="body", faults=Faults(script=[kind]))
    client = boto(runtime)
    name, status = MODELLED[kind]
    with pytest.raises(getattr(client.exceptions, name)) as error:
        client.invoke_endpoint(EndpointName="one", Body=b"x")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert error.value.response["Message"]
    assert runtime.executions("one") == 0


@pytest.mark.parametrize("kind", UNMODELLED)
def test_the_other_errors_have_their_names_and_statuses(runtime: Runtime, boto: Callable[..., Any], kind: Any) -> None:
    runtime.deploy("one", echo, takes="body", faults=Faults(script=[kind]))
    response = caught(boto(runtime))
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == UNMODELLED[kind]


def test_access_denied_names_the_user_the_action_and_the_resource(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("One", echo, takes="body", faults=Faults(script=["access_denied"]))
    assert caught(boto(runtime), EndpointName="One")["Error"]["Message"] == (
        "User: arn:aws:sts::123456789012:assumed-role/LocalRuntime/notebook is not authorized to perform: "
        "sagemaker:InvokeEndpoint on resource: arn:aws:sagemaker:us-east-1:123456789012:endpoint/one because no "
        "identity-based policy allows the sagemaker:InvokeEndpoint action"
    )


def test_routers_have_names_of_their_own_for_the_same(runtime: Runtime, boto: Callable[..., Any]) -> None:
    names = {
        "throttle": ("ThrottlingException", 429),
        "unavailable": ("ServiceUnavailableException", 503),
        "not_ready": ("ModelNotReadyException", 429),
        "model_error": ("ModelError", 424),
        "internal": ("InternalFailure", 500),
        "access_denied": ("AccessDeniedException", 403),
    }
    client = boto(runtime, "sagemaker-inference-router-runtime")
    for kind, expected in names.items():
        runtime.deploy("one", echo, takes="body", faults=Faults(script=[kind]))
        runtime.deploy_router("router", {"target": ["one"]})
        with pytest.raises(ClientError) as error:
            client.invoke_inference_router(InferenceRouterName="router", RoutingTargetName="target", Body=b"x")
        response = error.value.response
        assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == expected


def test_the_log_of_a_model_that_failed_is_in_cloudwatch(runtime: Runtime, boto: Callable[..., Any]) -> None:
    def broken(_: Any) -> None:
        raise ValueError("the age is negative")

    runtime.deploy("one", broken, takes="body")
    arn = caught(boto(runtime))["LogStreamArn"]
    group = arn.partition(":log-group:")[2]
    events = boto(runtime, "logs").filter_log_events(logGroupName=group)["events"]
    messages = [event["message"] for event in events]
    assert "Traceback (most recent call last):" in messages
    assert "ValueError: the age is negative" in messages
    assert messages[-1] == '"POST /invocations HTTP/1.1" 500'
    matching = boto(runtime, "logs").filter_log_events(logGroupName=group, filterPattern='"is negative"')["events"]
    assert {event["message"].strip() for event in matching} <= {
        "ValueError: the age is negative", 'raise ValueError("the age is negative")'
    }  # fmt: skip


def test_errors_are_json_with_sorted_keys(runtime: Runtime, wire: Wire) -> None:
    runtime.deploy("one", echo, takes="body")
    reply = wire.send("/endpoints/one/invocations", b"x", **{"X-Amzn-SageMaker-Target-Model": "a.tar.gz"})
    assert (
        reply.content
        == json.dumps(
            {
                "ErrorCode": "TARGET_MODEL_HEADER_NOT_SUPPORTED",
                "Message": "Endpoint one is not a multi-model endpoint and does not support target model header.",
            },
            separators=(",", ":"),
        ).encode()
    )
