"""Plain boto3 against ``serve``: all three operations of the runtime, and every error that its model has."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EventStreamError

from smrt_jupyter.local import Faults, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make a client from variables alone, as a script does."""
    with ExitStack() as stack:

        def make(environ: dict[str, str], service: Any = "sagemaker-runtime", **config: Any) -> Any:
            for name, value in environ.items():
                monkeypatch.setenv(name, value)
            client = boto3.session.Session().client(service, config=Config(**config))
            stack.callback(client.close)
            return client

        yield make


def test_invoke_endpoint(connect: Callable[..., Any], serve: Callable[..., dict[str, str]]) -> None:
    reply = connect(serve("mirror")).invoke_endpoint(
        EndpointName="one", Body="1,2", ContentType="text/csv", Accept="application/json", CustomAttributes="trace=1",
        InferenceId="i1", TargetVariant="AllTraffic", EnableExplanations="`true`", SessionId="NEW_SESSION",
    )  # fmt: skip
    assert json.loads(reply["Body"].read())["members"] == {
        "ContentType": "text/csv", "Accept": "application/json", "CustomAttributes": "trace=1", "InferenceId": "i1",
        "TargetVariant": "AllTraffic", "EnableExplanations": "`true`", "SessionId": "NEW_SESSION",
    }  # fmt: skip
    assert (reply["ContentType"], reply["CustomAttributes"]) == ("application/json", "seen")
    assert reply["InvokedProductionVariant"] == "AllTraffic"
    assert "; Expires=" in reply["NewSessionId"]


def test_invoke_endpoint_with_response_stream(
    connect: Callable[..., Any], serve: Callable[..., dict[str, str]]
) -> None:
    body = json.dumps({"inputs": "Why is the sky bläulich?"})
    reply = connect(serve("speak")).invoke_endpoint_with_response_stream(
        EndpointName="one", Body=body, ContentType="application/json", Accept="application/jsonlines"
    )
    with closing(reply["Body"]) as events:
        parts = [event["PayloadPart"]["Bytes"] for event in events]
    assert max(map(len, parts)) == 7
    lines = b"".join(parts).decode().splitlines()
    assert "".join(json.loads(line)["outputs"][0] for line in lines) == "Whyistheskybläulich?"
    assert reply["ContentType"] == "application/jsonlines"


def test_invoke_endpoint_async(connect: Callable[..., Any], serve: Callable[..., dict[str, str]]) -> None:
    environ = serve("sums", "--asynchronous")
    reply = connect(environ).invoke_endpoint_async(EndpointName="one", Body=b"1,2\n", ContentType="text/csv")
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 202
    bucket, _, key = reply["OutputLocation"].removeprefix("s3://").partition("/")
    s3 = connect(environ, "s3")
    s3.get_waiter("object_exists").wait(Bucket=bucket, Key=key, WaiterConfig={"Delay": 0.1})
    stored = s3.get_object(Bucket=bucket, Key=key)
    assert (stored["Body"].read(), stored["ContentType"]) == (b"3\n", "text/csv; charset=utf-8")


KINDS = {
    "InternalFailure": "internal",
    "ServiceUnavailable": "unavailable",
    "ModelNotReadyException": "not_ready",
    "InternalDependencyException": "dependency",
    "ModelError": "model_error",
    "ValidationError": "ok",  # an endpoint that is not there
}
STREAMED = {"ModelStreamError": "stream_error", "InternalStreamFailure": "stream_failure"}


def test_every_modelled_error_is_parsed_as_its_own_class(connect: Callable[..., Any]) -> None:
    """The list is botocore's: a new modelled error that is not met here fails this test."""
    with Runtime() as runtime:
        client = connect(runtime.environ, retries={"total_max_attempts": 1})
        modelled = {shape.name for shape in client.meta.service_model.error_shapes}
        assert modelled == {*KINDS, *STREAMED}
        for name, kind in KINDS.items():
            runtime.deploy("one", lambda _: "x", faults=Faults(script=[kind]))
            with pytest.raises(getattr(client.exceptions, name)) as error:
                client.invoke_endpoint(EndpointName="none" if kind == "ok" else "one", Body=b"x")
            members = client.meta.service_model.shape_for(name).members
            assert set(members) <= set(error.value.response)
        for name, kind in STREAMED.items():
            runtime.deploy("one", lambda _: iter(["x"]), faults=Faults(script=[kind], stream_after=0))
            reply = client.invoke_endpoint_with_response_stream(EndpointName="one", Body=b"x")
            with closing(reply["Body"]) as events, pytest.raises(EventStreamError) as error:
                list(events)
            assert error.value.response["Error"]["Code"] == name


@pytest.mark.parametrize(
    ("mode", "kind", "attempts"),
    [
        ("standard", "unavailable", 3), ("standard", "throttle", 3), ("standard", "not_ready", 1),
        ("standard", "model_error", 1), ("standard", "dependency", 1), ("standard", "reset", 3),
        ("legacy", "not_ready", 5), ("legacy", "model_error", 1),
    ],
)  # fmt: skip
def test_boto3_retries_here_as_often_as_against_the_service(
    connect: Callable[..., Any], mode: Any, kind: Any, attempts: Any
) -> None:
    """How often is known from measurements of boto3 itself: what looked different here would be counted differently."""
    with Runtime(faults=Faults(**{kind: 1.0})) as runtime:
        runtime.deploy("one", lambda _: "x")
        total = 5 if mode == "legacy" else 3
        client = connect(runtime.environ, retries={"mode": mode, "total_max_attempts": total})
        with pytest.raises(Exception, match=r"InvokeEndpoint|Connection was closed"):
            client.invoke_endpoint(EndpointName="one", Body=b"x")
        assert len(runtime.requests) == attempts
